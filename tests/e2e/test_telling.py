"""Each web player is told of its refusal, is quiet then, and starts again once there is room.

The code that reads a refusal is what docs/players.md shows; the demo's page runs it.
"""

from collections.abc import AsyncIterator

import pytest
from playwright.async_api import Route, expect

from proxy.demo.site import PLAYERS
from tests.e2e.demo_page import DemoPage, demo_page
from tests.e2e.demo_stage import Stage
from tests.support import needs

pytestmark = pytest.mark.e2e

VOD, LIVE = "Living-room TV", "Kitchen tablet"
ENGINES = [
    *(("HLS", "hls.js", "hls"), ("HLS", "Shaka", "shaka"), ("HLS", "video.js", "videojs")),
    *(("DASH", "Shaka", "shaka"), ("DASH", "dash.js", "dash"), ("DASH", "video.js", "videojs")),
    ("HLS", "Browser", None),
]
# Longer than any player waits before it tries again.
A_WHILE = 60_000
# Refusals that one ended stream may meet with: picture and sound at once, and for each what the
# player had begun to ask for instead. One to three were seen.
UNDER_WAY = 4


@pytest.fixture
async def demo(running: Stage) -> AsyncIterator[DemoPage]:
    async with demo_page(running) as demo:
        await demo.page.clock.install()
        yield demo


async def is_quiet(demo: DemoPage) -> None:
    """See that nothing is asked for, however long one waits: the browser's clock is put forward."""
    before = list(demo.asked)
    for _ in range(3):  # what a timer did may have set another
        await demo.page.clock.fast_forward(A_WHILE)
        await demo.page.evaluate("fetch('catalogue').then(answer => answer.text())")
    assert demo.asked == before


@pytest.mark.parametrize(("form", "engine", "package"), ENGINES)
async def test_a_web_player_tells_why_it_may_not_play_and_starts_once_there_is_room(
    running: Stage, demo: DemoPage, form: str, engine: str, package: str | None
) -> None:
    if package:
        needs.node_module(str(PLAYERS[package]))
    await demo.open()
    await demo.page.get_by_role("button", name="Bob").click()
    await demo.choose(form, engine)
    vod, live = demo.screen(VOD), demo.screen(LIVE)
    async with running.occupied("/vod/redmesa/master.m3u8", "bob", "a set-top box"):
        await demo.start("Tidewater", "on demand")
        await expect(vod).to_contain_text("You are watching on a set-top box.")
        await demo.start("Greenwood", "live")
        await expect(live).to_contain_text("You are watching on a set-top box.")
        assert len(demo.asked) == 2
        await is_quiet(demo)

    await vod.get_by_role("button", name="Stop Red Mesa on a set-top box").click()
    await demo.plays(VOD)
    assert await vod.locator("video").evaluate("video => video.controls")
    await live.get_by_role("button", name="Try again").click()
    await expect(live).to_contain_text(f"You are watching on {VOD}.")
    await live.get_by_role("button", name=f"Stop Tidewater on {VOD}").click()
    await demo.plays(LIVE)
    await expect(vod).to_contain_text("From another screen: ")
    await expect(vod).to_contain_text("409 stream_ended")

    await running.operator_stops("bob")
    await expect(live).to_contain_text("By the service.")
    await is_quiet(demo)
    await vod.get_by_role("button", name="Watch again").click()
    await demo.plays(VOD)
    assert len(await running.streams("bob")) == 1
    assert demo.complaints == []
    assert len(demo.ended) <= 2 * UNDER_WAY


async def test_a_failure_is_no_refusal_and_is_left_to_the_player(
    running: Stage, demo: DemoPage
) -> None:
    needs.node_module(str(PLAYERS["shaka"]))
    await demo.page.route("**/vod/tidewater/master.m3u8*", unavailable, times=1)
    await demo.open()
    await demo.choose("HLS", "Shaka")  # it tells of each attempt
    await demo.start("Tidewater", "on demand")
    await demo.plays(VOD)
    assert len(await running.streams("alice")) == 1


async def unavailable(route: Route) -> None:
    """As the proxy answers while it cannot count."""
    problem = {"title": "Not now", "status": 503, "code": "store_unavailable"}
    await route.fulfill(status=503, json=problem, content_type="application/problem+json")
