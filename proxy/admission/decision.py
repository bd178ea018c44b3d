"""The rules of admission, to be read: may this stream play?

    0  slots whose time is up lapse
    1  a stream seen on too many networks at once sends the newest one astray: it goes on as a
       stream of its own
    2  a stream that was ended stays ended for the tickets of that instance; one that was released
       has its last requests served without a slot
    3  a stream that has a slot keeps it
    4  a request that only keeps slots never takes one
    5  room under the limit is given
    6  a player that only reports that it is open displaces nobody
    7  a device replaces its own older stream (takeover); this never makes the account's streams
       more, so it is allowed even above a limit that was lowered meanwhile
    8  streams that never beat, and were not heard of for a while, make room
    9  the oldest make room, if the operator said so
    10 no

``memory`` runs these functions; ``lua/decide.lua`` says the same inside Redis, and a test drives
both through the same histories. All of it is exact: integers, ties broken by stream id.

Provisional takeover lets one stream of an account play beside the one it would replace, the one
time an account is one above its limit. Whichever of the two is heard of next settles it: the older
one on, the newcomer loses its place; the newcomer while the older is overdue, the older one is
superseded. Where room has come up for both, both stay.

Nothing here waits, reads a clock, or knows a store.
"""

from collections.abc import Iterable
from dataclasses import replace

from proxy.admission.ledger import Ledger
from proxy.admission.policy import OnLimit, Policy, Takeover
from proxy.admission.slot import Slot, Tombstone, opened, patience_ms
from proxy.model import (
    Attempt,
    Decision,
    Ended,
    EndReason,
    Intent,
    Outcome,
    Playback,
    Stream,
)

# Less would only invite a retry that cannot succeed, and Retry-After counts whole seconds.
MIN_RETRY_MS = 1_000


