"""Everything that runs: two proxies, two origins, a Redis Cluster of three primaries and replicas.

``start`` to ``close``, or inside ``async with``: whatever becomes of it, no process is left.
"""

import asyncio
import signal
import tempfile
from collections.abc import Awaitable, Callable, Iterable
from contextlib import AsyncExitStack
from functools import cached_property
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from proxy.admission.keys import ClusterKeys
from proxy.credentials.account import AccountNames
from tests.chaos.origins import Origin
from tests.chaos.proxies import Proxy
from tests.support.poll import until
from tests.support.redis_server import RedisServer
from tests.support.redis_team import Cluster, ask
from tests.support.stack import TICKET_SECRET

# A busy machine may take its time; a primary that hangs is waited for as long (seconds).
STORE_TIMEOUT = 1.0
# An origin that hangs is waited for as long.
ORIGIN_TIMEOUT = 1.0
# How long a server of the store may take to say how it is (seconds).
ASK_SECONDS = 1.0

KEYS = ClusterKeys("playgate")
NAMES = AccountNames(TICKET_SECRET.encode())


class Stage:
    """All of it; a slot lives for ``ttl`` seconds, and an account has ``limit`` of them."""

    def __init__(self, *, ttl: float, limit: int) -> None:
        self.ttl, self.limit = ttl, limit
        self.origins = [Origin(), Origin()]
        self.proxies: list[Proxy] = []
        self._opened = AsyncExitStack()

    async def __aenter__(self) -> Self:
        try:
            await self._start()
        except BaseException:
            await self._opened.aclose()
            raise
        return self

    async def _start(self) -> None:
        folder = Path(self._opened.enter_context(tempfile.TemporaryDirectory(prefix="chaos-")))
        self.cluster = self._opened.enter_context(Cluster("redis"))
        for origin in self.origins:
            self._opened.push_async_callback(origin.kill)
        await asyncio.gather(self.cluster.start(), *(origin.start() for origin in self.origins))
        await self.cluster.hasten()
        for number in range(2):
            (folder / f"{number}").mkdir()
            proxy = Proxy(folder / f"{number}", "", self.cluster.url, self._settings())
            self.proxies.append(proxy)
            await proxy.begin()
            self._opened.push_async_callback(proxy.end, signal.SIGKILL)
        await self.well()

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self._opened.aclose()

    def _settings(self) -> dict[str, Any]:
        return {
            "listen": {"drain_timeout": "5s"},
            "store": {"timeout": f"{STORE_TIMEOUT}s"},
            "limits": {"default": self.limit + 1},
            "origin": {"timeout": f"{ORIGIN_TIMEOUT}s", "cache": "1s"},
            "streams": {"ttl": f"{self.ttl}s"},
            "routes": [
                {
                    "name": "live",
                    "path": "/live/**",
                    "origins": [origin.url for origin in self.origins],
                    "segments": "open",
                }
            ],
        }

    # --- The store ---

    @property
    def running(self) -> list[RedisServer]:
        """The servers of the store that have not been killed."""
        return [node for node in self.cluster.nodes if node.process is not None]

    async def holders(self, without: Iterable[RedisServer] = ()) -> dict[int, list[range]]:
        """Give the ports of the primaries, with the hash slots that each has."""
        left_out = set(without)
        for node in self.running:
            if node in left_out:
                continue
            told = await _asked(node, "CLUSTER", "SLOTS")
            if told:
                found: dict[int, list[range]] = {}
                for first, last, primary, *_ in told:
                    found.setdefault(primary[1], []).append(range(first, last + 1))
                return found
        return {}

    async def is_whole(self) -> bool:
        """Whether all servers of the store are well: three primaries, each with a replica."""
        if len(self.running) < len(self.cluster.nodes):
            return False
        roles = await asyncio.gather(*(_asked(node, "ROLE") for node in self.cluster.nodes))
        states = await asyncio.gather(
            *(_asked(node, "CLUSTER", "INFO") for node in self.cluster.nodes)
        )
        well = all(state and "cluster_state:ok" in str(state) for state in states)
        primaries = [role for role in roles if role and role[0] == "master"]
        follow = [role for role in roles if role and role[0] == "slave" and role[3] == "connected"]
        served = {int(role[2]) for role in follow}
        return well and len(primaries) == 3 and len(served) == len(follow) == 3

    # --- All of it ---

    async def sees_store(self) -> bool:
        """Whether both proxies say that all of the store answers."""
        return all(await asyncio.gather(*(proxy.sees_store() for proxy in self.proxies)))

    async def is_well(self) -> bool:
        """Whether everybody is there, and says of everybody else that they are."""
        checks: list[Awaitable[bool]] = [self.is_whole()]
        for proxy in self.proxies:
            checks += [proxy.is_ready(), proxy.sees_store(), proxy.sees_origins()]
        return all(await asyncio.gather(*checks))

    async def well(self) -> None:
        """Wait until it is."""
        await until(self.is_well, "all is well", 90)

    def in_slots(self, slots: list[range]) -> Callable[[str], bool]:
        """Give what tells whether an account (by its name) lies in these hash slots."""

        def lies(account: str) -> bool:
            slot = KEYS.slot_of(NAMES.hashed(account))
            return any(slot in one for one in slots)

        return lies

    @cached_property
    def ports(self) -> dict[int, RedisServer]:
        """The servers of the store by their ports."""
        return {node.port: node for node in self.cluster.nodes}


async def _asked(node: RedisServer, *command: str) -> Any:
    try:
        async with asyncio.timeout(ASK_SECONDS):
            return await ask(node, *command)
    except TimeoutError:
        return None
