"""What requests cost, counted instead of timed: no clock, so no noise.

Who makes a path longer sees it here, whatever else the machine does meanwhile. Counted are Python's
own instructions of what we and the libraries run for one request, and not those of the event loop,
which takes as many turns as it happens to take, nor those of tests, the origin among them, nor what
comes with the clock: looks at accounts that have lapsed, and exemplars, of which a slow machine
would make more.

What is done in C has no instructions. Of that are counted what the event loop is given, and the
memory that a request takes at its peak. What is left, C that neither waits nor keeps anything, is
for the bench to see.
"""

import gc
import re
import sys
import tracemalloc
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import asdict, dataclass
from functools import cache
from itertools import count, islice, repeat
from statistics import median
from types import CodeType, FrameType
from typing import Any

import pytest

from proxy.telemetry.exemplars import Exemplified
from tests.conftest import Tell
from tests.origin.support import RawOrigin, Talk, response
from tests.support.origin import HLS
from tests.support.playlists import LIVE, MASTER
from tests.support.redis_server import RedisServer
from tests.support.stack import Stack
from tests.web.wire import Wire, status

TOOL = 4  # of those that sys.monitoring leaves to anybody
ENTRY = "/live/one/master.m3u8"
# Requests that are made first, and those that are looked at.
WARM, TRIED = 8, 30
# What asyncio reads from a socket at once is made small: its 256 kB would be every request's peak.
READ_BYTES = 4_096


@dataclass(frozen=True, slots=True)
class Kind:
    """What is asked for, with which fields, and how long manifests are kept."""

    asked: str
    fields: tuple[str, ...] = ()
    kept: str = "10m"


KINDS = {
    "refresh": Kind("refresh"),
    "usual": Kind("refresh", ("Range: bytes=0-",)),  # past the fast path
    "through": Kind("refresh", kept="0s"),
    "entry": Kind("entry"),
    "start": Kind("start"),
    "segment": Kind("segment"),
    "refusal": Kind("refusal"),  # given again
}


@dataclass(frozen=True, slots=True)
class Cost:
    """What a request takes.

    Beside instructions, callbacks that the loop runs, tasks and timers that are made, all of them
    with those of the player and the origin, and the bytes in use at its peak.
    """

    instructions: float
    callbacks: float
    tasks: float
    timers: float
    peak: float


# As measured with each version of Python: they differ in what one instruction does. What asks the
# origin has room for a callback or two and a timer, which come separately on a busy machine.
COSTS = {
    "refresh": {
        (3, 11): Cost(1_335, 5, 0, 0, 7_100),
        (3, 12): Cost(1_209, 5, 0, 0, 7_020),
        (3, 13): Cost(1_205, 5, 0, 0, 7_080),
    },
    "usual": {
        (3, 11): Cost(6_913, 7, 1, 0, 16_240),
        (3, 12): Cost(6_325, 7, 1, 0, 15_780),
        (3, 13): Cost(6_194, 7, 1, 0, 15_900),
    },
    "through": {
        (3, 11): Cost(17_708, 24, 4, 6, 31_960),
        (3, 12): Cost(16_199, 24, 4, 6, 31_060),
        (3, 13): Cost(16_058, 24, 4, 6, 31_140),
    },
    "entry": {
        (3, 11): Cost(1_481, 5, 0, 0, 7_300),
        (3, 12): Cost(1_337, 5, 0, 0, 7_610),
        (3, 13): Cost(1_327, 5, 0, 0, 7_670),
    },
    "start": {
        (3, 11): Cost(8_292, 11, 2, 0, 17_400),
        (3, 12): Cost(7_534, 11, 2, 0, 17_170),
        (3, 13): Cost(7_456, 11, 2, 0, 17_160),
    },
    "segment": {
        (3, 11): Cost(13_133, 20, 3, 5, 26_000),
        (3, 12): Cost(12_075, 20, 2, 5, 25_360),
        (3, 13): Cost(12_033, 20, 2, 5, 25_400),
    },
    "refusal": {
        (3, 11): Cost(472, 3, 0, 0, 5_320),
        (3, 12): Cost(431, 3, 0, 0, 5_270),
        (3, 13): Cost(441, 3, 0, 0, 5_330),
    },
}
# What a figure may be of what is written above. Who makes something cheaper writes that down, or
# it would be free for others to spend.
MARGINS = {
    "instructions": (0.97, 1.01),
    "callbacks": (0.8, 1),
    "tasks": (0.8, 1),
    "timers": (0.8, 1),
    "peak": (0.9, 1.1),
}
# Functions of asyncio that say what the loop is given.
GIVEN = {
    "Handle._run": "callbacks",
    "BaseEventLoop.create_task": "tasks",
    "TimerHandle.__init__": "timers",
}


class Watch:
    """Instructions, but not those of the event loop and of tests; and what the loop was given."""

    def __init__(self) -> None:
        self.instructions = 0
        self.given: Counter[str] = Counter()

    @contextmanager
    def counting(self) -> Iterator[None]:
        """Count what is executed meanwhile."""
        watch: Any = getattr(sys, "monitoring", None)  # from Python 3.12 on
        if watch is None:
            before = sys.gettrace()
            sys.settrace(self._entered)
            try:
                yield
            finally:
                sys.settrace(before)
            return
        events = watch.events
        watch.use_tool_id(TOOL, "instructions")
        watch.register_callback(TOOL, events.INSTRUCTION, self._executed)
        watch.register_callback(TOOL, events.PY_START, self._started)
        watch.set_events(TOOL, events.INSTRUCTION | events.PY_START)
        try:
            yield
        finally:
            watch.set_events(TOOL, 0)
            watch.free_tool_id(TOOL)

    def _entered(self, frame: FrameType, _event: str, _argument: Any) -> Any:
        """Take note of a function that is entered, or a coroutine that goes on (3.11)."""
        self._started(frame.f_code, 0)
        if is_left_out(frame.f_code):
            return None
        frame.f_trace_opcodes = True
        return self._traced

    def _traced(self, _frame: FrameType, event: str, _argument: Any) -> Any:
        self.instructions += event == "opcode"
        return self._traced

    def _executed(self, code: CodeType, _offset: int) -> Any:
        """Take note of an instruction (from 3.12 on)."""
        self.instructions += not is_left_out(code)

    def _started(self, code: CodeType, _offset: int) -> Any:
        """Take note of a function that is entered (from 3.12 on)."""
        if code.co_qualname in GIVEN and "/asyncio/" in code.co_filename:
            self.given[GIVEN[code.co_qualname]] += 1


