"""What one viewer says never comes to another: by what is shared, by a ticket, or by a field."""

import json
import re
from collections.abc import AsyncIterator

import pytest
from aiohttp import web

from tests.support.origin import DASH, HLS
from tests.support.playlists import MASTER, MPD_LIVE, serve_channels, serve_dash
from tests.support.stack import Stack
from tests.web.wire import Wire, status

ENTRY, OTHER, MPD = "/live/one/master.m3u8", "/live/two/master.m3u8", "/live/dash.mpd"
# What a proxy, or an origin, somewhere is known to answer by, and caches are known not to ask for.
UNKEYED = (
    *("X-Forwarded-Host", "X-Forwarded-Proto", "X-Forwarded-Port", "X-Forwarded-Scheme"),
    *("X-Forwarded-Server", "X-Forwarded-Prefix", "X_Forwarded_Host", "Forwarded", "X-Host"),
    *("X-Original-URL", "X-Rewrite-URL", "X-HTTP-Method-Override", "X-Real-IP", "True-Client-IP"),
    *("User-Agent", "Accept", "Accept-Language", "Accept-Encoding", "Accept-Charset", "Origin"),
    *("Referer", "Cookie", "CMCD-Session", "CMCD-Request", "X-Playback-Session-Id", "Pragma"),
    *("Cache-Control", "Vary", "Via", "TE", "Max-Forwards", "X-Request-Id", "traceparent"),
)


@pytest.fixture
async def stack() -> AsyncIterator[Stack]:
    async with Stack(origin={"cache": "10m"}) as running:
        serve_channels(running.origin, "one", "two")
        serve_dash(running.origin, "dash")
        yield running


@pytest.mark.parametrize("target", [ENTRY, MPD])
async def test_no_field_of_one_viewer_is_in_the_manifest_of_the_next(
    stack: Stack, target: str
) -> None:
    async def echo(request: web.BaseRequest) -> web.StreamResponse:
        """Answer with all that came, as the worst of origins would."""
        said = json.dumps(list(request.headers.items())).replace("--", "")
        if target == MPD:
            body = MPD_LIVE.replace("<Period", f"<!-- {said} --><Period", 1)
            return web.Response(text=body, content_type=DASH)
        return web.Response(text=f"{MASTER}# {said}\n", headers={"Content-Type": HLS})

    stack.origin.answers[target] = echo
    async with Wire(stack) as wire:
        fields = [f"{name}: evil" for name in UNKEYED]
        # Asked for as it is kept for all, in the same turn and afterwards.
        first = wire.request(f"{target}?token={stack.token('mallory')}", *fields)
        wire.send(first.replace(b"User-Agent: test/1\r\n", b""))
        assert status(await wire.reply()) == 200
        for _ in range(4):
            reply = await wire.ask(f"{target}?token={stack.token()}")
            assert status(reply) == 200
            assert b"evil" not in reply[0] + reply[1]
    assert len(stack.origin.requests) == 1


@pytest.mark.parametrize("method", ["HEAD", "GET"])
async def test_what_is_asked_for_in_part_is_not_what_the_next_is_given(
    stack: Stack, method: str
) -> None:
    """Nor what is asked for on a condition, or only to be looked at."""
    for fields in ({"Range": "bytes=0-3"}, {"If_None_Match": "*"}, {"If_Range": '"a"'}):
        await stack.watch(ENTRY, "mallory", method=method, **fields)
    answer = await stack.watch(ENTRY)
    assert answer.status == 200
    assert len(answer.uris()) == 2


@pytest.mark.parametrize(
    "extra", ["?x=evil", "?CMCD=evil", "?_HLS_skip=evil", "?_sid=evil", "#evil"]
)
async def test_no_query_of_one_viewer_is_in_the_manifest_of_the_next(
    stack: Stack, extra: str
) -> None:
    stack.origin.answers[ENTRY] = echo_target
    async with Wire(stack) as wire:
        await wire.ask(f"{ENTRY}{extra}&token={stack.token('mallory')}")
        reply = await wire.ask(f"{ENTRY}?token={stack.token()}")
    assert status(reply) == 200
    assert b"evil" not in reply[1]


