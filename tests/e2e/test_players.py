"""Real players, unmodified: each counts as one stream for longer than a slot's TTL."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from playwright.async_api import Page, async_playwright

from tests.e2e.demo_stage import PLAYS_FOR, TTL, Stage, stage
from tests.support import needs
from tests.support.poll import until
from tests.support.redis_server import RedisServer

pytestmark = pytest.mark.e2e

HLS = ["/vod/tidewater/master.m3u8", "/live/tidewater/master.m3u8"]
DASH = ["/vod/tidewater/manifest.mpd", "/live/tidewater/manifest.mpd"]

CHROMIUM_FLAGS = [
    *("--no-sandbox", "--disable-gpu", "--mute-audio"),
    *("--autoplay-policy=no-user-gesture-required", "--disable-background-networking"),
    *("--no-first-run", "--disable-component-update", "--disable-sync", "--disable-quic"),
]
HLS_JS = """url => {
    // A buffer smaller than a slot's TTL, or an hour of film would be here in seconds.
    const player = new Hls({maxBufferLength: 4, maxMaxBufferLength: 8});
    player.on(Hls.Events.ERROR, (_, data) => {
        if (data.fatal) window.failure = data.response?.code ?? data.details;
    });
    player.loadSource(url);
    player.attachMedia(document.querySelector('video'));
}"""
DASH_JS = """url => {
    const player = dashjs.MediaPlayer().create();
    player.updateSettings({debug: {logLevel: 0}});
    player.on('error', event => { window.failure = event.error.code; });
    player.initialize(document.querySelector('video'), url, true);
}"""
PLAYERS = {
    "hls.js": ("hls.js/dist/hls.min.js", HLS_JS),
    "dash.js": ("dashjs/dist/modern/umd/dash.all.min.js", DASH_JS),
}


@pytest.fixture
async def running(redis_server: RedisServer) -> AsyncIterator[Stage]:
    async with stage(redis_server.url) as set_up:
        yield set_up


@asynccontextmanager
async def browser_page(player: str, url: str) -> AsyncIterator[Page]:
    chromium = needs.program("chromium", "chromium-browser", install="apt-get install chromium")
    file, start = PLAYERS[player]
    script = needs.node_module(file)
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(
            executable_path=chromium, args=CHROMIUM_FLAGS, headless=True
        )
        page = await browser.new_page()
        await page.set_content("<video autoplay muted></video>")
        await page.add_script_tag(path=script)
        await page.evaluate(start, url)
        yield page
        await browser.close()


async def position(page: Page) -> float:
    assert await page.evaluate("window.failure") is None
    return float(await page.evaluate("document.querySelector('video').currentTime"))


@asynccontextmanager
async def ffmpeg(url: str, seconds: float) -> AsyncIterator[asyncio.subprocess.Process]:
    """Run ffmpeg in real time for so much media, thrown away."""
    program = needs.program("ffmpeg", install="apt-get install ffmpeg")
    process = await asyncio.create_subprocess_exec(
        *(program, "-v", "error", "-nostdin", "-re", "-i", url, "-t", str(seconds)),
        *("-map", "0:v:0", "-map", "0:a:0", "-f", "null", "-"),
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.communicate()


@pytest.mark.parametrize("path", HLS + DASH)
async def test_ffmpeg_is_one_stream_for_as_long_as_it_plays(running: Stage, path: str) -> None:
    async with ffmpeg(running.entry(path, "alice"), PLAYS_FOR) as process:
        assert process.stderr is not None
        await until(lambda: is_counted(running), "ffmpeg is counted")
        seen = await running.counts_while("alice", PLAYS_FOR - TTL / 2)
        errors = await process.stderr.read()
        await process.wait()
    assert seen == {1}
    assert (process.returncode, errors) == (0, b"")


@pytest.mark.parametrize(
    ("player", "path"),
    [*(("hls.js", path) for path in HLS), *(("dash.js", path) for path in DASH)],
)
async def test_a_web_player_is_one_stream_for_as_long_as_it_plays(
    running: Stage, player: str, path: str
) -> None:
    async with browser_page(player, running.entry(path, "alice")) as page:

        async def plays() -> bool:
            return await position(page) > 0.5

        await until(plays, f"{player} plays")
        start = await position(page)
        seen = await running.counts_while("alice", PLAYS_FOR, lambda: position(page))
        played = await position(page) - start
    assert seen == {1}
    assert played > PLAYS_FOR / 2
    await until(lambda: is_free(running), "its slot is free", TTL + 5)


@pytest.mark.parametrize(
    ("player", "path"),
    [("hls.js", HLS[1]), ("hls.js", HLS[0]), ("dash.js", DASH[1]), ("dash.js", DASH[0])],
)
async def test_a_refused_web_player_never_reaches_the_origin(
    running: Stage, player: str, path: str
) -> None:
    async with running.occupied("/vod/redmesa/master.m3u8", "bob", "tv"):
        async with browser_page(player, running.entry(path, "bob")) as page:

            async def failed() -> bool:
                return await page.evaluate("window.failure") is not None

            await until(failed, f"{player} gives up")
            failure = await page.evaluate("window.failure")
        if player == "hls.js":
            assert failure == 429
        assert asked_for(running, "tidewater") == []


async def test_a_refused_ffmpeg_never_reaches_the_origin(running: Stage) -> None:
    async with running.occupied("/vod/redmesa/master.m3u8", "bob", "tv"):
        async with ffmpeg(running.entry(HLS[1], "bob"), 5) as process:
            assert process.stderr is not None
            errors = await process.stderr.read()
            await process.wait()
        assert process.returncode != 0
        assert b"429" in errors or b"4XX" in errors
        assert asked_for(running, "tidewater") == []


def asked_for(running: Stage, title: str) -> list[str]:
    """What the origin was asked for of a title, by its own log."""
    return [entry.path for entry in running.behind.log if title in entry.path]


async def is_counted(running: Stage) -> bool:
    return len(await running.streams("alice")) == 1


async def is_free(running: Stage) -> bool:
    return await running.streams("alice") == []


def test_the_players_are_those_the_page_uses() -> None:
    from proxy.demo.site import PLAYERS as ON_THE_PAGE  # noqa: PLC0415  # for this alone

    assert {Path(file) for file, _ in PLAYERS.values()} <= set(ON_THE_PAGE.values())
