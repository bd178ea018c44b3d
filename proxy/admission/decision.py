"""The rules of admission, to be read: may this stream play?

    0  slots whose time is up lapse; a credential that was revoked gets no further
    1  a stream seen on too many networks at once sends the newest one astray: it goes on as a
       stream of its own
    2  a stream that was ended stays ended for the tickets of that instance; one that was released
       has its last requests served without a slot
    3  a stream that has a slot keeps it
    4  a request that only keeps slots never takes one
    5  a way to a new slot is taken, if there is one under the account's limit and every rule that
       the stream counts in (``ways``)
    6  or no; where all that says so is in ``observe`` mode, it is let in and reported

``memory`` runs these functions; ``lua/decide.lua`` says the same inside Redis, and a test drives
both through the same histories. All of it is exact: integers, ties broken by stream id.

Provisional takeover lets one stream of an account play beside the one it would replace, the one
time an account is one above its limit. Whichever of the two is heard of next settles it: the older
one on, the newcomer loses its place; the newcomer while the older is overdue, the older one is
superseded. Where room has come up for both, both stay.

Nothing here waits, reads a clock, or knows a store.
"""

from dataclasses import replace

from proxy.admission.ceilings import Ceiling, Ceilings, ceilings
from proxy.admission.ledger import Ledger
from proxy.admission.policy import Policy
from proxy.admission.slot import Slot, Tombstone, opened, patience_ms
from proxy.admission.ways import Way, Ways
from proxy.model import Playback
from proxy.streams import Attempt, Decision, Ended, EndReason, Intent, Outcome, Stream

# Less would only invite a retry that cannot succeed, and Retry-After counts whole seconds.
MIN_RETRY_MS = 1_000


def decide(ledger: Ledger, attempt: Attempt, policy: Policy, now_ms: int) -> Decision:
    """Decide on an attempt and note its consequences in the ledger.

    A PEEK gets the answer a START would get and leaves the ledger as it was; nothing ends by it,
    so it reports no ended streams either.
    """
    if attempt.intent is Intent.PEEK:
        told = _Ruling(ledger.copy(), attempt, policy, now_ms).decide()
        return told._replace(ended=())
    return _Ruling(ledger, attempt, policy, now_ms).decide()


def identity(attempt: Attempt, *, astray: bool) -> Playback:
    """Give who an attempt is: itself, or its stray."""
    playback = attempt.playback
    if not astray or playback.stray is None:
        return playback
    stray = playback.stray
    return replace(playback, stream=stray.stream, device=stray.device, strong=False, stray=None)


