"""Servers that are one store, ready to be asked, and to be killed."""

from collections.abc import AsyncIterator

import pytest

from tests.support.redis_team import Cluster, Watched


@pytest.fixture
def engine() -> str:
    """Whose servers: a test asks for others by a parameter of this name."""
    return "redis"


@pytest.fixture
async def cluster(engine: str) -> AsyncIterator[Cluster]:
    """Give three primaries with a replica each."""
    with Cluster(engine) as servers:
        await servers.start()
        yield servers


@pytest.fixture
async def watched(engine: str) -> AsyncIterator[Watched]:
    """Give a primary, its replica and three sentinels."""
    with Watched(engine) as servers:
        await servers.start()
        yield servers
