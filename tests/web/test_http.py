"""HTTP as players and browsers use it: HEAD, conditions, ranges, CORS, the four segment modes."""

from collections.abc import AsyncIterator

import pytest
from aiohttp import web

from tests.support.origin import HLS
from tests.support.playlists import LIVE, MASTER, serve_channels
from tests.support.stack import Stack

ENTRY = "/live/one/master.m3u8"


@pytest.fixture
async def stack() -> AsyncIterator[Stack]:
    async with Stack() as running:
        serve_channels(running.origin, "one")
        serve_channels(running.origin, "one", root="/open")
        yield running


async def active(stack: Stack) -> int:
    answer = await stack.ask(f"/_playgate/streams?token={stack.token()}")
    return len(answer.json["streams"])


async def test_head_answers_as_get_would_and_starts_nothing(stack: Stack) -> None:
    head = await stack.watch(ENTRY, method="HEAD")
    assert (head.status, head.body) == (200, b"")
    assert head.headers["Content-Type"] == HLS
    assert await active(stack) == 0
    got = await stack.watch(ENTRY)
    assert len(got.body) == int(head.headers["Content-Length"])


async def test_head_of_a_fourth_stream_is_refused_like_a_get() -> None:
    async with Stack(limits={"default": 0}) as stack:
        assert (await stack.watch(ENTRY, method="HEAD")).status == 429
        assert stack.origin.requests == []


async def test_a_condition_that_holds_is_304_and_starts_nothing(stack: Stack) -> None:
    stack.origin.answers[ENTRY] = web.Response(
        body=MASTER.encode(), headers={"Content-Type": HLS, "ETag": '"v1"'}
    )
    held = await stack.watch(ENTRY, If_None_Match='"v1"')
    assert (held.status, held.body) == (304, b"")
    assert await active(stack) == 0
    stale = await stack.watch(ENTRY, If_None_Match='"v0"')
    assert stale.decision == ("admitted", "1/3")
    assert "ETag" not in stale.headers


async def test_ranges_of_a_manifest_add_up_to_it(stack: Stack) -> None:
    # One token, as a player has it: the ticket says when that was issued.
    entry = f"{ENTRY}?token={stack.token()}"
    whole = await stack.ask(entry)
    assert whole.headers["Accept-Ranges"] == "bytes"
    everything = await stack.ask(entry, Range="bytes=0-")
    assert (everything.status, everything.body) == (206, whole.body)
    start = await stack.ask(entry, Range="bytes=0-9")
    rest = await stack.ask(entry, Range="bytes=10-")
    assert start.body + rest.body == whole.body
    assert start.headers["Content-Range"] == f"bytes 0-9/{len(whole.body)}"
    beyond = await stack.ask(entry, Range=f"bytes={len(whole.body)}-")
    assert (beyond.status, beyond.headers["Content-Range"]) == (416, f"bytes */{len(whole.body)}")
    for wanted in ("bytes=10-", f"bytes={len(whole.body)}-"):
        again = await stack.ask(entry, Range=wanted, If_Range='"whatever it was"')
        assert (again.status, len(again.body)) == (200, len(whole.body))


async def test_a_personalised_manifest_is_stored_by_nobody(stack: Stack) -> None:
    stack.origin.answers[ENTRY] = web.Response(
        body=MASTER.encode(),
        headers={"Content-Type": HLS, "Cache-Control": "max-age=60", "Set-Cookie": "a=b"},
    )
    answer = await stack.watch(ENTRY)
    assert answer.headers.getall("Cache-Control") == ["no-store"]
    assert "Set-Cookie" not in answer.headers


async def test_a_preflight_needs_no_token(stack: Stack) -> None:
    answer = await stack.ask(
        ENTRY,
        method="OPTIONS",
        Origin="https://player.example",
        Access_Control_Request_Method="GET",
        Access_Control_Request_Headers="authorization, range",
    )
    assert answer.status == 204
    assert answer.headers["Access-Control-Allow-Origin"] == "*"
    assert answer.headers["Access-Control-Allow-Headers"] == "authorization, range"
    assert "GET" in answer.headers["Access-Control-Allow-Methods"]
    api = await stack.ask("/_playgate/streams/abc", method="OPTIONS")
    assert "DELETE" in api.headers["Access-Control-Allow-Methods"]
    assert stack.origin.requests == []


async def test_listed_pages_may_send_cookies_and_others_may_not_read() -> None:
    async with Stack(cors={"origins": ["https://tv.example"]}) as stack:
        serve_channels(stack.origin, "one")
        listed = await stack.watch(ENTRY, Origin="https://tv.example")
        assert listed.headers["Access-Control-Allow-Origin"] == "https://tv.example"
        assert listed.headers["Access-Control-Allow-Credentials"] == "true"
        stranger = await stack.watch(ENTRY, Origin="https://evil.example")
        assert "Access-Control-Allow-Origin" not in stranger.headers
        assert stranger.headers["Vary"] == "Origin"


