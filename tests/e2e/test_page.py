"""The demo's page in a browser: what a newcomer does in the first five minutes."""

import json
from collections.abc import AsyncIterator

import pytest
from playwright.async_api import (
    Browser,
    ConsoleMessage,
    Locator,
    Page,
    Route,
    async_playwright,
    expect,
)

from tests.e2e.demo_stage import Stage, stage
from tests.e2e.test_players import CHROMIUM_FLAGS
from tests.support import needs
from tests.support.poll import until
from tests.support.redis_server import RedisServer

pytestmark = pytest.mark.e2e

# Milliseconds. Chromium, Redis and the proxy share two cores with other tests.
PATIENCE = 60_000
NPM = {"HLS": "hls.js/dist/hls.min.js", "DASH": "dashjs/dist/modern/umd/dash.all.min.js"}
# What a person would look at in the browser's console when a picture does not move.
STATE = """video => {
    const ends = ranges => Array.from({length: ranges.length}, (_, at) => ranges.end(at));
    return JSON.stringify({
        at: video.currentTime, paused: video.paused, seeking: video.seeking,
        ready: video.readyState, error: video.error?.message ?? null, until: ends(video.buffered),
    });
}"""


@pytest.fixture
async def running(redis_server: RedisServer) -> AsyncIterator[Stage]:
    async with stage(redis_server.url) as set_up:
        yield set_up


@pytest.fixture
async def browser() -> AsyncIterator[Browser]:
    chromium = needs.program("chromium", "chromium-browser", install="apt-get install chromium")
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=chromium, args=CHROMIUM_FLAGS)
        yield browser
        await browser.close()


@pytest.fixture
async def complaints() -> list[str]:
    """What the browser complained of; refusals excepted, which are the point."""
    return []


@pytest.fixture
async def page(browser: Browser, complaints: list[str]) -> Page:
    expect.set_options(timeout=PATIENCE)
    page = await browser.new_page()

    def heard(message: ConsoleMessage) -> None:
        refusal = "status of 429" in message.text or "status of 409" in message.text
        if message.type in ("error", "warning") and not refusal:
            complaints.append(message.text)

    page.on("console", heard)
    page.on("pageerror", lambda error: complaints.append(str(error)))
    return page


async def without_npm(route: Route) -> None:
    """Make the page believe that npm installed nothing."""
    answer = await route.fetch()
    catalogue = await answer.json()
    catalogue["players"] = {"hls": False, "dash": False}
    await route.fulfill(response=answer, body=json.dumps(catalogue))


def screen(page: Page, device: str) -> Locator:
    return page.locator(".screen").filter(has=page.get_by_role("heading", name=device))


async def start(page: Page, title: str, form: str) -> None:
    await page.get_by_role("button", name=f"Play {title}, {form}").click()


async def plays(page: Page, device: str) -> None:
    """Wait until the device's picture moves."""
    card = screen(page, device)
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


@pytest.mark.parametrize("engine", ["HLS", "DASH", "the browser's own"])
async def test_the_fourth_player_is_refused_and_starts_once_another_is_stopped(
    running: Stage, page: Page, complaints: list[str], engine: str
) -> None:
    if engine in NPM:
        needs.node_module(NPM[engine])
    else:
        await page.route("**/demo/catalogue", without_npm)
    await page.goto(f"{running.url}/demo/")
    if engine == "DASH":
        await page.get_by_role("button", name="DASH").click()
    await expect(page.locator("h1")).to_have_text("Alice may watch on 3 screens")
    for title, form, device in (
        ("Tidewater", "live", "Living-room TV"),
        ("Red Mesa", "on demand", "Kitchen tablet"),
        ("Tidewater", "live", "Phone"),
    ):
        await start(page, title, form)
        await plays(page, device)
    await expect(page.locator("h1")).to_have_text("Alice is watching on all 3 screens")
    await expect(page.locator(".slot:not(.free)")).to_have_count(3)

    await start(page, "Greenwood", "live")
    fourth = screen(page, "Office laptop")
    await expect(fourth).to_have_attribute("data-state", "refused")
    await expect(fourth).to_contain_text("You are watching on 3 screens")
    await expect(fourth).to_contain_text("429 stream_limit")
    await expect(fourth.locator(".conflicts .device")).to_have_text(
        ["Living-room TV", "Kitchen tablet", "Phone"]
    )
    assert not [entry for entry in running.behind.log if "greenwood" in entry.path]

    await fourth.get_by_role("button", name="Stop Red Mesa on Kitchen tablet").click()
    await plays(page, "Office laptop")
    stopped = screen(page, "Kitchen tablet")
    await expect(stopped).to_contain_text("By somebody of this account, from ")
    await expect(stopped).to_contain_text("409 stream_ended")
    await plays(page, "Living-room TV")
    assert len(await running.streams("alice")) == 3
    assert complaints == []


