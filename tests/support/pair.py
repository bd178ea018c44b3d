"""Two proxies that share one Redis and one origin, as a deployment has them."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from tests.support.redis_server import RedisServer
from tests.support.stack import Answer, Stack


@dataclass(frozen=True)
class Pair:
    """Two proxies behind one name; viewers play through ``here``."""

    here: Stack
    there: Stack

    async def play(self, path: str, **more: str) -> Answer:
        answer = await self.here.watch(path, Host="tv.test", **more)
        assert answer.status == 200
        return answer

    async def ask(self, path: str, *, through: Stack | None = None, **more: str) -> Answer:
        return await (through or self.here).ask(path, Host="tv.test", **more)


@asynccontextmanager
async def two_proxies(redis_server: RedisServer, **settings: Any) -> AsyncIterator[Pair]:
    """Run two proxies with the same settings; the origin is that of ``here``."""
    store = {"url": redis_server.url, "timeout": "10s"}
    async with Stack(store=store, **settings) as here:
        routes = [{"name": "live", "path": "/live/**", "origins": [here.origin.url]}]
        async with Stack(store=store, **{**settings, "routes": routes}) as there:
            yield Pair(here, there)
