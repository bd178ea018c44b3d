"""Which origin is asked next: round-robin over those that answer. Passive, pure but for its state.

- An origin that fails ``FAILURES`` times in a row is down: it is skipped, for longer each time.
- When its pause is over, one request is sent there to see. It books the next pause at once, so a
  probe that hangs, or whose viewer goes away, neither lets others follow it nor stops the probing.
- One good answer makes it up again.
- Where all are down, the one whose pause ends soonest is asked anyway: a viewer is never refused
  on a guess.

A failure is a connection that could not be made or broke, or an answer that did not come in time.
An origin's own 5xx is none: it speaks of one path, and a channel that is off must not take the
others with it (nginx's ``proxy_next_upstream error timeout`` draws the same line).
"""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import Protocol

from proxy.origin.upstream import Origin

FAILURES = 3  # one may be a restart and two its echo on pooled connections
FIRST_PAUSE = 1.0  # seconds; doubled at each probe
LONGEST_PAUSE = 30.0  # seconds: how late a repaired origin may be noticed


@dataclass(slots=True)
class _Record:
    failures: int = 0
    probes: int = 0
    due: float = 0.0
    turn: int = 0

    def is_down(self) -> bool:
        return self.failures >= FAILURES


class HealthObserver(Protocol):
    """Hears of each origin when it is first seen, and whenever its health changes."""

    def up(self, origin: str, *, healthy: bool) -> None:
        """Note that an origin (by its name) is now in use, or skipped."""


class Health:
    """What is known of each origin, shared by all routes that use it.

    ``clock`` gives seconds and never goes back.
    """

    def __init__(self, clock: Callable[[], float], observer: HealthObserver) -> None:
        self._clock = clock
        self._observer = observer
        self._records: dict[Origin, _Record] = {}
        self._turn = 0

    def choose(self, origins: Sequence[Origin], tried: Collection[Origin] = ()) -> Origin:
        """Give the origin to ask next, one that was not ``tried`` yet if there is any."""
        untried = [origin for origin in origins if origin not in tried] or origins
        now = self._clock()
        usable = [
            origin
            for origin in untried
            if not (record := self._record(origin)).is_down() or record.due <= now
        ]
        if usable:
            # The one whose last turn is longest ago: that is round-robin, and it stays fair where
            # two routes share an origin.
            chosen = min(usable, key=lambda origin: self._record(origin).turn)
        else:
            chosen = min(untried, key=lambda origin: self._record(origin).due)
        self._turn += 1
        record = self._record(chosen)
        record.turn = self._turn
        if record.is_down() and record.due <= now:
            record.probes += 1
            record.due = now + _pause(record.probes)
        return chosen

    def keep(self, origins: Collection[Origin]) -> None:
        """Forget all others. What a request under way finds out of one it may still say."""
        self._records = {
            origin: record for origin, record in self._records.items() if origin in origins
        }

    def succeeded(self, origin: Origin) -> None:
        """Note an answer."""
        record = self._record(origin)
        was_down = record.is_down()
        record.failures = record.probes = 0
        if was_down:
            self._observer.up(origin.name, healthy=True)

    def failed(self, origin: Origin) -> None:
        """Note a failure; further ones of an origin that is down say nothing new."""
        record = self._record(origin)
        if record.is_down():
            return
        record.failures += 1
        if record.is_down():
            record.due = self._clock() + FIRST_PAUSE
            self._observer.up(origin.name, healthy=False)

    def _record(self, origin: Origin) -> _Record:
        record = self._records.get(origin)
        if record is None:
            record = self._records[origin] = _Record()
            self._observer.up(origin.name, healthy=True)
        return record


def _pause(probes: int) -> float:
    """Give the pause after so many probes without success (seconds)."""
    return float(min(LONGEST_PAUSE, FIRST_PAUSE * 2 ** min(probes, 16)))