async def test_decisions_can_be_read_by_a_page(stack: Stack) -> None:
    exposed = (await stack.watch(ENTRY)).headers["Access-Control-Expose-Headers"]
    for field in ("Playgate-Stream", "Playgate-Decision", "Playgate-Streams", "Retry-After"):
        assert field in exposed


async def test_a_segment_passes_with_its_range_and_type(stack: Stack) -> None:
    async def ranged(request: web.Request) -> web.StreamResponse:
        assert request.headers["Range"] == "bytes=2-3"
        fields = {"Content-Range": "bytes 2-3/10", "Content-Type": "video/mp2t"}
        return web.Response(status=206, body=b"cd", headers=fields)

    stack.origin.answers["/open/seg.ts"] = ranged
    answer = await stack.ask("/open/seg.ts", Range="bytes=2-3")
    assert (answer.status, answer.body) == (206, b"cd")
    assert answer.headers["Content-Range"] == "bytes 2-3/10"
    assert answer.headers["Content-Type"] == "video/mp2t"
    assert answer.headers["Access-Control-Allow-Origin"] == "*"


async def test_open_segments_need_no_ticket_and_carry_none(stack: Stack) -> None:
    entry = await stack.watch("/open/one/master.m3u8")
    child = await stack.ask(f"/open/one/{entry.uris()[0]}")
    assert child.text == LIVE
    assert (await stack.ask("/open/one/low/seg7.ts")).status == 200


async def test_denied_segments_are_forbidden_and_direct_ones_are_elsewhere() -> None:
    async with Stack() as plain:
        base = plain.origin.url
        routes = [
            {"name": "deny", "path": "/deny/**", "origins": [base], "segments": "deny"},
            {
                "name": "direct",
                "path": "/direct/**",
                "origins": [base],
                "segments": "direct",
                "segment_base_url": "https://cdn.example/v1",
            },
        ]
        async with Stack(routes=routes) as stack:
            serve_channels(plain.origin, "one", root="/deny")
            serve_channels(plain.origin, "one", root="/direct")
            denied = await stack.ask("/deny/one/low/seg7.ts")
            assert (denied.status, denied.code) == (403, "token_forbidden")
            playlist = await stack.watch("/direct/one/low/index.m3u8")
            assert playlist.uris()[0] == "https://cdn.example/v1/direct/one/low/seg7.ts"
            assert (await stack.ask("/direct/one/low/seg7.ts")).code == "not_found"


async def test_a_stripped_prefix_is_put_back_on_what_players_see() -> None:
    async with Stack() as plain:
        routes = [
            {
                "name": "tv",
                "path": "/tv/**",
                "strip_prefix": "/tv",
                "origins": [plain.origin.url],
            }
        ]
        async with Stack(routes=routes) as stack:
            serve_channels(plain.origin, "one")
            plain.origin.answers["/live/abs.m3u8"] = (
                HLS,
                "#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=1\n/live/one/low/index.m3u8\n",
            )
            entry = await stack.watch("/tv/live/abs.m3u8")
            uri = entry.uris()[0]
            assert uri.startswith("/tv/live/one/low/index.m3u8?_sid=")
            assert (await stack.ask(uri)).decision == ("renewed", "1/3")
            assert plain.origin.paths == ["/live/abs.m3u8", "/live/one/low/index.m3u8"]


async def test_many_viewers_cause_one_fetch_and_get_tickets_of_their_own() -> None:
    async with Stack(origin={"cache": "60s"}) as stack:
        serve_channels(stack.origin, "one")
        answers = [await stack.watch(ENTRY, account) for account in ("alice", "bob", "carol")]
        assert len(stack.origin.requests) == 1
        assert len({answer.ticket() for answer in answers}) == 3
        for answer in answers:
            child = await stack.ask(f"/live/one/{answer.uris()[0]}")
            assert child.headers["Playgate-Stream"] == answer.headers["Playgate-Stream"]


async def test_the_origin_is_told_where_a_request_came_from(stack: Stack) -> None:
    await stack.watch(ENTRY)
    headers = stack.origin.requests[0].headers
    assert headers["X-Forwarded-For"] == "127.0.0.1"
    assert headers["X-Forwarded-Proto"] == "http"
    assert headers["X-Forwarded-Host"] == f"127.0.0.1:{stack.service.port}"
    assert headers["Host"] == f"127.0.0.1:{stack.origin.port}"
