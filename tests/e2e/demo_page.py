"""The demo's page in a real browser, and what a person does there."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from playwright.async_api import (
    ConsoleMessage,
    Locator,
    Page,
    Request,
    Response,
    Route,
    async_playwright,
    expect,
)

from tests.e2e.chromium import FLAGS, PATIENCE
from tests.e2e.demo_stage import Stage
from tests.support import needs
from tests.support.poll import until

# The page's own requests, of which there is one every second.
OF_THE_PAGE = ("/demo/", "/_playgate/streams")
# What a person would look at in the browser's console when a picture does not move.
STATE = """video => {
    const ends = ranges => Array.from({length: ranges.length}, (_, at) => ranges.end(at));
    return JSON.stringify({
        at: video.currentTime, paused: video.paused, seeking: video.seeking,
        ready: video.readyState, error: video.error?.message ?? null, until: ends(video.buffered),
    });
}"""


# What the console may say, or a player throw, though nothing is wrong.
FAULTLESS = (
    # A refusal: the browser reports every one of them.
    "status of 429",
    "status of 409",
    # dash.js goes on after it: where a source replaces another, the older play() is given up.
    "Caught pending play exception - continuing (AbortError",
    # Shaka that is destroyed while a steering server's answer comes in sets its timer all the same,
    # by which it has nobody to ask for an estimate (content_steering_manager.js, addQueryParams_).
    "Cannot read properties of null (reading 'getBandwidthEstimate')",
)


@dataclass
class DemoPage:
    """The page, what the browser complained of, and what its players asked for."""

    stage: Stage
    page: Page
    complaints: list[str] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)
    ended: list[str] = field(default_factory=list)

    def hears(self, message: ConsoleMessage) -> None:
        if message.type in ("error", "warning"):
            self.complains(message.text)

    def complains(self, text: str) -> None:
        if not any(words in text for words in FAULTLESS):
            self.complaints.append(text)

    def sees(self, request: Request) -> None:
        path = urlsplit(request.url).path
        if request.url.startswith(self.stage.url) and not path.startswith(OF_THE_PAGE):
            self.asked.append(path)

    def learns(self, response: Response) -> None:
        if response.status == 409:
            self.ended.append(urlsplit(response.url).path)

    async def open(self) -> None:
        await self.page.goto(f"{self.stage.url}/demo/")

    async def choose(self, form: str, engine: str) -> None:
        """Choose a format and a player."""
        for group, name in (("Format", form), ("Player", engine)):
            await (
                self.page.get_by_role("group", name=group).get_by_role("button", name=name).click()
            )

    async def start(self, title: str, form: str) -> None:
        await self.page.get_by_role("button", name=f"Play {title}, {form}").click()

    def screen(self, device: str) -> Locator:
        heading = self.page.get_by_role("heading", name=device)
        return self.page.locator(".screen").filter(has=heading)

    async def plays(self, device: str) -> None:
        """Wait until the device's picture moves."""
        card = self.screen(device)
        await expect(card).to_have_attribute("data-state", "playing")
        video = await card.locator("video").element_handle()
        assert video is not None
        began = await video.evaluate("video => video.currentTime")

        async def moves() -> bool:
            return bool(await video.evaluate("video => video.currentTime") > began)

        try:
            await until(moves, f"{device} plays")
        except AssertionError as never:
            shown = f"{await card.inner_text()}; {await video.evaluate(STATE)}"
            raise AssertionError(f"{never}: {shown}") from never


@asynccontextmanager
async def demo_page(stage: Stage) -> AsyncIterator[DemoPage]:
    """Run a browser; gives the page, not opened yet."""
    chromium = needs.program("chromium", "chromium-browser", install="apt-get install chromium")
    expect.set_options(timeout=PATIENCE)
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(
            executable_path=chromium, args=FLAGS, timeout=PATIENCE
        )
        demo = DemoPage(stage, await browser.new_page())
        demo.page.set_default_timeout(PATIENCE)
        demo.page.on("console", demo.hears)
        demo.page.on("pageerror", lambda error: demo.complains(str(error)))
        demo.page.on("request", demo.sees)
        demo.page.on("response", demo.learns)
        yield demo
        await browser.close()


async def without_npm(route: Route) -> None:
    """Make the page believe that npm installed nothing."""
    answer = await route.fetch()
    catalogue = await answer.json()
    catalogue["players"] = dict.fromkeys(catalogue["players"], False)
    await route.fulfill(response=answer, body=json.dumps(catalogue))
