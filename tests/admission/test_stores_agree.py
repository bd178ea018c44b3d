"""The model, the memory store and Redis, driven through the same random histories.

What they answer must be equal to the last field; and the tally in Redis must be of what is stored
there. The world is small on purpose, so that streams
meet: one account, a handful of streams on three devices, steps in time around every threshold.
"""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from enum import StrEnum
from itertools import count
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from proxy.admission.decision import decide
from proxy.admission.ledger import (
    CROWDED_TOMBSTONES,
    LINGER_MS,
    MAX_CHURN,
    MAX_TOMBSTONES,
    RELEASED_MS,
    Ledger,
)
from proxy.admission.memory import MemoryStore
from proxy.admission.policy import OnLimit, Policy, Rule, Takeover
from proxy.admission.redis import RedisStore
from proxy.admission.revocations import Revocation
from proxy.admission.slot import Slot
from proxy.admission.tally import FAR_LATE_MS, FAR_MS, LATE_MS
from proxy.model import Stray, Subject
from proxy.streams import Attempt, Cadence, Decision, Ended, EndReason, Intent, Lapsed, Outcome
from tests.admission.samples import attempt, policy
from tests.support.redis_server import RedisServer

START_MS = 1_700_000_000_000
# Each history is an account of its own, under keys of its own, so that none needs an emptied Redis.
accounts, stores = count(), count()

# Stream ids with the device they play on. Capitals and lower case, for an order that must not
# depend on a locale.
# As long as ids are, for one that stands in the texts of another is looked at more closely.
STREAMS = {
    name * 24: plays_on
    for name, plays_on in {
        "a": ("browser", False),
        "B": ("browser", False),
        "c": ("browser", False),
        "D": ("tv", True),
        "e": ("tv", True),
        # A device may name itself what a guess gives for another; those are never the same.
        "f": ("browser", True),
    }.items()
} | {"astray": ("browser", False)}
STRAY = Stray("astray", "browser")
COMES_AND_GOES = "a" * 24
ROUTES = {stream: "live" if stream.islower() else "vod" for stream in STREAMS}
# Long enough that Redis's own clock, by which keys expire, never reaches a slot's end within a
# history; that they expire is shown elsewhere.
TTL, HOLD, INTERVAL, SILENT = 30_000, 200_000, 8_001, 20_000
CADENCES = (
    Cadence(TTL, 0, INTERVAL),
    Cadence(TTL, 0, INTERVAL, self_refreshing=True),
    Cadence(20_000, 0, 1_001),
    Cadence(90_000, HOLD, 30_000),
    Cadence(90_000, FAR_MS + 1, 30_000),
    Cadence(TTL, 0, INTERVAL, guess=True),
)
# Names of which one is a part of the other.
RULES = ("one", "one-more")
rules = st.tuples(
    *(
        st.builds(Rule, st.just(name), st.sampled_from([0, 1, 1, 2]), st.booleans())
        for name in RULES
    )
)
policies = st.builds(
    policy,
    st.sampled_from([*Takeover, Takeover.QUIET, *[Takeover.PROVISIONAL] * 3]),
    st.sampled_from([*[OnLimit.REJECT] * 3, OnLimit.EVICT_OLDEST]),
    silent_after_ms=st.sampled_from([0, SILENT, SILENT]),
    max_networks=st.integers(1, 3),
    tombstone_ms=st.sampled_from([RELEASED_MS, 150_000]),
    rules=st.one_of(st.just(()), rules),
    observes=st.sampled_from([False, False, False, True]),
)


class Who(StrEnum):
    """Whom a step is about, so that histories are dense: picked by what is there when it comes."""

    ANY = "any"
    ACTIVE = "active"
    ZAPPER = "zapper"  # not active, on the device of one that is
    ENDED = "ended"


class When(StrEnum):
    """What a wait ends at."""

    OVERDUE = "overdue"
    SILENT = "silent"
    LAPSE = "lapse"
    FORGOTTEN = "forgotten"
    NETWORK = "network"
    HELD = "held"
    RELEASED = "released"
    TOMBSTONE = "tombstone"
    REVOKED = "revoked"
    CHURN = "churn"


@dataclass(frozen=True)
class Issue:
    """What the stores know of a token: its id, and when it was issued."""

    jti: str | None
    issued_ms: int | None


