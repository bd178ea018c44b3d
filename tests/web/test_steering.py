"""The steering server, through the real port: every answer keeps players coming, not too often."""

import asyncio
import json
from collections.abc import AsyncIterator
from datetime import datetime
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest
from aiohttp import web

from tests.support.origin import HLS, TestOrigin
from tests.support.playlists import LIVE, MASTER, VOD, serve_channels
from tests.support.poll import until
from tests.support.stack import Answer, Stack

ENTRY = "/live/film/master.m3u8"
CHILD = "/live/film/low/index.m3u8"
INTERVAL, SELDOM = 7, 300


def serve(origin: TestOrigin, playlist: str = VOD, master: str = MASTER) -> None:
    origin.answers[ENTRY] = (HLS, master)
    for name in ("low", "high"):
        origin.answers[f"/live/film/{name}/index.m3u8"] = (HLS, playlist)


@pytest.fixture
async def stack() -> AsyncIterator[Stack]:
    streams = {"keepalive_interval": f"{INTERVAL}s", "vod_ttl": "60s", "ttl": "20s"}
    async with Stack(limits={"default": 1}, streams=streams) as running:
        serve(running.origin)
        yield running


def link(answer: Answer) -> str:
    """The steering server that a playlist names."""
    (line,) = [line for line in answer.text.splitlines() if "CONTENT-STEERING" in line]
    return line.split('"')[1]


async def steer(stack: Stack, url: str, **more: Any) -> dict[str, Any]:
    """Ask as a player does; the answer is one that every player can use, always."""
    answer = await stack.ask(url, Origin="https://page.example", **more)
    assert answer.status == 200
    assert answer.headers["Content-Type"] == "application/json"
    assert answer.headers["Cache-Control"] == "no-store"
    assert answer.headers["Access-Control-Allow-Origin"] == "*"
    document: dict[str, Any] = answer.json
    assert document["VERSION"] == 1
    assert isinstance(document["TTL"], int)
    assert document["TTL"] >= 1
    return document


async def stream_of(stack: Stack) -> dict[str, Any]:
    listed = await stack.ask(f"/_playgate/streams?token={stack.token()}")
    (stream,) = listed.json["streams"]
    return dict(stream)


def remaining(stream: dict[str, Any]) -> float:
    ends, seen = (datetime.fromisoformat(stream[name]) for name in ("expires_at", "last_seen_at"))
    return (ends - seen).total_seconds()


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
    async with Stack(streams={"ttl": "200ms", "live_ttl_factor": 1}) as stack:
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


# --- A steering server of the origin's ------------------------------------------------------------

SERVERS = MASTER.replace(
    "#EXTM3U\n", '#EXTM3U\n#EXT-X-CONTENT-STEERING:SERVER-URI="/live/steer?key=1"\n'
)


def says(stack: Stack, document: object, path: str = "/live/steer") -> None:
    body = document if isinstance(document, str) else json.dumps(document)
    stack.origin.answers[path] = ("application/json", body)


async def test_the_origins_steering_is_passed_on_often_enough(stack: Stack) -> None:
    serve(stack.origin, master=SERVERS)
    says(stack, {"VERSION": 1, "TTL": 500, "PATHWAY-PRIORITY": ["b", "a"], "PATHWAY-CLONES": [{}]})
    entry = await stack.watch(ENTRY)
    told = "&_HLS_pathway=%22a%22&_HLS_throughput=500"
    document = await steer(stack, link(entry) + told)
    assert document == {"VERSION": 1, "TTL": INTERVAL, "PATHWAY-PRIORITY": ["b", "a"]}
    assert stack.origin.paths[-1] == f"/live/steer?key=1{told}"
    assert (await stream_of(stack))["beats"] == 1
    says(stack, {"VERSION": 1, "TTL": 2, "PATHWAY-PRIORITY": ["b"]})
    assert (await steer(stack, link(entry)))["TTL"] == 2


async def test_where_the_origins_server_leads_elsewhere_players_go_through_us(stack: Stack) -> None:
    serve(stack.origin, master=SERVERS)
    says(stack, {"VERSION": 1, "PATHWAY-PRIORITY": ["a"], "RELOAD-URI": "two?x=1#f"})
    says(stack, {"VERSION": 1, "PATHWAY-PRIORITY": ["z"]}, "/live/two")
    entry = await stack.watch(ENTRY)
    onward = (await steer(stack, link(entry)))["RELOAD-URI"]
    assert urlsplit(onward).path == "/_playgate/steering"
    assert (await steer(stack, onward))["PATHWAY-PRIORITY"] == ["z"]
    assert (await stream_of(stack))["beats"] == 2


