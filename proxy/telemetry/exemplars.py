"""Exemplars: beside a count of slow requests, the id of one of them (OpenMetrics 1.0, Exemplars).

Who looks has one exemplar of each bucket, the last, and comes every few seconds. So a bucket gets
one a second at most: making it costs more than counting does. A request whose trace is not recorded
gives none, because it would lead nowhere and take the place of one that does.
"""

from proxy.telemetry.tallies import Times
from proxy.trace import Trace

EVERY_S = 1.0


class Exemplified:
    """A histogram's child whose buckets have exemplars."""

    __slots__ = ("_due", "_times")

    def __init__(self, times: Times) -> None:
        self._times = times
        self._due = [float("-inf")] * (len(times.bounds) + 1)

    def observe(self, seconds: float, now: float, trace: Trace | None) -> None:
        """Count a request that took so long, at ``now`` in seconds of a clock that never goes back.

        ``trace`` is what it is known by; None: nobody's request.
        """
        bucket = self._times.observe(seconds)
        if trace is None or now < self._due[bucket] or (labels := _labels(trace)) is None:
            return
        self._due[bucket] = now + EVERY_S
        self._times.show(bucket, seconds, labels)


def _labels(trace: Trace) -> dict[str, str] | None:
    if trace.context is None:
        return {"request_id": trace.request_id}
    if not trace.context.is_sampled:
        return None
    return {"request_id": trace.request_id, "trace_id": trace.context.trace_id}