NO_CREDENTIAL = Issue(None, None)
FRESH = Issue("fresh", START_MS + 3_600_000)
TOKENS = (
    FRESH,
    Issue("one", START_MS - 2_000),
    Issue("two", START_MS - 1),
    Issue(None, START_MS),
    Issue(None, 0),
)


@dataclass(frozen=True)
class Target:
    who: Who
    number: int


@dataclass(frozen=True)
class Ask:
    """A request; its ``instance`` is one heard of before, the latest first, and 0 none."""

    target: Target
    instance: int
    network: str
    has_stray: bool
    limit: int | None  # another than the account's: its plan was changed
    cadence: Cadence
    beat: bool
    intent: Intent
    rules: tuple[str, ...] | None
    token: Issue


@dataclass(frozen=True)
class Wait:
    """Wait for some milliseconds, or until just before, at, or after something."""

    ms: int
    until: When | None = None
    number: int = 0


@dataclass(frozen=True)
class Lapse:
    """Look for what has lapsed."""


@dataclass(frozen=True)
class Amend:
    target: Target
    cadence: Cadence


@dataclass(frozen=True)
class Release:
    target: Target
    instance: int


@dataclass(frozen=True)
class Stop:
    target: Target


@dataclass(frozen=True)
class End:
    target: Target | None
    hold_ms: int


@dataclass(frozen=True)
class Revoke:
    """A revocation, of which nothing could be used after so many milliseconds."""

    jti: str | None
    before_ms: int
    lasts_ms: int


Step = Ask | Wait | Lapse | Amend | Release | Stop | End | Revoke

targets = st.builds(
    Target,
    st.sampled_from([Who.ANY, Who.ACTIVE, Who.ACTIVE, Who.ZAPPER, Who.ZAPPER, Who.ENDED]),
    st.integers(0, 6),
)
cadences = st.sampled_from(CADENCES)
instances = st.sampled_from([0, 0, 1, 1, 2])
asks = st.builds(
    Ask,
    targets,
    instances,
    network=st.sampled_from(["home", "home", "mobile", "office", "bus", ""]),
    has_stray=st.booleans(),
    limit=st.sampled_from([*[None] * 12, 0, 1, 2, 3]),
    cadence=cadences,
    beat=st.booleans(),
    intent=st.sampled_from(
        [*[Intent.START] * 8, Intent.PEEK, *[Intent.RESUME] * 2, *[Intent.CLAIM] * 2, Intent.TOUCH]
    ),
    rules=st.sampled_from([(), *[RULES] * 2, *[(name,) for name in RULES] * 2, None]),
    token=st.sampled_from([*[FRESH] * 6, *TOKENS, NO_CREDENTIAL]),
)
lasting = st.sampled_from([0, 5_000, 400_000])
waits = st.builds(Wait, st.sampled_from([1, 700, 3_000]))
moments = st.builds(Wait, st.sampled_from([-1, 0, 1]), st.sampled_from(When), st.integers(0, 3))
others: st.SearchStrategy[Step] = st.one_of(
    st.builds(Amend, targets, cadences),
    st.builds(Release, targets, instances),
    st.builds(Stop, targets),
    st.builds(End, targets, st.sampled_from([0, 15_000])),
    st.builds(End, st.none(), st.just(0)),
    st.builds(Lapse),
    st.builds(Revoke, st.sampled_from(["one", "two", "other"]), st.just(0), lasting),
    st.builds(Revoke, st.none(), st.sampled_from([START_MS - 1, START_MS, START_MS + 1]), lasting),
)
# Chosen among by weight; one_of would flatten what is nested and weigh all alike.
kinds: list[st.SearchStrategy[Step]] = [*[asks] * 9, *[waits] * 2, *[moments] * 3, others]
steps = st.sampled_from(kinds).flatmap(lambda kind: kind)
histories = st.lists(steps, min_size=30, max_size=80)


OPENED = (Outcome.ADMITTED, Outcome.TAKEOVER, Outcome.PROVISIONAL, Outcome.OBSERVED)


def counted_until(slot: Slot) -> int:
    """The last instant at which the tally in Redis may count a slot."""
    far = slot.beats == 0 and slot.cadence.hold_ms > FAR_MS
    return slot.expires_ms + (FAR_LATE_MS if far else LATE_MS)


