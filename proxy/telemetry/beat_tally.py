"""Beats that are answered as usual, each counted by one note.

Such a beat counts in three counters and five histograms, always the same for all of a route and
kind, and counting them one by one took an eighth of its time. So what is noted is only when each
part of it was over. Some hundred notes at a time are taken apart, column by column; all of them at
once, when somebody looks, would keep everybody waiting.
"""

from collections.abc import Sequence
from math import inf
from operator import sub
from typing import NamedTuple, Protocol

from proxy.telemetry.exemplars import EVERY_S, Exemplified
from proxy.telemetry.tallies import Counts, OnCount, Times
from proxy.trace import Trace

# The instants of a note, in their order (seconds of a clock that never goes back): when the request
# came, when the store was asked, when it had answered, and when the reply was made.
BEGUN, ASKED, HEARD, DONE = INSTANTS = range(4)
# Notes that are taken apart at a time.
MANY = 256


class Part(NamedTuple):
    """A histogram, and the two instants between which it measures."""

    times: Exemplified | Times
    since: int
    until: int


class Noted(Protocol):
    """A beat, by its first instants, and what it is known by."""

    begun: float
    asked: float
    heard: float

    @property
    def trace(self) -> Trace:
        """What it is known by, which takes some time to say."""


class BeatTally:
    """Counts the beats of one route and kind: each in all ``counts``, and in all ``parts``.

    ``told`` hears where there is something to hand on. ``at_once``, if anything, is what must not
    be lost if the process is killed before that: it counts each beat, and how long it took.
    """

    def __init__(
        self,
        counts: Sequence[Counts],
        parts: Sequence[Part],
        told: OnCount,
        at_once: tuple[Counts, Exemplified] | None = None,
    ) -> None:
        self._counts = counts
        self._parts = parts
        self._told = told
        self._at_once = at_once
        self._instants: list[float] = []
        # What is an exemplar: one a second, and what takes longer than any since.
        self._due, self._longest = -inf, -inf

    def note(self, beat: Noted, done: float) -> None:
        """Count a beat, by its instants."""
        instants, begun = self._instants, beat.begun
        if not instants:
            self._told(self)
        instants += (begun, beat.asked, beat.heard, done)
        if self._at_once is not None:
            count, seconds = self._at_once
            count.inc()
            seconds.observe(done - begun, done, None)  # no exemplars: nobody sees them there
        elif done - begun > self._longest or done >= self._due:
            self._offer(beat.trace)
        if len(instants) >= MANY * len(INSTANTS):
            self.settle()

    def settle(self) -> None:
        """Hand on what was noted."""
        if not self._instants:
            return
        columns = [self._instants[each :: len(INSTANTS)] for each in INSTANTS]
        self._instants.clear()
        for count in self._counts:
            count.inc(len(columns[BEGUN]))
        for times, since, until in self._parts:
            times.take(list(map(sub, columns[until], columns[since])))

    def _offer(self, trace: Trace) -> None:
        """Offer the last beat as an exemplar to whoever has some."""
        instants = self._instants[-len(INSTANTS) :]
        self._longest = instants[DONE] - instants[BEGUN]
        self._due = instants[DONE] + EVERY_S
        for times, since, until in self._parts:
            if isinstance(times, Exemplified):
                times.offer(instants[until] - instants[since], instants[DONE], trace)
