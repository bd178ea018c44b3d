"""What operators are told meanwhile: an account's streams, and how many there are in all."""

import asyncio
import random
import time
from collections.abc import Sequence
from dataclasses import dataclass, field

from tests.chaos.faults import CALM
from tests.chaos.journal import ALONE_IN, Journal
from tests.chaos.proxies import Proxy
from tests.chaos.truth import Away, Span

LOOK_SECONDS = 0.1
COUNT_SECONDS = 0.5
# A proxy that found the store away leaves it alone for a second, so that this notices it.
WATCH_SECONDS = 0.3
# How long before it may have been found away, and how long after it is one to reckon with.
AROUND_SECONDS = 2.0


@dataclass(frozen=True)
class Listing:
    """The streams of an account, as they were at some time between."""

    account: str
    span: Span
    streams: frozenset[str]


@dataclass(frozen=True)
class Count:
    """How many streams were said to be active; ``calm`` is for how long nothing had struck."""

    span: Span
    active: int
    calm: float


@dataclass
class Operators:
    """They look at accounts at random, at the numbers, and at whether the store is up.

    ``hiccups`` counts how often a proxy said that it is not though nothing had taken it away: a
    machine so busy that an answer took longer than ``store.timeout``.
    """

    proxies: Sequence[Proxy]
    accounts: Sequence[str]
    journal: Journal
    dice: random.Random
    listings: list[Listing] = field(default_factory=list)
    counts: list[Count] = field(default_factory=list)
    hiccups: int = 0

    async def work(self) -> None:
        """Look on until cancelled."""
        await asyncio.gather(self._look_around(), self._count(), self._watch_store())

    async def _look_around(self) -> None:
        while True:
            await self.look(self.dice.choice(self.accounts))
            await asyncio.sleep(LOOK_SECONDS)

    async def _count(self) -> None:
        while True:
            sent, proxy = time.monotonic(), self.dice.choice(self.proxies)
            active = await active_in_stats(proxy)
            heard = time.monotonic()
            if active is not None and self.journal.kind == CALM:
                calm = sent - self.journal.over_at
                self.counts.append(Count(Span(sent, heard), active, calm))
            await asyncio.sleep(COUNT_SECONDS)

    async def _watch_store(self) -> None:
        everybody = frozenset(self.accounts)
        while True:
            for proxy in self.proxies:
                sent = time.monotonic()
                document = await proxy.asked("/readyz")
                is_away = document is not None and not document["components"]["store"]
                if is_away and self.journal.kind not in ALONE_IN:
                    span = Span(sent - AROUND_SECONDS, time.monotonic() + AROUND_SECONDS)
                    self.journal.truth.away.append(Away(span, everybody))
                    self.hiccups += 1
            await asyncio.sleep(WATCH_SECONDS)

    async def look(self, account: str) -> None:
        """List an account's streams, by any proxy that answers."""
        sent = time.monotonic()
        document = await self.dice.choice(self.proxies).asked(
            f"/admin/v1/accounts/{account}/streams"
        )
        if document is not None:
            streams = frozenset(stream["id"] for stream in document["streams"])
            self.listings.append(Listing(account, Span(sent, time.monotonic()), streams))


async def active_in_stats(proxy: Proxy) -> int | None:
    """Give how many streams are active by ``/admin/v1/stats``; None where nobody says."""
    document = await proxy.asked("/admin/v1/stats")
    return None if document is None else int(document["active_streams"].get("live", 0))


async def active_in_metrics(proxy: Proxy) -> int | None:
    """Give how many streams are active by ``playgate_active_streams``."""
    text = await proxy.asked("/metrics")
    if text is None:
        return None
    found = [
        line
        for line in text.splitlines()
        if line.startswith('playgate_active_streams{route="live"}')
    ]
    return int(float(found[0].split()[1])) if found else 0
