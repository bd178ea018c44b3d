"""The two proxies: each a real ``playgate serve``, on the same ports whenever it is started."""

import asyncio
import signal
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import aiohttp

from tests.processes.fleet import LISTENING, Fleet

RELOADED = "the configuration was reloaded"


@dataclass
class Proxy(Fleet):
    """One process that can be killed, drained, stopped, reloaded, and started again."""

    workers: int = 1

    async def begin(self) -> None:
        """Start it, and wait until it listens."""
        before = self.said(LISTENING)
        await self.start()
        self.master = self.process.pid
        await self.logged(LISTENING, before + 1)

    async def end(self, name: signal.Signals) -> None:
        """Have it end by a signal, and wait until it has."""
        with suppress(ProcessLookupError):  # it may have ended by itself
            self.process.send_signal(name)
        await self.process.wait()
        await self._reading

    async def reload(self) -> None:
        """Change its file, tell it so, and wait until the change is in force."""
        before = self.said(RELOADED)
        self.write(limits={"default": self.loaded().limits.default + 1})
        self.tell(signal.SIGHUP)
        await self.logged(RELOADED, before + 1)

    async def is_ready(self) -> bool:
        """Whether it says that it should get requests."""
        return (await self.asked("/readyz")) is not None

    async def sees_store(self) -> bool:
        """Whether it says that all of the store answers."""
        document = await self.asked("/readyz")
        return document is not None and bool(document["components"]["store"])

    async def sees_origins(self) -> bool:
        """Whether it says that no origin is to be skipped."""
        document = await self.asked("/admin/v1/stats")
        return document is not None and all(one["up"] for one in document["origins"])

    async def asked(self, path: str) -> Any:
        """Give what the operators' port answers; None where it does not, or not with 200."""
        try:
            async with asyncio.timeout(2):
                status, document = await self.operate(path)
        except (aiohttp.ClientError, OSError, TimeoutError):
            return None
        return document if status == 200 else None
