"""The stage, for every test that drives players of the matrix."""

from collections.abc import AsyncIterator, Mapping

import pytest

from proxy.demo.fmp4 import Track
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
