"""A collector of traces on loopback: takes what is sent to it by OTLP over HTTP."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self

from aiohttp import web
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)
from opentelemetry.proto.common.v1.common_pb2 import KeyValue
from opentelemetry.proto.trace.v1 import trace_pb2

Value = str | int


@dataclass(frozen=True)
class Recorded:
    """One span, as it came."""

    name: str
    kind: str
    trace: str
    id: str
    parent: str
    state: str
    failed: bool
    attributes: dict[str, Value]
    resource: dict[str, Value]
    begun: int
    ended: int


@dataclass
class Collector:
    """Listens on a free port, and remembers."""

    spans: list[Recorded] = field(default_factory=list)
    bodies: list[bytes] = field(default_factory=list)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def named(self, name: str) -> Recorded:
        """The one span of that name."""
        (found,) = [span for span in self.spans if span.name == name]
        return found

    def requests(self) -> list[Recorded]:
        """Those of requests to the proxy."""
        return [span for span in self.spans if span.kind == "SERVER"]

    def below(self, parent: Recorded) -> list[str]:
        """The names of the spans right below one, in the order they began in."""
        found = [span for span in self.spans if span.parent == parent.id]
        return [span.name for span in sorted(found, key=lambda span: span.begun)]

    async def _take(self, request: web.BaseRequest) -> web.StreamResponse:
        assert (request.method, request.path) == ("POST", "/v1/traces")
        body = await request.read()
        self.bodies.append(body)
        for sent in ExportTraceServiceRequest.FromString(body).resource_spans:
            resource = _values(sent.resource.attributes)
            for scope in sent.scope_spans:
                self.spans.extend(_recorded(span, resource) for span in scope.spans)
        return web.Response(
            body=ExportTraceServiceResponse().SerializeToString(),
            content_type="application/x-protobuf",
        )

    async def __aenter__(self) -> Self:
        self._runner = web.ServerRunner(web.Server(self._take, access_log=None))
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        self.port: int = self._runner.addresses[0][1]
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self._runner.cleanup()


def _recorded(span: trace_pb2.Span, resource: dict[str, Value]) -> Recorded:
    assert not span.events
    return Recorded(
        span.name,
        trace_pb2.Span.SpanKind.Name(span.kind).removeprefix("SPAN_KIND_"),
        span.trace_id.hex(),
        span.span_id.hex(),
        span.parent_span_id.hex(),
        span.trace_state,
        span.status.code == trace_pb2.Status.STATUS_CODE_ERROR,
        _values(span.attributes),
        resource,
        span.start_time_unix_nano,
        span.end_time_unix_nano,
    )


def _values(pairs: Iterable[KeyValue]) -> dict[str, Value]:
    return {
        pair.key: getattr(pair.value, pair.value.WhichOneof("value") or "string_value")
        for pair in pairs
    }