@pytest.mark.parametrize(
    "said",
    [
        web.Response(status=503),
        "<html>",
        "[]",
        '{"VERSION": 1, "TTL": 5}',
        '{"VERSION": 1, "TTL": NaN, "PATHWAY-PRIORITY": ["a"]}',
        '{"PATHWAY-PRIORITY": [1]}',
        '{"PATHWAY-PRIORITY": ["a"], "RELOAD-URI": "http://[::1"}',
        '{"PATHWAY-PRIORITY": ["a"], "RELOAD-URI": "\\ud800"}',
        "[" * 100_000,
        "9" * 10_000,
    ],
)
async def test_where_the_origins_server_fails_players_stay_where_they_are(
    stack: Stack, said: web.Response | str
) -> None:
    serve(stack.origin, master=SERVERS)
    if isinstance(said, str):
        says(stack, said)
    else:
        stack.origin.answers["/live/steer"] = said
    entry = await stack.watch(ENTRY)
    document = await steer(stack, f"{link(entry)}&_HLS_pathway=%22a%22")
    assert (document["TTL"], document["PATHWAY-PRIORITY"]) == (INTERVAL, ["a"])
    assert (await stream_of(stack))["beats"] == 1


async def test_odd_members_of_the_origins_answer_are_put_right(stack: Stack) -> None:
    serve(stack.origin, master=SERVERS)
    entry = await stack.watch(ENTRY)
    for ttl in (True, 0, -5, "9", 2.5, None):
        says(stack, {"VERSION": 1, "TTL": ttl, "PATHWAY-PRIORITY": ["a"]})
        document = await steer(stack, link(entry))
        assert (document["TTL"], document["PATHWAY-PRIORITY"]) == (INTERVAL, ["a"])


async def test_only_what_a_manifest_named_is_asked(stack: Stack) -> None:
    serve(stack.origin)
    says(stack, {"VERSION": 1, "PATHWAY-PRIORITY": ["secret"]})
    entry = await stack.watch(ENTRY)
    for server in ("/live/steer", stack.origin.url + "/live/steer", "//x", "?", "http://h:99999/"):
        document = await steer(stack, f"{link(entry)}&_server={server}")
        assert document["PATHWAY-PRIORITY"] == ["."]
    assert not [path for path in stack.origin.paths if "steer" in path]
    # Nor is a seal for one place good for another.
    serve(stack.origin, master=SERVERS)
    wrapped = link(await stack.watch(ENTRY))
    ticket = dict(parse_qsl(urlsplit(wrapped).query))["_sid"]
    document = await steer(stack, f"/_playgate/steering?_server=/live/other&_sid={ticket}")
    assert document["PATHWAY-PRIORITY"] == ["."]


async def test_a_server_elsewhere_is_asked_without_credentials(stack: Stack) -> None:
    async with TestOrigin() as elsewhere:
        elsewhere.answers["/s"] = ("application/json", '{"VERSION": 1, "PATHWAY-PRIORITY": ["e"]}')
        serve(stack.origin, master=SERVERS.replace("/live/steer?key=1", f"{elsewhere.url}/s?k=1"))
        entry = await stack.watch(ENTRY)
        document = await steer(stack, link(entry), Cookie=f"session={stack.token()}")
        assert document["PATHWAY-PRIORITY"] == ["e"]
        assert elsewhere.paths == ["/s?k=1"]
        assert "Cookie" not in elsewhere.requests[0].headers
    metrics = (await stack.operate("/metrics", token=None)).text
    assert 'origin="elsewhere"' in metrics
    assert str(elsewhere.port) not in metrics
    # It is gone now: players go on.
    assert (await steer(stack, link(entry)))["PATHWAY-PRIORITY"] == ["."]


async def test_a_seal_for_steering_opens_nothing_else(stack: Stack) -> None:
    serve_channels(stack.origin, "one")
    entry = await stack.watch(ENTRY)
    ticket = dict(parse_qsl(urlsplit(link(entry)).query))["_sid"]
    assert (await stack.ask(f"{CHILD}?_sid={ticket}")).code == "ticket_invalid"
    assert (await stack.ask(f"/live/film/low/seg0.ts?_sid={ticket}")).code == "ticket_invalid"
