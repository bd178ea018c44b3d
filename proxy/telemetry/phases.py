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
        """Give the context in which a phase happens."""
        return Phase(name, self.of(name), self._spans)


class Phase:
    """One phase of one request. A class, because a generator costs more than it measures."""

    __slots__ = ("_begun", "_name", "_seconds", "_span", "_spans")

    _begun: float
    _span: PhaseSpan | None

    def __init__(self, name: str, seconds: Exemplified, spans: Spans) -> None:
        self._name = name
        self._seconds = seconds
        self._spans = spans

    def __enter__(self) -> None:
        self._span = self._spans.phase(self._name)
        self._begun = perf_counter()

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
