"""Viewers that ask all the time, and forgive nothing.

A request has failed if it was not answered with 200. No client's retry hides anything: each viewer
speaks HTTP by itself, on connections that it keeps as long as the proxy lets it.
"""

import asyncio
import re
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from urllib.parse import urljoin

from tests.processes.fleet import Fleet
from tests.support.poll import until

ENTRY = "/live/one/master.m3u8"
LOW = "/live/one/low/index.m3u8"


@dataclass
class Tally:
    """What became of the requests of all viewers."""

    requests: int = 0
    connections: int = 0
    failed: Counter[str] = field(default_factory=Counter)
    served: set[int] = field(default_factory=set)  # viewers who got something

    def __str__(self) -> str:
        return (
            f"{self.requests} requests on {self.connections} connections, "
            f"{self.failed.total()} failed {dict(self.failed) or ''}"
        )


@dataclass
class Viewer:
    """One player. With ``again``, a request that broke off is sent once more, elsewhere."""

    fleet: Fleet
    token: str
    device: str
    tally: Tally
    again: bool = False
    keep: bool = True
    turned_away: bool = False
    _streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def play(self, over: asyncio.Event) -> None:
        """Play until told to stop, or until nobody takes connections any more."""
        while not over.is_set() and not self.turned_away:
            entry = await self.ask(f"{ENTRY}?token={self.token}")
            if not entry:
                continue
            low = urljoin(ENTRY, _uris(entry)[0])
            for _ in range(3):
                playlist = await self.ask(low)
                if playlist:
                    await self.ask(urljoin(LOW, _uris(playlist)[0]))
                if over.is_set() or self.turned_away:
                    break
        await self.close()

    async def ask(self, path: str) -> str | None:
        """Send a request and count what comes of it; give the body of a good answer."""
        for last in (not self.again, True):
            try:
                status, body = await self._exchange(path)
            except ConnectionRefusedError:
                self.turned_away = True  # nothing was sent: the next proxy gets it
                return None
            except (OSError, EOFError) as error:
                await self.close()
                if last:
                    self.tally.requests += 1
                    self.tally.failed[type(error).__name__] += 1
                    return None
                continue
            self.tally.requests += 1
            if status != 200:
                self.tally.failed[str(status)] += 1
                return None
            self.tally.served.add(id(self))
            return body
        return None

    async def _exchange(self, path: str) -> tuple[int, str]:
        if self._streams is None:
            self._streams = await asyncio.open_connection("127.0.0.1", self.fleet.port)
            self.tally.connections += 1
        reader, writer = self._streams
        connection = "keep-alive" if self.keep else "close"
        writer.write(
            f"GET {path} HTTP/1.1\r\nHost: tv.test\r\nUser-Agent: {self.device}\r\n"
            f"Connection: {connection}\r\n\r\n".encode()
        )
        head = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
        length = re.search(r"content-length: (\d+)", head)
        if length:
            body = await reader.readexactly(int(length[1]))
        else:
            body = await _chunks(reader)
        if "connection: close" in head:
            await self.close()
        return int(head.split()[1]), body.decode("latin-1")

    async def close(self) -> None:
        if self._streams is not None:
            self._streams[1].close()
            self._streams = None


async def _chunks(reader: asyncio.StreamReader) -> bytes:
    parts = []
    while size := int((await reader.readuntil(b"\r\n")).split(b";")[0], 16):
        parts.append(await reader.readexactly(size))
        await reader.readexactly(2)
    await reader.readuntil(b"\r\n")
    return b"".join(parts)


def _uris(text: str) -> list[str]:
    return [line for line in text.splitlines() if line and not line.startswith("#")]


@asynccontextmanager
async def watching(fleet: Fleet, *, viewers: int = 12, again: bool = False) -> AsyncIterator[Tally]:
    """Have viewers play meanwhile; each third opens a connection for each request."""
    tally, over = Tally(), asyncio.Event()
    crowd = [
        Viewer(
            fleet,
            fleet.token(f"a{number // 3}"),
            f"device/{number % 3}",
            tally,
            again=again,
            keep=number % 3 != 0,
        )
        for number in range(viewers)
    ]
    players = [asyncio.create_task(viewer.play(over)) for viewer in crowd]
    try:
        await more_of(tally, 2 * viewers)
        yield tally
    finally:
        over.set()
        await asyncio.gather(*players)


async def more_of(tally: Tally, number: int) -> None:
    """Wait until so many requests more were answered."""
    enough = tally.requests + number

    async def has_come() -> bool:
        return tally.requests >= enough

    await until(has_come, f"{number} requests more", 90)
