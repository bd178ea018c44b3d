"""The demo's page in a browser: what a newcomer does in the first five minutes."""

from collections.abc import AsyncIterator

import pytest
from playwright.async_api import Route, expect

from proxy.demo.site import PLAYERS
from tests.e2e.demo_page import DemoPage, demo_page, without_npm
from tests.e2e.demo_stage import Stage
from tests.support import needs
from tests.support.poll import until

pytestmark = pytest.mark.e2e


@pytest.fixture
async def demo(running: Stage) -> AsyncIterator[DemoPage]:
    async with demo_page(running) as demo:
        yield demo


NPM = {"HLS": "hls", "DASH": "shaka"}


@pytest.mark.parametrize("engine", ["HLS", "DASH", "the browser's own"])
async def test_the_fourth_player_is_refused_and_starts_once_another_is_stopped(
    running: Stage, demo: DemoPage, engine: str
) -> None:
    if engine in NPM:
        needs.node_module(str(PLAYERS[NPM[engine]]))
    else:
        await demo.page.route("**/demo/catalogue", without_npm)
    await demo.open()
    if engine == "DASH":
        await demo.page.get_by_role("button", name="DASH").click()
    await expect(demo.page.locator("h1")).to_have_text("Alice may watch on 3 screens")
    for title, form, device in (
        ("Tidewater", "live", "Living-room TV"),
        ("Red Mesa", "on demand", "Kitchen tablet"),
        ("Tidewater", "live", "Phone"),
    ):
        await demo.start(title, form)
        await demo.plays(device)
    await expect(demo.page.locator("h1")).to_have_text("Alice is watching on all 3 screens")
    await expect(demo.page.locator(".slot:not(.free)")).to_have_count(3)

    await demo.start("Greenwood", "live")
    fourth = demo.screen("Office laptop")
    await expect(fourth).to_have_attribute("data-state", "refused")
    await expect(fourth).to_contain_text(
        "You are watching on Living-room TV, Kitchen tablet, and Phone."
    )
    await expect(fourth).to_contain_text("429 stream_limit")
    await expect(fourth.locator(".conflicts .device")).to_have_text(
        ["Living-room TV", "Kitchen tablet", "Phone"]
    )
    assert not [entry for entry in running.behind.log if "greenwood" in entry.path]

    await fourth.get_by_role("button", name="Stop Red Mesa on Kitchen tablet").click()
    await demo.plays("Office laptop")
    stopped = demo.screen("Kitchen tablet")
    await expect(stopped).to_contain_text("From another screen: ")
    await expect(stopped).to_contain_text("409 stream_ended")
    await demo.plays("Living-room TV")
    assert len(await running.streams("alice")) == 3
    assert demo.complaints == []


async def test_closing_a_player_or_the_page_gives_the_slots_back(
    running: Stage, demo: DemoPage
) -> None:
    await demo.open()
    for device in ("Living-room TV", "Kitchen tablet", "Phone"):
        await demo.start("Greenwood", "live")
        await demo.plays(device)
    await demo.page.get_by_role("button", name="Close Kitchen tablet").click()
    await expect(demo.page.locator("h1")).to_have_text("Alice is watching on 2 of 3 screens")
    assert len(await running.streams("alice")) == 2
    await demo.page.goto("about:blank")

    async def all_free() -> bool:
        return await running.streams("alice") == []

    await until(all_free, "the slots are free")
    # The page said so as it went; none was left to lapse.
    assert ended(running, "released") == 3
    assert ended(running, "lapsed") == 0


async def test_the_browsers_own_player_begins_anew_where_a_live_window_moved_on(
    running: Stage, demo: DemoPage
) -> None:
    await demo.page.route("**/demo/catalogue", without_npm)
    # As when sound is asked for a moment after picture, and its oldest segment is gone.
    await demo.page.route("**/live/tidewater/audio/*.m4s*", gone, times=1)
    await demo.open()
    await demo.start("Tidewater", "live")
    await demo.plays("Living-room TV")
    assert len(await running.streams("alice")) == 1


async def gone(route: Route) -> None:
    await route.fulfill(status=404)


async def test_another_viewer_has_another_plan_and_other_streams(
    running: Stage, demo: DemoPage
) -> None:
    await demo.open()
    await demo.start("Greenwood", "live")
    await demo.plays("Living-room TV")
    await demo.page.get_by_role("button", name="Bob").click()
    await expect(demo.page.locator("h1")).to_have_text("Bob may watch on 1 screen")
    await expect(demo.page.locator(".screen")).to_have_count(0)
    async with running.occupied("/vod/redmesa/master.m3u8", "bob", "a set-top box"):
        await expect(demo.page.locator(".slot .device")).to_have_text(["a set-top box"])
        await demo.start("Tidewater", "live")
        await expect(demo.screen("Living-room TV")).to_contain_text(
            "You are watching on a set-top box."
        )


async def test_a_film_that_ends_gives_its_slot_back(demo: DemoPage) -> None:
    await demo.open()
    await demo.start("Red Mesa", "on demand")
    await demo.plays("Living-room TV")
    await demo.page.evaluate("document.querySelector('video').currentTime = 3598")
    await expect(demo.screen("Living-room TV")).to_contain_text("The end")
    await expect(demo.page.locator("h1")).to_have_text("Alice may watch on 3 screens")


@pytest.mark.parametrize("width", [320, 400, 1280])
async def test_the_page_fits_and_every_control_has_a_name(
    running: Stage, demo: DemoPage, width: int
) -> None:
    await demo.page.set_viewport_size({"width": width, "height": 900})
    await demo.open()
    async with running.occupied("/vod/redmesa/master.m3u8", "bob", "a set-top box"):
        await demo.page.get_by_role("button", name="Bob").click()
        await demo.start("Tidewater", "live")
        await expect(demo.screen("Living-room TV")).to_contain_text("No screen left")
        assert await demo.page.evaluate("document.documentElement.scrollWidth") <= width
        nameless = (
            "[...document.querySelectorAll('button')].filter(b => !b.innerText.trim()).length"
        )
        assert await demo.page.evaluate(nameless) == 0
        assert await demo.page.locator("img:not([alt])").count() == 0


def ended(running: Stage, reason: str) -> float | None:
    """How many streams ended so, by the proxy's own count."""
    registry = running.service.metrics.registry
    return registry.get_sample_value("playgate_streams_ended_total", {"reason": reason})
