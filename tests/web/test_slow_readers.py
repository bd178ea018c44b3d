"""Clients that take their replies slowly or not at all: no account takes the port by that."""

import asyncio
from collections.abc import Callable, Coroutine
from contextlib import suppress
from random import Random
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from structlog.testing import capture_logs

from tests.support.poll import until
from tests.web.cinema import FILM, LARGE, LONG, OTHER, WIDE, Cinema, TurnedAway, cinema


@pytest.fixture(autouse=True)
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Cut nobody off: who takes a byte each half minute is not, and no test can wait so long."""
    monkeypatch.setattr("proxy.web.connections.SEND_SECONDS", 3600)


@pytest.fixture
def two(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("proxy.attendance.HELD_PER_STREAM", 2)


# --- The bound ----------------------------------------------------------------------------------


@pytest.mark.usefixtures("two")
@pytest.mark.parametrize("what", ["on demand", "range", "live", "manifest", "many in a row"])
async def test_who_reads_slowly_takes_no_more_than_an_accounts_share(what: str) -> None:
    async with cinema() as house:
        fields, times = [], 1
        match what:
            case "on demand":
                path = await house.segment("endless")
            case "range":
                path, fields = await house.segment("endless"), ["Range: bytes=1-"]
            case "live":
                path = await house.segment("one/low/seg8", film="/live/one/low/index.m3u8")
            case "manifest":
                path = f"{LONG}?token={house.stack.token()}"
            case _:
                path, times = f"{WIDE}?token={house.stack.token()}", 500
        readers = [await house.slow(path, *fields, times=times) for _ in range(2)]
        assert [reader.status for reader in readers] == [206 if fields else 200] * 2
        await house.stuck(2)
        assert await house.refused(path)
        assert (await house.stack.ask(await house.segment("short", "bob"))).body == b"short"
        await readers[0].leave()
        await house.in_flight(1)
        assert not await house.refused(path)


async def test_answers_that_anybody_gets_take_no_place_while_they_are_not_read() -> None:
    async with cinema(listen={"max_in_flight": 1}) as house:
        await house.slow("/_playgate/openapi.json", times=1_000)
        await house.stuck(1)
        assert (await house.stack.ask("/open/short.ts")).body == b"short"


@pytest.mark.usefixtures("two")
async def test_no_number_of_devices_titles_or_tokens_makes_an_accounts_share_larger() -> None:
    async with cinema(limits={"default": 2}) as house:
        tickets = [
            await house.segment("endless", film=film, device=device, agent=f"{device}/1")
            for film, device in ((FILM, "tv"), (OTHER, "phone"))
        ]
        readers = [await house.slow(path) for path in tickets * 2]
        assert [reader.status for reader in readers] == [200] * 4
        assert await house.refused(tickets[0])
        ticket = tickets[0].partition("_sid=")[2]
        await house.stack.ask(f"/_playgate/release?_sid={ticket}", method="POST")
        for film in (FILM, OTHER, WIDE):
            token = house.stack.token(device="laptop", claims=["jti=anew"])
            assert await house.refused(f"{film}?token={token}")


async def test_a_large_manifest_is_made_as_it_is_taken() -> None:
    async with cinema() as house:
        path = f"{LONG}?token={house.stack.token()}"
        for fields in ([], ["Range: bytes=10-"]):
            reader = await house.slow(path, *fields)
            await house.stuck(1)
            (stuck,) = [
                connection.transport
                for connection in house.stack.service._server.connections
                if connection.writing_paused
            ]
            assert stuck is not None
            assert stuck.get_write_buffer_size() < LARGE / 8
            await reader.leave()
            await house.in_flight(0)
        whole = await house.stack.ask(path)
        assert len(whole.body) == int(whole.headers["Content-Length"]) > LARGE
        part = await house.stack.ask(path, Range="bytes=1000000-3000000")
        assert part.body == whole.body[1_000_000:3_000_001]


@pytest.mark.usefixtures("two")
async def test_no_stream_makes_room_for_one_that_finds_no_place() -> None:
    limits = {"default": 1, "on_limit": "evict_oldest"}
    async with cinema(limits=limits) as house:
        path = await house.segment("endless", device="tv")
        for _ in range(2):
            await house.slow(path)
        await house.stuck(2)
        token = house.stack.token(device="phone")
        assert await house.refused(f"{OTHER}?token={token}")
        listed = await house.stack.ask(f"/_playgate/streams?token={token}")
        assert [stream["device"] for stream in listed.json["streams"]] == ["tv"]


@pytest.mark.usefixtures("two")
async def test_who_finds_no_place_and_would_be_refused_hears_that() -> None:
    async with cinema() as house:
        path = await house.segment("endless", device="tv")
        for _ in range(2):
            await house.slow(path)
        await house.stuck(2)
        answer = await house.stack.watch(OTHER, device="phone")
        assert (answer.status, answer.code) == (429, "stream_limit")


async def test_a_household_that_fetches_all_at_once_gets_everything() -> None:
    """Five players at once that are one stream, each with as many connections as browsers open."""
    async with cinema() as house:
        go = asyncio.Event()

        async def in_step(_: web.Request) -> web.Response:
            await go.wait()
            return web.Response(status=206, body=b"part")

        house.stack.origin.answers["/live/range.ts"] = in_step
        path = await house.segment("range")
        asked = [
            asyncio.create_task(house.stack.ask(path, Range=f"bytes={number}-{number + 9}"))
            for number in range(30)
        ]
        await house.in_flight(30)
        assert (await house.stack.ask(f"{FILM}?token={house.stack.token()}")).status == 200
        go.set()
        assert [answer.status for answer in await asyncio.gather(*asked)] == [206] * 30


# --- Every way out ------------------------------------------------------------------------------

Way = Callable[[Cinema, str], Coroutine[Any, Any, object]]


def segment(name: str, method: str = "GET", **fields: str) -> Way:
    async def way(house: Cinema, account: str) -> int:
        path = await house.segment(name, account)
        return (await house.stack.ask(path, method=method, **fields)).status

    return way


def manifest(name: str, method: str = "GET", query: str = "", **fields: str) -> Way:
    async def way(house: Cinema, account: str) -> int:
        path = f"/live/{name}.m3u8?token={house.stack.token(account)}{query}"
        return (await house.stack.ask(path, method=method, **fields)).status

    return way


async def given_up(house: Cinema, path: str) -> str:
    """Go away while the origin makes its client wait."""
    number = len(house.stack.origin.requests)
    asking = asyncio.create_task(house.stack.ask(path))

    async def asked() -> bool:
        return asking.done() or len(house.stack.origin.requests) > number

    await until(asked, "the origin was asked")
    asking.cancel()
    await asyncio.wait((asking,))
    return "gone"


async def segment_given_up(house: Cinema, account: str) -> str:
    return await given_up(house, await house.segment("hangs", account))


async def manifest_given_up(house: Cinema, account: str) -> str:
    token = house.stack.token(account)
    return await given_up(house, f"/live/hangs.m3u8?token={token}")


async def segment_left(house: Cinema, account: str) -> str:
    await (await house.slow(await house.segment("endless", account))).leave()
    return "gone"


async def manifest_left(house: Cinema, account: str) -> str:
    await (await house.slow(f"{LONG}?token={house.stack.token(account)}")).leave()
    return "gone"


async def segment_taken_slowly(house: Cinema, account: str) -> int:
    slow = await house.slow(await house.segment("large", account), "Connection: close")
    await slow.read_on()
    return slow.status


async def manifest_taken_slowly(house: Cinema, account: str) -> int:
    slow = await house.slow(f"{LONG}?token={house.stack.token(account)}", "Connection: close")
    await slow.read_on()
    return slow.status


async def origin_died(house: Cinema, account: str) -> object:
    try:
        return await segment("dies")(house, account)
    except aiohttp.ClientPayloadError:
        return "broken"


async def stream_ended(house: Cinema, account: str) -> str:
    slow = await house.slow(await house.segment("endless", account), "Connection: close")
    await house.stack.operate(f"/admin/v1/accounts/{account}/streams", "DELETE")
    await slow.read_on()
    return "broken"


WAYS: dict[str, tuple[Way, object]] = {
    "a segment sent": (segment("short"), 200),
    "a segment of nothing": (segment("empty"), 200),
    "a segment's HEAD": (segment("large", "HEAD"), 200),
    "a segment that did not change": (segment("known"), 304),
    "a part of a segment": (segment("part", Range="bytes=0-3"), 206),
    "no such segment": (segment("missing"), 404),
    "a segment that is a manifest": (segment("manifest"), 502),
    "an origin that is dead": (segment("dead"), 502),
    "an origin that died": (origin_died, "broken"),
    "a stream that was ended": (stream_ended, "broken"),
    "a segment given up": (segment_given_up, "gone"),
    "a segment left": (segment_left, "gone"),
    "a segment taken slowly": (segment_taken_slowly, 200),
    "a manifest sent": (manifest("film"), 200),
    "a manifest's HEAD": (manifest("film", "HEAD"), 200),
    "a manifest that did not change": (manifest("tagged", If_None_Match='"1"'), 304),
    "a manifest that changed": (manifest("tagged", If_None_Match='"0"'), 200),
    "a part of a manifest": (manifest("film", Range="bytes=0-3"), 206),
    "no such part of a manifest": (manifest("film", Range="bytes=9999-"), 416),
    "no such manifest": (manifest("missing"), 404),
    "a manifest that is none": (manifest("faulty"), 502),
    "a manifest given up": (manifest_given_up, "gone"),
    "a manifest left": (manifest_left, "gone"),
    "a manifest taken slowly": (manifest_taken_slowly, 200),
}


@pytest.fixture
def often(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("proxy.attendance.BODY_INTERVAL", 0.02)


@pytest.mark.usefixtures("two", "often")
@pytest.mark.parametrize("name", WAYS)
async def test_every_way_out_gives_the_place_back_once(name: str) -> None:
    way, outcome = WAYS[name]
    async with cinema(limits={"default": 2}) as house:
        for _ in range(2):
            assert await way(house, "alice") == outcome
        await house.room(4)


@pytest.mark.usefixtures("two")
async def test_so_does_a_failure_before_anything_is_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise LookupError("a bug")

    async with cinema() as house:
        path = await house.segment("short")
        with monkeypatch.context() as broken, capture_logs():
            broken.setattr("proxy.web.sending._send_stream", fail)
            assert (await house.stack.ask(path)).status == 500
        await house.room(2)


@pytest.mark.usefixtures("often")
@pytest.mark.parametrize("seed", range(3))
async def test_the_count_is_right_after_all_of_it_at_once(
    monkeypatch: pytest.MonkeyPatch, seed: int
) -> None:
    monkeypatch.setattr("proxy.attendance.HELD_PER_STREAM", 2)
    random, accounts = Random(seed), ("alice", "bob")
    async with cinema(limits={"default": 4}) as house:
        a_crowd = asyncio.Semaphore(24)

        async def one_viewer() -> None:
            way, _ = random.choice(list(WAYS.values()))
            async with a_crowd:
                going = asyncio.create_task(way(house, random.choice(accounts)))
                if random.random() < 0.3:
                    await asyncio.wait((going,), timeout=random.random() / 5)
                    going.cancel()
                with suppress(TurnedAway, asyncio.CancelledError, aiohttp.ClientError):
                    await going

        await asyncio.gather(*(one_viewer() for _ in range(100)))
        await house.opened.aclose()  # who is still reading leaves
        for account in accounts:
            await house.room(8, account)
