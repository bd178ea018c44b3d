"""The ways to a new slot under some ceilings, and how long it takes until there is one.

Says what would have to happen and does nothing: ``decision`` takes the way, or refuses. In the
order they are tried:

    room           under every ceiling
    takeover       a device replaces its own older stream: at once, if it named itself
    provisional    ... or plays beside it on approval, one above what is full
    silence        streams that never beat, and were not heard of for a while, make room
    eviction       the oldest make room, if the operator said so

A stream may be replaced only if it counts in every ceiling that is full: then none of them has more
streams than before, whatever it had. As few as possible are made to go, and nobody is where that
would not be enough.

To make a stream go that may well be watched is hasty. Each time is churn (``ledger``), and where
there was too much of it, a device that names itself waits like any other until its stream is
overdue, and the oldest stay.

Where ceilings only look on, takeover and silence are ways as well: enforced, they would not have
counted both streams either. Approval and eviction are none, for they refuse somebody in the end.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from proxy.admission.ceilings import Ceiling, Ceilings
from proxy.admission.policy import OnLimit, Policy, Takeover
from proxy.admission.slot import Slot
from proxy.model import Playback
from proxy.streams import Attempt, EndReason, Intent, Outcome


@dataclass(frozen=True, slots=True)
class Way:
    """A way to a slot: who has to go, and why; ``rival`` is beside whom it is on approval.

    ``costs`` is how many of those who go are not known to have gone already. ``hasty`` says that
    one may well be watched: it is neither silent nor overdue.
    """

    outcome: Outcome
    victims: tuple[Slot, ...] = ()
    reason: EndReason = EndReason.EVICTED
    rival: str | None = None
    costs: int = 0
    hasty: bool = False


ROOM = Way(Outcome.ADMITTED)


@dataclass(slots=True, kw_only=True)
class Ways:
    """What can be done for one attempt, ``playback`` being who it is.

    ``slots`` are the account's, the oldest first. From ``may_churn_at_ms`` on a way may be hasty.
    ``looks_on`` says that the ceilings only observe.
    """

    ceilings: Ceilings
    slots: list[Slot]
    attempt: Attempt
    playback: Playback
    policy: Policy
    now_ms: int
    may_churn_at_ms: int
    looks_on: bool = False
    full: list[Ceiling] = field(init=False)

    def __post_init__(self) -> None:
        self.full = [ceiling for ceiling in self.ceilings if ceiling.excess(self.slots) >= 0]

    def first(self) -> Way | None:
        """Give the first way there is."""
        if not self.full:
            return ROOM
        if not self._may_displace() or any(ceiling.limit <= 0 for ceiling in self.full):
            return None
        return (
            self._take_over()
            or self._stand_beside()
            or self._evict_silent()
            or self._evict_oldest()
        )

    def told(self) -> Ceiling:
        """Give the ceiling that an answer is about."""
        return next(iter(self.full or self.ceilings))

    def wait_ms(self) -> int:
        """How long until the first moment that could change the answer, for every full ceiling."""
        return max(self._until_room(ceiling) for ceiling in self.full or self.ceilings[:1])

    # --- The ways, but room ---

    def _take_over(self) -> Way | None:
        replaceable = self._replaceable()
        if not (self.playback.strong and self._may_be_hasty()):
            replaceable = [slot for slot in replaceable if slot.overdue_at() <= self.now_ms]
        if not replaceable:
            return None
        old = replaceable[0]
        hasty = old.overdue_at() > self.now_ms
        # Who replaces a provisional stream is as provisional as that was.
        return Way(Outcome.TAKEOVER, (old,), EndReason.SUPERSEDED, rival=old.rival, hasty=hasty)

    def _stand_beside(self) -> Way | None:
        if self.policy.takeover is not Takeover.PROVISIONAL or self.playback.strong:
            return None
        one_above_is_taken = any(slot.rival is not None for slot in self.slots)
        too_many = any(ceiling.excess(self.slots) > 0 for ceiling in self.full)
        if self.looks_on or one_above_is_taken or too_many:
            return None
        older = self._same_device()
        return Way(Outcome.PROVISIONAL, rival=older[0].stream) if older else None

    def _evict_silent(self) -> Way | None:
        return self._make_room(slot for slot in self.slots if self._is_silent(slot))

    def _evict_oldest(self) -> Way | None:
        if self.looks_on or self.policy.on_limit is not OnLimit.EVICT_OLDEST:
            return None
        return self._make_room(self.slots) if self._may_be_hasty() else None

    def _make_room(self, evictable: Iterable[Slot]) -> Way | None:
        """Let go as few as give room, the first first; none at all where that is not enough."""
        missing = {ceiling: ceiling.excess(self.slots) + 1 for ceiling in self.full}
        victims: list[Slot] = []
        for slot in evictable:
            eased = [
                ceiling for ceiling in missing if missing[ceiling] > 0 and ceiling.covers(slot)
            ]
            for ceiling in eased:
                missing[ceiling] -= 1
            if eased:
                victims.append(slot)
        if any(number > 0 for number in missing.values()):
            return None
        costs = sum(not self._is_silent(slot) for slot in victims)
        return Way(Outcome.ADMITTED, tuple(victims), costs=costs, hasty=costs > 0)

    # --- Waiting ---

    def _until_room(self, ceiling: Ceiling) -> int:
        moments: set[int] = set()
        if ceiling.limit > 0:
            under = ceiling.under(self.slots)
            moments.update(slot.expires_ms for slot in under)
            if self._may_displace():
                moments.update(self._displaceable_at(under))
        waits = [moment - self.now_ms for moment in moments if moment > self.now_ms]
        return min(waits, default=self.attempt.cadence.ttl_ms)

    def _displaceable_at(self, under: list[Slot]) -> Iterator[int]:
        for slot in under:
            if slot.beats == 0:
                yield slot.seen_ms + self.policy.silent_after_ms
        replaceable = self._replaceable()
        yield from (slot.overdue_at() for slot in replaceable)
        evicts = self.policy.on_limit is OnLimit.EVICT_OLDEST
        if evicts or (self.playback.strong and replaceable):
            yield self.may_churn_at_ms

    # --- What the ways are made of ---

    def _may_displace(self) -> bool:
        return self.attempt.intent not in (Intent.RESUME, Intent.CLAIM)

    def _may_be_hasty(self) -> bool:
        return self.looks_on or self.may_churn_at_ms <= self.now_ms

    def _same_device(self) -> list[Slot]:
        """What this device plays, by a key of the same strength; the longest unseen first.

        Of that, what counts in everything that is full.
        """
        mine = (self.playback.device, self.playback.strong)
        return sorted(
            (
                slot
                for slot in self.slots
                if (slot.device, slot.strong) == mine
                and all(ceiling.covers(slot) for ceiling in self.full)
            ),
            key=lambda slot: (slot.seen_ms, slot.stream),
        )

    def _replaceable(self) -> list[Slot]:
        """Those that it may take over: by a guess none that a newcomer waits for already."""
        if self.playback.strong:
            allowed = self.policy.takeover.includes(Takeover.STRONG)
            return self._same_device() if allowed else []
        if not self.policy.takeover.includes(Takeover.QUIET):
            return []
        awaited = {slot.rival for slot in self.slots}
        return [slot for slot in self._same_device() if slot.stream not in awaited]

    def _is_silent(self, slot: Slot) -> bool:
        return slot.beats == 0 and self.now_ms - slot.seen_ms >= self.policy.silent_after_ms