def decide(ledger: Ledger, attempt: Attempt, policy: Policy, now_ms: int) -> Decision:
    """Decide on an attempt and note its consequences in the ledger.

    A PEEK gets the answer a START would get and leaves the ledger as it was; nothing ends by it,
    so it reports no ended streams either.
    """
    if attempt.intent is Intent.PEEK:
        told = _Ruling(ledger.copy(), attempt, policy, now_ms).decide()
        return replace(told, ended=())
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
        self.playback = identity(self.attempt, astray=self.is_astray())
        tombstone = self.ledger.tombstone(self.playback.stream, self.now_ms)
        if tombstone is not None and (barred := self.bar(tombstone)):
            return barred
        slot = self.ledger.slots.get(self.playback.stream)
        if slot is not None:
            return self.renew(slot)
        if tombstone is not None and (farewell := self.serve_out(tombstone)):
            return farewell
        if self.attempt.intent is Intent.TOUCH:
            return self.answer(Outcome.ABSENT)
        if self.attempt.limit <= 0:
            return self.refuse()
        return self.admit() or self.displace() or self.refuse()

    # --- 1 to 4: what there is already ---

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
        if tombstone.reason is None:
            return self.refuse(not_before_ms=tombstone.hold_until_ms)
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
        if instance_ms is None or not tombstone.released(instance_ms, self.now_ms):
            return None
        return self.answer(Outcome.RENEWED, started_ms=instance_ms)

    def renew(self, slot: Slot) -> Decision:
        slot = slot.renewed(self.attempt, self.policy.max_networks, self.now_ms)
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
        if len(slots) <= self.attempt.limit:
            self.ledger.put(replace(newcomer, rival=None))
        elif slot.stream == older.stream:
            # Until the older one could have lapsed, a new entry would find nothing changed.
            hold_until_ms = self.now_ms + older.cadence.ttl_ms
            self.bury(newcomer, None, by=older.label, hold_until_ms=hold_until_ms)
        elif older.overdue_at() <= self.now_ms:
            self.bury(older, EndReason.SUPERSEDED, by=newcomer.label)

    # --- 5 to 9: ways to a new slot ---

    def admit(self) -> Decision | None:
        if len(self.ledger.slots) >= self.attempt.limit:
            return None
        return self.open(Outcome.ADMITTED)

    def displace(self) -> Decision | None:
        if not self.may_displace():
            return None
        return self.take_over() or self.stand_beside() or self.evict_silent() or self.evict_oldest()

    def take_over(self) -> Decision | None:
        if self.playback.strong:
            allowed = self.policy.takeover.includes(Takeover.STRONG)
            replaceable = self.same_device()
        else:
            allowed = self.policy.takeover.includes(Takeover.QUIET)
            replaceable = [
                slot for slot in self.replaceable_by_guess() if slot.overdue_at() <= self.now_ms
            ]
        if not allowed or not replaceable:
            return None
        old = replaceable[0]
        self.bury(old, EndReason.SUPERSEDED, by=self.playback.label)
        # Who replaces a provisional stream is as provisional as that was.
        return self.open(Outcome.TAKEOVER, rival=old.rival)

    def stand_beside(self) -> Decision | None:
        if self.policy.takeover is not Takeover.PROVISIONAL or self.playback.strong:
            return None
        slots = self.ledger.slots.values()
        one_above_is_taken = any(slot.rival is not None for slot in slots)
        if one_above_is_taken or len(slots) > self.attempt.limit:
            return None
        older = self.same_device()
        return self.open(Outcome.PROVISIONAL, rival=older[0].stream) if older else None

    def evict_silent(self) -> Decision | None:
        silent = [slot for slot in self.ledger.active(self.now_ms) if self.is_silent(slot)]
        return self.make_room(silent)

    def evict_oldest(self) -> Decision | None:
        if self.policy.on_limit is not OnLimit.EVICT_OLDEST:
            return None
        return self.make_room(self.ledger.active(self.now_ms))

    def make_room(self, evictable: list[Slot]) -> Decision | None:
        """Evict as few as give room, the first first; none at all where that is not enough."""
        needed = len(self.ledger.slots) - self.attempt.limit + 1
        if len(evictable) < needed:
            return None
        for slot in evictable[:needed]:
            self.bury(slot, EndReason.EVICTED, by=self.playback.label)
        return self.open(Outcome.ADMITTED)

    # --- 10: no ---

    def refuse(self, *, not_before_ms: int = 0) -> Decision:
        wait_ms = max(self.until_room(), not_before_ms - self.now_ms, MIN_RETRY_MS)
        return self.answer(
            Outcome.REFUSED,
            retry_after_ms=wait_ms,
            conflicts=self.ledger.listing(self.now_ms),
        )

    def until_room(self) -> int:
        """How long until the first moment that could change the answer."""
        moments: set[int] = set()
        if self.attempt.limit > 0:
            slots = self.ledger.slots.values()
            moments.update(slot.expires_ms for slot in slots)
            if self.may_displace():
                moments.update(self.displaceable_at())
        waits = [moment - self.now_ms for moment in moments if moment > self.now_ms]
        return min(waits, default=self.attempt.cadence.ttl_ms)

    def displaceable_at(self) -> Iterable[int]:
        for slot in self.ledger.slots.values():
            if slot.beats == 0:
                yield slot.seen_ms + self.policy.silent_after_ms
        if self.policy.takeover.includes(Takeover.QUIET) and not self.playback.strong:
            for slot in self.replaceable_by_guess():
                yield slot.overdue_at()

    # --- What the rules are made of ---

    def may_displace(self) -> bool:
        return self.attempt.intent is not Intent.RESUME

    def same_device(self) -> list[Slot]:
        """The streams of this device, by a key of the same strength; the longest unseen first."""
        mine = (self.playback.device, self.playback.strong)
        slots = self.ledger.slots.values()
        return _longest_unseen(slot for slot in slots if (slot.device, slot.strong) == mine)

    def replaceable_by_guess(self) -> list[Slot]:
        """Those of them that no newcomer waits for already."""
        awaited = {slot.rival for slot in self.ledger.slots.values()}
        return [slot for slot in self.same_device() if slot.stream not in awaited]

    def is_silent(self, slot: Slot) -> bool:
        return slot.beats == 0 and self.now_ms - slot.seen_ms >= self.policy.silent_after_ms

    def open(self, outcome: Outcome, rival: str | None = None) -> Decision:
        tombstone = self.ledger.tombstone(self.playback.stream, self.now_ms)
        started_ms = tombstone.first_instance(self.now_ms) if tombstone else self.now_ms
        slot = opened(self.attempt, self.playback, started_ms, self.now_ms, rival=rival)
        self.ledger.put(slot)
        return self.answer(outcome, started_ms=started_ms)

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
    ) -> Decision:
        return Decision(
            outcome=outcome,
            stream=self.playback.stream,
            started_ms=started_ms,
            active=len(self.ledger.slots),
            limit=self.attempt.limit,
            rule=self.attempt.rule,
            reason=reason,
            by=by or None,
            retry_after_ms=retry_after_ms,
            conflicts=conflicts,
            ended=tuple(self.ended),
            next_lapse_ms=self.ledger.next_lapse(self.now_ms),
        )


def _longest_unseen(slots: Iterable[Slot]) -> list[Slot]:
    return sorted(slots, key=lambda slot: (slot.seen_ms, slot.stream))
