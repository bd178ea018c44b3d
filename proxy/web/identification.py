"""What a request is known by from here on, to those who are asked on its behalf and in logs."""

from random import getrandbits

from multidict import MultiMapping

from proxy.telemetry.spans import RequestSpan, Spans
from proxy.trace import Trace, request_id, trace_context


def identified(
    headers: MultiMapping[str], spans: Spans, *, trusted: bool
) -> tuple[Trace, RequestSpan]:
    """Give a request's id and its place in a trace, and begin its span.

    Its id is what a trusted proxy calls it, or that of the trace it belongs to, or a new one.
    """
    came = None
    if parents := headers.getall("traceparent", ()):
        came = trace_context(parents, headers.getall("tracestate", ()), trusted=trusted)
    span = spans.request(came)
    given = request_id(headers.getall("X-Request-Id", ())) if trusted else None
    own = span.context.trace_id if span.context else new_id()
    return Trace(given or own, span.context), span


def new_id() -> str:
    """Make a request's id: no secret, so it need not be drawn from the system at each request."""
    return getrandbits(128).to_bytes(16).hex()
