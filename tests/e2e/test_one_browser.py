"""What a viewer does with a real browser: two tabs, a pause, a seek, a reload. One stream."""

from collections.abc import AsyncIterator

import pytest
from playwright.async_api import Browser, BrowserContext, Page, async_playwright

from tests.e2e.chromium import PATIENCE
from tests.e2e.player import Form
from tests.e2e.stage import TTL, Stage, Viewer
from tests.support import needs
from tests.support.poll import until

pytestmark = [pytest.mark.e2e, pytest.mark.matrix]

FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--mute-audio",
    "--autoplay-policy=no-user-gesture-required",
]
# Unmodified, with their own settings.
PLAYERS = {
    "hls.js": (
        "hls.js/dist/hls.min.js",
        """(video, url) => {
            const player = new Hls();
            player.loadSource(url);
            player.attachMedia(video);
        }""",
    ),
    "dash.js": (
        "dashjs/dist/modern/umd/dash.all.min.js",
        "(video, url) => dashjs.MediaPlayer().create().initialize(video, url, true)",
    ),
    "Shaka": (
        "shaka-player/dist/shaka-player.compiled.js",
        """async (video, url) => {
            const player = new shaka.Player();
            await player.attach(video);
            await player.load(url);
        }""",
    ),
}


@pytest.fixture
async def browser() -> AsyncIterator[Browser]:
    chromium = needs.program("chromium", "chromium-browser", install="apt-get install chromium")
    async with async_playwright() as playwright:
        running = await playwright.chromium.launch(
            executable_path=chromium, args=FLAGS, headless=True, timeout=PATIENCE
        )
        yield running
        await running.close()


async def opened(tabs: BrowserContext, player: str, url: str) -> Page:
    """Open a tab with the player in it, and wait until it plays."""
    file, start = PLAYERS[player]
    tab = await tabs.new_page()
    await tab.set_content("<video autoplay muted></video>")
    await tab.add_script_tag(path=needs.node_module(file))
    await tab.evaluate(f"url => {{ ({start})(document.querySelector('video'), url) }}", url)
    begun = await position(tab)

    async def plays() -> bool:
        return await position(tab) > begun + 0.5

    await until(plays, f"{player} plays")
    return tab


async def position(tab: Page) -> float:
    return float(await tab.evaluate("document.querySelector('video').currentTime"))


async def counted(viewer: Viewer, seconds: float) -> set[int]:
    return set(await viewer.counts(seconds))


@pytest.mark.parametrize(
    ("player", "form"),
    [
        ("hls.js", Form.HLS_LIVE),
        ("hls.js", Form.HLS_VOD),
        ("dash.js", Form.DASH_LIVE),
        ("Shaka", Form.DASH_VOD),
    ],
)
async def test_tabs_pauses_seeks_and_reloads_are_one_stream(
    on_stage: Stage, browser: Browser, player: str, form: Form
) -> None:
    viewer = on_stage.viewer(limit=3)
    tabs = await browser.new_context()
    tabs.set_default_timeout(PATIENCE)
    one = await opened(tabs, player, viewer.url(form))
    two = await opened(tabs, player, viewer.url(form))
    assert await counted(viewer, TTL) == {1}, "two tabs"

    await two.close()
    await one.evaluate("document.querySelector('video').pause()")
    paused_at = await position(one)
    assert await counted(viewer, 2 * TTL) == {1}, "paused"
    assert await position(one) == pytest.approx(paused_at, abs=1)

    if not form.live:
        await one.evaluate("document.querySelector('video').currentTime = 200")
    await one.evaluate("document.querySelector('video').play()")
    assert await counted(viewer, 2) == {1}, "seeking"

    # As by a reload, the old page goes without a word, and the new one has a token of its own.
    await one.close()
    again = await opened(tabs, player, viewer.url(form))
    assert await counted(viewer, TTL) == {1}, "reloaded"

    await again.close()

    async def free() -> bool:
        return await viewer.count() == 0

    await until(free, "the slot is free")
