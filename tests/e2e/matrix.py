"""What is looked at in every player, in every form it plays: one row of the matrix.

Nothing here knows a player. Each run gives the player a URL, looks at what the store counts and at
what comes through the proxy's door, and says what it saw; whether that is as it should be is a mark
(✓ or ✗), and a ✗ needs a reason (shortcomings.py).
"""

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from typing import Any

from tests.e2e.door import Visit
from tests.e2e.player import Form, Player, Playing
from tests.e2e.stage import ELSEWHERE, TTL, Stage, Viewer, lives_by_beats
from tests.support.poll import until

PLAYS_FOR = 2 * TTL + 1
# Seconds a refused player is watched, and one whose stream was ended.
REFUSED_FOR = 8
ENDED_FOR = 15
# Seconds without a move after which a picture stands: some players tell their position in whole
# seconds only.
STANDS = 2.5
# A browser, or a GStreamer that builds its registry, on a machine that runs a dozen of them.
PATIENCE = 120
# Requests per second that are a storm: a player that is told no and asks all the faster.
STORM = 5


class Column(StrEnum):
    """What is looked at."""

    ONE = "one stream"
    FREED = "free after a crash"
    REFUSED = "refused at the limit"
    SUPERSEDED = "taken over"
    KILLED = "stopped by an operator"


@dataclass
class Finding:
    """One cell: as it should be or not, and what was seen, in a few words."""

    good: bool
    seen: str


@dataclass
class Figures:
    """What is measured along the way; seconds, but ``steering_per_minute``."""

    over_counts: int = 0
    under_counts: int = 0
    crash_to_free: float | None = None
    steering_per_minute: float = 0.0
    steering_replies: list[float] = field(default_factory=list)


@dataclass
class Row:
    """One player in one form."""

    player: str
    form: Form
    findings: dict[Column, Finding]
    figures: Figures

    def as_json(self) -> dict[str, Any]:
        return asdict(self)

    @property
    def bad(self) -> set[Column]:
        return {column for column, finding in self.findings.items() if not finding.good}


async def look(stage: Stage, player: Player, form: Form) -> Row:
    """Fill a row; its runs go on side by side, each with an account of its own."""
    figures = Figures()
    async with asyncio.TaskGroup() as runs:
        plays = runs.create_task(_plays_and_crashes(stage, player, form, figures))
        refused = runs.create_task(_is_refused(stage, player, form))
        superseded = runs.create_task(_is_ended(stage, player, form, _take_over))
        killed = runs.create_task(_is_ended(stage, player, form, _kill))
    one, freed = plays.result()
    findings = {
        Column.ONE: one,
        Column.FREED: freed,
        Column.REFUSED: refused.result(),
        Column.SUPERSEDED: superseded.result(),
        Column.KILLED: killed.result(),
    }
    return Row(player.name, form, findings, figures)


# --- Playing, and dying ----------------------------------------------------------------------


async def _plays_and_crashes(
    stage: Stage, player: Player, form: Form, figures: Figures
) -> tuple[Finding, Finding]:
    # Room for more, or a second stream would be refused instead of counted.
    viewer = stage.viewer(limit=5)
    async with player.play(viewer.url(form), form) as playing, counting(viewer) as counts:
        start = await _until_it_plays(playing)
        begun = time.monotonic()
        await viewer.counts(PLAYS_FOR)

        async def has_played() -> bool:
            assert await playing.failure() is None, f"it gave up: {await playing.failure()}"
            return await playing.position() > start + PLAYS_FOR

        # It may have stalled where the machine was busy; then it plays on.
        await until(has_played, "it plays on", PATIENCE)
        minutes = (time.monotonic() - begun) / 60
        figures.steering_per_minute = len(_beats(viewer.visits(begun))) / minutes
        # Those at the start included, for which Shaka waits before it plays.
        figures.steering_replies = _beats(viewer.visits())
        before = list(counts)
        await playing.crash()
    figures.over_counts = sum(count > 1 for count in before)
    figures.under_counts = before[before.index(1) :].count(0)
    miscounts = figures.over_counts + figures.under_counts
    one = Finding(miscounts == 0, f"{Counter(before)}" if miscounts else "")
    return one, await _is_freed(viewer, figures)


def _beats(visits: Iterable[Visit]) -> list[float]:
    """Give how long each answer of the steering server took."""
    return [visit.seconds for visit in visits if visit.kind == "steering"]


async def _is_freed(viewer: Viewer, figures: Figures) -> Finding:
    """Wait for a dead player's slot to lapse, or for another stream to get it."""
    crashed = time.monotonic()
    eager = Viewer(viewer.stage, viewer.account, 1, viewer.hashed)
    left = await viewer.streams()
    if not all(lives_by_beats(stream) for stream in left):
        # Nothing was heard of it since it loaded what it needed: held for as long as that lasts,
        # and given to whoever else wants to watch.

        async def lets_another_in() -> bool:
            return await eager.start(Form.HLS_LIVE, ELSEWHERE, "another device") == 200

        await until(lets_another_in, "a silent slot is given to another")
        return Finding(good=False, seen=f"given to another in {_since(crashed)}")

    async def is_free() -> bool:
        return await viewer.count() == 0

    await until(is_free, "its slot is free")
    figures.crash_to_free = time.monotonic() - crashed
    # What is listed and what is decided are two things.
    assert await eager.start(Form.HLS_LIVE, ELSEWHERE, "another device") == 200
    return Finding(good=True, seen=_since(crashed))


