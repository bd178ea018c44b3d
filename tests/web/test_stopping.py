"""A stream is stopped through one proxy while it plays through another; both share one Redis."""

import asyncio
import os
import subprocess
import sys
from collections.abc import AsyncIterator

import pytest
from redis.asyncio import Redis

from tests.support.pair import Pair, two_proxies
from tests.support.playlists import serve_channels, serve_dash, serve_film
from tests.support.redis_server import RedisServer
from tests.support.stack import ADMIN_TOKEN, Answer

LIVE, OTHER = "/live/one/master.m3u8", "/live/two/master.m3u8"
FILM, MPD = "/live/film.m3u8", "/live/event.mpd"
STREAMS = "/admin/v1/accounts/alice/streams"
CHROME = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 Chrome/142.0.0.0 Safari/537.36"


@pytest.fixture
async def pair(redis: Redis, redis_server: RedisServer) -> AsyncIterator[Pair]:
    del redis  # empties the server and looks for keys without a TTL
    # Longer than a command line takes to start, time and again.
    async with two_proxies(redis_server, streams={"ttl": "10m"}) as pair:
        serve_channels(pair.here.origin, "one", "two", "three")
        serve_film(pair.here.origin, "film")
        serve_dash(pair.here.origin, "event")
        yield pair


async def ids(pair: Pair) -> list[str]:
    return [one["id"] for one in (await pair.there.operate(STREAMS)).json["streams"]]


def stream_of(answer: Answer) -> str:
    return answer.headers["Playgate-Stream"]


def assert_stopped(answer: Answer, by: str) -> None:
    assert (answer.status, answer.code) == (409, "stream_ended")
    assert (answer.json["reason"], answer.json["by"]) == ("killed", by)
    assert answer.headers["Access-Control-Allow-Origin"] == "*"


async def test_a_live_playlist_is_refused_at_its_next_refresh_on_every_proxy(pair: Pair) -> None:
    entry = await pair.play(LIVE)
    child = f"/live/one/{entry.uris()[0]}"
    assert (await pair.ask(child)).status == 200
    ended = await pair.there.operate(f"{STREAMS}/{stream_of(entry)}", "DELETE")
    assert ended.status == 204
    for proxy in (pair.here, pair.there):
        assert_stopped(await pair.ask(child, through=proxy), by="operator")


async def test_a_live_mpd_is_refused_at_its_next_refresh(pair: Pair) -> None:
    entry = await pair.play(MPD)
    await pair.there.operate(f"{STREAMS}/{stream_of(entry)}", "DELETE")
    assert_stopped(await pair.ask(f"{MPD}?_sid={entry.ticket()}"), by="operator")


async def test_signed_segments_stop_what_is_on_demand(pair: Pair) -> None:
    entry = await pair.play(FILM)
    first, second = (f"/live/{uri}" for uri in entry.uris())
    assert (await pair.ask(first)).status == 200
    await pair.there.operate(f"{STREAMS}/{stream_of(entry)}", "DELETE")
    asked = len(pair.here.origin.requests)
    assert_stopped(await pair.ask(second), by="operator")
    assert len(pair.here.origin.requests) == asked


async def test_a_viewer_sees_and_stops_what_plays_on_another_device(pair: Pair) -> None:
    television = await pair.play(LIVE, agent="AppleTV11,1/11.1")
    await pair.play(OTHER, agent=CHROME)
    token = f"token={pair.there.token()}"
    mine = await pair.ask(f"/_playgate/streams?{token}", through=pair.there)
    assert [one["device"] for one in mine.json["streams"]] == ["AppleTV", "Chrome on Linux"]
    path = f"/_playgate/streams/{stream_of(television)}?{token}"
    stopped = await pair.there.ask(path, method="DELETE", agent=CHROME, Host="tv.test")
    assert stopped.status == 204
    assert_stopped(await pair.ask(f"/live/one/{television.uris()[0]}"), by="Chrome on Linux")
    again = await pair.there.ask(path, method="DELETE", agent=CHROME, Host="tv.test")
    assert (again.status, again.code) == (404, "not_found")