class _Ruling:
    """One attempt before one ledger: the rules in their order."""

    def __init__(self, ledger: Ledger, attempt: Attempt, policy: Policy, now_ms: int) -> None:
        self.ledger = ledger
        self.attempt = attempt
        self.policy = policy
        self.now_ms = now_ms
        self.playback = attempt.playback
        self.ended: list[Ended] = []

    def decide(self) -> Decision:
        self.ended += self.ledger.drop_lapsed(self.now_ms)
        if self.ledger.revocations.cover(self.attempt, self.now_ms):
            return self.answer(Outcome.REVOKED)
        return self.rule()

    def rule(self) -> Decision:
        self.playback = identity(self.attempt, astray=self.is_astray())
        tombstone = self.ledger.tombstone(self.playback.stream, self.now_ms)
        if tombstone is not None and (barred := self.bar(tombstone)):
            return barred
        slot = self.ledger.slots.get(self.playback.stream)
        if slot is not None:
            return self.renew(slot, tombstone)
        if tombstone is not None and (farewell := self.serve_out(tombstone)):
            return farewell
        if self.attempt.intent is Intent.TOUCH:
            return self.answer(Outcome.ABSENT)
        return self.admit()

    # --- 0 to 4: what there is already ---

    def is_astray(self) -> bool:
        stray = self.playback.stray
        slot = self.ledger.slots.get(self.playback.stream)
        if stray is None or stray.stream == self.playback.stream or slot is None:
            return False
        fresh = [name for name, _seen in slot.fresh_networks(self.now_ms)]
        return self.playback.network not in fresh and len(fresh) >= self.policy.max_networks

    def bar(self, tombstone: Tombstone) -> Decision | None:
        if not tombstone.ends(self.playback.instance_ms, self.now_ms):
            return None
        if self.policy.observes and tombstone.reason is not EndReason.KILLED:
            return None
        if tombstone.reason is None:
            return self.refuse(self.ways(), not_before_ms=tombstone.hold_until_ms)
        wait_ms = 0
        if self.playback.instance_ms is None:
            if self.attempt.cadence.self_refreshing:
                # It has not understood yet: its silence begins anew.
                until_ms = self.now_ms + 2 * patience_ms(self.attempt.cadence)
                tombstone = self.ledger.prolong(self.playback.stream, until_ms, self.now_ms)
            wait_ms = tombstone.hold_until_ms - self.now_ms
        return self.answer(
            Outcome.ENDED, reason=tombstone.reason, by=tombstone.by, retry_after_ms=wait_ms
        )

    def serve_out(self, tombstone: Tombstone) -> Decision | None:
        instance_ms = self.playback.instance_ms
        if instance_ms is None:
            return None
        if self.attempt.intent is Intent.CLAIM and instance_ms <= tombstone.released_ms:
            return self.answer(Outcome.ABSENT)
        if not tombstone.released(instance_ms, self.now_ms):
            return None
        return self.answer(Outcome.RENEWED, started_ms=instance_ms)

    def renew(self, slot: Slot, tombstone: Tombstone | None) -> Decision:
        slot = slot.renewed(self.attempt, self.policy.max_networks, self.now_ms)
        if tombstone is not None and slot.started_ms <= tombstone.at_ms:
            # Its viewer stopped it, it kept its slot for too much churn, and is started again.
            slot = replace(slot, started_ms=tombstone.first_instance(self.now_ms))
        self.ledger.put(slot)
        self.settle(slot)
        return self.answer(Outcome.RENEWED, started_ms=slot.started_ms)

    def settle(self, slot: Slot) -> None:
        """Let the stream that was just heard of settle who of a provisional pair stays."""
        slots = self.ledger.slots
        newcomer = next((s for s in slots.values() if s.rival is not None), None)
        if newcomer is None or slot.stream not in (newcomer.stream, newcomer.rival):
            return
        older = slots[str(newcomer.rival)]
        enforced, _ = self.ceilings(newcomer.rules)
        if all(ceiling.excess(slots.values()) <= 0 for ceiling in enforced):
            self.ledger.put(replace(newcomer, rival=None))
        elif slot.stream == older.stream:
            # Until the older one could have lapsed, a new entry would find nothing changed.
            hold_until_ms = self.now_ms + older.cadence.ttl_ms
            self.bury(newcomer, None, by=older.label, hold_until_ms=hold_until_ms)
        elif older.overdue_at() <= self.now_ms:
            self.bury(older, EndReason.SUPERSEDED, by=newcomer.label)

    # --- 5 and 6: a new slot, or none ---

    def admit(self) -> Decision:
        ways = self.ways()
        way = ways.first()
        if way is None:
            return self.refuse(ways)
        for slot in way.victims:
            self.bury(slot, way.reason, by=self.playback.label)
        if way.hasty:
            self.ledger.churn(self.now_ms)
        onlooking = self.ways(looks_on=True)
        gentle = onlooking.first()
        if gentle is None:
            return self.open(Outcome.OBSERVED, way, met=onlooking.told())
        for slot in gentle.victims:
            self.let_go(slot)
        has_room = way.outcome is Outcome.ADMITTED
        return self.open(gentle.outcome if has_room else way.outcome, way)

    def open(self, outcome: Outcome, way: Way, met: Ceiling | None = None) -> Decision:
        """Give a slot; ``met`` is the ceiling that looked on while it did."""
        tombstone = self.ledger.tombstone(self.playback.stream, self.now_ms)
        started_ms = tombstone.first_instance(self.now_ms) if tombstone else self.now_ms
        rival = way.rival if way.rival in self.ledger.slots else None
        slot = opened(self.attempt, self.playback, started_ms, self.now_ms, rival=rival)
        self.ledger.put(slot)
        told = self.answer(outcome, started_ms=started_ms, met=met)
        return told._replace(requested=told.requested + way.costs)

    def refuse(self, ways: Ways, *, not_before_ms: int = 0) -> Decision:
        met = ways.told()
        wait_ms = max(ways.wait_ms(), not_before_ms - self.now_ms, MIN_RETRY_MS)
        conflicts = tuple(slot.as_stream() for slot in met.under(self.ledger.active(self.now_ms)))
        told = self.answer(Outcome.REFUSED, retry_after_ms=wait_ms, conflicts=conflicts, met=met)
        return told._replace(requested=told.requested + 1)

    # --- What the rules are made of ---

    def ceilings(self, names: tuple[str, ...]) -> tuple[Ceilings, Ceilings]:
        return ceilings(self.attempt.limit, self.attempt.rule, names, self.policy)

    def ways(self, *, looks_on: bool = False) -> Ways:
        enforced, observed = self.ceilings(self.attempt.rules or ())
        return Ways(
            ceilings=observed if looks_on else enforced,
            slots=self.ledger.active(self.now_ms),
            attempt=self.attempt,
            playback=self.playback,
            policy=self.policy,
            now_ms=self.now_ms,
            may_churn_at_ms=self.ledger.may_churn_at(),
            looks_on=looks_on,
        )

    def let_go(self, slot: Slot) -> None:
        """Take a slot away from whoever would be displaced; they may come back."""
        self.ledger.remove(slot)
        self.ended.append(Ended(slot.as_stream(), EndReason.LAPSED, self.now_ms))

    def bury(
        self, slot: Slot, reason: EndReason | None, *, by: str, hold_until_ms: int = 0
    ) -> None:
        ended = self.ledger.bury(
            slot, reason, self.policy, self.now_ms, by=by, hold_until_ms=hold_until_ms
        )
        self.ended.append(ended)

    def answer(
        self,
        outcome: Outcome,
        *,
        started_ms: int = 0,
        reason: EndReason | None = None,
        by: str = "",
        retry_after_ms: int = 0,
        conflicts: tuple[Stream, ...] = (),
        met: Ceiling | None = None,
    ) -> Decision:
        met = met or Ceiling(self.attempt.limit, self.attempt.rule)
        slots = self.ledger.slots.values()
        return Decision(
            outcome=outcome,
            stream=self.playback.stream,
            started_ms=started_ms,
            active=len(met.under(slots)),
            limit=met.limit,
            rule=met.source,
            playing=len(slots),
            requested=len(slots),
            reason=reason,
            by=by or None,
            retry_after_ms=retry_after_ms,
            conflicts=conflicts,
            ended=tuple(self.ended),
            next_lapse_ms=self.ledger.next_lapse(self.now_ms),
        )
