"""Viewers of one proxy who play on whatever happens behind it, and what became of each request."""

import asyncio
import time
from collections import Counter
from dataclasses import dataclass, field
from urllib.parse import urljoin

import aiohttp

from tests.support.origin import HLS
from tests.support.playlists import MASTER
from tests.support.stack import Answer, Stack

PLAYLIST = """#EXTM3U
#EXT-X-TARGETDURATION:1
#EXT-X-MEDIA-SEQUENCE:7
#EXTINF:1.0,
seg7.ts
"""
# Longer than a busy machine keeps anybody from refreshing, and short enough to wait for.
TTL_SECONDS = 8
STREAMS = {"ttl": f"{TTL_SECONDS}s", "live_ttl_factor": 1}
LIMIT = 2
CHANNELS = ("a", "b", "c")
# How often each viewer refreshes, and how often somebody new comes (seconds).
BEAT_SECONDS = 0.2
ARRIVAL_SECONDS = 0.05


@dataclass
class Viewer:
    """One stream: what each of its refreshes was answered, and how long that took (seconds)."""

    account: str
    path: str
    stream: str
    told: Counter[str] = field(default_factory=Counter)
    seconds: list[float] = field(default_factory=list)


EXACT = [200] * LIMIT + [429]


@dataclass
class Arrival:
    """Somebody who starts one stream more than the limit, one after the other, and leaves."""

    account: str
    began: float
    ended: float = 0.0
    statuses: list[int] = field(default_factory=list)

    @property
    def counted_right(self) -> bool:
        """Whether as many were let in as may be: one more only once the first slot has lapsed."""
        lapsed = self.ended >= self.began + TTL_SECONDS
        return self.statuses == EXACT or (lapsed and self.statuses == [200] * len(CHANNELS))


class Audience:
    """Accounts with as many streams as they may have; and on another route, who comes and goes."""

    def __init__(self, stack: Stack) -> None:
        self._stack = stack
        self.viewers: list[Viewer] = []
        self.arrivals: list[Arrival] = []
        self._tasks: list[asyncio.Task[None]] = []
        for channel in CHANNELS:
            for route in ("live", "open"):
                stack.origin.answers[f"/{route}/{channel}/master.m3u8"] = (HLS, MASTER)
            stack.origin.answers[f"/live/{channel}/low/index.m3u8"] = (HLS, PLAYLIST)

    async def watch(self, accounts: int) -> None:
        """Have accounts start all streams they may have, each of which plays on from then."""
        # One after the other, so that something is always under way.
        pause = BEAT_SECONDS / (accounts * LIMIT)
        for number in range(accounts):
            for channel in CHANNELS[:LIMIT]:
                answer = await self.start(f"viewer-{number}", channel)
                assert answer.status == 200, answer.text
                path = urljoin(f"/live/{channel}/", answer.uris()[0])
                viewer = Viewer(f"viewer-{number}", path, answer.headers["Playgate-Stream"])
                # At once: before all have started, the first slot may have lapsed.
                self._tasks.append(
                    asyncio.create_task(self._play(viewer, len(self.viewers) * pause))
                )
                self.viewers.append(viewer)

    def admit(self) -> "asyncio.Task[None]":
        """Have somebody new come every now and then, until this is cancelled."""
        self._tasks.append(asyncio.create_task(self._arrive()))
        return self._tasks[-1]

    async def leave(self) -> None:
        """Go away; nobody may have failed at anything but the proxy."""
        for task in self._tasks:
            task.cancel()
        told = await asyncio.gather(*self._tasks, return_exceptions=True)
        failures = [one for one in told if isinstance(one, Exception)]
        assert not failures, failures

    async def start(self, account: str, channel: str, route: str = "live") -> Answer:
        """Start a stream, on a device of its own."""
        token = self._stack.token(account, device=f"{account}-{channel}", limit=LIMIT)
        return await self._stack.ask(f"/{route}/{channel}/master.m3u8?token={token}")

    async def _play(self, viewer: Viewer, begins_in: float) -> None:
        await asyncio.sleep(begins_in)
        while True:
            begun = time.monotonic()
            async with self._stack.client.get(viewer.path) as response:
                await response.read()
                viewer.told[_told(viewer, response)] += 1
            viewer.seconds.append(time.monotonic() - begun)
            await asyncio.sleep(BEAT_SECONDS)

    async def _arrive(self) -> None:
        while True:
            account = f"arrival-{len(self.arrivals)}"
            arrival = Arrival(account, time.monotonic())
            self.arrivals.append(arrival)
            answers = [await self.start(account, channel, "open") for channel in CHANNELS]
            arrival.statuses = [answer.status for answer in answers]
            arrival.ended = time.monotonic()
            for answer in answers:
                if answer.status == 200:
                    release = f"/_playgate/release?_sid={answer.ticket()}"
                    assert (await self._stack.ask(release, method="POST")).status == 204
            await asyncio.sleep(ARRIVAL_SECONDS)

    def finished(self) -> list[Arrival]:
        """Give those who have come and gone, and not half of it."""
        return [arrival for arrival in self.arrivals if arrival.ended]

    def quantile(self, part: float) -> float:
        """Give how long one of so many refreshes took at most (seconds)."""
        return quantile([second for viewer in self.viewers for second in viewer.seconds], part)


def quantile(took: list[float], part: float) -> float:
    """Give what so many of these are at most."""
    return sorted(took)[min(len(took) - 1, round(len(took) * part))]


def _told(viewer: Viewer, response: aiohttp.ClientResponse) -> str:
    if response.status != 200:
        return f"{response.status}"
    if response.headers["Playgate-Stream"] != viewer.stream:
        return "somebody else's"
    return response.headers["Playgate-Decision"]
