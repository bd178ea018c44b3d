"""What is remembered of one account, and the moves that change it.

A slot for each active stream, a tombstone for each that was ended, and what was revoked. Each
move is made whole: a slot that goes frees the newcomer that waited beside it, a tombstone that
comes keeps their number bounded. Whether to admit a stream is ``decision``'s business; nothing
here reads a clock.
"""

from collections.abc import Mapping, MutableMapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType

from proxy.admission.policy import Policy
from proxy.admission.revocations import NONE, Revocation, Revocations
from proxy.admission.slot import Slot, Tombstone, patience_ms
from proxy.streams import Cadence, Ended, EndReason, Stream

# How long an account is remembered after its last slot lapsed: enough for those who look for lapses
# (``proxy.lapses``) to come round, also when a channel has gone off the air with all its viewers.
LINGER_MS = 60_000
# How long the last requests of a player that released its stream may be under way. They are served
# and do not take the slot again; a second tab of the same title does so with a later one.
RELEASED_MS = 2_000
# For how long a late release of the same instance is known to be late.
RECALLED_MS = 60_000
# Churn is what an account's viewers end before its time: given back, stopped, or taken from each
# other. An account may do so this often at one go, and once more in each CHURN_MS. It is enough for
# four who change the channel every two seconds for a minute; doctored players that give a slot back
# after each request are soon down to one request in ten seconds, among all of them.
MAX_CHURN = 120
CHURN_MS = 10_000
# For how long after its end a stream's own attempts may keep it ended: a player that refreshes by
# its token looks like a viewer who starts it again and again, and who must get in at last.
PROLONGED_MS = 60_000
# Tombstones live as long as a ticket, and each zap leaves one. From CROWDED on those that have
# expired are swept; MAX is what a viewer who zaps all evening may leave, about 20 KB.
CROWDED_TOMBSTONES = 64
MAX_TOMBSTONES = 256
# What nearly all accounts have of them: an empty dictionary for each takes 64 bytes.
NO_TOMBSTONES: Mapping[str, Tombstone] = MappingProxyType({})


