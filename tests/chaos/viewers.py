"""Viewers: they start, refresh, zap, give back, crash and come back, and try above the limit.

Of each account there is one viewer more than it may have streams. Half of the devices name
themselves in their tokens; the others are known by their players.
"""

import asyncio
import random
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from enum import Enum
from urllib.parse import urljoin

from proxy.minting import mint
from proxy.settings.schema import Settings
from tests.chaos.balancer import Balancer, Told, Way
from tests.chaos.journal import SERVED, Journal
from tests.support.http_line import uris

CHANNELS = 20
STREAM = "playgate-stream"
# A moment after a slot's end, for what is rounded on the way (seconds).
ROUNDED = 0.05


@dataclass(frozen=True)
class Habits:
    """How viewers go about it (seconds)."""

    beat: float
    watches: float  # on average
    waits: tuple[float, float]  # after a refusal, or a goodbye
    reboots: tuple[float, float]


class Leaving(Enum):
    """How a viewer ends a stream."""

    GOODBYE = "gives it back"
    ZAP = "starts another one"
    REBOOT = "crashes, and is there again"
    CRASH = "crashes, and does not come back to it"


Look = Callable[[str], Awaitable[None]]


@dataclass(frozen=True)
class Around:
    """What viewers have around them; ``look`` has an operator look at an account."""

    balancer: Balancer
    journal: Journal
    settings: Settings
    habits: Habits
    look: Look


class Viewer:
    """One device of an account. From ``calm`` on, nobody comes or goes."""

    def __init__(self, around: Around, account: str, number: int, seed: str) -> None:
        self._journal, self._habits = around.journal, around.habits
        self._look = around.look
        self._dice = random.Random(f"{seed} {account} {number}")
        self._account = account
        device = f"{account}-{number}"
        self._way = Way(around.balancer, f"Player/{device}", self._dice)
        names_itself = device if number % 2 == 0 else None
        self._token = mint(
            around.settings,
            account=account,
            device=names_itself,
            limit=self._journal.truth.limit,
            ttl=6 * 3600,
        )

    async def live(self, calm: asyncio.Event, over: asyncio.Event) -> None:
        """Watch one stream after another."""
        await asyncio.sleep(self._dice.uniform(0, self._habits.waits[1]))
        channel = self._channel()
        while not calm.is_set():
            if not await self._start(channel):
                await asyncio.sleep(self._dice.uniform(*self._habits.waits))
                channel = self._channel()
                continue
            if await self._watch(calm, over):
                channel = await self._leave(channel)
            self._journal.left(self._account, self._playing.stream)
        self._way.crash()

    def _channel(self) -> int:
        return self._dice.randrange(CHANNELS)

    async def _start(self, channel: int) -> bool:
        """Ask for a channel; tell whether it was let in."""
        asked_in = self._journal.kind
        self._journal.requests += 1
        entry = f"/live/{channel}/master.m3u8"

        def astray(sent: float) -> None:
            self._journal.truth.start_went_astray(self._account, sent)

        told = await self._way.ask(f"{entry}?token={self._token}", astray)
        if told.status != SERVED or not told.said:
            self._journal.not_started(self._account, told, asked_in)
            return False
        self._playing = self._journal.started(self._account, told.field(STREAM), told, asked_in)
        self._child = urljoin(entry, uris(told.said.body)[0])
        return True

    async def _ask(self, path: str, method: str = "GET") -> Told:
        """Ask for something with the ticket of what is playing."""
        self._journal.requests += 1

        def astray(sent: float) -> None:
            self._journal.truth.went_astray(self._account, self._playing.stream, sent)

        return await self._way.ask(path, astray, method)

    async def _watch(self, calm: asyncio.Event, over: asyncio.Event) -> bool:
        """Refresh for a while; tell whether the stream is the viewer's own to end."""
        enough = time.monotonic() + self._dice.expovariate(1 / self._habits.watches)
        while not over.is_set():
            if time.monotonic() > enough and not calm.is_set():
                return True
            await asyncio.sleep(self._habits.beat * self._dice.uniform(0.8, 1.2))
            asked_in = self._journal.kind
            told = await self._ask(self._child)
            self._journal.refreshed(self._playing, told, asked_in)
            if 400 <= told.status < 500:
                return False
        return False

    async def _leave(self, channel: int) -> int:
        """End the stream in one of the ways there are; give what to watch next."""
        match self._dice.choice(list(Leaving)):
            case Leaving.GOODBYE:
                ticket = self._child.rpartition("_sid=")[2]
                told = await self._ask(f"/_playgate/release?_sid={ticket}", "POST")
                if told.status == 204:
                    self._journal.releases += 1
                    self._journal.truth.released(self._account, self._playing.stream, told.heard)
                await asyncio.sleep(self._dice.uniform(*self._habits.waits))
            case Leaving.REBOOT:
                self._crash()
                await asyncio.sleep(self._dice.uniform(*self._habits.reboots))
                return channel
            case Leaving.CRASH:
                self._crash()
                lapses = self._playing.heard + self._journal.truth.ttl + ROUNDED
                await asyncio.sleep(max(0.0, lapses - time.monotonic()))
                await self._look(self._account)
            case Leaving.ZAP:
                pass
        return self._channel()

    def _crash(self) -> None:
        self._journal.crashes += 1
        self._journal.left(self._account, self._playing.stream)
        self._way.crash()
