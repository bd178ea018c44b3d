"""Households, with either store behind the proxy."""

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any

import pytest
from redis.asyncio import Redis

from tests.support.redis_server import RedisServer
from tests.support.stack import Stack
from tests.wild.programme import broadcast, lend
from tests.wild.screens import Household, TestClock

Proxy = Callable[..., AbstractAsyncContextManager[Household]]


@pytest.fixture(params=["memory", "redis"])
def proxy(
    request: pytest.FixtureRequest,
    redis_server: RedisServer,
    redis: Redis,  # noqa: ARG001  # empties Redis before, and looks for keys without a TTL after
) -> Proxy:
    """Give what sets up a proxy behind a trusted balancer; settings go over the defaults."""
    # Patient with the store, because the machine of a test may be busy.
    in_redis = {"url": redis_server.url, "timeout": "10s"}
    store = in_redis if request.param == "redis" else {}

    @asynccontextmanager
    async def set_up(**settings: Any) -> AsyncIterator[Household]:
        clock = TestClock()
        defaults = {"listen": {"trusted_proxies": ["127.0.0.1"]}, "store": store}
        async with Stack(clock, **{**defaults, **settings}) as stack:
            yield Household(stack, clock)

    return set_up


@pytest.fixture
async def home(proxy: Proxy) -> AsyncIterator[Household]:
    """A household behind a proxy with its defaults, channels and films to watch."""
    async with proxy() as household:
        broadcast(household.stack.origin)
        lend(household.stack.origin)
        yield household
