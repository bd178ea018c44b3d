"""What the console shows as it changes: traffic, health, a proxy that goes and comes back."""

import re
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from playwright.async_api import Request, expect

from tests.e2e.console_page import ConsolePage
from tests.support.playlists import serve_channels
from tests.support.poll import until
from tests.support.redis_server import free_port
from tests.support.stack import Stack

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.asyncio(loop_scope="module"),
    pytest.mark.xdist_group("the console's browser"),
]
ONE = "/live/one/master.m3u8"


@pytest_asyncio.fixture(loop_scope="module")
async def stack() -> AsyncIterator[Stack]:
    async with Stack() as running:
        serve_channels(running.origin, "one")
        yield running


async def test_traffic_and_health_are_shown_as_they_change(
    stack: Stack, console: ConsolePage
) -> None:
    await console.begin(stack, "alice")
    await expect(console.fact("Store")).to_have_text("memory, up")
    config = (await stack.operate("/admin/v1/stats")).json["config"]["hash"]
    await expect(console.fact("Configuration")).to_have_text(config)
    origin = console.page.locator("#origins li")
    await expect(origin).to_contain_text([stack.origin.url])
    await expect(console.page.locator("#keys")).to_contain_text("none is fetched")
    await expect(console.page.locator(".tally[data-group=refusals]")).to_contain_text("Nothing")

    await stack.watch(ONE)
    await stack.ask(ONE)
    await expect(console.tally("refusals", "token missing")).to_have_text(["1", "1"])
    await expect(console.tally("admissions", "admitted")).to_have_text(["1", "1"])
    await expect(console.fact("Active streams")).to_have_text("1")
    refusals = console.page.locator(".chart[data-series=refusals]")
    await expect(refusals.locator(".total")).to_have_text("1 since start")
    await expect(refusals.locator(".line")).to_have_attribute("d", re.compile("^M.+L"))

    stack.service.health.draining = True
    await expect(console.page.locator("#state")).to_have_text("draining")


# Gives each sample's refusals per second, their mean of late, and how many there were in all.
RATES = """async (snapshots) => {
    const { Rates } = await import("./console/rates.js");
    const rates = new Rates(120_000);
    for (const [second, start, count] of snapshots) {
        const at = (seconds) => new Date(1.8e12 + seconds * 1000).toISOString();
        const totals = { requests: {}, admissions: {}, refusals: { some: count }, ended: {} };
        rates.take({ now: at(second), started_at: at(start), totals }, 10_000);
    }
    return [rates.samples.map((one) => one.rates?.refusals ?? null), rates.now("refusals"),
        rates.recent("refusals").some ?? 0];
}"""


@pytest.mark.parametrize(
    ("snapshots", "said"),
    [
        pytest.param([(2, 0, 5)], ([None], None, 0), id="the first says nothing"),
        pytest.param([(2, 0, 5), (4, 0, 9), (6, 0, 9)], ([None, 2, 0], 1, 4), id="two are a rate"),
        pytest.param([(2, 0, 5), (2.1, 0, 9), (4, 0, 9)], ([None, 2], 2, 4), id="too close"),
        pytest.param([(2, 0, 5), (60, 0, 9), (62, 0, 9)], ([None, None, 0], 0, 0), id="too far"),
        pytest.param(
            [(8, 0, 5), (10, 9, 9), (12, 9, 10)], ([None, None, 0.5], 0.5, 1), id="restart"
        ),
        pytest.param([(8, 0, 5), (10, 0, 1), (12, 0, 3)], ([None, None, 1], 1, 2), id="fewer"),
        pytest.param(
            [(2, 0, 0), (4, 0, 8), (122, 0, 8), (124, 0, 8)], ([None, 0], 0, 0), id="past"
        ),
    ],
)
async def test_rates_are_differences_of_what_one_run_of_the_proxy_counted(
    stack: Stack,
    console: ConsolePage,
    snapshots: list[tuple[float, float, int]],
    said: tuple[list[float | None], float | None, int],
) -> None:
    await console.open(stack)
    assert await console.page.evaluate(RATES, snapshots) == list(said)


async def test_a_store_an_origin_and_keys_that_are_away_are_told(console: ConsolePage) -> None:
    away = f"127.0.0.1:{free_port()}"
    keys = {"algorithms": ["ES256"], "jwks_url": f"http://{away}/jwks.json"}
    route = {"name": "open", "path": "/**", "origins": [f"http://{away}"], "segments": "open"}
    async with Stack(
        store={"url": f"redis://{away}/0"},
        auth={"keys": [keys]},
        routes=[route],
        origin={"retries": 0},
    ) as stack:
        await console.open(stack)
        await console.log_in()
        await expect(console.fact("Store")).to_have_text("redis, away")
        await expect(console.page.locator("#keys li")).to_contain_text(["never fetched"])
        for _ in range(3):
            await stack.ask("/one.ts")
        await expect(console.page.locator("#origins .bad")).to_have_text("down")


async def test_a_proxy_that_comes_back_is_found_again(console: ConsolePage) -> None:
    lost = console.page.locator("#lost")
    port = free_port()  # nobody else is to have it meanwhile
    async with Stack(admin={"port": port}) as stack:
        serve_channels(stack.origin, "one")
        for _ in range(3):
            await stack.ask(ONE)
        await console.begin(stack, "alice")
        await expect(console.tally("refusals", "token missing").last).to_have_text("3")
    await expect(lost).to_contain_text("No connection to the proxy")
    await expect(console.page.locator("#state")).to_have_text("no connection")

    async with Stack(admin={"port": port}) as stack:
        serve_channels(stack.origin, "one")
        await stack.ask(ONE)
        await expect(console.page.locator("#state")).to_have_text("ready")
        await expect(lost).to_be_hidden()
        # Its counters began anew: what was counted before does not come off.
        await expect(console.tally("refusals", "token missing").last).to_have_text("1")
        numbers = await console.page.locator(".chart, .tally").all_inner_texts()
        assert "-" not in "".join(numbers)
        await stack.watch(ONE, device="TV")
        await expect(console.rows).to_have_count(1)
        await console.rows.get_by_role("button", name="End").click()

    async with Stack(admin={"port": port, "token": "another-token-canary"}) as stack:
        await expect(console.page.locator("#login-error")).to_contain_text("does not hold")
        await expect(console.page.get_by_role("dialog")).to_be_hidden()
        await expect(console.rows).to_have_count(0)


async def test_a_hidden_tab_asks_nothing_until_it_is_seen_again(
    stack: Stack, console: ConsolePage
) -> None:
    page = console.page
    asked: list[str] = []

    def note(request: Request) -> None:
        if "/admin/" in request.url:
            asked.append(request.url)

    async def asks() -> bool:
        await page.clock.run_for(2_000)
        # What the page asked for before is known by the time that this is answered.
        await page.evaluate("fetch('healthz').then((answer) => answer.text())")
        return len(asked) > 0

    await page.clock.install()
    await console.begin(stack, "alice")
    page.on("request", note)
    await until(asks, "the page asks")
    await page.evaluate("Object.defineProperty(document, 'hidden', {value: true, writable: true})")
    asked.clear()
    for _ in range(5):
        assert not await asks()
    await page.evaluate("document.hidden = false")
    await page.evaluate("document.dispatchEvent(new Event('visibilitychange'))")
    await until(asks, "the page asks again")
