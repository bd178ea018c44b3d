"""What this process remembers of what the store said, for the time when it says nothing.

Takes in each decision of the store, so that the streams that pass here are known with their TTLs.
Never asked while the store answers; then it is a store of its own, with the same rules, that knows
only what passed here.
"""

from contextlib import suppress
from dataclasses import replace
from typing import cast

from proxy.admission.decision import identity
from proxy.admission.ledger import Ledger
from proxy.admission.memory import MemoryStore
from proxy.admission.packed import PackedSlots
from proxy.admission.revocations import Revocation
from proxy.admission.slot import Slot, opened
from proxy.admission.store import Question
from proxy.errors import BadRequest
from proxy.streams import Attempt, Decision, Ended, EndReason, Intent, Outcome

# More streams than any account has: the limit where there is none.
UNLIMITED = 1 << 30

# Accounts remembered while the store answers, at about a kilobyte each. Above it newcomers are not
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
    """Counts the streams that pass through this process.

    A player's beats are alike, and nobody looks at what they come to before the store is away. So
    they are counted, and taken in together when their account is next looked at.
    """

    def renew(self, question: Question, told: Decision) -> None:
        """Take in that a stream goes on, of which that is asked again and again."""
        slot = question.slot
        if slot is not None and slot.renewable_ms == told.started_ms:
            slot.seen_ms = round(self._clock() * 1000)
            slot.beats += question.manner.beat
            return
        attempt = question.attempt
        self.adopt(attempt, told)
        slots = self._slots(attempt.account)
        slot = question.slot = slots.find(told.stream) if slots else None
        if slots is not None and slot is not None:
            slot.renewable_ms = told.started_ms
            slot.lean_on(question.manner.attempt, question.own)
            # The same texts, kept once.
            question.account, question.stream = slots.account, slot.stream

    def let_in(self, attempt: Attempt) -> Decision:
        """Decide on an attempt as if there were no limit; its own is for when that is over."""
        told = self.rule(replace(attempt, limit=UNLIMITED))
        ledger = self._ledgers.get(attempt.account)
        slot = ledger.slots.get(told.stream) if ledger else None
        if ledger and slot:
            ledger.put(replace(slot, limit=attempt.limit))
        return told._replace(limit=attempt.limit)

    def accounts(self) -> list[str]:
        """Give the accounts that are remembered."""
        return list(self._ledgers)

    def heard_since(self, question: Question, since_ms: int) -> bool:
        """Tell whether a question's stream was heard of after that."""
        slot = self.holds(question.account, question.stream)
        return slot is not None and slot.seen_ms > since_ms

    def holds(self, account: str, stream: str) -> Slot | None:
        """Give the slot of a stream if it has one."""
        ledger = self._known(account)
        slot = ledger.slots.get(stream) if ledger else None
        return slot if slot and slot.expires_ms > self.now_ms() else None

    def claims(self, account: str, before_ms: int, heard: str = "") -> list[Attempt]:
        """Give what claims an account's slots that were last heard of by then, oldest first.

        Not those that are overdue, which may be over by what another proxy was asked; but for the
        one that is ``heard`` of just now.
        """
        now_ms, ledger = self.now_ms(), self._known(account)
        return [
            slot.claim(account)
            for slot in (ledger.active(now_ms) if ledger else ())
            if slot.seen_ms <= before_ms and (slot.overdue_at() > now_ms or slot.stream == heard)
        ]

    def _known(self, account: str) -> Ledger | None:
        """Give an account's ledger, whose renewals are not only counted from now on."""
        ledger, slots = super()._known(account), self._slots(account)
        if slots is not None:
            slots.look()
        return ledger

    def _drop(self, account: str) -> None:
        """Remember an account no longer, whose renewals are not only counted from now on."""
        if (slots := self._slots(account)) is not None:
            slots.look()
        super()._drop(account)

    def _slots(self, account: str) -> PackedSlots | None:
        ledger = self._ledgers.get(account)
        return cast("PackedSlots", ledger.slots) if ledger else None

    def _blank(self, account: str) -> Ledger:
        return Ledger(PackedSlots(account))

    def adopt(self, attempt: Attempt, told: Decision) -> None:
        """Take in what the store decided on an attempt."""
        if attempt.intent is Intent.PEEK:
            return
        holds, revoked = told.outcome in HOLDING, told.outcome is Outcome.REVOKED
        known = attempt.account in self._ledgers
        if not known and not ((holds or revoked) and len(self) < MAX_REMEMBERED):
            return
        now_ms = self.now_ms()
        ledger = self._ledgers.get(attempt.account) or self.ledger(attempt.account)
        for ended in told.ended:
            self._mirror(ledger, ended, now_ms, by=attempt.playback.label)
        if revoked:
            self._turn_away(ledger, attempt, now_ms)
            return
        slot = ledger.slots.get(told.stream)
        if holds:
            ledger.revocations = ledger.revocations.letting_pass(attempt)
            self._hold(ledger, slot, attempt, told, now_ms)
        elif slot is not None:
            self._let_go(ledger, slot, attempt, told, now_ms)

    def _mirror(self, ledger: Ledger, ended: Ended, now_ms: int, *, by: str) -> None:
        slot = ledger.slots.get(ended.stream.id)
        if slot is None:
            return
        if ended.reason is EndReason.LAPSED:
            if slot.expires_ms <= now_ms:  # or the store was away, and has not heard of it since
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
        ledger.lift(told.stream)
        if slot is not None:
            slot = slot.renewed(attempt, self._policy.max_networks, now_ms)
            if slot.rival or slot.started_ms != told.started_ms:
                slot = replace(slot, started_ms=told.started_ms, rival=None)
            ledger.put(slot)
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
            ledger.backdate(slot.stream, instance_ms)
