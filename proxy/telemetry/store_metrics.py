"""The metrics of the store: whether it answers, how fast, and what was asked of it."""

from collections.abc import Iterable
from functools import cache

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from proxy.telemetry.tallies import Tallies, Times

# The store answers in tenths of a millisecond and is given up after store.timeout (100 ms).
STORE_SECONDS = (0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1)


class StoreMetrics:
    """Counts in a registry of the process."""

    def __init__(self, registry: CollectorRegistry, tallies: Tallies) -> None:
        self._up = Gauge(
            "playgate_store_up",
            "Whether the store answers (1) or not (0).",
            registry=registry,
            multiprocess_mode="livemin",
        )
        self._degraded = Gauge(
            "playgate_degraded",
            "Whether decisions are made without the store (1) or with it (0).",
            registry=registry,
            multiprocess_mode="liveall",  # the worst is shown; active streams depend on each
        )
        self._seconds = Histogram(
            "playgate_store_seconds",
            "Time of a call to the store.",
            ["op"],
            buckets=STORE_SECONDS,
            registry=registry,
        )
        self._errors = Counter(
            "playgate_store_errors_total",
            "Calls to the store that failed.",
            ["op"],
            registry=registry,
        )
        self._seconds_of = cache(lambda op: tallies.times(self._seconds.labels(op), STORE_SECONDS))

    def expect(self, operations: Iterable[str]) -> None:
        """Show these as not called yet."""
        for op in operations:
            self._seconds_of(op)
            self._errors.labels(op)

    def times(self, op: str) -> Times:
        """Give what takes the times of calls that did not fail."""
        return self._seconds_of(op)

    def call(self, op: str, seconds: float, ok: bool) -> None:  # noqa: FBT001  # a callback
        """Count a call to the store."""
        self._seconds_of(op).observe(seconds)
        if not ok:
            self._errors.labels(op).inc()

    def available(self, available: bool) -> None:  # noqa: FBT001  # a callback
        """Note whether the store answers."""
        self._up.set(available)
        self._degraded.set(not available)
