"""What this process remembers of what the store said, for the time when it says nothing.

Takes in each decision of the store, so that the streams that pass here are known with their TTLs.
Never asked while the store answers; then it is a store of its own, with the same rules, that knows
only what passed here.
"""

from contextlib import suppress
from dataclasses import dataclass, replace

from proxy.admission.decision import identity
from proxy.admission.ledger import Ledger
from proxy.admission.memory import MemoryStore
from proxy.admission.policy import Policy
from proxy.admission.revocations import Revocation
from proxy.admission.slot import Slot, opened
from proxy.errors import BadRequest
from proxy.model import Clock
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


@dataclass(slots=True)
class _Renewals:
    """How often the store renewed a stream for one and the same attempt, and when it last did."""

    attempt: Attempt
    started_ms: int
    times: int = 0
    last_ms: int = 0

    def tells_of(self, attempt: Attempt, told: Decision) -> bool:
        """Tell whether a renewal is one more of these."""
        return self.attempt is attempt and self.started_ms == told.started_ms


class Shadow(MemoryStore):
    """Counts the streams that pass through this process.

    A player's beats are alike, and nobody looks at what they come to before the store is away. So
    they are counted, and taken in together when their account is next looked at.
    """

    def __init__(self, policy: Policy, clock: Clock) -> None:
        super().__init__(policy, clock)
        self._renewals: dict[str, _Renewals] = {}

    def adopt(self, attempt: Attempt, told: Decision) -> None:
        """Take in what the store decided on an attempt."""
        is_renewal = told.outcome is Outcome.RENEWED and not told.ended
        before = self._renewals.get(told.stream)
        if before and is_renewal and before.tells_of(attempt, told):
            before.times += 1
            before.last_ms = self.now_ms()
            return
        self._adopt(attempt, told)
        if is_renewal and attempt.intent is not Intent.PEEK:
            ledger = self._ledgers.get(attempt.account)
            if ledger is not None and told.stream in ledger.slots:
                self._renewals[told.stream] = _Renewals(attempt, told.started_ms)

    def _known(self, account: str) -> Ledger | None:
        """Give an account's ledger, with all in it that was put off."""
        ledger = super()._known(account)
        if ledger is not None and self._renewals:
            for stream in list(ledger.slots):
                self._catch_up(ledger, stream)
        return ledger

    def _catch_up(self, ledger: Ledger, stream: str) -> None:
        """Take in a stream's renewals that were put off."""
        renewals, slot = self._renewals.pop(stream, None), ledger.slots.get(stream)
        if renewals and slot:
            ledger.put(self._renewed(slot, renewals))

    def _renewed(self, slot: Slot, renewals: _Renewals) -> Slot:
        if not renewals.times:
            return slot
        attempt = renewals.attempt
        skipped = attempt.beat * (renewals.times - 1)
        slot = replace(slot, beats=slot.beats + skipped)
        return slot.renewed(attempt, self._policy.max_networks, renewals.last_ms)

    def _adopt(self, attempt: Attempt, told: Decision) -> None:
        if attempt.intent is Intent.PEEK:
            return
        holds, revoked = told.outcome in HOLDING, told.outcome is Outcome.REVOKED
        known = attempt.account in self._ledgers
        if not known and not ((holds or revoked) and len(self) < MAX_REMEMBERED):
            return
        now_ms = self.now_ms()
        ledger = self._ledgers.get(attempt.account) or self.ledger(attempt.account)
        for stream in (told.stream, *(ended.stream.id for ended in told.ended)):
            self._catch_up(ledger, stream)
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
