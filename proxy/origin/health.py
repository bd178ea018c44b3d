"""Which origin is asked next: round-robin over those that answer. Pure but for its state.

- An origin that fails ``FAILURES`` times in a row is down, and skipped. Whether it is back is found
  out by requests of our own (``probing``), so that no viewer has to wait for it.
- One good answer makes it up again.
- Where all are down, they are asked anyway: a viewer is never refused on a guess.

A failure is a connection that could not be made or broke, or an answer that did not come in time.
An answer that is no good, the origin's own 5xx say, is none by itself: it speaks of one path, and
a channel that is off must not take the others with it. It is one where another origin has a good
answer to the same request.
"""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import Protocol

from proxy.origin.upstream import Origin

FAILURES = 3  # one may be a restart and two its echo on pooled connections


@dataclass(slots=True)
class _Record:
    failures: int = 0
    turn: int = 0


class HealthObserver(Protocol):
    """Hears of each origin (by its name) when it is first seen, and when its health changes."""

    def seen(self, origin: str) -> None:
        """Note that an origin is in use."""

    def down(self, origin: str, cause: str) -> None:
        """Note that it is skipped from now on, and in a few words why."""

    def back(self, origin: str) -> None:
        """Note that it is in use again."""


class Health:
    """What is known of each origin, shared by all routes that use it.

    ``went_down`` is called with each that is skipped from now on.
    """

    def __init__(self, observer: HealthObserver) -> None:
        self.went_down: Callable[[Origin], object] = lambda _: None
        self._observer = observer
        self._records: dict[Origin, _Record] = {}
        self._kept: frozenset[Origin] = frozenset()
        self._turn = 0

    def choose(self, origins: Sequence[Origin], tried: Collection[Origin] = ()) -> Origin:
        """Give the origin to ask next, one that was not ``tried`` yet if there is any."""
        untried = [origin for origin in origins if origin not in tried] or origins
        usable = [origin for origin in untried if not self.is_down(origin)] or untried
        # The one whose last turn is longest ago: that is round-robin, and it stays fair where
        # two routes share an origin.
        chosen = min(usable, key=lambda origin: self._record(origin).turn)
        self._turn += 1
        self._record(chosen).turn = self._turn
        return chosen

    def is_down(self, origin: Origin) -> bool:
        """Tell whether an origin is skipped."""
        return self._record(origin).failures >= FAILURES

    def keep(self, origins: Collection[Origin]) -> None:
        """Forget all others. What a request under way finds out of one it may still say.

        But it is not believed of one that is back later: meanwhile nobody looked whether it is up.
        """
        kept = self._kept.intersection(origins)
        self._records = {
            origin: record for origin, record in self._records.items() if origin in kept
        }
        self._kept = frozenset(origins)

    def succeeded(self, origin: Origin) -> None:
        """Note an answer."""
        was_down = self.is_down(origin)
        self._record(origin).failures = 0
        if was_down:
            self._observer.back(origin.name)

    def failed(self, origin: Origin, cause: str) -> None:
        """Note a failure; further ones of an origin that is down say nothing new."""
        if self.is_down(origin):
            return
        self._record(origin).failures += 1
        if self.is_down(origin):
            self._observer.down(origin.name, cause)
            self.went_down(origin)

    def _record(self, origin: Origin) -> _Record:
        record = self._records.get(origin)
        if record is None:
            record = self._records[origin] = _Record()
            self._observer.seen(origin.name)
        return record
