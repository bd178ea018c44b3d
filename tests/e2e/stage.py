"""The stage for real players: a proxy that counts in a real Redis, an origin, and short times.

Each test takes a viewer of its own: an account that nobody else uses, and a title that the origin
is asked for by nobody else. So many can play at once.
"""

import asyncio
import itertools
import secrets
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import aiohttp

from proxy.credentials.account import AccountNames
from proxy.demo.fmp4 import Track
from proxy.demo.request_log import Entry
from proxy.minting import mint
from proxy.serve import Service
from proxy.settings.load import from_mapping
from proxy.settings.schema import Settings
from tests.e2e.door import Door, Visit
from tests.e2e.origin import Origin, origin
from tests.e2e.player import Form

# Seconds. Four refreshes of a live manifest or four beats on demand: a machine that is busy for
# as long as three of them still counts right.
TTL = 8
BEAT = 2
# On demand: how long a title is that nobody has loaded whole before its test is over, and one that
# ends within it.
FILM = 1800
CLIP = 24
ADMIN_TOKEN = "e2e-admin-token-canary"
# The title that another device watches.
ELSEWHERE = "elsewhere"


def settings(store: str, origin_url: str) -> Settings:
    """The proxy's configuration, as it would stand in a file."""
    return from_mapping(
        {
            "listen": {"host": "127.0.0.1", "port": 0, "drain_timeout": "1s"},
            "admin": {"host": "127.0.0.1", "port": 0, "token": ADMIN_TOKEN},
            # Redis and the players share two cores; that is not what these tests are about.
            "store": {"url": store, "timeout": "10s", "key_prefix": f"e2e-{secrets.token_hex(4)}"},
            "auth": {"keys": [{"algorithm": "HS256", "secret": secrets.token_urlsafe(32)}]},
            "tickets": {"secret": secrets.token_urlsafe(32)},
            "streams": {
                "ttl": f"{TTL}s",
                "vod_ttl": f"{TTL}s",
                "keepalive_interval": f"{BEAT}s",
                "live_ttl_factor": 1,
                "silent_after": f"{TTL}s",
            },
            "routes": [{"name": "all", "path": "/**", "origins": [origin_url]}],
        }
    )


@dataclass
class Stage:
    """A running proxy and the origin behind it."""

    service: Service
    settings: Settings
    origin: Origin
    door: Door
    client: aiohttp.ClientSession
    admin: aiohttp.ClientSession

    def __post_init__(self) -> None:
        self._numbers = itertools.count(1)
        self._accounts = AccountNames(self.settings.tickets.key)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.service.port}"

    def viewer(self, limit: int = 1) -> "Viewer":
        """An account of its own that may watch so many streams at a time."""
        name = f"viewer-{next(self._numbers)}"
        return Viewer(self, name, limit, self._accounts.hashed(name))


@dataclass(frozen=True)
class Viewer:
    """An account, and what can be seen and done for it."""

    stage: Stage
    account: str
    limit: int
    hashed: str

    def path(self, form: Form, title: str = "", seconds: int = FILM) -> str:
        """The path of an entry manifest; without a title the viewer's own."""
        length = "" if form.live else f"{seconds}/"
        return f"/{form}/{length}{title or self.account}/{form.entry}"

    def token(self, device: str | None = None) -> str:
        return mint(self.stage.settings, account=self.account, limit=self.limit, device=device)

    def url(
        self, form: Form, *, title: str = "", seconds: int = FILM, device: str | None = None
    ) -> str:
        """What a player is given: the entry manifest with a token."""
        return f"{self.stage.url}{self.path(form, title, seconds)}?token={self.token(device)}"

    async def streams(self) -> list[dict[str, Any]]:
        """What the store counts for the account."""
        where = f"/admin/v1/accounts/{self.account}/streams"
        async with self.stage.admin.get(where) as answer:
            listed: list[dict[str, Any]] = (await answer.json())["streams"]
            return listed

    async def count(self) -> int:
        return len(await self.streams())

    async def start(self, form: Form, title: str, device: str | None = None) -> int:
        """Ask for an entry manifest as another player would; gives the status."""
        async with self.stage.client.get(self.url(form, title=title, device=device)) as answer:
            return answer.status

    async def end(self) -> None:
        """End all streams of the account, as an operator does."""
        async with self.stage.admin.delete(f"/admin/v1/accounts/{self.account}/streams") as answer:
            assert answer.status == 204

    @asynccontextmanager
    async def occupied(self) -> AsyncIterator[None]:
        """Hold a slot as another device would that plays on."""
        token = self.token("another device")
        path = self.path(Form.HLS_LIVE, ELSEWHERE)
        async with self.stage.client.get(path, params={"token": token}) as answer:
            assert answer.status == 200
            named = {"token": token, "stream": answer.headers["Playgate-Stream"]}

        async def play() -> None:
            while True:
                beat = self.stage.client.post("/_playgate/heartbeat", params=named)
                async with beat as answer:
                    assert answer.status == 204
                await asyncio.sleep(1)

        playing = asyncio.create_task(play())
        try:
            yield
            assert not playing.done(), "the other device was stopped"
        finally:
            playing.cancel()

    def visits(self, since: float = 0.0) -> list[Visit]:
        """What came to the proxy for the viewer's own title, beats included, from a time on."""
        return [
            visit
            for visit in self.stage.door.visits
            if visit.at >= since
            and self._is_mine(visit)
            and (f"/{self.account}/" in visit.path or visit.kind == "steering")
        ]

    def _is_mine(self, visit: Visit) -> bool:
        return self.account == visit.account or self.hashed == visit.ticket

    def at_origin(self) -> list[Entry]:
        """What the origin was asked for of the viewer's own title."""
        return [entry for entry in self.stage.origin.log if f"/{self.account}/" in entry.path]

    async def counts(self, seconds: float) -> list[int]:
        """Look again and again for so long; gives each number of streams seen."""
        seen = []
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            seen.append(await self.count())
            await asyncio.sleep(0.2)
        return seen


def lives_by_beats(stream: dict[str, Any]) -> bool:
    """Tell whether a listed stream's slot lapses a TTL after its last sign of life.

    By its own times, so that no clock of ours, and no busy machine, has a say.
    """
    seen, expires = (
        datetime.fromisoformat(stream[name]) for name in ("last_seen_at", "expires_at")
    )
    return (expires - seen).total_seconds() <= TTL


@asynccontextmanager
async def stage(store: str, tracks: Mapping[str, Track]) -> AsyncIterator[Stage]:
    """Set the stage."""
    async with origin(tracks) as behind:
        configured = settings(store, behind.url)
        service = Service(configured)
        door = Door()
        door.watch(service)
        await service.start()
        player_port = f"http://127.0.0.1:{service.port}"
        admin_port = f"http://127.0.0.1:{service.admin_port}"
        bearer = {"Authorization": f"Bearer {ADMIN_TOKEN}"}
        try:
            async with (
                aiohttp.ClientSession(player_port) as client,
                aiohttp.ClientSession(admin_port, headers=bearer) as admin,
            ):
                yield Stage(service, configured, behind, door, client, admin)
        finally:
            await service.stop()


@asynccontextmanager
async def second_proxy(first: Stage) -> AsyncIterator[Service]:
    """Run another proxy of the same configuration: the same Redis, ports of its own."""
    service = Service(first.settings)
    await service.start()
    try:
        yield service
    finally:
        await service.stop()
