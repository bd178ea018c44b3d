"""The ways to a new slot under some ceilings, and how long it takes until there is one.

Says what would have to happen and does nothing: ``decision`` takes the way, or refuses. In the
order they are tried:

    room           under every ceiling
    takeover       a device replaces its own older stream
    provisional    ... or plays beside it on approval, one above what is full
    silence        streams that never beat, and were not heard of for a while, make room
    eviction       the oldest make room, if the operator said so

A stream may be replaced only if it counts in every ceiling that is full: then none of them has more
streams than before, whatever it had. As few as possible are made to go, and nobody is where that
would not be enough.

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

    ``costs`` is how many of those who go are not known to have gone already.
    """

    outcome: Outcome
    victims: tuple[Slot, ...] = ()
    reason: EndReason = EndReason.EVICTED
    rival: str | None = None
    costs: int = 0


ROOM = Way(Outcome.ADMITTED)


@dataclass(slots=True, kw_only=True)
class Ways:
    """What can be done for one attempt, ``playback`` being who it is.

    ``slots`` are the account's, the oldest first. ``looks_on`` says that the ceilings only observe.
    """

    ceilings: Ceilings
    slots: list[Slot]
    attempt: Attempt
    playback: Playback
    policy: Policy
    now_ms: int
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
        if self.playback.strong:
            allowed = self.policy.takeover.includes(Takeover.STRONG)
            replaceable = self._same_device()
        else:
            allowed = self.policy.takeover.includes(Takeover.QUIET)
            replaceable = [
                slot for slot in self._replaceable_by_guess() if slot.overdue_at() <= self.now_ms
            ]
        if not allowed or not replaceable:
            return None
        old = replaceable[0]
        # Who replaces a provisional stream is as provisional as that was.
        return Way(Outcome.TAKEOVER, (old,), EndReason.SUPERSEDED, rival=old.rival)

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
        return self._make_room(self.slots)

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
        return Way(Outcome.ADMITTED, tuple(victims), costs=costs)

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
        if self.policy.takeover.includes(Takeover.QUIET) and not self.playback.strong:
            for slot in self._replaceable_by_guess():
                yield slot.overdue_at()

    # --- What the ways are made of ---

    def _may_displace(self) -> bool:
        return self.attempt.intent is not Intent.RESUME

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

    def _replaceable_by_guess(self) -> list[Slot]:
        """Those of them that no newcomer waits for already."""
        awaited = {slot.rival for slot in self.slots}
        return [slot for slot in self._same_device() if slot.stream not in awaited]

    def _is_silent(self, slot: Slot) -> bool:
        return slot.beats == 0 and self.now_ms - slot.seen_ms >= self.policy.silent_after_ms
