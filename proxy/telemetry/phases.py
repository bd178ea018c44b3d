"""The phases of a request, each measured while it lasts: auth, store, origin, rewrite."""

from collections.abc import Sequence
from functools import cache
from time import perf_counter
from types import TracebackType

from prometheus_client import Histogram

from proxy.telemetry.exemplars import Exemplified
from proxy.telemetry.notes import CURRENT
from proxy.telemetry.spans import PhaseSpan, Spans
from proxy.telemetry.tallies import Tallies

PHASES = ("auth", "store", "origin", "rewrite")


class Phases:
    """Measures phases into a histogram with those bounds, and tells ``spans`` of each.

    ``of`` gives what a phase is counted in, by its name.
    """

    def __init__(
        self, histogram: Histogram, bounds: Sequence[float], spans: Spans, tallies: Tallies
    ) -> None:
        self.of = cache(lambda name: Exemplified(tallies.times(histogram.labels(name), bounds)))
        self._spans = spans
        for name in PHASES:  # each is shown from the start
            self.of(name)

    def __call__(self, name: str) -> "Phase":
        """Begin a phase, and give the context in which it happens."""
        return Phase(self.of(name), self._spans.phase(name))


class Phase:
    """One phase of one request. A class, because a generator costs more than it measures."""

    __slots__ = ("_begun", "_seconds", "_span")

    def __init__(self, seconds: Exemplified, span: PhaseSpan | None) -> None:
        self._seconds = seconds
        self._span = span
        self._begun = perf_counter()

    def __enter__(self) -> None:
        return

    def __exit__(
        self,
        _kind: type[BaseException] | None,
        error: BaseException | None,
        _trace: TracebackType | None,
    ) -> None:
        now = perf_counter()
        self._seconds.observe(now - self._begun, now, CURRENT.get())
        if self._span is not None:
            self._span.end(error)
