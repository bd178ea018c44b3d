"""The corpus of hostile requests against a running proxy, by what its origin is sent.

Each stands on a connection by itself and between requests that came before, in one piece and in
many, with the fast path and without it; and each time the next request on another connection is
answered as if nothing had been.
"""

import random
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import cast

import pytest
from aiohttp.web_protocol import RequestHandler

from proxy.web.fast_path import FastConnection
from tests.conftest import Tell
from tests.hostile.corpus import Case, load
from tests.hostile.stage import Notes, beat, said, said_in_turn, staged, statuses
from tests.support.stack import Stack
from tests.web.wire import Wire, status

pytestmark = pytest.mark.hostile

CORPUS = load()
BEHIND, AFTER = "/open/behind.ts", "/open/after.ts"
# Different in each reply.
VARYING = re.compile(rb"(?:X-Request-Id|Date): [^\r]*")

# What aiohttp's handler does where nobody says otherwise.
HANDLER = cast("dict[str, object]", RequestHandler.__init__.__kwdefaults__)

Cut = Callable[[bytes], Iterator[bytes]]


def whole(stream: bytes) -> Iterator[bytes]:
    yield stream


def in_pieces(stream: bytes) -> Iterator[bytes]:
    """Cut short ones between any two bytes, long ones now and then."""
    chance = random.Random(len(stream))
    while stream:
        size = chance.randint(1, 1 + len(stream) // 25)
        yield stream[:size]
        stream = stream[size:]


def in_turn(stream: bytes) -> Iterator[bytes]:
    """Send each request when the one before was answered: what is known passes by the parser."""
    yield stream


@dataclass(frozen=True)
class Outcome:
    """What is answered, and what the origin is sent."""

    statuses: tuple[int, ...]
    targets: tuple[str, ...]


@dataclass
class Trial:
    """One way to send the corpus, and what was wrong with what came of it."""

    stack: Stack
    notes: Notes
    target: str
    between: bool = False
    cut: Cut = whole

    def outcomes(self, case: Case) -> set[Outcome]:
        """Give what may come of a case."""
        known = (200,) * self.between
        behind = (200, 200) if self.between and not case.last else ()
        passes = case.expect in ("passed", "ends", "waits")
        targets = (case.origin,) * passes + (BEHIND,) * bool(behind)
        outcomes = {Outcome((*known, case.status, *behind), tuple(sorted(targets)))}
        refused = Outcome((400,), ())
        if self.between and case.expect in ("closed", "ends"):
            # aiohttp's parser forgets what it read before in the same piece.
            outcomes |= {refused, Outcome((*known, 400), ())}
        if self.cut is in_pieces and case.expect == "closed":
            # It is closed while it is still being sent, so that its client may see nothing of the
            # answer; and a body may turn out to be none when the request is answered already.
            for answer in ((), (200,), (405,)):
                for target in ((), (case.origin,)):
                    outcomes |= {Outcome((*known, *answer), target), Outcome((), target)}
        return outcomes

    async def fault(self, case: Case, other: Wire) -> tuple[str, bytes]:
        """Send a case; give what is wrong, empty for nothing, and what was answered."""
        stream, enough = case.written(self.target), 1
        known, last = other.request(self.target), other.request(BEHIND, "Connection: close")
        if self.between:
            stream = known + stream + known + last
            enough = 2 if case.expect == "waits" else 0
        try:
            if self.cut is in_turn:
                row = (known, case.written(self.target), known, last)
                text = await said_in_turn(Wire(self.stack), row, enough)
            else:
                text = await said(Wire(self.stack), self.cut(stream), enough)
        except TimeoutError:
            return "hangs", b""
        if b"evil" in text.lower():
            return "repeats what it was sent", text
        after = await other.ask(AFTER), await other.ask(self.target)
        if [status(reply) for reply in after] != [200, 200]:
            return "others are not answered", text
        try:
            targets = sorted(self.notes.take())
        except AssertionError as error:
            return str(error), text
        targets.remove(AFTER)
        came = Outcome(tuple(statuses(text)), tuple(targets))
        return ("" if came in self.outcomes(case) else f"came to {came}"), text

    async def run(self) -> tuple[dict[str, str], dict[str, bytes]]:
        """Send them all; give the faults, and what was answered, by the names of the cases."""
        faults, answers = {}, {}
        async with Wire(self.stack) as other:
            for case in CORPUS:
                # What is left of a body that is none is read for so long before it is closed.
                HANDLER["lingering_time"] = 0.05 if case.expect == "closed" else 30
                fault, text = await self.fault(case, other)
                answers[case.name] = VARYING.sub(b"", text)
                if fault:
                    faults[case.name] = fault
                    self.notes.forget()
        return faults, answers


@pytest.fixture
def fast(monkeypatch: pytest.MonkeyPatch) -> list[bytes]:
    """What went the fast path."""
    monkeypatch.setitem(HANDLER, "lingering_time", HANDLER["lingering_time"])  # set for each case
    replies: list[bytes] = []
    answered = FastConnection.answered

    def noted(connection: FastConnection, reply: bytes) -> None:
        replies.append(reply)
        answered(connection, reply)

    monkeypatch.setattr(FastConnection, "answered", noted)
    return replies


def test_each_case_has_a_name_of_its_own() -> None:
    assert len({case.name for case in CORPUS}) == len(CORPUS) > 200


@pytest.mark.parametrize(("between", "cut"), [(False, whole), (True, in_turn), (True, in_pieces)])
async def test_nothing_is_smuggled_and_nothing_hangs(
    fast: list[bytes], between: bool, cut: Cut, tell: Tell
) -> None:
    async with staged() as (stack, notes):
        target = await beat(stack)
        notes.take()
        fast.clear()
        faults, _ = await Trial(stack, notes, target, between, cut).run()
        assert faults == {}
        assert len(fast) >= len(CORPUS)
        read = stack.service.metrics.registry.get_sample_value
        assert read("playgate_in_flight_requests") == 0
    where = "between good ones" if between else "by themselves"
    tell(figure(f"{where}, {cut.__name__.replace('_', ' ')}"))


async def test_both_paths_answer_the_same_to_the_byte(fast: list[bytes], tell: Tell) -> None:
    """What frames a request is aiohttp's parser on both, so no two readings can part."""
    told = []
    for fast_path in (True, False):
        fast.clear()
        async with staged(listen={"fast_path": fast_path}) as (stack, notes):
            target = await beat(stack)
            notes.take()
            faults, answers = await Trial(stack, notes, target, between=True).run()
        assert faults == {}
        assert bool(fast) is fast_path
        told.append({name: without_stream(text) for name, text in answers.items()})
        tell(figure(f"between good ones, in one piece, fast path {'on' if fast_path else 'off'}"))
    assert told[0] == told[1]


def figure(how: str) -> str:
    """Tell of a run in which there was no fault."""
    return f"hostile requests {how}: {len(CORPUS)}; 5xx 0, hangs 0, smuggled to the origin 0"


def without_stream(text: bytes) -> bytes:
    """Take out what is different for each stream."""
    return re.sub(rb"_sid=[\w.-]+|Playgate-Stream: \w+", b"", text)


async def test_the_operators_port_refuses_all_of_it(tell: Tell) -> None:
    async with staged() as (stack, notes):
        faults = {}
        for case in CORPUS:
            wire = Wire(stack, stack.service.admin_port)
            text = await said(wire, [case.written("/admin/v1/stats")], 1)
            (first, *rest) = statuses(text) or [0]
            if rest or not 400 <= first < 500 or b"evil" in text.lower():
                faults[case.name] = text
        assert faults == {}
        assert notes.take() == []
        assert (await stack.operate("/admin/v1/stats")).status == 200
    tell(figure("on the operators' port"))
