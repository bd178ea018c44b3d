"""Segments that take long to send, of streams that are ended, given back or play on meanwhile."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from proxy.admission.ledger import RELEASED_MS
from tests.support.playlists import serve_film
from tests.support.poll import until
from tests.support.stack import Stack
from tests.wild.screens import TestClock

FILM, OTHER = "/live/film.m3u8", "/live/other.m3u8"
STREAMS = "/admin/v1/accounts/alice/streams"
# For so long, who gave a slot back is served without one (seconds).
FAREWELL = RELEASED_MS / 1000


@pytest.fixture(autouse=True)
def often(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("proxy.attendance.BODY_INTERVAL", 0.02)


@asynccontextmanager
async def cinema(**settings: Any) -> AsyncIterator[Stack]:
    """Serve a film whose first segment comes drop by drop, and never ends."""

    async def drip(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "video/mp4"})
        await response.prepare(request)
        while True:
            await response.write(b"x")
            await asyncio.sleep(0.005)

    async with Stack(**settings) as stack:
        serve_film(stack.origin, "film")
        serve_film(stack.origin, "other")
        stack.origin.answers["/live/seg0.ts"] = drip
        yield stack


@asynccontextmanager
async def taking(stack: Stack, segment: str) -> AsyncIterator[aiohttp.StreamReader]:
    """Ask for a segment, and give its body once that has begun."""
    path = f"/live/{segment}"
    async with stack.client.get(path, headers={"User-Agent": "test/1"}) as response:
        assert response.status == 200
        await response.content.readexactly(1)
        yield response.content


async def broke_off(body: aiohttp.StreamReader) -> None:
    async def read_on() -> None:
        while await body.readany():
            pass

    with pytest.raises(aiohttp.ClientPayloadError):
        await asyncio.wait_for(read_on(), 60)


async def goes_on(body: aiohttp.StreamReader, stack: Stack) -> None:
    """Read until the stream was asked about several times."""
    outcomes = ("renewed", "admitted", "unchecked")

    def asked() -> float:
        value = stack.service.metrics.registry.get_sample_value
        name = "playgate_admissions_total"
        return sum(value(name, {"route": "live", "result": it}) or 0 for it in outcomes)

    before = asked()
    async with asyncio.timeout(60):
        while asked() < before + 3:
            assert await body.readany()


async def test_an_ended_stream_gets_no_more_of_a_body_under_way() -> None:
    async with cinema() as stack:
        film = await stack.watch(FILM)
        async with taking(stack, film.uris()[0]) as body:
            assert (await stack.operate(STREAMS, "DELETE")).status == 204
            await broke_off(body)


async def test_nor_does_one_whose_token_was_revoked() -> None:
    async with cinema() as stack:
        film = await stack.ask(f"{FILM}?token={stack.token(claims=['jti=one'])}")
        async with taking(stack, film.uris()[0]) as body:
            revoked = await stack.operate(
                "/admin/v1/accounts/alice/revoke", "POST", body=json.dumps({"jti": "one"}).encode()
            )
            assert revoked.status == 204
            await broke_off(body)


async def test_who_gave_the_slot_back_and_plays_on_stops_where_another_has_it() -> None:
    clock = TestClock()
    async with cinema(clock=clock, limits={"default": 1}) as stack:
        film = await stack.watch(FILM)
        async with taking(stack, film.uris()[0]) as body:
            await stack.ask(f"/_playgate/release?_sid={film.ticket()}", method="POST")
            assert (await stack.watch(OTHER, agent="other/1")).status == 200
            clock.passes(FAREWELL)
            await broke_off(body)


async def test_who_gave_the_slot_back_and_plays_on_takes_it_again_where_it_is_free() -> None:
    clock = TestClock()
    async with cinema(clock=clock) as stack:
        film = await stack.watch(FILM)
        async with taking(stack, film.uris()[0]) as body:
            await stack.ask(f"/_playgate/release?_sid={film.ticket()}", method="POST")

            async def is_listed() -> bool:
                return bool((await stack.operate(STREAMS)).json["streams"])

            await goes_on(body, stack)
            assert not await is_listed()
            clock.passes(FAREWELL)
            await until(is_listed, "the stream has a slot again")
            await goes_on(body, stack)


async def test_a_stream_that_plays_gets_the_whole_of_a_long_body() -> None:
    async with cinema() as stack:
        film = await stack.watch(FILM)
        async with taking(stack, film.uris()[0]) as body:
            await goes_on(body, stack)
            assert len((await stack.operate(STREAMS)).json["streams"]) == 1


async def test_a_short_body_costs_one_call_to_the_store(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("proxy.attendance.BODY_INTERVAL", 3600)
    async with cinema() as stack:
        film = await stack.watch(FILM)
        value = stack.service.metrics.registry.get_sample_value
        labels = {"route": "live", "result": "renewed"}
        before = value("playgate_admissions_total", labels) or 0
        assert (await stack.ask(f"/live/{film.uris()[1]}")).status == 200
        assert value("playgate_admissions_total", labels) == before + 1
