"""Exemplars: beside a count of slow requests, the id of one of them (OpenMetrics 1.0, Exemplars).

Who looks has one exemplar of each bucket, the last, and comes every few seconds. So a bucket gets
one a second at most: making it costs more than counting does. A request whose trace is not recorded
gives none, because it would lead nowhere and take the place of one that does.
"""

from bisect import bisect_left
from collections.abc import Sequence
from math import inf

from proxy.telemetry.tallies import Times
from proxy.trace import Trace

EVERY_S = 1.0


class Exemplified:
    """A histogram's child whose buckets have exemplars."""

    __slots__ = ("_above", "_below", "_count", "_due", "_shown_until", "_times")

    def __init__(self, times: Times) -> None:
        self._times = times
        self._count = times.observe
        self._due = [float("-inf")] * (len(times.bounds) + 1)
        # A bucket that needs no other before then: most values are in one or two.
        self._above, self._below, self._shown_until = inf, -inf, -inf

    def observe(self, seconds: float, now: float, trace: Trace | None) -> None:
        """Count a request that took so long, at ``now`` in seconds of a clock that never goes back.

        ``trace`` is what it is known by; None: nobody's request.
        """
        self._count(seconds)
        if self._above < seconds <= self._below and now < self._shown_until:
            return
        if trace is not None:
            self.offer(seconds, now, trace)

    def take(self, values: Sequence[float]) -> None:
        """Count some that nobody is to know by anything, or that were offered."""
        self._times.take(values)

    def offer(self, seconds: float, now: float, trace: Trace) -> None:
        """Show a request that took so long, and is counted by another call, if there is none."""
        bounds = self._times.bounds
        bucket = bisect_left(bounds, seconds)
        if now >= self._due[bucket]:
            labels = _labels(trace)
            if labels is None:
                return
            self._due[bucket] = now + EVERY_S
            self._times.show(bucket, seconds, labels)
        self._above = bounds[bucket - 1] if bucket else -inf
        self._below = bounds[bucket] if bucket < len(bounds) else inf
        self._shown_until = self._due[bucket]


def _labels(trace: Trace) -> dict[str, str] | None:
    if trace.context is None:
        return {"request_id": trace.request_id}
    if not trace.context.is_sampled:
        return None
    return {"request_id": trace.request_id, "trace_id": trace.context.trace_id}
