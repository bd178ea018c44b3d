"""The stages: that of the matrix's players, and that of the demo's page."""

from collections.abc import AsyncIterator, Mapping

import pytest

from proxy.demo.fmp4 import Track
from tests.e2e import demo_stage
from tests.e2e.media import make_tracks
from tests.e2e.stage import Stage, stage
from tests.support.redis_server import RedisServer


@pytest.fixture(scope="session")
def tracks(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, Track]:
    return make_tracks(tmp_path_factory.mktemp("media"))


@pytest.fixture
async def on_stage(redis_server: RedisServer, tracks: Mapping[str, Track]) -> AsyncIterator[Stage]:
    async with stage(redis_server.url, tracks) as set_up:
        yield set_up


@pytest.fixture
async def running(redis_server: RedisServer) -> AsyncIterator[demo_stage.Stage]:
    async with demo_stage.stage(redis_server.url) as set_up:
        yield set_up
