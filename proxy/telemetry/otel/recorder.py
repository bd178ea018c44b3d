"""Records spans, their attributes named by OpenTelemetry's semantic conventions for HTTP.

Recorded is what was asked for and what became of it, never who asked: no account, no address, no
credential, and no query, which is where these come. Messages of exceptions are not recorded either.
"""

import asyncio
import re
from collections.abc import Callable

from opentelemetry import context as contexts
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import SpanProcessor, TracerProvider
from opentelemetry.trace import (
    Span,
    SpanKind,
    Status,
    StatusCode,
    get_current_span,
    set_span_in_context,
)

from proxy import __version__
from proxy.background import in_thread
from proxy.errors import PlaygateError
from proxy.model import Request
from proxy.telemetry.notes import Notes
from proxy.telemetry.otel.sampling import EdgeSampler, parent
from proxy.telemetry.spans import Call, CallSpan, PhaseSpan, RequestSpan, Unrecorded
from proxy.trace import TraceContext

# How long the end of the process may take to send what is left (seconds).
CLOSE_SECONDS = 1.0
# The longest path or URL that is recorded: a queue may be full of them.
MAX_LENGTH = 1024
# Others may be anything at all (semantic conventions, http.request.method).
METHODS = {"CONNECT", "DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT", "TRACE"}
HOST = re.compile(r"\[?(.+?)\]?(?::(\d+))?")
# Results of a request to a server that mean it failed, where no status does.
FAILURES = {"error", "timeout", "invalid"}

Attributes = dict[str, str | int]


class Recorder:
    """Records spans and hands them to a processor; ``redact`` takes secrets out of paths."""

    def __init__(self, processor: SpanProcessor, redact: Callable[[str], str]) -> None:
        self._provider = TracerProvider(resource=_resource(), shutdown_on_exit=False)
        self._provider.sampler = EdgeSampler(self._provider.sampler)
        self._provider.add_span_processor(processor)
        self._tracer = self._provider.get_tracer("playgate", __version__)
        self._redact = redact

    def request(self, came: TraceContext | None) -> RequestSpan:
        """Begin the span of a request; one that is not recorded has a place all the same."""
        span = self._tracer.start_span("HTTP", parent(came), SpanKind.SERVER)
        place = _place(span, came)
        if not span.is_recording():
            return Unrecorded(place)
        return _RequestSpan(span, place, self._redact)

    def phase(self, name: str) -> PhaseSpan | None:
        """Begin a phase of the request that is being answered, if that is recorded."""
        if not get_current_span().is_recording():
            return None
        return _PhaseSpan(self._tracer.start_span(name))

    def call(self, context: TraceContext | None, call: Call) -> CallSpan:
        """Begin a request to another server, if the one it is made for is recorded."""
        if not get_current_span().is_recording():
            return Unrecorded(context)
        url = f"{call.scheme}://{call.host}:{call.port}{call.path}"
        attributes: Attributes = {
            "http.request.method": call.method,
            "server.address": call.host.strip("[]"),
            "server.port": call.port,
            "url.full": self._redact(url)[:MAX_LENGTH],
        }
        if call.again:
            attributes["http.request.resend_count"] = call.again
        span = self._tracer.start_span(call.method, kind=SpanKind.CLIENT, attributes=attributes)
        return _CallSpan(span, _place(span, context))

    def note(self, name: str, value: str) -> None:
        """Note something about the request that is being answered."""
        get_current_span().set_attribute(name, value)

    async def close(self) -> None:
        """Send what is left, for as long as there is time."""
        sending = asyncio.wrap_future(in_thread(self._provider.shutdown))
        await asyncio.wait((sending,), timeout=CLOSE_SECONDS)


class _RequestSpan:
    """A recorded request; the current span of whatever is done for it."""

    __slots__ = ("_redact", "_span", "_token", "context")

    def __init__(self, span: Span, place: TraceContext, redact: Callable[[str], str]) -> None:
        self.context: TraceContext | None = place
        self._span = span
        self._token = contexts.attach(set_span_in_context(span))
        self._redact = redact

    def end(self, notes: Notes) -> None:
        contexts.detach(self._token)
        span = self._span
        if notes.request is not None:
            asked = self._asked(notes.request)
            span.set_attributes(asked)
            method = notes.request.method if notes.request.method in METHODS else "HTTP"
            span.update_name(f"{method} {notes.pattern}".rstrip())
        span.set_attributes(_learned(notes))
        if notes.status >= 500:
            _fail(span, notes.code or str(notes.status))
        span.end()

    def _asked(self, request: Request) -> Attributes:
        """Give what was asked for, but for who asked."""
        host = HOST.fullmatch(request.host)
        asked: Attributes = {
            "http.request.method": request.method if request.method in METHODS else "_OTHER",
            "url.scheme": request.scheme,
            "url.path": self._redact(request.path)[:MAX_LENGTH],
        }
        if host is not None:
            asked["server.address"] = host[1]
            if host[2]:
                asked["server.port"] = int(host[2])
        return asked


class _PhaseSpan:
    """A recorded phase; what is begun in it belongs to it."""

    __slots__ = ("_span", "_token")

    def __init__(self, span: Span) -> None:
        self._span = span
        self._token = contexts.attach(set_span_in_context(span))

    def end(self, error: BaseException | None) -> None:
        contexts.detach(self._token)
        if isinstance(error, PlaygateError) and error.status >= 500:
            _fail(self._span, error.code)
        self._span.end()


class _CallSpan:
    """A recorded request to another server."""

    __slots__ = ("_span", "context")

    def __init__(self, span: Span, place: TraceContext) -> None:
        self.context: TraceContext | None = place
        self._span = span

    def end(self, status: int | None, result: str) -> None:
        self._span.set_attribute("playgate.result", result)
        if status is not None:
            self._span.set_attribute("http.response.status_code", status)
        if status is not None and status >= 400:
            _fail(self._span, str(status))
        elif result in FAILURES:
            _fail(self._span, result)
        self._span.end()


def _fail(span: Span, kind: str) -> None:
    span.set_attribute("error.type", kind)
    span.set_status(Status(StatusCode.ERROR))


def _learned(notes: Notes) -> Attributes:
    """Give what was learned about a request, but for who asked."""
    learned: Attributes = {
        "http.route": notes.pattern,
        "http.response.status_code": notes.status,
        "playgate.request_id": notes.trace.request_id,
        "playgate.route": notes.route,
        "playgate.kind": notes.kind.value,
        "playgate.outcome": notes.outcome,
        "playgate.code": notes.code,
        "playgate.decision": notes.decision.outcome.value if notes.decision else "",
    }
    return {name: value for name, value in learned.items() if value}


def _place(span: Span, before: TraceContext | None) -> TraceContext:
    """Give a span's place in its trace, for whoever comes next; the state goes on as it came."""
    place = span.get_span_context()
    state = before.state if before else ""
    return TraceContext(
        f"{place.trace_id:032x}", f"{place.span_id:016x}", int(place.trace_flags), state
    )


def _resource() -> Resource:
    """Give what is said of this process: by the environment, where that says something."""
    found = Resource.create({"service.version": __version__})
    if str(found.attributes["service.name"]).startswith("unknown_service"):
        found = found.merge(Resource({"service.name": "playgate"}))
    return found
