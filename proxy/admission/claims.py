"""Who plays claims its slot in a store that may not have it, before it is given to somebody else.

A store that was away comes back without what was let in meanwhile, and may have lost what it held.
One that was emptied, or a replica that had not got all, forgets without having been away. Each
stream claims its slot with its next beat, but that takes seconds, and on demand half a minute.
Until then there would be room for one stream too many; and then none for the one that plays.

So a newcomer stands in line behind the account's streams that are known here, which claim their
slots in the same breath. All others claim theirs in the background, soon, for the sake of newcomers
who come by another proxy. The store decides on claims by the limits and rules of each, as it would
on their next beats; they displace nobody. A stream whose beat is overdue claims nothing: it may be
over by what another proxy was asked, and must not be in the way of what its viewer watches now.
"""

import asyncio
from collections.abc import Callable
from contextlib import suppress

from proxy.admission.shadow import HOLDING, Shadow
from proxy.admission.slot import Slot
from proxy.admission.store import PartedStore
from proxy.errors import StoreUnavailable
from proxy.streams import Attempt, Decision, Intent

# Accounts whose claims are made at once, and the pause before the next (seconds): a thousand a
# second at a seventh of a core, and players' requests pass in between. Beats make most needless.
BATCH = 16
PAUSE_SECONDS = 0.01
# Claims that are made at once: four streams of each. Where some accounts have hundreds, players'
# requests would wait behind them for so long that the store would be taken for away again.
AT_ONCE = 64

# Later than everything that was ever heard of.
EVER = 1 << 62

# Hears of a claim that was granted.
Granted = Callable[[Attempt, Decision], None]


def unheard(_attempt: Attempt, _told: Decision, /) -> None:
    """Tell nobody."""


class Claims:
    """Makes the claims of streams that ``shadow`` knows."""

    def __init__(self, store: PartedStore, shadow: Shadow, granted: Granted = unheard) -> None:
        self._store = store
        self._shadow = shadow
        self._granted = granted
        # By part: who was last heard of by then may have no slot there. In others all have theirs.
        self.due_ms: dict[int, int] = {}
        self._works: dict[int, asyncio.Task[None]] = {}

    def note(self, part: int, *, answers: bool) -> None:
        """Take in that a part of the store is back, or away: then it is not known what it has."""
        if part in self._works:
            self._works[part].cancel()
        self.due_ms[part] = EVER
        if answers:
            self._begin(part)

    def _begin(self, part: int) -> None:
        self.due_ms[part] = self._shadow.now_ms()
        self._works[part] = asyncio.create_task(self._claim_all(part), name="claims")

    async def close(self) -> None:
        """Make no more claims."""
        for work in self._works.values():
            work.cancel()
        await asyncio.gather(*self._works.values(), return_exceptions=True)

    async def decide(self, attempt: Attempt) -> Decision:
        """Decide on an attempt when those have claimed their slots who were there before.

        Raises:
            StoreUnavailable: the store does not answer.
        """
        claims = self._before(attempt, self.due_ms.get(self._store.part(attempt.account), 0))
        if not claims:
            return await self._store.decide(attempt)
        # In one go, for they are answered in the order in which they are asked.
        *_, told = await asyncio.gather(*map(self._claim, claims), self._store.decide(attempt))
        return told

    def admitted(self, attempt: Attempt, told: Decision, part: int) -> None:
        """Look what it means that the store had no slot of a stream: it may have forgotten all."""
        work = self._works.get(part)
        if (work is None or work.done()) and self._lost(attempt, told):
            self._begin(part)

    def _lost(self, attempt: Attempt, told: Decision) -> bool:
        """Tell whether the store had no slot of a playback that goes on."""
        instance_ms = attempt.playback.instance_ms
        if instance_ms is None:
            return False
        slot = self._held(attempt)
        if slot is None or instance_ms < slot.started_ms:
            return False
        return all(ended.stream.id != slot.stream for ended in told.ended)

    def _before(self, attempt: Attempt, due_ms: int) -> list[Attempt]:
        match attempt.intent:
            case Intent.PEEK:
                return []
            case Intent.START | Intent.RESUME if self._shadow.holds(
                attempt.account, attempt.playback.stream
            ):
                return []  # it is its own claim
            case _:
                return self._shadow.claims(attempt.account, due_ms, attempt.playback.stream)

    def _held(self, attempt: Attempt) -> Slot | None:
        return self._shadow.holds(attempt.account, attempt.playback.stream)

    async def _claim(self, attempt: Attempt) -> Decision:
        told = await self._store.decide(attempt)
        self._shadow.adopt(attempt, told)
        if told.outcome in HOLDING:
            self._granted(attempt, told)
        return told

    async def _claim_all(self, part: int) -> None:
        due_ms = self.due_ms[part]
        with suppress(StoreUnavailable):  # when it is back, all begins anew
            accounts = self._shadow.accounts()
            for first in range(0, len(accounts), BATCH):
                there = [one for one in accounts[first : first + BATCH] if self._is_in(part, one)]
                claims = [one for account in there for one in self._shadow.claims(account, due_ms)]
                for some in range(0, len(claims), AT_ONCE):
                    await asyncio.gather(*map(self._claim, claims[some : some + AT_ONCE]))
                    await asyncio.sleep(PAUSE_SECONDS)
                await asyncio.sleep(0)
            del self.due_ms[part]

    def _is_in(self, part: int, account: str) -> bool:
        return self._store.part(account) == part