async def echo_target(request: web.BaseRequest) -> web.StreamResponse:
    return web.Response(text=f"{MASTER}# {request.raw_path}\n", headers={"Content-Type": HLS})


async def test_a_host_that_somebody_made_up_is_in_nobody_elses_links(stack: Stack) -> None:
    async with Wire(stack) as wire:
        theirs = f"{MPD}?token={stack.token('mallory')}"
        for host in ("evil.example", "tv.example:666", "TV.example."):
            reply = await wire.ask(theirs, host=host)
            assert status(reply) == 200
        # On the way of requests that came before, too.
        mine = f"{MPD}?token={stack.token()}"
        for _ in range(4):
            reply = await wire.ask(mine, "X-Forwarded-Host: evil.example", host="tv.example")
            assert re.findall(rb"<Location>http://([^/]+)/", reply[1]) == [b"tv.example"]


async def test_a_ticket_opens_nothing_of_another_route_or_title(stack: Stack) -> None:
    entry = await stack.watch(ENTRY)
    name, sid = entry.uris()[0].split("?_sid=")
    seal, _, ticket = sid.partition(".")
    other = (await stack.watch(OTHER, "bob")).ticket()
    assert (await stack.ask(f"/live/one/{name}?_sid={sid}")).status == 200
    before = len(stack.origin.requests)
    for path in (
        "/live/two/low/index.m3u8",
        "/open/one/low/index.m3u8",
        "/live/one/high/index.m3u8",
    ):
        for sid in (f"{seal}.{ticket}", f"{other.partition('.')[0]}.{ticket}", f".{ticket}"):
            answer = await stack.ask(f"{path}?_sid={sid}")
            assert (answer.status, answer.code) == (401, "ticket_invalid"), (path, sid)
    assert len(stack.origin.requests) == before


async def test_of_two_tickets_the_first_counts_wherever_they_stand(stack: Stack) -> None:
    """And never one for the account and another for the place."""
    entry = await stack.watch(ENTRY)
    name, mine = entry.uris()[0].split("?_sid=")
    theirs = (await stack.watch(ENTRY, "bob")).uris()[0].partition("?_sid=")[2]
    bob = stack.token("bob")
    twice = f"_sid={mine}&_sid={theirs}"
    for query in (twice, f"%5f{twice[1:]}", f"_sid={mine}&token={bob}"):
        for _ in range(4):
            answer = await stack.ask(f"/live/one/{name}?{query}", Authorization=f"Bearer {bob}")
            assert answer.headers["Playgate-Stream"] == entry.headers["Playgate-Stream"]
            assert theirs.partition(".")[2] not in answer.text


@pytest.mark.parametrize("odd", ["a\r\nX-Evil: 1", "a\nX-Evil: 1", "a\r\n\r\n<b>", "\x00\x1b["])
async def test_nothing_that_a_token_says_begins_a_field(odd: str) -> None:
    async with Stack(limits={"default": 1}) as stack, Wire(stack) as wire:
        serve_channels(stack.origin, "one", "two")
        token = stack.token("alice", device=odd, plan=odd, claims=[f"jti={odd}"])
        entry = await wire.ask(f"{ENTRY}?token={token}")
        other = stack.token("alice", claims=[f"device_class={odd}"])
        refused = [await wire.ask(f"{OTHER}?token={other}") for _ in range(6)]
        assert {status(reply) for reply in refused} == {429}
        listed = await wire.ask(f"/_playgate/streams?token={token}")
        for head, _ in (entry, *refused, listed):
            assert b"evil" not in head.lower()
            assert all(32 <= byte < 127 for byte in head.replace(b"\r\n", b""))
