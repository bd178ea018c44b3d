"""The run from beginning to end: viewers come, one fault after another strikes, all is judged."""

import asyncio
import random
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from tests.chaos.balancer import Balancer
from tests.chaos.claims import (
    ADDED_UP_SECONDS,
    CLAIM_SECONDS,
    MISCOUNTED,
    TALLY_SECONDS,
    Verdict,
    judge,
)
from tests.chaos.faults import KINDS, Kind
from tests.chaos.journal import Journal
from tests.chaos.operators import (
    LOOK_SECONDS,
    Operators,
    active_in_metrics,
    active_in_stats,
)
from tests.chaos.stage import Stage
from tests.chaos.truth import Away, Span, Truth
from tests.chaos.viewers import Around, Habits, Viewer
from tests.support.poll import until

LIMIT = 3
Say = Callable[[str], None]


@dataclass(frozen=True)
class Plan:
    """How large, how long, and which dice. All times in seconds.

    Faults go on in rounds, each kind once a round in an order of its own, until ``lasts`` is over
    and at least one round is. Between them there are ``calms``. Each lasts for ``strikes``; one
    that takes part of the store away, from when that is somebody else's.
    """

    seed: int
    viewers: int
    lasts: float
    ttl: float
    habits: Habits
    strikes: tuple[float, float]
    calms: tuple[float, float]

    @property
    def accounts(self) -> list[str]:
        """One for as many viewers as an account may have streams, and one more."""
        return [f"household-{number}" for number in range(self.viewers // (LIMIT + 1))]


@dataclass
class Outcome:
    """What came of it.

    ``right_after`` is how long after the last fault counts were right again, in seconds, and
    ``streams`` how many they were then.
    """

    plan: Plan
    journal: Journal
    operators: Operators
    verdict: Verdict
    right_after: float | None
    streams: int


async def play(plan: Plan, say: Say) -> Outcome:
    """Run all of it."""
    async with Stage(ttl=plan.ttl, limit=LIMIT) as stage:
        journal = Journal(Truth(plan.ttl, LIMIT))
        dice = random.Random(f"{plan.seed} operators")
        operators = Operators(stage.proxies, plan.accounts, journal, dice)
        calm, over = asyncio.Event(), asyncio.Event()
        async with _crowd(plan, stage, operators, calm, over):
            await _trouble(plan, stage, journal, say)
            calm.set()
            right_after = await _right(plan, stage, operators)
            streams = len(journal.playing)
            for account in plan.accounts:
                await operators.look(account)
            await asyncio.sleep(2 * plan.habits.beat)  # so that it is known who played on
            over.set()
        verdict = judge(journal, operators)
        if right_after is None:
            tell = f"never right in the end, when {streams} play"
            verdict.found(MISCOUNTED, claimed=True, tell=tell)
        return Outcome(plan, journal, operators, verdict, right_after, streams)


@asynccontextmanager
async def _crowd(
    plan: Plan, stage: Stage, operators: Operators, calm: asyncio.Event, over: asyncio.Event
) -> AsyncIterator[None]:
    """Have viewers come, and operators look on."""
    settings = stage.proxies[0].loaded()
    around = Around(
        Balancer(stage.proxies), operators.journal, settings, plan.habits, operators.look
    )
    viewers = [
        Viewer(around, account, number, f"{plan.seed}")
        for account in plan.accounts
        for number in range(LIMIT + 1)
    ]
    async with asyncio.TaskGroup() as group:
        for viewer in viewers:
            group.create_task(viewer.live(calm, over))
        working = group.create_task(operators.work())
        yield
        working.cancel()


async def _trouble(plan: Plan, stage: Stage, journal: Journal, say: Say) -> None:
    """Have one fault after another."""
    dice, began = random.Random(plan.seed), time.monotonic()
    for struck, kind in enumerate(_rounds(dice)):
        if struck >= len(KINDS) and time.monotonic() - began > plan.lasts:
            return
        await asyncio.sleep(dice.uniform(*plan.calms))
        back = await _strike(kind, plan, stage, journal, dice)
        say(f"{time.monotonic() - began:5.0f} s  {kind.name}: well again after {back:.1f} s")


def _rounds(dice: random.Random) -> Iterator[Kind]:
    """Give all kinds in one order, then in another, for ever."""
    while True:
        yield from dice.sample(KINDS, len(KINDS))


async def _strike(
    kind: Kind, plan: Plan, stage: Stage, journal: Journal, dice: random.Random
) -> float:
    """Have one fault; give how long it took until all was seen to be well.

    Where part of the store is taken away, that is from when it struck until somebody else has it;
    else from when the fault was undone.
    """
    journal.begins(kind.name)
    struck, back = time.monotonic(), None
    async with kind.strike(stage, dice) as slots:
        if slots:
            await until(stage.sees_store, "the store is back", 90)
            seen = time.monotonic()
            back = seen - struck
            hit = frozenset(filter(stage.in_slots(slots), plan.accounts))
            journal.truth.away.append(Away(Span(struck, seen + CLAIM_SECONDS), hit))
        await asyncio.sleep(dice.uniform(*plan.strikes))
        undone = time.monotonic()
    await stage.well()
    if back is None:
        back = time.monotonic() - undone
    journal.during[kind.name].back.append(back)
    journal.ends()
    return back


async def _right(plan: Plan, stage: Stage, operators: Operators) -> float | None:
    """Wait until counts are what plays; give how long after the last fault, None where too long."""
    journal = operators.journal
    give_up = journal.over_at + plan.ttl + TALLY_SECONDS + ADDED_UP_SECONDS
    while time.monotonic() < give_up:
        if await _all_right(stage, operators):
            return time.monotonic() - journal.over_at
        await asyncio.sleep(LOOK_SECONDS)
    return None


async def _all_right(stage: Stage, operators: Operators) -> bool:
    playing = operators.journal.playing
    for proxy in stage.proxies:
        for active in (active_in_stats, active_in_metrics):
            if await active(proxy) != len(playing):
                return False
    return True
