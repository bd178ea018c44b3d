"""Stores to ask."""

from collections.abc import AsyncIterator, Iterator

import pytest
from redis.asyncio import Redis

from proxy.admission.redis import RedisStore
from tests.admission.house import Build, building
from tests.admission.samples import policy
from tests.support.redis_server import RedisServer


@pytest.fixture
async def store(
    redis_server: RedisServer,
    redis: Redis,  # noqa: ARG001  # empties Redis before, and looks for keys without a TTL after
) -> AsyncIterator[RedisStore]:
    """A store by Redis's own clock."""
    # Patient, because the machine of a test may be busy; what a timeout does is a test of its own.
    store = RedisStore(redis_server.url, policy(), key_prefix="playgate", timeout=10)
    await store.start()
    yield store
    await store.close()


@pytest.fixture
def build(redis_server: RedisServer) -> Iterator[Build]:
    """Give a way to build a house by the operator's rules."""
    with building(redis_server.url) as built:
        yield built
