"""The operators' page in a real browser, and what an operator does there."""

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from playwright.async_api import Browser, ConsoleMessage, Locator, Page, expect

from tests.e2e.chromium import PATIENCE
from tests.support.stack import ADMIN_TOKEN, Stack

# What the browser itself notes of an answer that is no success, or of none: no fault of the page.
NO_FAULT = re.compile(r"Failed to load resource: (the server responded with|net::ERR_)")
# Says in the console what the page's policy forbade.
TELL_VIOLATIONS = """addEventListener("securitypolicyviolation", (event) =>
    console.error(`violates ${event.violatedDirective}: ${event.blockedURI} ${event.sample}`))"""
# The page asks every two seconds; a test need not wait for that.
HURRY = """const wait = setTimeout;
    globalThis.setTimeout = (work, delay, ...rest) => wait(work, delay / 10, ...rest)"""
# What can be pressed or filled in, and has no name; what reaches out of the window.
NAMELESS = """[...document.querySelectorAll("button, input, select")]
    .filter((one) => one.checkVisibility())
    .filter((one) => !(one.innerText || one.ariaLabel || one.labels?.[0]?.textContent || "").trim())
    .map((one) => one.outerHTML)"""
TOO_WIDE = """[...document.querySelectorAll("body *")]
    .filter((one) => one.checkVisibility() && one.getBoundingClientRect().right > innerWidth)
    .map((one) => one.outerHTML)"""


@dataclass
class ConsolePage:
    """The page, and what the browser complained of."""

    page: Page
    complaints: list[str] = field(default_factory=list)

    def hears(self, message: ConsoleMessage) -> None:
        if message.type in ("error", "warning") and not NO_FAULT.match(message.text):
            self.complaints.append(message.text)

    async def open(self, stack: Stack) -> None:
        await self.page.goto(f"http://127.0.0.1:{stack.service.admin_port}/")

    async def log_in(self, token: str = ADMIN_TOKEN) -> None:
        await self.page.get_by_label("Admin token").fill(token)
        await self.page.get_by_role("button", name="Log in").click()

    async def look_up(self, account: str) -> None:
        await self.page.get_by_role("searchbox").fill(account)
        await self.page.keyboard.press("Enter")

    async def begin(self, stack: Stack, account: str) -> None:
        """Open the page, log in, look an account up."""
        await self.open(stack)
        await self.log_in()
        await self.look_up(account)
        await expect(self.page.locator("#found-name")).to_have_text(account)

    async def answer(self, action: str) -> None:
        """Press a button of the question that is being asked."""
        await self.page.get_by_role("dialog").get_by_role("button", name=action).click()

    @property
    def rows(self) -> Locator:
        return self.page.locator(".stream")

    def row(self, text: str) -> Locator:
        return self.rows.filter(has_text=text)

    def fact(self, name: str) -> Locator:
        """What is said beside a name under Health."""
        return self.page.locator("#facts > div").filter(has_text=name).locator("dd")

    def tally(self, group: str, name: str) -> Locator:
        """A name's numbers: of two minutes, and since the start."""
        table = self.page.locator(f".tally[data-group={group}]")
        named = self.page.get_by_role("rowheader", name=name, exact=True)
        return table.get_by_role("row").filter(has=named).get_by_role("cell")


@asynccontextmanager
async def console_page(browser: Browser) -> AsyncIterator[ConsolePage]:
    """Open a tab of a browser nobody has used; afterwards, it has complained of nothing."""
    context = await browser.new_context()
    context.set_default_timeout(PATIENCE)
    console = ConsolePage(await context.new_page())
    console.page.on("console", console.hears)
    console.page.on("pageerror", lambda error: console.complaints.append(str(error)))
    await console.page.add_init_script(TELL_VIOLATIONS)
    await console.page.add_init_script(HURRY)
    try:
        yield console
    finally:
        await context.close()
    assert console.complaints == []
