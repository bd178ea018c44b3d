"""The web players, as npm delivers them and with the settings they come with, and Chromium's own.

The page is of another origin than the proxy, as a service's page is: CORS is part of the play.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from playwright.async_api import async_playwright

from tests.e2e.chromium import Browser, chromium
from tests.e2e.player import Form
from tests.support import needs

HLS = frozenset({Form.HLS_VOD, Form.HLS_LIVE, Form.LL_HLS})
DASH = frozenset({Form.DASH_VOD, Form.DASH_LIVE})

PAGE = "<!doctype html><video autoplay muted playsinline></video>"
# What was played, whatever the player calls its start.
POSITION = """() => {
    const played = document.querySelector('video').played;
    let seconds = 0;
    for (let at = 0; at < played.length; at++) seconds += played.end(at) - played.start(at);
    return seconds;
}"""
# dash.js that is late at the end pauses there before it has told the browser that nothing follows;
# that waits for more, and never says that it has ended.
ENDED = "(video => video.ended || video.currentTime >= video.duration)"
FAILURE = "window.failure ?? document.querySelector('video').error?.message ?? null"

HLS_JS = """([url]) => {
    const player = new Hls();
    player.on(Hls.Events.ERROR, (_, { fatal, details, response }) => {
        if (fatal) window.failure ??= `${details} ${response?.code ?? ''}`;
    });
    player.loadSource(url);
    player.attachMedia(document.querySelector('video'));
}"""
SHAKA = """async ([url]) => {
    const player = new shaka.Player();
    const failed = ({ severity, code, data }) => {
        if (severity === 2) window.failure ??= `shaka ${code} ${data?.[1] ?? ''}`;
    };
    player.addEventListener('error', ({ detail }) => failed(detail));
    await player.attach(document.querySelector('video'));
    player.load(url).catch(failed);
}"""
DASH_JS = """([url]) => {
    const player = dashjs.MediaPlayer().create();
    player.on('error', ({ error }) => { window.failure ??= `dash.js ${error.code}`; });
    player.initialize(document.querySelector('video'), url, true);
}"""
VIDEO_JS = """([url, type]) => {
    const video = document.querySelector('video');
    video.className = 'video-js';
    const player = videojs(video, { autoplay: true, muted: true });
    player.on('error', () => { window.failure ??= player.error().message; });
    player.src({ src: url, type });
}"""
NATIVE = "([url]) => { document.querySelector('video').src = url; }"


@dataclass(frozen=True)
class WebPlaying:
    """A page in a browser of its own."""

    browser: Browser

    async def position(self) -> float:
        return float(await self.browser.page.evaluate(POSITION))

    async def failure(self) -> str | None:
        failure = await self.browser.page.evaluate(FAILURE)
        return None if failure is None else str(failure)

    async def ended(self) -> bool:
        """Tell whether it has played to the end."""
        return bool(await self.browser.page.evaluate(f"{ENDED}(document.querySelector('video'))"))

    async def crash(self) -> None:
        await self.browser.crash()

    async def close(self) -> None:
        """Close the tab, as a viewer does."""
        await self.browser.page.close()


@dataclass(frozen=True)
class WebPlayer:
    """A player that runs in a page; ``start`` is given the URL and its media type."""

    name: str
    forms: frozenset[Form]
    start: str
    script: str | None = None

    @asynccontextmanager
    async def play(self, url: str, form: Form) -> AsyncIterator[WebPlaying]:
        mime = "application/dash+xml" if form in DASH else "application/vnd.apple.mpegurl"
        script = needs.node_module(self.script) if self.script else None
        async with async_playwright() as playwright, chromium(playwright) as browser:
            await browser.page.set_content(PAGE)
            if script is not None:
                await browser.page.add_script_tag(path=script)
            await browser.page.evaluate(self.start, [url, mime])
            yield WebPlaying(browser)


WEB_PLAYERS = [
    WebPlayer("hls.js", HLS, HLS_JS, "hls.js/dist/hls.min.js"),
    WebPlayer("Shaka", HLS | DASH, SHAKA, "shaka-player/dist/shaka-player.compiled.js"),
    WebPlayer("dash.js", DASH, DASH_JS, "dashjs/dist/modern/umd/dash.all.min.js"),
    WebPlayer("video.js", HLS | DASH, VIDEO_JS, "video.js/dist/video.min.js"),
    WebPlayer("Chromium", HLS, NATIVE),
]
