"""What a scrape costs does not depend on how many streams are active; tells what it measured."""

import statistics
from collections.abc import Awaitable, Callable
from time import perf_counter

import pytest
from redis.asyncio import Redis

from proxy.admission.redis import RedisStore
from tests.admission.samples import policy
from tests.conftest import Tell
from tests.support import crowd
from tests.support.poll import until
from tests.support.redis_server import RedisServer
from tests.support.stack import Stack

ACCOUNTS = 500_000
STREAMS = ACCOUNTS * crowd.STREAMS_EACH
# Longer than the test takes, on any machine.
TTL_MS = 600_000
PREFIX = "playgate"
TIMES = 20


async def milliseconds(call: Callable[[], Awaitable[object]]) -> float:
    """Give the median over some calls."""
    took = []
    for _ in range(TIMES):
        begun = perf_counter()
        await call()
        took.append(1000 * (perf_counter() - begun))
    return statistics.median(took)


@pytest.mark.deploy
async def test_a_million_active_streams_are_shown_and_make_a_scrape_no_longer(tell: Tell) -> None:
    route = {"name": "route-0", "path": "/**", "origins": ["http://127.0.0.1:9"]}
    with RedisServer() as server:
        store = RedisStore(server.url, policy(), key_prefix=PREFIX, timeout=60)
        settings = {"url": server.url, "timeout": "10s", "key_prefix": PREFIX}
        async with (
            Redis.from_url(server.url, socket_timeout=None) as redis,
            Stack(store=settings, routes=[route]) as stack,
        ):

            async def scrape() -> str:
                return (await stack.operate("/metrics", token=None)).text

            async def all_are_shown() -> bool:
                stats = await stack.operate("/admin/v1/stats")
                shown: int = stats.json["active_streams"]["route-0"]
                return shown == STREAMS

            async def has_looked() -> bool:
                return 'seconds_count{op="active"} 0.0' not in await scrape()

            await until(has_looked, "the proxy has asked for their number")
            few, few_took = await scrape(), await milliseconds(scrape)
            await crowd.fill(store, redis, ACCOUNTS, key_prefix=PREFIX, ttl_ms=TTL_MS)
            await until(all_are_shown, "all are shown")
            many, many_took = await scrape(), await milliseconds(scrape)
            looked = await milliseconds(store.active)
            memory = (await redis.info("memory"))["used_memory"] / STREAMS
        await store.close()
    tell(
        f"metrics: a scrape takes {few_took:.1f} ms without streams and {many_took:.1f} ms with"
        f" {STREAMS:,}; a look at the tally {looked:.1f} ms; a stream {memory:.0f} bytes of Redis"
    )
    assert len(many.splitlines()) == len(few.splitlines())
