"""The operators' page in a browser: what support does with a viewer on the phone."""

import re
from collections.abc import AsyncIterator
from datetime import datetime, timedelta

import pytest
import pytest_asyncio
from playwright.async_api import Page, Route, expect

from tests.e2e.console_page import NAMELESS, TOO_WIDE, ConsolePage
from tests.support.playlists import serve_channels, serve_film
from tests.support.stack import Stack

# One browser and one loop for all of them; one worker, so that it is started once.
pytestmark = [
    pytest.mark.e2e,
    pytest.mark.asyncio(loop_scope="module"),
    pytest.mark.xdist_group("the console's browser"),
]
ONE, TWO = "/live/one/master.m3u8", "/live/two/master.m3u8"
HOSTILE = "<img src=x onerror=alert(1)><script>a()</script>"


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
    await expect(row.locator(".kind")).to_have_text("live")
    await expect(row.locator(".beats")).to_have_text("1")
    await expect(row.locator(".left")).to_have_text(re.compile(r"\d+ s"))
    await expect(console.page.locator("#found-count")).to_have_text("1 active stream")

    await stack.ask(f"/live/one/{entry.uris()[0]}")
    await stack.watch(TWO, account, device="Phone")
    await expect(row.locator(".beats")).to_have_text("2")
    await stack.watch("/live/film.m3u8", account, device="Tablet")
    await expect(console.row("two/master.m3u8").locator(".kind")).to_have_text("unknown")
    await expect(console.row("film.m3u8").locator(".kind")).to_have_text("on demand")
    await expect(console.rows.locator(".device")).to_have_text(
        ["Living-room TV", "Phone", "Tablet"]
    )
    await expect(console.page.locator("#found-count")).to_have_text("3 active streams")

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
    await console.page.get_by_label("Refuse the same title").select_option("10 minutes")
    await console.answer("End all streams")
    await expect(console.rows).to_have_count(0)
    await expect(console.page.locator("#said")).to_contain_text("New starts are refused for 10 min")
    await expect(console.page.get_by_role("button", name="End all streams")).to_be_disabled()
    await expect(console.page.locator("#found-name")).to_be_focused()
    assert (await stack.watch(ONE)).code == "stream_ended"


async def test_an_account_is_logged_out_everywhere(stack: Stack, console: ConsolePage) -> None:
    token = stack.token()
    assert (await stack.ask(f"{ONE}?token={token}")).status == 200
    await console.begin(stack, "alice")
    await expect(console.rows).to_have_count(1)
    await console.page.get_by_role("button", name="Log out everywhere").click()
    await expect(console.page.get_by_label("Refuse the same title")).to_be_hidden()
    await console.answer("Log out everywhere")
    await expect(console.page.locator("#said")).to_have_text("alice is logged out everywhere.")
    await expect(console.rows).to_have_count(0)
    assert (await stack.ask(f"{ONE}?token={token}")).code == "token_revoked"


async def test_who_is_logged_out_everywhere_may_have_logged_in_just_now(
    stack: Stack, console: ConsolePage
) -> None:
    """Also where the page has an old idea of the proxy's time, as an answer was long on its way."""

    async def late(route: Route) -> None:
        answer = await route.fetch()
        stats = await answer.json()
        then = datetime.fromisoformat(stats["now"]) - timedelta(seconds=30)
        await route.fulfill(response=answer, json={**stats, "now": then.isoformat()})

    await console.open(stack)
    await console.page.route("**/admin/v1/stats", late)
    await console.log_in()
    await console.look_up("alice")
    token = stack.token()
    await console.page.get_by_role("button", name="Log out everywhere").click()
    await console.answer("Log out everywhere")
    await expect(console.page.locator("#said")).to_have_text("alice is logged out everywhere.")
    # The page asks on; an answer half delayed when the browser ends would fail the next test.
    await console.page.unroute_all(behavior="wait")
    assert (await stack.ask(f"{ONE}?token={token}")).code == "token_revoked"


async def test_a_stream_that_ended_meanwhile_is_told(stack: Stack, console: ConsolePage) -> None:
    await stack.watch(ONE)
    await console.begin(stack, "alice")
    await console.rows.get_by_role("button", name="End").click()
    await stack.operate("/admin/v1/accounts/alice/streams", "DELETE")
    await console.answer("End stream")
    await expect(console.page.locator("#said")).to_contain_text("That was not done")
    await expect(console.rows).to_have_count(0)


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
