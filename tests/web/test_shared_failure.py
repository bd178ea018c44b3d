"""One failure of an origin is that of all who waited for the same, each still under way.

They give their slots back, by a store that is elsewhere, and so are told one after the other.
"""

import asyncio
from collections import Counter

from aiohttp import web

from tests.support.origin import HLS
from tests.support.poll import until
from tests.support.redis_server import RedisServer
from tests.support.stack import Stack

ENTRY = "/live/one/master.m3u8"
VIEWERS = 40


async def test_who_is_told_of_a_failure_first_ends_nobody_else_who_waited() -> None:
    gate = asyncio.Event()

    async def no_manifest(_: web.Request) -> web.Response:
        await gate.wait()
        return web.Response(text="<html>", content_type=HLS)

    # Long enough for a busy machine: whoever is cut off asks the store in vain.
    with RedisServer() as server:
        async with Stack(store={"url": server.url, "timeout": "10s"}) as stack:
            stack.origin.answers[ENTRY] = no_manifest

            async def all_wait() -> bool:
                read = stack.service.metrics.registry.get_sample_value
                return read("playgate_manifest_cache_total", {"result": "coalesced"}) == VIEWERS - 1

            starts = [
                asyncio.create_task(stack.watch(ENTRY, account=f"account-{number}"))
                for number in range(VIEWERS)
            ]
            await until(all_wait, "all but the first wait for what that gets")
            gate.set()
            told = Counter((one.status, one.code) for one in await asyncio.gather(*starts))
            assert told == {(502, "origin_invalid"): VIEWERS}
            assert await stack.service.store.active() == {}
