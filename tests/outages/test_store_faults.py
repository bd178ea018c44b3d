"""Whatever becomes of Redis: who plays plays on, and nobody is let in above the limit.

Through a whole proxy, while viewers refresh, others come and go, some try one stream more than they
may, and some go away in the middle of a request.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from itertools import pairwise
from typing import Any

import pytest
from structlog.testing import capture_logs

from proxy.admission.policy import OnOutage
from proxy.credentials.account import AccountNames
from proxy.errors import StoreUnavailable
from tests.conftest import Tell
from tests.engines.audience import CHANNELS, EXACT, LIMIT, STREAMS, quantile
from tests.outages.faults import FAULTS, TIMEOUT, Fault, Place, killed
from tests.outages.house import ACCOUNTS, House
from tests.outages.relay import Relay
from tests.support.origin import HLS
from tests.support.playlists import LIVE
from tests.support.poll import until
from tests.support.redis_server import RedisServer
from tests.support.redis_team import ask
from tests.support.stack import TICKET_SECRET, Stack

SETTINGS: Mapping[str, Any] = {
    "streams": STREAMS,
    # Fresh for many of them, as where many watch the same.
    "origin": {"cache": "1s"},
    "events": {"sink": "redis-stream", "keepalive": True},
}
PLAYED = {"renewed", "unchecked", "admitted"}
# Nobody waits for a Redis that was killed, and for one that is there as long as a machine is busy.
PATIENT = "10s"
CHANGES = ("the store is away", "the store is back")

pytestmark = pytest.mark.engines


@asynccontextmanager
async def running(
    patience: str = f"{TIMEOUT}s", *, by_relay: bool = False, on_outage: OnOutage = OnOutage.LOCAL
) -> AsyncIterator[tuple[Stack, Place]]:
    """Give a proxy whose store is up, and what can be done to that."""
    with RedisServer() as server:
        async with Relay(server.port) as relay:
            url = relay.url if by_relay else server.url
            store = {"url": url, "timeout": patience, "on_outage": on_outage}
            async with Stack(store=store, **SETTINGS) as stack:
                await until(seen(stack, up=1), "the store is up")
                yield stack, Place(server, relay)


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name)
async def test_who_plays_plays_on_and_nobody_is_one_too_many(fault: Fault, tell: Tell) -> None:
    with capture_logs() as logs:
        async with running(by_relay=fault.by_relay) as (stack, place):
            tell(f"Redis {fault.name}: {await endure(stack, place, fault)}")
    lines = [line["event"] for line in logs if line["event"] in CHANGES]
    assert all(one != other for one, other in pairwise(lines)), "one for each change"
    assert lines or not fault.away


async def endure(stack: Stack, place: Place, fault: Fault) -> str:
    """Have viewers live through a fault; give the figures."""
    house = House(stack)
    await house.fill()
    at_first = house.taken()
    await house.play_on(4)
    calm, before, taken = house.since(at_first), house.told(), house.taken()
    if fault.forgets:
        # What it cannot help: who starts one too many in the milliseconds before the first refresh.
        await house.door.acquire()
    async with fault.trouble(place):
        began = time.monotonic()
        if fault.away:
            await until(seen(stack, up=0), "it is noticed")
        noticed = time.monotonic()
        if fault.forgets:
            await house.play_on(2)  # the first may have been asked before
            house.door.release()
        await house.play_on(fault.refreshes)
        await until(visited(house, began), "somebody comes and goes meanwhile")
        assert not fault.away or await seen(stack, up=0)()
        took, told = house.since(taken), house.told() - before
    over = time.monotonic()
    await until(seen(stack, up=1), "the store is back")
    back = time.monotonic()
    await until(counted_right(stack), "who plays is counted, and nobody else")
    right = time.monotonic()
    await house.play_on(3)
    await works_beside(stack, place, house)
    await house.leave()
    assert {*house.told()} <= PLAYED
    assert {status for _, status in house.knocks} == {429}
    wrong = [arrival for arrival in house.finished() if not arrival.counted_right]
    assert not wrong, wrong
    assert any(began < arrival.began and arrival.ended < over for arrival in house.finished())
    noticing = f"noticed after {noticed - began:.2f} s, " if fault.away else ""
    return (
        f"{told.total()} refreshes, {100 * told['unchecked'] / told.total():.0f} % by what the"
        f" proxy knew, 0 failed; 99 % within {1000 * quantile(took, 0.99):.0f} ms, before"
        f" {1000 * quantile(calm, 0.99):.0f} ms; {noticing}back after {back - over:.2f} s, counted"
        f" right after {right - over:.2f} s; {len(house.knocks)} starts too many, 0 let in"
    )


def visited(house: House, since: float) -> Callable[[], Awaitable[bool]]:
    """Tell whether anybody has come since, and gone."""

    async def so() -> bool:
        return any(since < arrival.began for arrival in house.finished())

    return so


async def test_newcomers_meet_what_the_mode_says(tell: Tell) -> None:
    """And those who play, the same in every mode."""
    told = await asyncio.gather(*map(meet, OnOutage))
    tell(f"Redis is killed, newcomers meet: {'; '.join(told)}")


async def meet(mode: OnOutage) -> str:
    async with running(PATIENT, on_outage=mode) as (stack, place):
        house = House(stack)
        await house.watch(ACCOUNTS)
        await house.play_on(3)
        async with killed(place):
            await until(seen(stack, up=0), "it is noticed")
            answers = [await house.start("newcomer", channel) for channel in CHANNELS]
            await house.play_on(3)
        await until(seen(stack, up=1), "the store is back")
        later = [await house.start("newcomer", channel) for channel in CHANNELS]
        await until(counted_right(stack), "who plays is counted, and nobody else")
        await house.leave()
        assert {*house.told()} <= PLAYED
    statuses = [answer.status for answer in answers]
    decisions = [answer.headers.get("Playgate-Decision") for answer in answers]
    codes = {answer.code for answer in answers if answer.status != 200}
    expected: dict[OnOutage, tuple[Sequence[int], Sequence[str | None], set[str]]] = {
        OnOutage.LOCAL: (EXACT, ["admitted"] * LIMIT + [None], {"stream_limit"}),
        OnOutage.OPEN: ([200] * len(CHANNELS), ["unchecked"] * len(CHANNELS), set()),
        OnOutage.CLOSED: ([503] * len(CHANNELS), [None] * len(CHANNELS), {"store_unavailable"}),
    }
    assert (statuses, decisions, codes) == expected[mode]
    # Where all were let in, they are the ones that were due first once the store was back.
    assert sorted(answer.status for answer in later) == EXACT
    return f"{mode} {', '.join(map(str, statuses))}"


async def test_who_gets_its_slot_back_unasked_is_told_to_have_started_again() -> None:
    async with running(PATIENT) as (stack, place):
        stack.origin.answers["/live/slow.m3u8"] = (HLS, LIVE.replace("4", "60"))
        begun = await stack.watch("/live/slow.m3u8")
        store = stack.service.store
        async with killed(place):
            with pytest.raises(StoreUnavailable):
                await store.ping()

        async def back() -> bool:
            with suppress(StoreUnavailable):
                await store.ping()
                return True
            return False

        await until(back, "the store is back")

        async def told() -> bool:
            events = await ask(place.server, "XRANGE", "playgate:events", "-", "+")
            started = [one["stream"] for _, one in events if one["event"] == "stream.started"]
            return started == [begun.headers["Playgate-Stream"]]

        await until(told, "it is told")
        assert (
            'playgate_admissions_total{result="admitted",route="live"} 2.0'
            in (await stack.operate("/metrics")).text
        )


async def works_beside(stack: Stack, place: Place, house: House) -> None:
    """See that events are told again, and signs of life taken from elsewhere."""
    # It may have forgotten all, and nothing been told since.
    before = await ask(place.server, "XREVRANGE", "playgate:events", "+", "-", "COUNT", "1")
    last = f"({before[0][0]}" if before else "-"

    async def told() -> bool:
        return bool(await ask(place.server, "XRANGE", "playgate:events", last, "+"))

    await until(told, "events are told")
    viewer = house.viewers[0]
    account = AccountNames(TICKET_SECRET.encode()).hashed(viewer.account)
    entry = ("XADD", "playgate:keepalive", "*", "account", account, "stream", viewer.stream)
    nobody = 'playgate_keepalive_entries_total{result="renewed"} 0.0'

    async def kept() -> bool:
        assert await ask(place.server, *entry)  # again, for old ones are not taken
        return nobody not in (await stack.operate("/metrics")).text

    await until(kept, "a sign of life is taken")


def seen(stack: Stack, *, up: int) -> Callable[[], Awaitable[bool]]:
    """Tell whether the metrics say that the store is up, and decisions are made with it."""

    async def so() -> bool:
        lines = (await stack.operate("/metrics")).text.splitlines()
        return {f"playgate_store_up {up}.0", f"playgate_degraded {1 - up}.0"} <= {*lines}

    return so


def counted_right(stack: Stack) -> Callable[[], Awaitable[bool]]:
    """Tell whether each account is said to have as many streams as it has."""

    async def so() -> bool:
        for number in range(ACCOUNTS):
            answer = await stack.operate(f"/admin/v1/accounts/viewer-{number}/streams")
            if len(answer.json["streams"]) != LIMIT:
                return False
        return True

    return so
