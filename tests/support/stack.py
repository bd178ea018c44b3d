"""The whole proxy, running, with a real origin behind and a client in front."""

import re
import time
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import aiohttp
import yaml
from multidict import CIMultiDictProxy
from yarl import URL

from proxy.minting import mint
from proxy.model import Clock
from proxy.serve import Service
from proxy.settings.load import from_mapping
from proxy.settings.reload import ConfigFile
from proxy.settings.schema import Settings
from tests.support.origin import TestOrigin

JWT_SECRET = "jwt-secret-canary-0123456789abcdef0123456789"
TICKET_SECRET = "ticket-secret-canary-0123456789abcdef01234"
ADMIN_TOKEN = "admin-token-canary"
# A viewer's ticket is another from one half of its life to the next, which begin at whole multiples
# of that (hours).
TICKETS = (12, 11)
# Longer than any test takes.
SOON = 1800


@dataclass(frozen=True)
class Answer:
    """What came back, read to its end."""

    status: int
    headers: CIMultiDictProxy[str]
    body: bytes

    @property
    def text(self) -> str:
        return self.body.decode()

    @property
    def json(self) -> Any:
        import json  # noqa: PLC0415  # named like the property

        return json.loads(self.body)

    @property
    def code(self) -> str:
        """The code of a problem document; empty where the answer is none."""
        if self.headers.get("Content-Type") != "application/problem+json":
            return ""
        assert self.json["status"] == self.status
        return str(self.json["code"])

    @property
    def decision(self) -> tuple[str, str]:
        """What was decided, and active/limit."""
        return self.headers["Playgate-Decision"], self.headers["Playgate-Streams"]

    def uris(self) -> list[str]:
        """The URI lines of a playlist."""
        return [line for line in self.text.splitlines() if line and not line.startswith("#")]

    def ticket(self) -> str:
        """The first ticket in the body, with its seal."""
        found = re.search(r"_sid=([\w.-]+)", self.text)
        assert found, f"no ticket in {self.text!r}"
        return found[1]


def ticket_life(now: float) -> int:
    """Give how long tickets are to live (hours), so that no half of it is over soon."""

    def left(hours: int) -> float:
        half = hours * 3600 // 2
        return half - now % half

    return max(TICKETS, key=lambda hours: left(hours) > SOON)


def merged(base: dict[str, Any], over: dict[str, Any]) -> dict[str, Any]:
    """Merge settings, deeply."""
    result = dict(base)
    for key, value in over.items():
        old = result.get(key)
        result[key] = (
            merged(old, value) if isinstance(old, dict) and isinstance(value, dict) else value
        )
    return result


class Stack:
    """A proxy and its origin; ``settings`` go over the defaults of the tests.

    ``live`` goes over those of the route of that name. With a ``folder``, the configuration is a
    file in it, with ``environ`` as its environment, and can be reloaded.
    """

    def __init__(
        self,
        clock: Clock | None = None,
        live: dict[str, Any] | None = None,
        folder: Path | None = None,
        **settings: Any,
    ) -> None:
        self.clock = clock
        self.live = live or {}
        self.overrides = settings
        self.origin = TestOrigin()
        self.file = folder and folder / "playgate.yaml"
        self.environ: dict[str, str] = {}
        self.heard: list[Settings] = []
        self._tickets = f"{ticket_life(time.time())}h"

    async def __aenter__(self) -> Self:
        async with AsyncExitStack() as opened:
            await self._open(opened)
            self._opened = opened.pop_all()
        return self

    async def _open(self, opened: AsyncExitStack) -> None:
        await opened.enter_async_context(self.origin)
        file: ConfigFile | None = None
        if self.file is not None:
            self.write()
            file = ConfigFile(self.file, self.environ)
        self.settings = file.load() if file else from_mapping(self.mapping(), Path())
        self.service = Service(self.settings, file=file, heard=self.heard.append, clock=self.clock)
        opened.push_async_callback(self.service.stop)
        await self.service.start()
        self.client = await opened.enter_async_context(
            aiohttp.ClientSession(
                f"http://127.0.0.1:{self.service.port}",
                auto_decompress=False,
                cookie_jar=aiohttp.DummyCookieJar(),
            )
        )
        self.admin = await opened.enter_async_context(
            aiohttp.ClientSession(f"http://127.0.0.1:{self.service.admin_port}")
        )

    def mapping(self) -> dict[str, Any]:
        """The configuration, as values of a file."""
        base: dict[str, Any] = {
            "listen": {"host": "127.0.0.1", "port": 0, "drain_timeout": "1s"},
            "admin": {"port": 0, "token": ADMIN_TOKEN},
            "auth": {"keys": [{"algorithm": "HS256", "secret": JWT_SECRET}]},
            "tickets": {"secret": TICKET_SECRET, "ttl": self._tickets},
            # A busy machine may take its time; what a limit does has tests that set it.
            "origin": {"cache": "0s", "timeout": "1m"},
            "routes": [
                {"name": "live", "path": "/live/**", "origins": [self.origin.url], **self.live},
                {
                    "name": "open",
                    "path": "/open/**",
                    "origins": [self.origin.url],
                    "segments": "open",
                },
            ],
        }
        settings = merged(base, self.overrides)
        origin = settings["origin"]
        origin.setdefault("connect_timeout", origin["timeout"])
        return settings

    def write(self, **settings: Any) -> None:
        """Write the file, with other settings over those it has."""
        assert self.file is not None
        self.overrides = merged(self.overrides, settings)
        # In one go, as an editor or a deployment does: it may be being read.
        whole = self.file.with_suffix(".new")
        whole.write_text(yaml.safe_dump(self.mapping(), sort_keys=False))
        whole.replace(self.file)

    async def reload(self, **settings: Any) -> Answer:
        """Write the file and have it reloaded; tokens are of the configuration in force."""
        self.write(**settings)
        answer = await self.operate("/admin/v1/reload", "POST")
        self.settings = self.service._inner.config.settings
        return answer

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self._opened.aclose()

    def token(self, account: str = "alice", **claims: Any) -> str:
        """Mint a token of the configuration's own."""
        return mint(self.settings, account=account, **claims)

    async def ask(
        self, path: str, *, method: str = "GET", agent: str = "test/1", **headers: str
    ) -> Answer:
        """Send one request, its path as it is written."""
        fields = {name.replace("_", "-"): value for name, value in headers.items()}
        # Encoded already: it is not to be normalised.
        url = URL(f"http://127.0.0.1:{self.service.port}{path}", encoded=True)
        async with aiohttp.request(
            method, url, headers={"User-Agent": agent, **fields}, allow_redirects=False
        ) as response:
            return Answer(response.status, response.headers, await response.read())

    async def watch(self, path: str, account: str = "alice", **more: Any) -> Answer:
        """Ask for an entry manifest with a fresh token."""
        device = more.pop("device", None)
        return await self.ask(f"{path}?token={self.token(account, device=device)}", **more)

    async def operate(
        self,
        path: str | URL,
        method: str = "GET",
        token: str | None = ADMIN_TOKEN,
        *,
        body: bytes | None = None,
    ) -> Answer:
        """Send one request to the operators' port."""
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        async with self.admin.request(method, path, headers=headers, data=body) as response:
            return Answer(response.status, response.headers, await response.read())
