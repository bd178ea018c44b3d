"""Slots in little memory, for who remembers many and looks at few of them.

As the rules read it, a slot is some ten Python objects, half a kilobyte. Here what many streams
have in common is one object for all of them, and the rest is written down in one piece, which is
read again when somebody looks. That of most streams that play on is written down already, in the
question that renews them, which is kept anyway.
"""

from collections.abc import Callable, ItemsView, Iterator, MutableMapping, ValuesView
from functools import lru_cache
from marshal import dumps, loads
from typing import Any, NamedTuple, cast

from proxy.admission.slot import Slot, opened
from proxy.streams import Attempt, Cadence

# Kinds of streams that are told apart in memory; others have one each for themselves.
MAX_KINDS = 16_384


class _Kind(NamedTuple):
    """What many streams have in common."""

    cadence: Cadence
    strong: bool
    content: str
    route: str
    rules: tuple[str, ...]
    limit: int
    rule: str


_kind = lru_cache(MAX_KINDS)(_Kind)

# Gives what a question asks, by an account and what is the question's own (``store.Manner``).
Said = Callable[[str, Any], Attempt]


class Remembered:
    """One slot, packed, and how often it was renewed since, alike each time.

    Who renews it by the same attempt again need only note when (``seen_ms``), and whether that was
    one of its ``beats``, as long as its instance is ``renewable_ms``: until somebody looks at the
    slot, or changes it. Where it is all that a question says, those two are all there is to note.
    """

    __slots__ = ("_kind", "_written", "beats", "renewable_ms", "seen_ms", "stream")

    def __init__(self, slot: Slot) -> None:
        self.stream = slot.stream
        self.renewable_ms = 0
        self._write(slot)

    def _write(self, slot: Slot) -> None:
        self._kind: _Kind | Said = _kind_of(slot)
        self._written: Any = dumps((*_own(slot), *_lately(slot)))
        self.beats = self.seen_ms = 0

    def takes(self, slot: Slot) -> bool:
        """Remember the slot as it is now, if who renewed it may go on so; else False.

        They may where it is as before but for the time: a stream has a playlist for each of its
        tracks, and each of them is refreshed.
        """
        if not self.renewable_ms:
            return False
        known = self.slot()
        if _own(slot) != _own(known) or _kind_of(slot) != _kind_of(known):
            return False
        self._write(slot)
        return True

    def lean_on(self, said: Said, own: Any) -> None:
        """Have what it is be told by a question that renews it, if it is all that this says."""
        slot = self.slot()
        if slot == _told_by(said, own, slot.beats, slot.seen_ms):
            self._kind, self._written = said, own
            self.beats, self.seen_ms = slot.beats, slot.seen_ms

    def slot(self) -> Slot:
        """Give the slot with all its renewals."""
        kind = self._kind
        if not isinstance(kind, _Kind):
            return _told_by(kind, self._written, self.beats, self.seen_ms)
        (
            started_ms,
            device,
            label,
            rival,
            jti,
            issued_ms,
            _,
            expires_ms,
            seen_ms,
            beats,
            networks,
        ) = self._read()
        slot = Slot(
            self.stream,
            expires_ms,
            started_ms,
            seen_ms,
            beats,
            kind.cadence,
            device,
            kind.strong,
            networks,
            kind.content,
            kind.route,
            label,
            rival,
            kind.rules,
            jti,
            issued_ms,
            kind.limit,
            kind.rule,
        )
        return slot.beaten(self.beats, self.seen_ms) if self.seen_ms else slot

    def _read(self) -> tuple[Any, ...]:
        # What was written here, and has never left the process.
        return cast("tuple[Any, ...]", loads(self._written))  # noqa: S302  # nosec B302  # see above


def _told_by(said: Said, own: Any, beats: int, seen_ms: int) -> Slot:
    """Give the slot of a stream that is renewed by a question, on one network all the time."""
    attempt = said("", own)
    playback = attempt.playback
    slot = opened(attempt, playback, playback.instance_ms or 0, seen_ms)
    return slot.beaten(beats - slot.beats, seen_ms)


def _kind_of(slot: Slot) -> _Kind:
    return _kind(
        slot.cadence,
        slot.strong,
        slot.content,
        slot.route,
        slot.rules,
        slot.limit,
        slot.rule,
    )


def _own(slot: Slot) -> tuple[Any, ...]:
    """Give what is its own, and the same for each who renews it alike."""
    return (
        slot.started_ms,
        slot.device,
        slot.label,
        slot.rival,
        slot.jti,
        slot.issued_ms,
        slot.here,
    )


def _lately(slot: Slot) -> tuple[Any, ...]:
    return (slot.expires_ms, slot.seen_ms, slot.beats, slot.networks)


class PackedSlots(MutableMapping[str, Slot]):
    """An account's slots by stream id."""

    __slots__ = ("_all", "account")

    def __init__(self, account: str) -> None:
        self.account = account
        self._all: tuple[Remembered, ...] = ()

    def find(self, stream: str) -> Remembered | None:
        """Give what is remembered of a stream, as it is remembered."""
        for one in self._all:
            if one.stream == stream:
                return one
        return None

    def look(self) -> None:
        """Have each renewal from now on told in full."""
        for one in self._all:
            one.renewable_ms = 0

    def __getitem__(self, stream: str) -> Slot:
        one = self.find(stream)
        if one is None:
            raise KeyError(stream)
        return one.slot()

    def __setitem__(self, stream: str, slot: Slot) -> None:
        known = self.find(stream)
        if known is None:
            self._all = (*self._all, Remembered(slot))
        elif not known.takes(slot):
            known.renewable_ms = 0
            fresh = Remembered(slot)
            self._all = tuple(fresh if one is known else one for one in self._all)

    def __delitem__(self, stream: str) -> None:
        known = self.find(stream)
        if known is None:
            raise KeyError(stream)
        known.renewable_ms = 0
        self._all = tuple(one for one in self._all if one is not known)

    def __iter__(self) -> Iterator[str]:
        return (one.stream for one in self._all)

    def __len__(self) -> int:
        return len(self._all)

    def values(self) -> ValuesView[Slot]:
        """Give the slots."""
        return self._read().values()

    def items(self) -> ItemsView[str, Slot]:
        """Give the slots with their streams' ids."""
        return self._read().items()

    def _read(self) -> dict[str, Slot]:
        return {one.stream: one.slot() for one in self._all}
