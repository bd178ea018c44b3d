"""The operators' page in a browser: what support does with a viewer on the phone."""

import re
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from playwright.async_api import Browser, Page, Request, async_playwright, expect

from tests.e2e.chromium import FLAGS
from tests.e2e.console_page import NAMELESS, TOO_WIDE, ConsolePage, console_page
from tests.support import needs
from tests.support.playlists import serve_channels, serve_film
from tests.support.poll import until
from tests.support.redis_server import free_port
from tests.support.stack import Stack

# One browser and one loop for all of them; one worker, so that it is started once.
pytestmark = [
    pytest.mark.e2e,
    pytest.mark.asyncio(loop_scope="module"),
    pytest.mark.xdist_group("the console's browser"),
]
ONE, TWO = "/live/one/master.m3u8", "/live/two/master.m3u8"
HOSTILE = "<img src=x onerror=alert(1)><script>a()</script>"


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def browser() -> AsyncIterator[Browser]:
    chromium = needs.program("chromium", "chromium-browser", install="apt-get install chromium")
    expect.set_options(timeout=60_000)  # milliseconds: the machine may be busy
    async with async_playwright() as playwright:
        running = await playwright.chromium.launch(executable_path=chromium, args=FLAGS)
        yield running
        await running.close()


@pytest_asyncio.fixture(loop_scope="module")
async def console(browser: Browser) -> AsyncIterator[ConsolePage]:
    async with console_page(browser) as opened:
        yield opened


@pytest_asyncio.fixture(loop_scope="module")
async def stack() -> AsyncIterator[Stack]:
    async with Stack() as running:
        serve_channels(running.origin, "one", "two")
        serve_film(running.origin, "film")
        yield running


async def test_who_has_the_token_gets_in_and_out_again(stack: Stack, console: ConsolePage) -> None:
    page = console.page
    await console.open(stack)
    for wrong in ("wrong", "żółw"):
        await console.log_in(wrong)
        await expect(page.locator("#login-error")).to_have_text("This is not the admin token.")
        await expect(page.locator("#console")).to_be_hidden()
    await console.log_in()
    await expect(page.locator("#state")).to_have_text("ready")
    await page.reload()
    await expect(page.locator("#state")).to_have_text("ready")
    await page.get_by_role("button", name="Log out").click()
    await expect(page.get_by_label("Admin token")).to_be_focused()
    assert await page.evaluate("sessionStorage.length + localStorage.length") == 0
    await page.reload()
    await expect(page.get_by_label("Admin token")).to_be_visible()
    assert await page.context.cookies() == []


async def test_without_an_admin_token_the_page_says_to_set_one(console: ConsolePage) -> None:
    async with Stack(admin={"token": None}) as stack:
        await console.open(stack)
        await expect(console.page.locator("#closed")).to_contain_text("has no admin.token")
        await expect(console.page.get_by_label("Admin token")).to_be_hidden()


async def test_an_account_shows_what_it_plays_by_its_name_in_the_token(
    stack: Stack, console: ConsolePage
) -> None:
    account = "al ice/../☺?#%2F<b>"
    entry = await stack.watch(ONE, account, device="Living-room TV")
    for _ in range(2):  # the first is still its start
        await stack.ask(f"/live/one/{entry.uris()[0]}")
    await console.begin(stack, account)
    row = console.row("one/master.m3u8")
    await expect(row.locator(".device")).to_have_text("Living-room TV")
    await expect(row.locator(".route")).to_have_text("live")
    await expect(row.locator(".beats")).to_have_text("1")
    await expect(row.locator(".left")).to_have_text(re.compile(r"\d+ s"))
    await expect(console.page.locator("#found-count")).to_have_text("1 active stream")

    await stack.ask(f"/live/one/{entry.uris()[0]}")
    await stack.watch(TWO, account, device="Phone")
    await expect(row.locator(".beats")).to_have_text("2")
    await expect(console.row("two/master.m3u8").locator(".device")).to_have_text("Phone")
    await expect(console.page.locator("#found-count")).to_have_text("2 active streams")

    await console.look_up(f"{account} ")
    await expect(console.page.locator("#found-count")).to_have_text("No active streams")
    await expect(console.page.locator("#said")).to_contain_text("Mind the space")
    await expect(console.rows).to_have_count(0)


async def test_what_a_player_says_of_itself_is_shown_as_text(
    stack: Stack, console: ConsolePage
) -> None:
    await stack.watch(ONE, device=HOSTILE)
    await console.begin(stack, "alice")
    await expect(console.rows.locator(".device")).to_have_text(HOSTILE)
    await console.rows.get_by_role("button", name="End").click()
    await expect(console.page.get_by_role("dialog")).to_contain_text(HOSTILE)
    assert await console.page.locator("img[src=x], .stream script, dialog script").count() == 0


