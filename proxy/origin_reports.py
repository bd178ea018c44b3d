"""What the origin room reports, told to all who want to know: metrics, spans and the log.

The log hears of an origin that goes down and is back, and not of each attempt.
"""

import structlog

from proxy.origin.exchange import Asked, Result
from proxy.telemetry.metrics import Metrics
from proxy.telemetry.spans import Call, Spans
from proxy.trace import Trace

# How an attempt went that was over before its answer began, as nobody waited for it any more.
ABANDONED = "abandoned"

log = structlog.get_logger("playgate")


class OriginReports:
    """Hears of attempts and of health."""

    def __init__(self, metrics: Metrics, spans: Spans) -> None:
        self._metrics = metrics
        self._spans = spans

    def watch(self, asked: Asked, trace: Trace) -> "AttemptReport":
        """Follow one attempt."""
        return AttemptReport(asked, trace, self._metrics, self._spans)

    def seen(self, origin: str) -> None:
        """Show an origin as one that is in use."""
        self._metrics.origins.up(origin, True)  # noqa: FBT003  # a callback

    def down(self, origin: str, cause: str) -> None:
        """Show and log that it is given up, and why."""
        self._metrics.origins.up(origin, False)  # noqa: FBT003  # a callback
        log.warning("an origin is down", origin=origin, cause=cause)

    def back(self, origin: str) -> None:
        """Show and log that it is in use again."""
        self._metrics.origins.up(origin, True)  # noqa: FBT003  # a callback
        log.info("an origin is back", origin=origin)


class AttemptReport:
    """One attempt: a span from its beginning, and counted at its end."""

    __slots__ = ("_asked", "_metrics", "_span", "trace")

    def __init__(self, asked: Asked, trace: Trace, metrics: Metrics, spans: Spans) -> None:
        self._asked = asked
        self._metrics = metrics
        self._span = spans.call(trace.context, _call(asked))
        self.trace = Trace(trace.request_id, self._span.context)

    def over(self, result: Result | None, status: int | None) -> None:
        """Hear how it went; where nobody waited for that, it does not count."""
        self._span.end(status, result or ABANDONED)
        if result is not None:
            self._metrics.origins.request(self._asked.route, self._asked.origin.name, result)


def _call(asked: Asked) -> Call:
    """Say what is asked, less what opens something: a query, and who the base says that we are."""
    base = asked.origin.base
    return Call(
        method=asked.method,
        scheme=base.scheme,
        host=base.host_subcomponent or "",
        port=base.port or 0,
        path=base.raw_path.rstrip("/") + asked.target.path,
        again=asked.again,
    )
