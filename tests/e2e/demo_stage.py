"""The stage of the demo's page: the demo's origin behind a proxy that counts in a real Redis."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import aiohttp

from proxy.demo.app import Backends, backends, demo_settings
from proxy.demo.issuer import Issuer
from proxy.serve import Service
from proxy.settings.load import from_mapping

# Of the demo's segments (4 s) a player which loads them one by one may be late with four: the
# browser shares two cores with other tests.
TTL = 20
OPERATOR = "an-operators-token-of-no-consequence"


@dataclass
class Stage:
    """A running proxy, and what one looks at to see who is counted."""

    service: Service
    behind: Backends
    issuer: Issuer

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.service.port}"

    def entry(self, path: str, user: str) -> str:
        """The URL of an entry manifest with a token of the user's."""
        return f"{self.url}{path}?token={self.issuer.token(user)}"

    async def streams(self, user: str) -> list[dict[str, Any]]:
        """What the store counts for a user."""
        async with (
            aiohttp.ClientSession() as session,
            session.get(
                f"{self.url}/_playgate/streams", params={"token": self.issuer.token(user)}
            ) as answer,
        ):
            listed: list[dict[str, Any]] = (await answer.json())["streams"]
            return listed

    async def operator_stops(self, user: str) -> None:
        """End a user's streams as an operator does."""
        named = {"Authorization": f"Bearer {OPERATOR}"}
        admin = f"http://127.0.0.1:{self.service.admin_port}/admin/v1"
        async with (
            aiohttp.ClientSession(headers=named) as session,
            session.delete(f"{admin}/accounts/{user}/streams") as answer,
        ):
            assert answer.status == 204

    @asynccontextmanager
    async def occupied(self, path: str, user: str, device: str) -> AsyncIterator[str]:
        """Hold a slot as another device would that plays on; gives the stream's id."""
        token = self.issuer.token(user, device)
        async with aiohttp.ClientSession(self.url) as session:
            async with session.get(path, params={"token": token}) as answer:
                assert answer.status == 200
                stream = answer.headers["Playgate-Stream"]

            async def play() -> None:
                named = {"token": token, "stream": stream}
                while True:
                    async with session.post("/_playgate/heartbeat", params=named) as answer:
                        assert answer.status == 204
                    await asyncio.sleep(1)

            playing = asyncio.create_task(play())
            yield stream
            assert not playing.done(), "the other device was stopped"
            playing.cancel()


@asynccontextmanager
async def stage(store: str) -> AsyncIterator[Stage]:
    """Set the stage."""
    issuer = Issuer("e2e-secret-of-no-consequence-0123456789", time.time)
    async with backends(issuer) as behind:
        mapping = demo_settings(
            issuer=issuer, behind=behind, operator=OPERATOR, port=0, store=store
        )
        mapping["streams"] = {
            "ttl": f"{TTL}s",
            "vod_ttl": f"{TTL}s",
            "keepalive_interval": "2s",
            "live_ttl_factor": 1,
            # Or a film would hold its slot for its whole hour, whatever the player does.
            "max_hold": f"{TTL}s",
        }
        # Redis and the browsers share two cores here; that is not what these tests are about.
        mapping["store"] = {"url": store, "timeout": "10s"}
        service = Service(from_mapping(mapping))
        await service.start()
        try:
            yield Stage(service, behind, issuer)
        finally:
            await service.stop()
