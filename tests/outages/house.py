"""An audience of which some want more than they may, and some do not wait for their answers."""

import asyncio
import random
import time
from collections import Counter
from contextlib import suppress

from tests.engines.audience import CHANNELS, LIMIT, Audience
from tests.support.poll import until
from tests.support.stack import Answer, Stack

ACCOUNTS = 6
# How often each account tries one stream too many, and how often somebody goes away (seconds).
KNOCK_SECONDS = 0.2
HURRY_SECONDS = 0.05
# How long who does not wait does so at most (seconds): an answer takes some milliseconds.
PATIENCE = 0.01


class House(Audience):
    """Accounts with as many streams as they may have; while ``door`` is held, nobody starts one.

    ``knocks`` are the starts that are one too many: when, and what each was answered.
    """

    def __init__(self, stack: Stack) -> None:
        super().__init__(stack)
        self.knocks: list[tuple[float, int]] = []
        self.door = asyncio.Lock()

    async def fill(self) -> None:
        """Have all come, and begin with what they do."""
        await self.watch(ACCOUNTS)
        self.admit()
        self._tasks += map(asyncio.create_task, (self._knock(), self._hurry()))

    async def start(self, account: str, channel: str, route: str = "live") -> Answer:
        """Start a stream, on a device of its own, once the door is open."""
        async with self.door:
            return await super().start(account, channel, route)

    async def _knock(self) -> None:
        while True:
            for number in range(ACCOUNTS):
                begun = time.monotonic()
                answer = await self.start(f"viewer-{number}", CHANNELS[LIMIT])
                self.knocks.append((begun, answer.status))
                await asyncio.sleep(KNOCK_SECONDS / ACCOUNTS)

    async def _hurry(self) -> None:
        chance = random.Random(1)
        while True:
            with suppress(TimeoutError):
                async with asyncio.timeout(PATIENCE * chance.random()):
                    viewer = chance.choice(self.viewers)
                    async with self._stack.client.get(viewer.path) as response:
                        await response.read()
            await asyncio.sleep(HURRY_SECONDS)

    def told(self) -> Counter[str]:
        """Give what all refreshes were answered."""
        return sum((viewer.told for viewer in self.viewers), Counter[str]())

    def taken(self) -> list[int]:
        """Give how many refreshes of each were answered by now."""
        return [len(viewer.seconds) for viewer in self.viewers]

    def since(self, taken: list[int]) -> list[float]:
        """Give how long those took that came after so many (seconds)."""
        pairs = zip(self.viewers, taken, strict=True)
        return [second for viewer, number in pairs for second in viewer.seconds[number:]]

    async def play_on(self, times: int) -> None:
        """Wait until each was answered so many times more."""
        before = self.taken()

        async def so() -> bool:
            pairs = zip(self.taken(), before, strict=True)
            return all(now >= then + times for now, then in pairs)

        await until(so, "they play on")
