"""Notices that a stream has lapsed when nobody of its account comes back to find out.

A slot lapses by itself, and the store says so to the next who asks about the account. Where nobody
does, somebody must: each proxy remembers until when the accounts it answered are known to play, and
asks soon after. The store hands each lapsed slot to one who asks, so that of all proxies that
remember an account one tells of it. An account that plays on through another proxy is remembered
here as well, and would be looked after if that one died.

Every few seconds all that is remembered is looked through, a part at a time, which costs a beat
nothing but one entry in a dictionary: a queue in the order of time would cost more to keep.
"""

import asyncio

from proxy.admission.store import Store
from proxy.background import Repeated
from proxy.errors import StoreUnavailable
from proxy.model import Clock

# Parts of what is remembered, and how long it takes to look at each once (seconds): with 200,000
# accounts half a millisecond at a time, and a hundredth of a core.
PARTS = 64
ROUND_SECONDS = 4.0
# Accounts remembered, at some 140 bytes each. Others are found lapsed when they come back.
MAX_ACCOUNTS = 500_000
# Accounts asked about at once, and the pause before the next (seconds): thousands a second when a
# channel goes off the air, and players' requests pass in between.
BATCH = 64
PAUSE_SECONDS = 0.01


class LapseWatch:
    """Remembers when to look at which account next. ``clock`` is in seconds."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._parts: tuple[dict[str, float], ...] = tuple({} for _ in range(PARTS))

    def __len__(self) -> int:
        """How many accounts are remembered."""
        return sum(map(len, self._parts))

    def note(self, account: str, next_lapse_ms: int) -> None:
        """Take in how long until the first of an account's streams lapses; 0: it has none."""
        part = self._parts[hash(account) % PARTS]
        if not next_lapse_ms:
            part.pop(account, None)
        elif account in part or len(part) < MAX_ACCOUNTS // PARTS:
            part[account] = self._clock() + next_lapse_ms / 1000

    def settle(self, account: str, next_lapse_ms: int) -> None:
        """Take in what was said of an account that was due, unless it was heard of meanwhile."""
        if self._parts[hash(account) % PARTS].get(account, 0.0) <= self._clock():
            self.note(account, next_lapse_ms)

    def due(self, part: int) -> list[str]:
        """Give the accounts of one part of which, as far as is known here, a stream has lapsed."""
        now = self._clock()
        return [account for account, at in self._parts[part].items() if at <= now]


class LapseCollector:
    """Asks the store, which tells of what it finds, about the accounts that are due."""

    def __init__(self, store: Store, watch: LapseWatch) -> None:
        self._store = store
        self._watch = watch
        self._rounds = Repeated("lapses", self.round)

    async def start(self) -> None:
        """Begin to look."""
        await self._rounds.start()

    async def close(self) -> None:
        """Look no more; who returns, or another proxy, finds what has lapsed."""
        await self._rounds.close()

    async def round(self) -> None:
        """Look at all that is remembered once, in parts."""
        for part in range(PARTS):
            await asyncio.sleep(ROUND_SECONDS / PARTS)
            await self._look(self._watch.due(part))

    async def _look(self, due: list[str]) -> None:
        for first in range(0, len(due), BATCH):
            batch = due[first : first + BATCH]
            try:
                lapsed = await self._store.drop_lapsed(batch)
            except StoreUnavailable:
                return  # they are due in the next round as well
            for account, found in zip(batch, lapsed, strict=True):
                self._watch.settle(account, found.next_lapse_ms)
            await asyncio.sleep(PAUSE_SECONDS)