def carrying(rule: Rule, slots: list[Slot]) -> int:
    return sum(rule.name in slot.rules for slot in slots)


@dataclass
class Trio:
    """One account in three places, on one clock."""

    policy: Policy
    shared: RedisStore
    clock: "Clock"
    limit: int
    account: str
    churned: int = 0  # how often, before the history begins
    ledger: Ledger = field(default_factory=Ledger)
    instances: dict[str, list[int]] = field(default_factory=dict)
    seen: Counter[str] = field(default_factory=Counter)

    def __post_init__(self) -> None:
        self.clock.now_ms = START_MS
        self.memory = MemoryStore(self.policy, lambda: self.clock.now_ms / 1000)

    async def churn(self) -> None:
        """Let a stream come and go."""
        wanted = attempt(COMES_AND_GOES, account=self.account, limit=1, issued_ms=FRESH.issued_ms)
        for _time in range(self.churned):
            for told in (
                decide(self.ledger, wanted, self.policy, self.clock.now_ms),
                await self.memory.decide(wanted),
                await self.shared.decide(wanted),
            ):
                assert told.outcome is Outcome.ADMITTED
            ended = await self.release(COMES_AND_GOES, None)
            assert ended == [ended[0]] * 3
            assert ended[0]

    async def take(self, step: Step) -> None:
        answers: list[Any]
        match step:
            case Wait():
                self.wait(step)
                return
            case Ask():
                answers = await self.ask(step)
            case Amend(target, cadence):
                answers = await self.amend(self.pick(target), cadence)
            case Release(target, number):
                stream = self.pick(target)
                answers = await self.release(stream, self.instance(stream, number))
            case Stop(target):
                answers = await self.stop(self.pick(target))
            case Lapse():
                answers = await self.lapse()
            case End(target_or_none, hold_ms):
                answers = await self.end(
                    self.pick(target_or_none) if target_or_none else None, hold_ms
                )
            case Revoke():
                answers = await self.revoke(step)
        assert answers == [answers[0]] * 3
        listings = [
            self.ledger.listing(self.clock.now_ms),
            await self.memory.streams(self.account),
            await self.shared.streams(self.account),
        ]
        assert listings == [listings[0]] * 3
        await self.hold_the_tally()

    async def ask(self, step: Ask) -> list[Decision]:
        stream = self.pick(step.target)
        device, strong = STREAMS[stream]
        wanted = attempt(
            stream,
            account=self.account,
            device=device,
            strong=strong,
            network=step.network,
            stray=STRAY if step.has_stray else None,
            instance_ms=self.instance(stream, step.instance),
            limit=self.limit if step.limit is None else step.limit,
            cadence=step.cadence,
            beat=step.beat,
            intent=step.intent,
            rules=step.rules,
            jti=step.token.jti,
            issued_ms=step.token.issued_ms,
            route=ROUTES[stream],
        )
        before = self.ledger.active(self.clock.now_ms)
        told = decide(self.ledger, wanted, self.policy, self.clock.now_ms)
        self.hold_the_limit(wanted, told, before)
        known = self.instances.setdefault(told.stream, [])
        if told.started_ms and told.started_ms not in known:
            known.append(told.started_ms)
        self.seen[f"{wanted.intent} {told.outcome} {told.reason}"] += 1
        self.seen.update(f"ends {ended.reason}" for ended in told.ended)
        return [told, await self.memory.decide(wanted), await self.shared.decide(wanted)]

    async def amend(self, stream: str, cadence: Cadence) -> list[None]:
        self.ledger.amend(stream, cadence, self.clock.now_ms)
        await self.memory.amend(self.account, stream, cadence)
        await self.shared.amend(self.account, stream, cadence)
        return [None] * 3

    async def lapse(self) -> list[Lapsed]:
        now_ms = self.clock.now_ms
        told = Lapsed(tuple(self.ledger.drop_lapsed(now_ms)), self.ledger.next_lapse(now_ms))
        self.seen.update(f"ends {ended.reason}" for ended in told.ended)
        [in_memory] = await self.memory.drop_lapsed([self.account])
        [shared] = await self.shared.drop_lapsed([self.account])
        return [told, in_memory, shared]

    async def release(self, stream: str, instance_ms: int | None) -> list[Ended | None]:
        return [
            self.ledger.release(stream, instance_ms, self.clock.now_ms),
            await self.memory.release(self.account, stream, instance_ms),
            await self.shared.release(self.account, stream, instance_ms),
        ]

    async def stop(self, stream: str) -> list[tuple[Ended, ...]]:
        now_ms = self.clock.now_ms
        return [
            self.ledger.stop(stream, self.policy, now_ms, by="phone"),
            await self.memory.stop(self.account, stream, by="phone"),
            await self.shared.stop(self.account, stream, by="phone"),
        ]

    async def end(self, stream: str | None, hold_ms: int) -> list[tuple[Ended, ...]]:
        return [
            self.ledger.end(stream, self.policy, self.clock.now_ms, by="admin", hold_ms=hold_ms),
            await self.memory.end(self.account, stream, by="admin", hold_ms=hold_ms),
            await self.shared.end(self.account, stream, by="admin", hold_ms=hold_ms),
        ]

    async def revoke(self, step: Revoke) -> list[Any]:
        until_ms = self.clock.now_ms + step.lasts_ms
        told = Revocation(until_ms, step.jti, step.before_ms)
        ended = [
            self.ledger.revoke(told, self.policy, self.clock.now_ms),
            await self.memory.revoke(self.account, told),
            await self.shared.revoke(self.account, told),
        ]
        active = self.ledger.active(self.clock.now_ms)
        assert not any(self.is_revoked(Issue(slot.jti, slot.issued_ms)) for slot in active)
        return [
            (ended[0], [self.is_revoked(token) for token in TOKENS]),
            (ended[1], [await self.memory.is_revoked(self.subject(it)) for it in TOKENS]),
            (ended[2], [await self.shared.is_revoked(self.subject(it)) for it in TOKENS]),
        ]

    def is_revoked(self, token: Issue) -> bool:
        return self.ledger.revocations.cover(token, self.clock.now_ms)

    def subject(self, token: Issue) -> Subject:
        return Subject(self.account, jti=token.jti, issued_at=(token.issued_ms or 0) / 1000)

    def hold_the_limit(self, wanted: Attempt, told: Decision, before: list[Slot]) -> None:
        after = self.ledger.active(self.clock.now_ms)
        assert wanted.intent is Intent.PEEK or told.playing == len(after)
        opened = told.outcome in OPENED and wanted.intent is not Intent.PEEK
        if not opened:
            assert len(after) <= len(before)
        if self.policy.observes:
            assert told.outcome is not Outcome.REFUSED
            assert told.reason in (None, EndReason.KILLED)
        elif opened:
            one_above = self.ledger.slots[told.stream].rival is not None
            assert len(after) <= max(wanted.limit + one_above, len(before))
            for rule in self.policy.rules:
                if rule.name in (wanted.rules or ()) and not rule.observed:
                    most = max(rule.limit + one_above, carrying(rule, before))
                    assert carrying(rule, after) <= most
        rivals = [slot.rival for slot in self.ledger.slots.values() if slot.rival]
        assert len(rivals) <= 1
        assert set(rivals) <= set(self.ledger.slots)

    async def hold_the_tally(self) -> None:
        """All that is active is counted, and for a while what has lapsed and was not noticed."""
        now_ms, slots = self.clock.now_ms, self.ledger.slots.values()
        active = Counter(slot.route for slot in slots if slot.expires_ms > now_ms)
        at_most = Counter(slot.route for slot in slots if counted_until(slot) > now_ms)
        counted = Counter(await self.shared.active())
        assert active <= counted <= at_most
        assert await self.memory.active() == active

    def pick(self, target: Target) -> str:
        active = [slot.stream for slot in self.ledger.active(self.clock.now_ms)]
        busy = {self.ledger.slots[stream].device for stream in active}
        zappers = [s for s, (device, _) in STREAMS.items() if device in busy and s not in active]
        candidates = {
            Who.ANY: [],
            Who.ACTIVE: active,
            Who.ZAPPER: zappers,
            Who.ENDED: list(self.ledger.tombstones),
        }[target.who] or list(STREAMS)
        return candidates[target.number % len(candidates)]

    def wait(self, step: Wait) -> None:
        if step.until is None:
            self.clock.now_ms += step.ms
            return
        moments = self.moments(step.until)
        if moments:
            then_ms = moments[step.number % len(moments)] + step.ms
            self.clock.now_ms = max(self.clock.now_ms, then_ms)

    def moments(self, when: When) -> list[int]:
        slots = self.ledger.active(self.clock.now_ms)
        tombstones, revoked = self.ledger.tombstones.values(), self.ledger.revocations
        return {
            When.OVERDUE: [slot.overdue_at() for slot in slots],
            When.SILENT: [slot.started_ms + self.policy.silent_after_ms for slot in slots],
            When.LAPSE: [slot.expires_ms for slot in slots],
            When.FORGOTTEN: [slot.expires_ms + LINGER_MS for slot in slots],
            When.NETWORK: [seen + s.cadence.ttl_ms for s in slots for _, seen in s.networks],
            When.HELD: [tombstone.hold_until_ms for tombstone in tombstones],
            When.RELEASED: [tombstone.released_until_ms for tombstone in tombstones],
            When.TOMBSTONE: [tombstone.until_ms for tombstone in tombstones],
            When.CHURN: [self.ledger.may_churn_at()],
            When.REVOKED: [revoked.before_until_ms or START_MS, *revoked.jtis.values()],
        }[when]

    def instance(self, stream: str, number: int) -> int | None:
        known = self.instances.get(stream, [])
        return known[-number] if 0 < number <= len(known) else None


