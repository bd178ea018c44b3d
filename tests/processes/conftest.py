"""A proxy of several processes, with a real origin and a real Redis."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from redis.asyncio import Redis

from tests.processes.fleet import Fleet
from tests.support.origin import TestOrigin
from tests.support.playlists import serve_channels
from tests.support.redis_server import RedisServer


@pytest.fixture
async def origin() -> AsyncIterator[TestOrigin]:
    async with TestOrigin() as origin:
        serve_channels(origin, "one")
        yield origin


@pytest.fixture
def stopped(origin: TestOrigin, redis: Redis, redis_server: RedisServer, tmp_path: Path) -> Fleet:
    """One that does not run yet."""
    del redis  # empties the server and looks for keys without a TTL
    return Fleet(tmp_path, origin.url, redis_server.url)


@pytest.fixture
async def fleet(stopped: Fleet) -> AsyncIterator[Fleet]:
    async with stopped.running():
        yield stopped