async def test_one_stream_is_ended_and_the_others_play_on(
    stack: Stack, console: ConsolePage
) -> None:
    one = await stack.watch(ONE, device="TV")
    two = await stack.watch(TWO, device="Phone")
    await console.begin(stack, "alice")
    button = console.row("one/master.m3u8").get_by_role("button", name="End")
    await button.focus()
    await console.page.keyboard.press("Enter")
    await expect(console.page.get_by_role("dialog")).to_contain_text("End this stream?")
    await console.page.keyboard.press("Escape")
    await expect(button).to_be_focused()
    assert (await stack.ask(f"/live/one/{one.uris()[0]}")).status == 200

    await button.click()
    await console.answer("End stream")
    await expect(console.rows).to_have_count(1)
    await expect(console.page.locator("#said")).to_contain_text("Ended")
    await expect(console.page.locator("#found-name")).to_be_focused()
    ended = await stack.ask(f"/live/one/{one.uris()[0]}")
    assert (ended.code, ended.json["by"]) == ("stream_ended", "operator")
    assert (await stack.ask(f"/live/two/{two.uris()[0]}")).status == 200
    await expect(console.tally("ended", "killed")).to_have_text(["1", "1"])


async def test_all_streams_are_ended_and_kept_from_starting_again(
    stack: Stack, console: ConsolePage
) -> None:
    await stack.watch(ONE)
    await stack.watch(TWO, device="Phone")
    await console.begin(stack, "alice")
    await console.page.get_by_role("button", name="End all streams").click()
    await console.page.get_by_label("Refuse a new start for").select_option("10 minutes")
    await console.answer("End all streams")
    await expect(console.rows).to_have_count(0)
    await expect(console.page.get_by_role("button", name="End all streams")).to_be_disabled()
    assert (await stack.watch(ONE)).code == "stream_ended"


async def test_a_stream_that_ended_meanwhile_is_told(stack: Stack, console: ConsolePage) -> None:
    await stack.watch(ONE)
    await console.begin(stack, "alice")
    await console.rows.get_by_role("button", name="End").click()
    await stack.operate("/admin/v1/accounts/alice/streams", "DELETE")
    await console.answer("End stream")
    await expect(console.page.locator("#said")).to_contain_text("That was not done")
    await expect(console.rows).to_have_count(0)


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
    refusals = console.page.locator(".chart[data-series=refusals]")
    await expect(refusals.locator(".total")).to_have_text("1 since start")
    assert "L" in (await refusals.locator(".line").get_attribute("d") or "")

    stack.service.health.draining = True
    await expect(console.page.locator("#state")).to_have_text("draining")


async def test_a_store_that_is_away_is_told(console: ConsolePage) -> None:
    async with Stack(store={"url": f"redis://127.0.0.1:{free_port()}/0"}) as stack:
        await console.open(stack)
        await console.log_in()
        await expect(console.fact("Store")).to_have_text("redis, away")


async def test_a_proxy_that_comes_back_is_found_again(console: ConsolePage) -> None:
    lost = console.page.locator("#lost")
    async with Stack() as stack:
        port = stack.service.admin_port
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

    async with Stack(admin={"port": port, "token": "another-token-canary"}) as stack:
        await expect(console.page.locator("#login-error")).to_contain_text("does not hold")
        await expect(console.rows).to_have_count(0)


async def test_a_hidden_tab_asks_nothing_until_it_is_seen_again(
    stack: Stack, console: ConsolePage
) -> None:
    page = console.page
    asked: list[str] = []

    def note(request: Request) -> None:
        asked.append(request.url)

    async def more_than(count: int) -> bool:
        return len(asked) > count

    await page.clock.install()
    await console.begin(stack, "alice")
    page.on("requestfinished", note)
    await page.clock.run_for(2_000)
    await until(lambda: more_than(0), "the page asks")
    await page.evaluate("Object.defineProperty(document, 'hidden', {value: true, writable: true})")
    await page.wait_for_load_state("networkidle")
    seen = len(asked)
    await page.clock.run_for(60_000)
    assert len(asked) == seen
    await page.evaluate("document.hidden = false")
    await page.evaluate("document.dispatchEvent(new Event('visibilitychange'))")
    await until(lambda: more_than(seen), "the page asks again")


async def test_the_page_fits_and_every_control_has_a_name(
    stack: Stack, console: ConsolePage
) -> None:
    page = console.page
    await console.open(stack)
    await fits(page)
    await console.log_in()
    account = "an-account-of-a-very-long-name-without-any-space@" + "example" * 10
    await stack.watch(ONE, account, device="device" * 20)
    await console.look_up(account)
    await expect(console.rows).to_have_count(1)
    await fits(page)
    await console.rows.get_by_role("button", name="End").click()
    await expect(page.get_by_role("dialog")).to_be_visible()
    await fits(page)


async def fits(page: Page) -> None:
    for width in (320, 400, 1280):
        await page.set_viewport_size({"width": width, "height": 900})
        assert await page.evaluate("document.documentElement.scrollWidth") <= width
        assert await page.evaluate(TOO_WIDE) == []
        assert await page.evaluate(NAMELESS) == []