async def test_closing_a_player_or_the_page_gives_the_slots_back(
    running: Stage, page: Page
) -> None:
    await page.goto(f"{running.url}/demo/")
    for device in ("Living-room TV", "Kitchen tablet", "Phone"):
        await start(page, "Greenwood", "live")
        await plays(page, device)
    await page.get_by_role("button", name="Close Kitchen tablet").click()
    await expect(page.locator("h1")).to_have_text("Alice is watching on 2 of 3 screens")
    assert len(await running.streams("alice")) == 2
    await page.goto("about:blank")

    async def all_free() -> bool:
        return await running.streams("alice") == []

    await until(all_free, "the slots are free")
    # The page said so as it went; none was left to lapse.
    assert ended(running, "released") == 3
    assert ended(running, "lapsed") == 0


async def test_the_browsers_own_player_begins_anew_where_a_live_window_moved_on(
    running: Stage, page: Page
) -> None:
    await page.route("**/demo/catalogue", without_npm)
    # As when sound is asked for a moment after picture, and its oldest segment is gone.
    await page.route("**/live/tidewater/audio/*.m4s*", gone, times=1)
    await page.goto(f"{running.url}/demo/")
    await start(page, "Tidewater", "live")
    await plays(page, "Living-room TV")
    assert len(await running.streams("alice")) == 1


async def gone(route: Route) -> None:
    await route.fulfill(status=404)


async def test_another_viewer_has_another_plan_and_other_streams(
    running: Stage, page: Page
) -> None:
    await page.goto(f"{running.url}/demo/")
    await start(page, "Greenwood", "live")
    await plays(page, "Living-room TV")
    await page.get_by_role("button", name="Bob").click()
    await expect(page.locator("h1")).to_have_text("Bob may watch on 1 screen")
    await expect(page.locator(".screen")).to_have_count(0)
    async with running.occupied("/vod/redmesa/master.m3u8", "bob", "a set-top box"):
        await expect(page.locator(".slot .device")).to_have_text(["a set-top box"])
        await start(page, "Tidewater", "live")
        await expect(screen(page, "Living-room TV")).to_contain_text(
            "You are watching on 1 screen."
        )


async def test_a_film_that_ends_gives_its_slot_back(running: Stage, page: Page) -> None:
    await page.goto(f"{running.url}/demo/")
    await start(page, "Red Mesa", "on demand")
    await plays(page, "Living-room TV")
    await page.evaluate("document.querySelector('video').currentTime = 3598")
    await expect(screen(page, "Living-room TV")).to_contain_text("The end")
    await expect(page.locator("h1")).to_have_text("Alice may watch on 3 screens")


@pytest.mark.parametrize("width", [320, 400, 1280])
async def test_the_page_fits_and_every_control_has_a_name(
    running: Stage, page: Page, width: int
) -> None:
    await page.set_viewport_size({"width": width, "height": 900})
    await page.goto(f"{running.url}/demo/")
    async with running.occupied("/vod/redmesa/master.m3u8", "bob", "a set-top box"):
        await page.get_by_role("button", name="Bob").click()
        await start(page, "Tidewater", "live")
        await expect(screen(page, "Living-room TV")).to_contain_text("No screen left")
        assert await page.evaluate("document.documentElement.scrollWidth") <= width
        nameless = (
            "[...document.querySelectorAll('button')].filter(b => !b.innerText.trim()).length"
        )
        assert await page.evaluate(nameless) == 0
        assert await page.locator("img:not([alt])").count() == 0


def ended(running: Stage, reason: str) -> float | None:
    """How many streams ended so, by the proxy's own count."""
    registry = running.service.metrics.registry
    return registry.get_sample_value("playgate_streams_ended_total", {"reason": reason})
