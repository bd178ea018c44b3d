"""A headless Chromium of a test's own: one process group, which can be killed like any other.

Playwright launches browsers by itself but keeps their process from us; so the browser is started
here and Playwright connected to it (Chrome DevTools Protocol).
"""

import asyncio
import contextlib
import os
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from playwright.async_api import Page, Playwright

from tests.support import needs
from tests.support.poll import until

FLAGS = [
    *("--no-sandbox", "--disable-gpu", "--mute-audio"),
    *("--autoplay-policy=no-user-gesture-required", "--disable-background-networking"),
    *("--no-first-run", "--disable-component-update", "--disable-sync", "--disable-quic"),
]


# Milliseconds that Playwright waits for what it does: browsers share two cores with other tests.
PATIENCE = 120_000


@dataclass
class Browser:
    """A running Chromium with one page."""

    process: asyncio.subprocess.Process
    page: Page

    async def crash(self) -> None:
        """Kill -9 the browser, its renderers and its network service at once."""
        await kill(self.process)


@asynccontextmanager
async def chromium(playwright: Playwright) -> AsyncIterator[Browser]:
    """Run a browser with a profile of its own."""
    program = needs.program("chromium", "chromium-browser", install="apt-get install chromium")
    # Files that a killed browser's last threads write may appear while the folder is removed.
    with TemporaryDirectory(prefix="playgate-chromium-", ignore_cleanup_errors=True) as profile:
        process = await asyncio.create_subprocess_exec(
            *(program, "--headless", *FLAGS),
            *("--remote-debugging-port=0", f"--user-data-dir={profile}", "about:blank"),
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.DEVNULL,
            start_new_session=True,
        )
        try:
            port = await _port(Path(profile) / "DevToolsActivePort")
            browser = await playwright.chromium.connect_over_cdp(
                f"http://127.0.0.1:{port}", timeout=PATIENCE
            )
            browser.contexts[0].set_default_timeout(PATIENCE)
            yield Browser(process, browser.contexts[0].pages[0])
        finally:
            await kill(process)


async def _port(file: Path) -> str:
    """Wait until the browser has written where its protocol is spoken."""

    async def written() -> bool:
        return len(_lines(file)) == 2

    await until(written, "Chromium listens")
    return _lines(file)[0]


def _lines(file: Path) -> list[str]:
    return file.read_text().splitlines() if file.exists() else []


async def kill(process: asyncio.subprocess.Process) -> None:
    """Kill -9 a process that leads a group, with its group; harmless where it is gone."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    await process.wait()
