"""What requests cost, counted in Python's own instructions: no clock, so no noise.

Who makes a path longer sees it here, whatever else the machine does meanwhile. Counted are the
instructions of what we and the libraries run for one request, and not those of the event loop,
which takes as many turns as it happens to take, nor what comes with the clock: looks at accounts
that have lapsed, and exemplars, of which a slow machine would make more.
"""

import re
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from functools import cache
from itertools import count, islice, repeat
from types import CodeType, FrameType
from typing import Any

import pytest

from proxy.telemetry.exemplars import Exemplified
from tests.conftest import Tell
from tests.support.playlists import serve_channels
from tests.support.redis_server import RedisServer
from tests.support.stack import Stack
from tests.web.wire import Wire, status, value

TOOL = 4  # of those that sys.monitoring leaves to anybody
ENTRY = "/live/one/master.m3u8"
# Instructions of each, by the version of Python: they differ in what one does. At most so many, and
# no less than nine tenths: who makes something cheaper lowers the bound.
BOUNDS = {
    "a refresh": {(3, 11): 1_430, (3, 12): 1_300, (3, 13): 1_300},
    "a refresh on the usual path": {(3, 11): 7_200, (3, 12): 6_600, (3, 13): 6_500},
    "an entry of a known stream": {(3, 11): 1_580, (3, 12): 1_430, (3, 13): 1_430},
    "a start": {(3, 11): 8_700, (3, 12): 7_950, (3, 13): 7_900},
    "a segment": {(3, 11): 14_900, (3, 12): 13_700, (3, 13): 13_700},
    "a refusal given again": {(3, 11): 500, (3, 12): 460, (3, 13): 470},
}


class Counter:
    """Counts instructions, but not those of the event loop and of tests."""

    def __init__(self) -> None:
        self.instructions = 0

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
        event = watch.events.INSTRUCTION
        watch.use_tool_id(TOOL, "instructions")
        watch.register_callback(TOOL, event, self._executed)
        watch.set_events(TOOL, event)
        try:
            yield
        finally:
            watch.set_events(TOOL, 0)
            watch.free_tool_id(TOOL)

    def _entered(self, frame: FrameType, _event: str, _argument: Any) -> Any:
        """Take note of a function that is entered, or a coroutine that goes on (3.11)."""
        if is_left_out(frame.f_code):
            return None
        frame.f_trace_opcodes = True
        return self._traced

    def _traced(self, _frame: FrameType, event: str, _argument: Any) -> Any:
        self.instructions += event == "opcode"
        return self._traced

    def _executed(self, code: CodeType, _offset: int) -> Any:
        """Take note of an instruction (from 3.12 on)."""
        if is_left_out(code):
            return None
        self.instructions += 1
        return None


@cache
def is_left_out(code: CodeType) -> bool:
    """Tell whether a function's instructions are not counted."""
    if code.co_qualname.startswith(("LapseCollector.", "LapseWatch.due", "Repeated.")):
        return True
    return re.search(r"/asyncio/|/selectors\.py|/tests/", code.co_filename) is not None


@asynccontextmanager
async def watching() -> AsyncIterator[tuple[Wire, dict[str, Iterator[str]]]]:
    """Give a connection, and what is asked for on it: the same for ever, or new accounts."""
    with RedisServer() as redis:
        store = {"url": redis.url, "timeout": "10s"}
        async with Stack(store=store, origin={"cache": "10m"}) as stack, Wire(stack) as wire:
            serve_channels(stack.origin, "one")
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


async def cost(wire: Wire, targets: Iterator[str], *fields: str) -> int:
    """Give what a request costs when some like it have been made."""
    for target in islice(targets, 4):
        await wire.ask(target, *fields)
    found = []
    for target in islice(targets, 12):
        counter = Counter()
        with counter.counting():
            reply = await wire.ask(target, *fields)
        assert status(reply) in (200, 206, 429)
        found.append(counter.instructions)
        # What time it is is written down once a second.
    return min(found)


async def test_no_request_costs_more_instructions_than_it_did(
    tell: Tell, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Exemplified, "offer", lambda *_: None)
    async with watching() as (wire, targets):
        reply = await wire.ask(next(targets["refresh"]))
        assert value(reply, "Playgate-Decision") == "renewed"
        costs = {
            "a refresh": await cost(wire, targets["refresh"]),
            "a refresh on the usual path": await cost(wire, targets["refresh"], "Range: bytes=0-"),
            "an entry of a known stream": await cost(wire, targets["entry"]),
            "a start": await cost(wire, targets["start"]),
            "a segment": await cost(wire, targets["segment"]),
            "a refusal given again": await cost(wire, targets["refusal"]),
        }
    told = ", ".join(f"{name} {number:,}" for name, number in costs.items())
    tell(f"instructions of Python: {told}")
    bounds = {name: BOUNDS[name][sys.version_info[:2]] for name in costs}
    assert {name: number for name, number in costs.items() if number > bounds[name]} == {}
    assert {name: number for name, number in costs.items() if number < 0.9 * bounds[name]} == {}
