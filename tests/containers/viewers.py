"""Viewers as they come to nginx: over TLS and HTTP/2, with the cookie that the issuer gave them."""

import asyncio
import ssl
from collections import Counter
from contextlib import AsyncExitStack
from pathlib import Path
from types import TracebackType
from typing import Self
from urllib.parse import urljoin

import httpx

from tests.support.poll import until

CHANNEL = "/live/tidewater/master.m3u8"
PASSWORDS = {"alice": "tidewater", "bob": "redmesa", "carol": "greenwood"}
# Between two looks at a playlist: much less than any player takes (seconds).
PAUSE_SECONDS = 0.1
# A busy machine may take its time.
TIMEOUT_SECONDS = 60


class Viewer:
    """A browser of somebody's; ``door`` is nginx's address."""

    def __init__(self, door: str, certificate: Path) -> None:
        self._door = door
        trusted = ssl.create_default_context(cafile=certificate)
        self._client = httpx.AsyncClient(
            http1=False, http2=True, verify=trusted, timeout=TIMEOUT_SECONDS, trust_env=False
        )

    async def __aenter__(self) -> Self:
        await self._client.__aenter__()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self._client.aclose()

    async def ask(
        self, path: str, *, port: int = 8443, form: dict[str, str] | None = None
    ) -> httpx.Response:
        """Send one request, to localhost as far as anybody can see."""
        return await self._client.request(
            "POST" if form else "GET",
            f"https://{self._door}:{port}{path}",
            data=form,
            headers={"Host": f"localhost:{port}"},
            extensions={"sni_hostname": "localhost"},
        )

    async def log_in(self, user: str) -> None:
        form = {"user": user, "password": PASSWORDS[user]}
        answer = await self.ask("/login", port=8444, form=form)
        assert (answer.status_code, answer.headers["Location"]) == (303, "/me"), answer.text

    async def log_out(self) -> None:
        answer = await self.ask("/logout", port=8444, form={"": ""})
        assert (answer.status_code, answer.headers["Location"]) == (303, "/login"), answer.text

    @property
    def session(self) -> str:
        """The cookie that opens what the proxies guard."""
        return str(self._client.cookies["session"])

    @session.setter
    def session(self, value: str) -> None:
        self._client.cookies.set("session", value)


class Audience:
    """Viewers who do not stop watching, and what they were answered."""

    def __init__(self, door: str, certificate: Path) -> None:
        self.answers: Counter[str] = Counter()
        self._door, self._certificate = door, certificate
        self._opened = AsyncExitStack()
        self._watching: list[asyncio.Task[None]] = []

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for task in self._watching:
            task.cancel()
        await asyncio.gather(*self._watching, return_exceptions=True)
        await self._opened.aclose()

    async def come(self, user: str) -> None:
        """Log somebody in on one more device and start the channel there."""
        viewer = await self._opened.enter_async_context(Viewer(self._door, self._certificate))
        await viewer.log_in(user)
        self._watching.append(asyncio.create_task(self._watch(viewer)))

    async def more(self, answers: int) -> None:
        """Wait until so many more answers came."""
        enough = self.answers.total() + answers

        async def there() -> bool:
            return self.answers.total() >= enough

        await until(there, f"{answers} more answers, of {self.answers}")

    async def _watch(self, viewer: Viewer) -> None:
        """Play as players do, and load the page anew now and then."""
        while True:
            if (entry := await self._ask(viewer, CHANNEL)) is None:
                continue
            child = urljoin(CHANNEL, _uris(entry)[0])
            for _ in range(5):
                if (playlist := await self._ask(viewer, child)) is not None:
                    await self._ask(viewer, urljoin(child, _uris(playlist)[-1]))
                await asyncio.sleep(PAUSE_SECONDS)

    async def _ask(self, viewer: Viewer, path: str) -> str | None:
        try:
            answer = await viewer.ask(path)
        except httpx.HTTPError as error:
            self.answers[type(error).__name__] += 1
            return None
        self.answers[f"{answer.http_version} {answer.status_code}"] += 1
        return answer.text if answer.status_code == 200 else None


def _uris(playlist: str) -> list[str]:
    return [line for line in playlist.splitlines() if line and line[0] != "#"]
