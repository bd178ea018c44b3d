"""A request is given up and sent again by another proxy, as balancers do; both share one Redis."""

import asyncio
from collections.abc import AsyncIterator

import pytest
from aiohttp import web
from redis.asyncio import Redis

from tests.support.pair import Pair, two_proxies
from tests.support.playlists import serve_channels
from tests.support.poll import until
from tests.support.redis_server import RedisServer

LIVE = "/live/one/master.m3u8"
STREAMS = "/admin/v1/accounts/alice/streams"


@pytest.fixture
async def pair(redis: Redis, redis_server: RedisServer) -> AsyncIterator[Pair]:
    del redis  # empties the server and looks for keys without a TTL
    async with two_proxies(redis_server) as pair:
        serve_channels(pair.here.origin, "one")
        yield pair


async def test_what_is_given_up_here_takes_no_slot_from_what_is_served_there(pair: Pair) -> None:
    entered, over = asyncio.Event(), asyncio.Event()

    async def hang(_: web.Request) -> web.Response:
        entered.set()
        await over.wait()
        return web.Response()

    origin = pair.here.origin
    answers = origin.answers[LIVE]
    origin.answers[LIVE] = hang
    given_up = asyncio.create_task(pair.play(LIVE))
    await entered.wait()
    origin.answers[LIVE] = answers
    again = await pair.there.watch(LIVE, Host="tv.test")
    assert again.decision == ("renewed", "1/3")
    given_up.cancel()

    async def is_over() -> bool:
        answer = await pair.here.operate("/admin/v1/stats")
        return bool(answer.json["totals"]["requests"].get("abandoned"))

    await until(is_over, "it has gone")
    listed = (await pair.here.operate(STREAMS)).json["streams"]
    assert [one["id"] for one in listed] == [again.headers["Playgate-Stream"]]
    over.set()
