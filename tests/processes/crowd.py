"""Viewers that ask all the time, and forgive nothing.

A request has failed if it was not answered with 200. No client's retry hides anything: each viewer
speaks HTTP by itself, on connections that it keeps as long as the proxy lets it.
"""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from urllib.parse import urljoin

from tests.processes.fleet import Fleet
from tests.support.http_line import Line, uris
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

    def __post_init__(self) -> None:
        self._line = Line(self.fleet.port)

    async def play(self, over: asyncio.Event) -> None:
        """Play until told to stop, or until nobody takes connections any more."""
        while not over.is_set() and not self.turned_away:
            entry = await self.ask(f"{ENTRY}?token={self.token}")
            if not entry:
                continue
            low = urljoin(ENTRY, uris(entry)[0])
            for _ in range(3):
                playlist = await self.ask(low)
                if playlist:
                    await self.ask(urljoin(LOW, uris(playlist)[0]))
                if over.is_set() or self.turned_away:
                    break
        self._line.close()

    async def ask(self, path: str) -> str | None:
        """Send a request and count what comes of it; give the body of a good answer."""
        for last in (not self.again, True):
            try:
                self.tally.connections += not self._line.is_open
                said = await self._line.ask(path, agent=self.device, keep=self.keep)
            except ConnectionRefusedError:
                self.turned_away = True  # nothing was sent: the next proxy gets it
                return None
            except (OSError, EOFError) as error:
                self._line.close()
                if last:
                    self.tally.requests += 1
                    self.tally.failed[type(error).__name__] += 1
                    return None
                continue
            self.tally.requests += 1
            if said.status != 200:
                self.tally.failed[str(said.status)] += 1
                return None
            self.tally.served.add(id(self))
            return said.body
        return None


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

    await until(has_come, f"{number} requests more")
