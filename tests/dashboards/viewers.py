"""People in front of screens, as far as a proxy hears of them."""

import asyncio
import contextlib
import random

import aiohttp

from proxy.minting import mint
from proxy.settings.schema import Settings

CHANNELS = ("one", "two", "three", "four", "five", "six")
LIMIT = 3
HOMES = 12


class Share:
    """Says yes to a share of all that ask, as evenly as can be.

    What comes by chance comes in bunches at times, and where minutes are seconds a bunch of three
    is what a failure looks like.
    """

    def __init__(self) -> None:
        self._due = 0.5

    def takes(self, share: float) -> bool:
        """Tell whether the next one is of the share."""
        self._due += share
        is_due = self._due >= 1
        self._due -= is_due
        return is_due


class Viewers:
    """Homes in which people watch, each an account: they zap, leave, and at times want too much.

    ``crowds`` is the share of evenings on which a home wants more than it may, ``greed`` by how
    many streams, and ``forgery`` the share of tokens that are no good.
    """

    def __init__(self, url: str, settings: Settings, session: aiohttp.ClientSession) -> None:
        self._url = url
        self._settings = settings
        self._session = session
        self._random = random.Random(7)
        self.crowds = 0.02
        self.greed = 1
        self.forgery = 0.01
        self._crowded, self._forged = Share(), Share()
        self._tasks: list[asyncio.Task[None]] = []

    def come(self) -> None:
        """Begin to watch."""
        self._tasks = [asyncio.create_task(self._home(number)) for number in range(HOMES)]

    async def leave(self) -> None:
        """Stop asking for anything."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._tasks = []

    async def _home(self, number: int) -> None:
        account, evening = f"home-{number}", 0
        while True:
            evening += 1
            if self._crowded.takes(self.crowds):
                await self._crowd(f"{account}-{evening}")
            elif number % 4 == 0:
                await self._film(account)
            else:
                # With what was left without a goodbye, no more than a home may have.
                screens = self._random.choices((1, 2), (2, 1))[0]
                await asyncio.gather(*(self._channel(account, f"tv-{n}") for n in range(screens)))

    async def _crowd(self, account: str) -> None:
        """Want more than is allowed, each stream on another device."""
        for attempt in range(LIMIT + self.greed):
            await self._entry(account, f"phone-{attempt}", "/live/one/master.m3u8")
            await self._pause(0.1)

    async def _channel(self, account: str, device: str) -> None:
        """Watch a channel for a moment, and perhaps zap to another without a goodbye."""
        for _ in range(self._random.randint(1, 2)):
            # Of the last one, a home may have one stream (``scene``).
            channel = self._random.choice(CHANNELS if device == "tv-0" else CHANNELS[:-1])
            entry = await self._entry(account, device, f"/live/{channel}/master.m3u8")
            if entry is None:
                await self._pause(0.5)
                continue
            child = f"/live/{channel}/{entry[0]}"
            segments: list[str] = []
            for beat in range(self._random.randint(3, 8)):
                if beat % 2 == 0:
                    segments = (await self._get(child)) or segments
                elif segments:
                    await self._get(f"{child.rsplit('/', 1)[0]}/{segments[0]}")
                await self._pause(0.5)
            if self._random.random() < 0.9:
                await self._get(f"/_playgate/release?_sid={_ticket(child)}", "POST")

    async def _film(self, account: str) -> None:
        """Watch a film: its manifests are loaded once, and steering is asked now and then."""
        entry = await self._entry(account, "tablet", "/vod/film/master.m3u8")
        if entry is None:
            return await self._pause(1)
        await self._get(f"/vod/film/{entry[0]}")
        for _ in range(5):
            await self._get("/vod/film/low/seg0.ts")
            await self._get(f"/_playgate/steering?_sid={_ticket(entry[0])}")
            await self._pause(1)
        return None

    async def _entry(self, account: str, device: str, path: str) -> list[str] | None:
        token = mint(self._settings, account=account, device=device)
        if self._forged.takes(self.forgery):
            token = token[:-6] + "forged"
        return await self._get(f"{path}?token={token}")

    async def _get(self, path: str, method: str = "GET") -> list[str] | None:
        """Give the URIs of a playlist, or None where it was refused or nobody answers."""
        with contextlib.suppress(aiohttp.ClientError, TimeoutError):
            async with self._session.request(method, f"{self._url}{path}") as response:
                body = await response.text(errors="replace")
                if response.status == 200:
                    return [line for line in body.splitlines() if line and line[0] != "#"]
        return None

    async def _pause(self, seconds: float) -> None:
        await asyncio.sleep(seconds * self._random.uniform(0.5, 1.5))


def _ticket(uri: str) -> str:
    return uri.partition("_sid=")[2].partition("&")[0]