@dataclass(slots=True)
class Ledger:
    """One account: its slots and tombstones by stream id, and its revocations.

    ``forgiven_ms`` is when the last of its churn is forgiven.
    """

    slots: MutableMapping[str, Slot] = field(default_factory=dict)
    tombstones: Mapping[str, Tombstone] = field(default_factory=lambda: NO_TOMBSTONES)
    revocations: Revocations = NONE
    forgiven_ms: int = 0

    def copy(self) -> "Ledger":
        """Give a ledger to try an attempt on; none of those revokes anything."""
        return replace(self, slots=dict(self.slots.items()))

    # --- What it holds ---

    def active(self, now_ms: int) -> list[Slot]:
        """The slots that have not lapsed, the oldest first."""
        slots = [slot for slot in self.slots.values() if slot.expires_ms > now_ms]
        return sorted(slots, key=lambda slot: (slot.started_ms, slot.stream))

    def listing(self, now_ms: int) -> tuple[Stream, ...]:
        """List the active streams, oldest first."""
        return tuple(slot.as_stream() for slot in self.active(now_ms))

    def tombstone(self, stream: str, now_ms: int) -> Tombstone | None:
        """Give a stream's tombstone if it still means something."""
        tombstone = self.tombstones.get(stream)
        return tombstone if tombstone and tombstone.until_ms > now_ms else None

    def next_lapse(self, now_ms: int) -> int:
        """How long until the first slot lapses, if nothing is heard of it; 0 without a slot."""
        return min((slot.expires_ms - now_ms for slot in self.slots.values()), default=0)

    def may_churn_at(self) -> int:
        """The first instant at which its viewers may end a stream before its time."""
        return self.forgiven_ms - (MAX_CHURN - 1) * CHURN_MS

    def forgotten_at(self) -> int:
        """The instant from which nothing of the account is needed."""
        slots = [slot.expires_ms + LINGER_MS for slot in self.slots.values()]
        tombstones = [tombstone.until_ms for tombstone in self.tombstones.values()]
        return max(self.revocations.forgotten_at(), self.forgiven_ms, *slots, *tombstones)

    # --- What is asked of it by those who may ---

    def amend(self, stream: str, cadence: Cadence, now_ms: int) -> None:
        """Correct how long a stream's slot lives, counted from now; no sign of life."""
        slot = self.slots.get(stream)
        if slot is not None and slot.expires_ms > now_ms:
            self.put(slot.paced(cadence, now_ms))

    def release(self, stream: str, instance_ms: int | None, now_ms: int) -> Ended | None:
        """Give a stream's slot back, as its own player asked.

        None where it has no slot, or where the instance that asks (None: any) has none: it was
        ended or released before, and what plays now is another. None, too, where there was too
        much churn: it lapses by itself.
        """
        slot = self.slots.get(stream)
        if slot is None or slot.expires_ms <= now_ms:
            return None
        until_ms = now_ms + RELEASED_MS + RECALLED_MS
        earlier = self.tombstone(stream, now_ms) or Tombstone(until_ms=until_ms)
        if instance_ms is not None and instance_ms <= max(earlier.at_ms, earlier.released_ms):
            return None
        if self.may_churn_at() > now_ms:
            return None
        tombstone = replace(
            earlier,
            until_ms=max(earlier.until_ms, until_ms),
            released_ms=max(now_ms, slot.started_ms),
            released_until_ms=now_ms + RELEASED_MS,
        )
        self.churn(now_ms)
        self.remove(slot)
        self._lay(stream, tombstone, now_ms)
        return Ended(slot.as_stream(), EndReason.RELEASED, now_ms)

    def stop(self, stream: str, policy: Policy, now_ms: int, *, by: str) -> tuple[Ended, ...]:
        """Kill one stream, as a viewer of the account asked; empty where there is none.

        Where there was too much churn it may not go on either, but its slot is left to lapse, and
        nothing is told of it before.
        """
        slot = self.slots.get(stream)
        if slot is None or slot.expires_ms <= now_ms:
            return ()
        if self.may_churn_at() > now_ms:
            self.bar(slot, EndReason.KILLED, policy, now_ms, by=by)
            return ()
        self.churn(now_ms)
        return (self.bury(slot, EndReason.KILLED, policy, now_ms, by=by),)

    def forget(self, stream: str, started_ms: int, now_ms: int, *, kept: bool) -> Ended | None:
        """Remove the slot of an instance that could not be served, as if it had never been.

        Unless whoever forgets it ``kept`` it meanwhile, it stays where somebody was heard of since.
        """
        slot = self.slots.get(stream)
        if slot is None or slot.started_ms != started_ms:
            return None
        if slot.is_seen_since_its_start and not kept:
            return None
        self.remove(slot)
        return Ended(slot.as_stream(), EndReason.RELEASED, now_ms)

    def end(
        self, stream: str | None, policy: Policy, now_ms: int, *, by: str, hold_ms: int = 0
    ) -> tuple[Ended, ...]:
        """Kill one stream, or all (``stream`` None), oldest first; empty where there is none.

        For ``hold_ms`` not even an entry with a token may start it again.
        """
        condemned = [slot for slot in self.active(now_ms) if stream in (None, slot.stream)]
        return tuple(
            self.bury(slot, EndReason.KILLED, policy, now_ms, by=by, hold_until_ms=now_ms + hold_ms)
            for slot in condemned
        )

    def revoke(self, revocation: Revocation, policy: Policy, now_ms: int) -> tuple[Ended, ...]:
        """Revoke tokens, and free the slots they hold, oldest first.

        It is the credential that is turned away from now on, so the slots need no tombstones, and
        who logs in anew starts the same stream at once. Tickets are as old as now at most, because
        none is made for a revoked credential: the last of them dies after a ticket's life.

        Raises:
            BadRequest: too many are revoked already.
        """
        until_ms = max(revocation.until_ms, now_ms + policy.tombstone_ms)
        self.revocations = self.revocations.with_one(revocation, until_ms, now_ms)
        active = self.active(now_ms)
        condemned = [slot for slot in active if self.revocations.cover(slot, now_ms)]
        for slot in condemned:
            self.remove(slot)
        return tuple(Ended(slot.as_stream(), EndReason.KILLED, now_ms) for slot in condemned)

    # --- The moves the rules are made of ---

    def churn(self, now_ms: int) -> None:
        """Note that viewers ended a stream before its time."""
        self.forgiven_ms = max(self.forgiven_ms, now_ms) + CHURN_MS

    def put(self, slot: Slot) -> None:
        """Add a slot, or replace it."""
        self.slots[slot.stream] = slot

    def drop_lapsed(self, now_ms: int) -> list[Ended]:
        """Remove the slots whose time is up, and give those it is not too late to speak of."""
        lapsed = [slot for slot in self.slots.values() if slot.expires_ms <= now_ms]
        for slot in lapsed:
            self.remove(slot)
        if not self.slots and all(slot.expires_ms + LINGER_MS <= now_ms for slot in lapsed):
            return []
        lapsed.sort(key=lambda slot: (slot.expires_ms, slot.stream))
        return [Ended(slot.as_stream(), EndReason.LAPSED, slot.expires_ms) for slot in lapsed]

    def bury(
        self,
        slot: Slot,
        reason: EndReason | None,
        policy: Policy,
        now_ms: int,
        *,
        by: str,
        hold_until_ms: int = 0,
    ) -> Ended:
        """End a stream against its player's will, and remember that."""
        self.bar(slot, reason, policy, now_ms, by=by, hold_until_ms=hold_until_ms)
        self.remove(slot)
        return Ended(slot.as_stream(), reason or EndReason.SUPERSEDED, now_ms)

    def bar(
        self,
        slot: Slot,
        reason: EndReason | None,
        policy: Policy,
        now_ms: int,
        *,
        by: str,
        hold_until_ms: int = 0,
    ) -> None:
        """Keep the instance that has a slot from going on; the slot stays."""
        if slot.cadence.self_refreshing:
            # Its next refresh will look like a new entry: two beats that do not come show that
            # the player has understood.
            hold_until_ms = max(hold_until_ms, now_ms + 2 * patience_ms(slot.cadence))
        tombstone = Tombstone(
            until_ms=max(now_ms + policy.tombstone_ms, hold_until_ms),
            # A store whose clock went back must still end what started before.
            at_ms=max(now_ms, slot.started_ms),
            reason=reason,
            by=by,
            hold_until_ms=hold_until_ms,
        )
        self._lay(slot.stream, tombstone, now_ms)

    def prolong(self, stream: str, until_ms: int, now_ms: int) -> Tombstone:
        """Keep a stream that was ended from starting again for so long, but within a minute."""
        tombstone = self.tombstones[stream]
        until_ms = min(until_ms, tombstone.at_ms + PROLONGED_MS)
        held = replace(
            tombstone,
            until_ms=max(tombstone.until_ms, until_ms),
            hold_until_ms=max(tombstone.hold_until_ms, until_ms),
        )
        self._lay(stream, held, now_ms)
        return held

    def remove(self, slot: Slot) -> None:
        """Remove a slot; the newcomer that played beside it stays for good."""
        del self.slots[slot.stream]
        for other in list(self.slots.values()):
            if other.rival == slot.stream:
                self.put(replace(other, rival=None))

    def lift(self, stream: str) -> None:
        """Let a stream go on that was ended."""
        if stream in self.tombstones:
            others = {one: tomb for one, tomb in self.tombstones.items() if one != stream}
            self.tombstones = others or NO_TOMBSTONES

    def backdate(self, stream: str, at_ms: int) -> None:
        """Have the end of a stream mean only the instances that started by then."""
        ended = replace(self.tombstones[stream], at_ms=at_ms)
        self.tombstones = {**self.tombstones, stream: ended}

    def _lay(self, stream: str, tombstone: Tombstone, now_ms: int) -> None:
        self.tombstones = {**self.tombstones, stream: tombstone}
        if len(self.tombstones) <= CROWDED_TOMBSTONES:
            return
        kept = [item for item in self.tombstones.items() if item[1].until_ms > now_ms]
        kept.sort(key=lambda item: (item[1].until_ms, item[0]))
        self.tombstones = dict(kept[-MAX_TOMBSTONES:])