# --- Being refused -------------------------------------------------------------------------------


async def _is_refused(stage: Stage, player: Player, form: Form) -> Finding:
    viewer = stage.viewer()
    async with viewer.occupied(), player.play(viewer.url(form), form) as playing:

        async def asked() -> bool:
            return any(visit.answered for visit in viewer.visits())

        await until(asked, "it asks", PATIENCE)
        counts = await viewer.counts(REFUSED_FOR)
        failure = await playing.failure()
    # The last may have been asked by a player that was closed before it could be answered.
    visits = [visit for visit in viewer.visits() if visit.answered]
    assert {visit.status for visit in visits} == {429}, Counter(visit.status for visit in visits)
    assert viewer.at_origin() == [], "a refused request reached the origin"
    assert set(counts) == {1}
    storm = len(visits) > STORM * REFUSED_FOR
    end = "gives up" if failure is not None else "says nothing"
    return Finding(not storm, f"{_requests(len(visits))}, {end}")


# --- Being ended -------------------------------------------------------------------------------


# Each gives how many streams may be counted from then on.


async def _take_over(viewer: Viewer) -> int:
    """Start another title on the very device: at the limit of one the older stream must go."""
    assert await viewer.start(Form.HLS_LIVE, ELSEWHERE, DEVICE) == 200
    return 1


async def _kill(viewer: Viewer) -> int:
    await viewer.end()
    return 0


DEVICE = "the device"


async def _is_ended(
    stage: Stage, player: Player, form: Form, end: Callable[[Viewer], Awaitable[int]]
) -> Finding:
    viewer = stage.viewer()
    async with player.play(viewer.url(form, device=DEVICE), form) as playing:
        await _until_it_plays(playing)
        left = await end(viewer)
        ended = time.monotonic()
        async with counting(viewer) as counts:
            stopped = await _stops(playing, lambda: _refused(viewer).total() > 0)
    assert max(counts) <= left, f"counted after its end: {Counter(counts)}"
    visits = [visit for visit in viewer.visits() if visit.kind != "steering"]
    served = [visit for visit in visits if visit.at >= ended and 200 <= visit.status < 300]
    assert not served, f"it was served on: {served}"
    refused = _refused(viewer)
    asks = ", ".join(f"{count} {kind}" for kind, count in sorted(refused.items()))
    after = stopped or "plays its buffer out"
    if not refused:
        return Finding(good=False, seen=f"asks for nothing more; {after}")
    storm = ", a storm" if sum(refused.values()) > STORM * ENDED_FOR else ""
    return Finding(good=True, seen=f"409 to {asks}{storm}; {after}")


def _refused(viewer: Viewer) -> Counter[str]:
    """Count what a player that was ended was refused, by kind.

    From before it was known to be ended: a player may ask, and be told, while a takeover is still
    being answered, and never again.
    """
    visits = (visit for visit in viewer.visits() if visit.status == 409)
    return Counter(visit.kind for visit in visits if visit.kind != "steering")


async def _stops(playing: Playing, is_refused: Callable[[], bool]) -> str:
    """Watch whether playback ends: in what way, empty where it went on to the last.

    Until it is refused: where the machine is busy, its picture may stand before it asks.
    """
    last, moved = await playing.position(), time.monotonic()
    begun = moved
    while time.monotonic() < begun + (ENDED_FOR if is_refused() else PATIENCE):
        if await playing.failure() is not None:
            return f"gives up in {_since(begun)}"
        position = await playing.position()
        if position != last:
            last, moved = position, time.monotonic()
        elif time.monotonic() > moved + STANDS and is_refused():
            return f"stands in {moved - begun:.0f} s"
        await asyncio.sleep(0.2)
    return ""


# --- Looking -------------------------------------------------------------------------------------


async def _until_it_plays(playing: Playing) -> float:
    """Wait until the picture moves for the second time; gives the position.

    The first move may be a jump to the live edge.
    """
    places = {0.0}

    async def moves() -> bool:
        assert await playing.failure() is None, f"it gave up: {await playing.failure()}"
        places.add(await playing.position())
        return len(places) > 3

    await until(moves, "it plays", PATIENCE)
    return max(places)


@asynccontextmanager
async def counting(viewer: Viewer) -> AsyncIterator[list[int]]:
    """Look all the time at how many streams are counted, and once at the least."""
    counts = [await viewer.count()]

    async def watch() -> None:
        while True:
            counts.append(await viewer.count())
            await asyncio.sleep(0.2)

    watching = asyncio.create_task(watch())
    try:
        yield counts
        assert not watching.done(), "nobody looked any more"
    finally:
        watching.cancel()


def _since(begun: float) -> str:
    return f"{time.monotonic() - begun:.0f} s"


def _requests(number: int) -> str:
    return "1 request" if number == 1 else f"{number} requests"