async def test_who_stops_a_stream_is_named_as_in_the_list_of_streams(pair: Pair) -> None:
    mine = await pair.play(OTHER, device="phone", agent=CHROME)
    for credential in (f"token={pair.there.token(device='phone')}", f"_sid={mine.ticket()}"):
        television = await pair.play(LIVE, device="tv")
        path = f"/_playgate/streams/{stream_of(television)}?{credential}"
        stopped = await pair.there.ask(path, method="DELETE", agent=CHROME, Host="tv.test")
        assert stopped.status == 204
        assert_stopped(await pair.ask(f"/live/one/{television.uris()[0]}"), by="phone")


async def test_a_page_of_another_origin_may_stop_a_stream(pair: Pair) -> None:
    """What a browser asks before it sends DELETE with a token (the Fetch standard, §4.8)."""
    preflight = await pair.there.ask(
        "/_playgate/streams/abc",
        method="OPTIONS",
        Origin="https://tv.example",
        Access_Control_Request_Method="DELETE",
        Access_Control_Request_Headers="authorization",
    )
    assert preflight.status == 204
    assert preflight.headers["Access-Control-Allow-Origin"] == "*"
    assert "DELETE" in preflight.headers["Access-Control-Allow-Methods"]
    assert preflight.headers["Access-Control-Allow-Headers"] == "authorization"


async def test_a_hold_keeps_the_stream_and_no_other_out_on_every_proxy(pair: Pair) -> None:
    entry = await pair.play(LIVE)
    await pair.there.operate(f"{STREAMS}/{stream_of(entry)}?hold=10m", "DELETE")
    for proxy in (pair.here, pair.there):
        again = await proxy.watch(LIVE, Host="tv.test")
        assert_stopped(again, by="operator")
        assert 590 < int(again.headers["Retry-After"]) <= 600
    assert (await pair.play(OTHER)).decision == ("admitted", "1/3")


async def test_without_a_hold_it_may_be_started_again_at_once(pair: Pair) -> None:
    entry = await pair.play(LIVE)
    await pair.there.operate(STREAMS, "DELETE")
    again = await pair.play(LIVE)
    assert stream_of(again) == stream_of(entry)
    assert (await pair.ask(f"/live/one/{again.uris()[0]}")).status == 200
    assert_stopped(await pair.ask(f"/live/one/{entry.uris()[0]}"), by="operator")


async def test_the_listing_is_complete_and_oldest_first_wherever_it_is_asked_for(
    pair: Pair,
) -> None:
    started = [
        stream_of(await pair.play(path, agent=agent))
        for path, agent in ((LIVE, "a/1"), (OTHER, "b/1"), (MPD, "c/1"))
    ]
    assert await ids(pair) == started
    mine = await pair.ask(f"/_playgate/streams?token={pair.there.token()}", through=pair.there)
    operators = (await pair.here.operate(STREAMS)).json["streams"]
    assert mine.json == {"streams": operators, "limit": 3}
    assert [one["content"] for one in operators] == [f"tv.test{it}" for it in (LIVE, OTHER, MPD)]


async def test_the_command_line_lists_and_ends(pair: Pair) -> None:
    async def playgate(*arguments: str) -> str:
        environ = {
            **os.environ,
            "PLAYGATE_ADMIN_URL": f"http://127.0.0.1:{pair.there.service.admin_port}",
            "PLAYGATE_ADMIN_TOKEN": ADMIN_TOKEN,
        }
        command = [sys.executable, "-m", "proxy", "streams", *arguments]
        done = await asyncio.to_thread(
            subprocess.run, command, env=environ, capture_output=True, text=True, check=True
        )
        return str(done.stdout)

    one, two = await pair.play(LIVE), await pair.play(OTHER)
    listed = (await playgate("list", "alice")).splitlines()
    assert [line.split()[0] for line in listed] == [stream_of(one), stream_of(two)]
    assert listed[0].endswith(f"  test  tv.test{LIVE}")
    assert await playgate("end", "alice", stream_of(one), "--hold", "1h") == ""
    assert_stopped(await pair.here.watch(LIVE, Host="tv.test"), by="operator")
    assert await ids(pair) == [stream_of(two)]
    await playgate("end", "alice")
    assert await ids(pair) == []
