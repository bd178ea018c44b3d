"""What this process remembers of what the store said, for the time when it says nothing.

Takes in each decision of the store, so that the streams that pass here are known with their TTLs.
Never asked while the store answers; then it is a store of its own, with the same rules, that knows
only what passed here.
"""

from contextlib import suppress
from dataclasses import replace

from proxy.admission.decision import identity
from proxy.admission.ledger import Ledger
from proxy.admission.memory import MemoryStore
from proxy.admission.revocations import Revocation
from proxy.admission.slot import Slot, opened
from proxy.errors import BadRequest
from proxy.streams import Attempt, Decision, Ended, EndReason, Intent, Outcome

# Accounts remembered while the store answers, at about 1.5 KB each. Above it newcomers are not
# known in an outage, which is milder than a process that runs out of memory.
MAX_REMEMBERED = 100_000

HOLDING = frozenset(
    {
        Outcome.ADMITTED,
        Outcome.RENEWED,
        Outcome.TAKEOVER,
        Outcome.PROVISIONAL,
        Outcome.OBSERVED,
    }
)


class Shadow(MemoryStore):
    """Counts the streams that pass through this process."""

    def adopt(self, attempt: Attempt, told: Decision) -> None:
        """Take in what the store decided on an attempt."""
        if attempt.intent is Intent.PEEK:
            return
        holds, revoked = told.outcome in HOLDING, told.outcome is Outcome.REVOKED
        known = attempt.account in self._ledgers
        if not known and not ((holds or revoked) and len(self) < MAX_REMEMBERED):
            return
        now_ms = self.now_ms()
        ledger = self.ledger(attempt.account)
        for ended in told.ended:
            self._mirror(ledger, ended, now_ms, by=attempt.playback.label)
        if revoked:
            self._turn_away(ledger, attempt, now_ms)
            return
        slot = ledger.slots.get(told.stream)
        if holds:
            ledger.revocations.let_pass(attempt)
            self._hold(ledger, slot, attempt, told, now_ms)
        elif slot is not None:
            self._let_go(ledger, slot, attempt, told, now_ms)

    def _mirror(self, ledger: Ledger, ended: Ended, now_ms: int, *, by: str) -> None:
        slot = ledger.slots.get(ended.stream.id)
        if slot is None:
            return
        if ended.reason is EndReason.LAPSED:
            ledger.remove(slot)
        else:
            ledger.bury(slot, ended.reason, self._policy, now_ms, by=by)

    def _hold(
        self, ledger: Ledger, slot: Slot | None, attempt: Attempt, told: Decision, now_ms: int
    ) -> None:
        tombstone = ledger.tombstone(told.stream, now_ms)
        if slot is None and tombstone and tombstone.released(attempt.playback.instance_ms, now_ms):
            return  # its last request, served without a slot
        # Whatever ended it here while the store was away: the store lets it play.
        ledger.tombstones.pop(told.stream, None)
        if slot is not None:
            renewed = slot.renewed(attempt, self._policy.max_networks, now_ms)
            ledger.put(replace(renewed, started_ms=told.started_ms, rival=None))
        elif attempt.cadence.ttl_ms:
            playback = identity(attempt, astray=told.stream != attempt.playback.stream)
            ledger.put(opened(attempt, playback, told.started_ms, now_ms))

    def _turn_away(self, ledger: Ledger, attempt: Attempt, now_ms: int) -> None:
        if ledger.revocations.cover(attempt, now_ms):
            return
        # By its id if it has one; else it can only have been issued too early.
        revocation = Revocation(now_ms, jti=attempt.jti, before_ms=(attempt.issued_ms or 0) + 1)
        with suppress(BadRequest):  # so many of one account: the others will do
            ledger.revoke(revocation, self._policy, now_ms)

    def _let_go(
        self, ledger: Ledger, slot: Slot, attempt: Attempt, told: Decision, now_ms: int
    ) -> None:
        instance_ms = attempt.playback.instance_ms
        is_older = instance_ms is not None and instance_ms < slot.started_ms
        if is_older and told.outcome is not Outcome.ABSENT:
            return  # what was said is no news of the instance that plays
        if told.outcome is not Outcome.ENDED:
            ledger.remove(slot)
            return
        ledger.bury(slot, told.reason, self._policy, now_ms, by=told.by or "")
        if instance_ms is not None:
            # No more was said: a newer one may have been started through another proxy.
            tombstone = ledger.tombstones[slot.stream]
            ledger.tombstones[slot.stream] = replace(tombstone, at_ms=instance_ms)
