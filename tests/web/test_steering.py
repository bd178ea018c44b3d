"""The steering server, through the real port: every answer keeps players coming, not too often."""

import asyncio
from collections.abc import AsyncIterator

import pytest
from aiohttp import web

from tests.support.playlists import LIVE
from tests.support.poll import until
from tests.support.stack import Stack
from tests.web.steered import (
    ENTRY,
    INTERVAL,
    SELDOM,
    link,
    remaining,
    serve,
    steer,
    steered_stack,
    stream_of,
)


@pytest.fixture
async def stack() -> AsyncIterator[Stack]:
    async with steered_stack() as running:
        serve(running.origin)
        yield running


async def test_a_film_is_held_for_its_length_until_its_player_first_reports(stack: Stack) -> None:
    # The film of the tests is 15.5 s long: shorter than its TTL, which tells the two apart.
    entry = await stack.watch(ENTRY)
    await stack.ask(f"/live/film/{entry.uris()[0]}")
    await stack.ask(f"/live/film/{entry.uris()[0]}")
    silent = await stream_of(stack)
    assert (silent["beats"], remaining(silent)) == (0, 15.5)
    document = await steer(stack, link(entry))
    assert document == {
        "VERSION": 1,
        "TTL": INTERVAL,
        "PATHWAY-PRIORITY": ["."],
        "SERVICE-LOCATION-PRIORITY": ["."],
    }
    alive = await stream_of(stack)
    assert (alive["beats"], remaining(alive)) == (1, 60)
    # And what it loads meanwhile does not bring the long hold back.
    await stack.ask(f"/live/film/{entry.uris()[0]}")
    assert remaining(await stream_of(stack)) == 60


async def test_a_report_before_anything_of_the_film_was_read_holds_until_the_next(
    stack: Stack,
) -> None:
    # As Shaka does, which asks before it loads any playlist; and any player, on a new proxy.
    entry = await stack.watch(ENTRY)
    assert (await steer(stack, link(entry)))["TTL"] == INTERVAL
    assert (await stream_of(stack))["beats"] == 1


async def test_a_lapsed_stream_that_reports_takes_its_slot_again() -> None:
    async with Stack(streams={"ttl": "1s", "live_ttl_factor": 1}) as stack:
        serve(stack.origin)
        entry = await stack.watch(ENTRY)

        async def lapsed() -> bool:
            listed = await stack.ask(f"/_playgate/streams?token={stack.token()}")
            return not listed.json["streams"]

        await until(lapsed, "the slot lapses")
        await steer(stack, link(entry))
        # Nothing was read of the film, and yet the slot lasts until the next report.
        assert remaining(await stream_of(stack)) == 90


async def test_who_is_live_reports_half_as_often_for_each_refresh_is_a_beat(stack: Stack) -> None:
    serve(stack.origin, LIVE)
    entry = await stack.watch(ENTRY)
    await stack.ask(f"/live/film/{entry.uris()[0]}")
    assert (await steer(stack, link(entry)))["TTL"] == 2 * INTERVAL


async def test_a_head_changes_nothing(stack: Stack) -> None:
    entry = await stack.watch(ENTRY)
    answer = await stack.ask(link(entry), method="HEAD")
    assert (answer.status, answer.body) == (200, b"")
    assert (await stream_of(stack))["beats"] == 0


async def test_a_stopped_stream_is_told_to_stay_where_it_is_and_ask_seldom(stack: Stack) -> None:
    entry = await stack.watch(ENTRY)
    stopped = f"/_playgate/streams/{entry.headers['Playgate-Stream']}?token={stack.token()}"
    assert (await stack.ask(stopped, method="DELETE")).status == 204
    document = await steer(stack, link(entry))
    assert (document["TTL"], document["PATHWAY-PRIORITY"]) == (SELDOM, ["."])
    counted = stack.service.metrics.registry.get_sample_value(
        "playgate_requests_total",
        {"route": "playgate", "kind": "keepalive", "outcome": "refused"},
    )
    assert counted == 1


@pytest.mark.parametrize(
    "query",
    [
        "",
        "?_sid=",
        "?_sid=x.y.z",
        "?_sid=steering." + "A" * 9000,
        "?_pathway=" + "a" * 5000,
        "?_HLS_pathway=%22%00%FF%ED%A0%80%22&_sid=a",
        "?_server=http://127.0.0.1:1/&_sid=a.b.c.d",
        "?%zz&&=&_sid",
        "?" + "%61&" * 7000,
    ],
)
async def test_whatever_is_asked_the_answer_can_be_used(stack: Stack, query: str) -> None:
    document = await steer(stack, f"/_playgate/steering{query}")
    assert document["TTL"] == SELDOM
    assert len(document["PATHWAY-PRIORITY"][0]) <= 256


async def test_where_the_proxy_is_overloaded_players_stay_alive_too() -> None:
    async with Stack(listen={"max_in_flight": 1}) as stack:
        serve(stack.origin)
        entry = await stack.watch(ENTRY)
        asked, answer_now = False, False

        async def held(_: web.Request) -> web.Response:
            nonlocal asked
            asked = True

            async def may() -> bool:
                return answer_now

            await until(may, "the test lets it go")
            return web.Response(status=404)

        stack.origin.answers["/live/film/low/seg0.ts"] = held
        media = await stack.ask(f"/live/film/{entry.uris()[0]}")
        busy = asyncio.create_task(stack.ask(f"/live/film/low/{media.uris()[0]}"))

        async def is_asked() -> bool:
            return asked

        await until(is_asked, "the origin is asked")
        assert (await stack.ask(ENTRY)).code == "overloaded"
        assert (await steer(stack, link(entry)))["TTL"] == 30
        answer_now = True
        await busy


async def test_preflight_and_other_methods(stack: Stack) -> None:
    asked = await stack.ask("/_playgate/steering", method="OPTIONS", Origin="https://page.example")
    assert (asked.status, asked.headers["Allow"]) == (204, "GET, HEAD, OPTIONS")
    assert (await stack.ask("/_playgate/steering", method="POST")).code == "method_not_allowed"


async def test_without_keepalive_manifests_stay_and_old_ones_are_still_answered() -> None:
    async with Stack(streams={"keepalive": False}) as stack:
        serve(stack.origin)
        assert "STEERING" not in (await stack.watch(ENTRY)).text
        await steer(stack, "/_playgate/steering?_sid=x")