@cache
def is_left_out(code: CodeType) -> bool:
    """Tell whether a function's instructions are not counted."""
    if code.co_qualname.startswith(("LapseCollector.", "LapseWatch.due", "Repeated.")):
        return True
    return re.search(r"/asyncio/|/selectors\.py|/tests/", code.co_filename) is not None


def answer(content_type: str, body: bytes) -> bytes:
    """Give an answer of the origin, with the fields that most send."""
    date = "Date: Tue, 01 Dec 2026 12:00:00 GMT"
    return response(body, "200 OK", f"Content-Type: {content_type}", date, "Server: origin")


# By the end of the path.
ANSWERS = {
    "master.m3u8": answer(HLS, MASTER.encode()),
    "index.m3u8": answer(HLS, LIVE.encode()),
    "seg7.ts": answer("video/mp2t", b"\x47" * 188),
}


async def channel(talk: Talk) -> None:
    """Answer what is asked for of a live channel, each time anew."""
    while True:
        path = (await talk.request()).line.split()[1].partition("?")[0]
        await talk.send(ANSWERS[path.rpartition("/")[2]])


@asynccontextmanager
async def watching(kind: Kind) -> AsyncIterator[tuple[Wire, dict[str, Iterator[str]]]]:
    """Give a connection, and what is asked for on it: the same for ever, or new accounts."""
    with RedisServer() as redis:
        store = {"url": redis.url, "timeout": "10s"}
        async with (
            RawOrigin(channel) as origin,
            Stack(
                store=store, origin={"cache": kind.kept}, live={"origins": [origin.url]}
            ) as stack,
            Wire(stack) as wire,
        ):
            entry = f"{ENTRY}?token={stack.token()}"
            reply = await wire.ask(entry)
            refresh = re.search(rb"low/index.m3u8\?_sid=[\w.-]+", reply[1])
            assert refresh
            playlist = await wire.ask(f"/live/one/{refresh[0].decode()}")
            segment = re.search(rb"seg7.ts\?_sid=[\w.-]+", playlist[1])
            assert segment
            yield (
                wire,
                {
                    "entry": repeat(entry),
                    "refresh": repeat(f"/live/one/{refresh[0].decode()}"),
                    "segment": repeat(f"/live/one/low/{segment[0].decode()}"),
                    "refusal": repeat(f"{ENTRY}?token={stack.token('full', limit=0)}"),
                    "start": (f"{ENTRY}?token={stack.token(f'fan-{fan}')}" for fan in count()),
                },
            )


async def cost(wire: Wire, kind: Kind, targets: Iterator[str]) -> Cost:
    """Give what a request costs when some like it have been made.

    The cheapest of some, as what time it is is written down once a second; but of peaks the usual,
    as one is low where much of before is freed meanwhile.
    """

    async def ask(target: str) -> None:
        assert status(await wire.ask(target, *kind.fields)) in (200, 206, 429)

    for target in islice(targets, WARM):
        await ask(target)
    found = []
    for target in islice(targets, TRIED):
        watch = Watch()
        with watch.counting():
            await ask(target)
        found.append((watch.instructions, *(watch.given[name] for name in GIVEN.values())))
    peaks = []
    with tracing():
        for target in islice(targets, TRIED):
            before, _ = tracemalloc.get_traced_memory()
            tracemalloc.reset_peak()
            await ask(target)
            peaks.append(tracemalloc.get_traced_memory()[1] - before)
    instructions, callbacks, tasks, timers = map(min, zip(*found, strict=True))
    return Cost(instructions, callbacks, tasks, timers, median(peaks))


@contextmanager
def tracing() -> Iterator[None]:
    """Take note of memory, and have nobody look for garbage meanwhile."""
    gc.collect()
    gc.disable()
    tracemalloc.start()
    try:
        yield
    finally:
        tracemalloc.stop()
        gc.enable()


@pytest.mark.parametrize("name", KINDS)
async def test_no_request_costs_more_than_it_did(
    name: str, tell: Tell, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Exemplified, "offer", lambda *_: None)
    monkeypatch.setattr("asyncio.selector_events._SelectorTransport.max_size", READ_BYTES)
    kind = KINDS[name]
    async with watching(kind) as (wire, targets):
        found = asdict(await cost(wire, kind, targets[kind.asked]))
    tell(f"cost of {name}: " + ", ".join(f"{what} {figure:,.0f}" for what, figure in found.items()))
    written = asdict(COSTS[name][sys.version_info[:2]])
    bounds = {
        what: (low * written[what], high * written[what]) for what, (low, high) in MARGINS.items()
    }
    assert {what: found[what] for what, (_, most) in bounds.items() if found[what] > most} == {}
    assert {what: found[what] for what, (least, _) in bounds.items() if found[what] < least} == {}
