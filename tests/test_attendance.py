"""A long wait and the beats it needs. Events, not clocks: an interval is a few milliseconds."""

import asyncio
from dataclasses import dataclass, field

import pytest

from proxy.attendance import UntilSent, attended
from proxy.errors import OriginTimeout
from tests.support.poll import until

OFTEN = 0.005
NEVER = 3600.0


@dataclass
class Work:
    """Something that takes until it is told to be done."""

    done: asyncio.Event = field(default_factory=asyncio.Event)
    called_off: bool = False

    async def run(self) -> str:
        try:
            await self.done.wait()
        except asyncio.CancelledError:
            self.called_off = True
            raise
        return "result"


@dataclass
class Heart:
    """Counts beats, and fails at one of them."""

    beats: int = 0
    fails_at: int = 0

    async def beat(self) -> None:
        self.beats += 1
        if self.beats == self.fails_at:
            raise OriginTimeout


async def beaten(heart: Heart, times: int) -> None:
    async def enough() -> bool:
        return heart.beats >= times

    await until(enough, f"{times} beats")


async def test_what_is_there_at_once_needs_no_beat() -> None:
    work, heart = Work(), Heart()
    work.done.set()
    assert await attended(work.run(), heart.beat, every=NEVER) == "result"
    assert heart.beats == 0


async def test_a_wait_beats_on_and_on() -> None:
    work, heart = Work(), Heart()
    waiting = asyncio.create_task(attended(work.run(), heart.beat, every=OFTEN))
    await beaten(heart, 3)
    work.done.set()
    assert await waiting == "result"


async def test_a_failed_beat_calls_the_work_off() -> None:
    work, heart = Work(), Heart(fails_at=2)
    with pytest.raises(OriginTimeout):
        await attended(work.run(), heart.beat, every=OFTEN)
    await asyncio.sleep(0)
    assert work.called_off


async def test_who_goes_away_calls_the_work_off() -> None:
    work, heart = Work(), Heart()
    waiting = asyncio.create_task(attended(work.run(), heart.beat, every=OFTEN))
    await beaten(heart, 1)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    await asyncio.sleep(0)
    assert work.called_off


async def test_what_nobody_gets_is_discarded() -> None:
    work = Work()
    discarded: list[str] = []

    async def beat() -> None:
        work.done.set()
        await asyncio.sleep(0)  # the work ends
        await asyncio.sleep(0)
        raise OriginTimeout

    with pytest.raises(OriginTimeout):
        await attended(work.run(), beat, every=OFTEN, discard=discarded.append)
    await asyncio.sleep(0)
    assert discarded == ["result"]


async def test_a_failure_is_passed_on_and_two_are_one() -> None:
    async def fail() -> str:
        raise LookupError

    with pytest.raises(LookupError):
        await attended(fail(), Heart().beat, every=NEVER)
    with pytest.raises(OriginTimeout):  # and no failure is logged as overlooked
        await attended(fail(), Heart(fails_at=1).beat, every=0)


def test_what_is_held_until_a_reply_is_sent_is_given_up_once_the_last_first() -> None:
    until_sent, given_up = UntilSent(), list[str]()

    def fail() -> None:
        given_up.append("fails")
        raise LookupError

    until_sent.hold(lambda: given_up.append("first"))
    until_sent.hold(fail)
    until_sent.hold(lambda: given_up.append("last"))
    with pytest.raises(LookupError):
        until_sent.close()
    until_sent.close()
    assert given_up == ["last", "fails", "first"]