@dataclass
class Clock:
    """What the shared store takes for Redis's clock."""

    now_ms: int = START_MS


@dataclass(frozen=True)
class World:
    """What outlives one history: a store's URL, the clock it is told, and a loop to ask it on."""

    url: str
    clock: Clock
    runner: asyncio.Runner

    @asynccontextmanager
    async def shared(self, rules: Policy) -> AsyncIterator[RedisStore]:
        store = RedisStore(
            self.url,
            rules,
            key_prefix=f"agree {next(stores)}",
            timeout=30,
            now_ms=lambda: self.clock.now_ms,
        )
        await store.start()
        try:
            yield store
        finally:
            await store.close()


@pytest.fixture
def world(redis_server: RedisServer) -> Iterator[World]:
    with asyncio.Runner() as runner:
        yield World(redis_server.url, Clock(), runner)


async def live_through(
    world: World, rules: Policy, limit: int, history: list[Step], churned: int
) -> Counter[str]:
    async with world.shared(rules) as store:
        trio = Trio(rules, store, world.clock, limit, f"account {next(accounts)}", churned)
        await trio.churn()
        for step in history:
            await trio.take(step)
        return trio.seen


@given(
    rules=policies,
    limit=st.sampled_from([1, 1, 2, 2, 3]),
    history=histories,
    churned=st.sampled_from([0, 0, 0, MAX_CHURN - 1]),
)
@settings(
    max_examples=120,
    deadline=None,
    # The fixture is a server and a loop: nothing in it is of one example.
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
def test_model_memory_and_redis_agree(
    world: World, rules: Policy, limit: int, history: list[Step], churned: int
) -> None:
    world.runner.run(live_through(world, rules, limit, history, churned))


def test_they_agree_on_which_tombstones_are_kept(world: World) -> None:
    """More ends than are remembered, many in one millisecond, some of them over already."""
    zaps = [f"{number:03}" for number in range(MAX_TOMBSTONES + CROWDED_TOMBSTONES)]
    clock = world.clock

    async def zap_on() -> Counter[Outcome]:
        rules = policy(tombstone_ms=TTL)
        memory = MemoryStore(rules, lambda: clock.now_ms / 1000)
        outcomes = Counter[Outcome]()
        async with world.shared(rules) as store:
            for number, zap in enumerate(zaps):
                clock.now_ms += TTL - 10 if number == CROWDED_TOMBSTONES else number % 2
                wanted = attempt(zap, account="zapper", limit=1)
                assert await store.decide(wanted) == await memory.decide(wanted)
                ended = await store.end("zapper", zap, by="admin")
                assert ended == await memory.end("zapper", zap, by="admin")
            for zap in zaps:
                stale = attempt(zap, account="zapper", instance_ms=START_MS, intent=Intent.TOUCH)
                told = await store.decide(stale)
                assert told == await memory.decide(stale)
                outcomes[told.outcome] += 1
        return outcomes

    assert world.runner.run(zap_on())[Outcome.ENDED] == MAX_TOMBSTONES
