"""The stages of the matrix's players and of the demo's page; the browser of the console's tests."""

from collections.abc import AsyncIterator, Mapping

import pytest
import pytest_asyncio
from playwright.async_api import Browser, async_playwright, expect

from proxy.demo.fmp4 import Track
from tests.e2e import demo_stage
from tests.e2e.chromium import FLAGS, PATIENCE
from tests.e2e.console_page import ConsolePage, console_page
from tests.e2e.media import make_tracks
from tests.e2e.stage import Stage, stage
from tests.support import needs
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


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def console_browser() -> AsyncIterator[Browser]:
    chromium = needs.program("chromium", "chromium-browser", install="apt-get install chromium")
    expect.set_options(timeout=PATIENCE)
    async with async_playwright() as playwright:
        running = await playwright.chromium.launch(
            executable_path=chromium, args=FLAGS, timeout=PATIENCE
        )
        yield running
        await running.close()


@pytest_asyncio.fixture(loop_scope="module")
async def console(console_browser: Browser) -> AsyncIterator[ConsolePage]:
    async with console_page(console_browser) as opened:
        yield opened
