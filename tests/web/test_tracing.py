"""Spans of requests, as a collector gets them."""

import asyncio
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from aiohttp import web

from proxy import __version__
from proxy.credentials.account import AccountNames
from proxy.settings.load import ConfigError
from proxy.telemetry.otel import recorder
from tests.support.collector import Collector, Recorded
from tests.support.origin import HLS
from tests.support.playlists import MASTER, serve_channels
from tests.support.poll import until
from tests.support.redis_server import free_port
from tests.support.stack import ADMIN_TOKEN, JWT_SECRET, TICKET_SECRET, Stack

ENTRY = "/live/one/master.m3u8"
TRACE, SPAN = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
PARENT, UNRECORDED = (f"00-{TRACE}-{SPAN}-{flags}" for flags in ("01", "00"))
TRUSTING = {"listen": {"trusted_proxies": ["127.0.0.1"]}}


@pytest.fixture
async def collector(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Collector]:
    """A collector to which every proxy made from here on sends its spans."""
    async with Collector() as running:
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", running.url)
        monkeypatch.setenv("OTEL_BSP_SCHEDULE_DELAY", "20")
        monkeypatch.setenv("NO_PROXY", "127.0.0.1")
        # What is left has to be sent, however busy the machine is.
        monkeypatch.setattr(recorder, "CLOSE_SECONDS", 60)
        yield running


@asynccontextmanager
async def traced(**settings: Any) -> AsyncIterator[Stack]:
    """Run a proxy that records spans; what is left of them is sent when it stops."""
    async with Stack(tracing={"enabled": True}, **settings) as stack:
        serve_channels(stack.origin, "one", "two")
        serve_channels(stack.origin, "one", root="/open")
        yield stack


def number(span: Recorded, name: str) -> int:
    value = span.attributes[name]
    assert isinstance(value, int)
    return value


async def test_a_request_is_a_span_with_what_it_waited_for_below(collector: Collector) -> None:
    async with traced() as stack:
        answer = await stack.watch(ENTRY, Host="TV.example:8443")
        origin_port = stack.origin.port
        (told,) = stack.origin.requests
    request = collector.named("GET /live/**")
    assert answer.headers["X-Request-Id"] == request.trace
    assert (request.kind, request.parent, request.failed) == ("SERVER", "", False)
    assert request.attributes == {
        "http.request.method": "GET",
        "http.response.status_code": 200,
        "http.route": "/live/**",
        "playgate.decision": "admitted",
        "playgate.kind": "entry",
        "playgate.manifest": "miss",
        "playgate.outcome": "ok",
        "playgate.request_id": request.trace,
        "playgate.route": "live",
        "server.address": "tv.example",
        "server.port": 8443,
        "url.path": ENTRY,
        "url.scheme": "http",
    }
    assert request.resource["service.name"] == "playgate"
    assert request.resource["service.version"] == __version__
    assert collector.below(request) == ["auth", "store", "origin", "rewrite", "rewrite"]
    call = collector.named("GET")
    assert (call.kind, call.parent, call.failed) == (
        "CLIENT",
        collector.named("origin").id,
        False,
    )
    assert call.attributes == {
        "http.request.method": "GET",
        "http.response.status_code": 200,
        "playgate.result": "ok",
        "server.address": "127.0.0.1",
        "server.port": origin_port,
        "url.full": f"http://127.0.0.1:{origin_port}{ENTRY}",
    }
    assert told.headers["X-Request-Id"] == request.trace
    assert told.headers["traceparent"][:52] == f"00-{request.trace}-{call.id}"
    assert {span.trace for span in collector.spans} == {request.trace}


async def test_a_segment_is_recorded_until_its_last_byte_is_sent(collector: Collector) -> None:
    more = asyncio.Event()

    async def slowly(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        await response.write(b"first")
        await more.wait()
        return response

    async with traced() as stack:
        stack.origin.answers["/open/one.ts"] = slowly
        async with stack.client.get("/open/one.ts") as answer:
            assert await answer.content.readany() == b"first"
            assert collector.requests() == []
            more.set()
            await answer.read()
        (told,) = stack.origin.requests
    (request,) = collector.requests()
    assert request.attributes["playgate.kind"] == "segment"
    assert collector.below(request) == ["origin"]
    call = collector.named("GET")
    assert told.headers["traceparent"][36:52] == call.id
    assert call.ended <= request.ended


async def test_a_trusted_callers_trace_goes_on(
    collector: Collector, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OTEL_TRACES_SAMPLER", "parentbased_always_off")
    async with traced(**TRUSTING) as stack:
        answer = await stack.watch(
            ENTRY, traceparent=PARENT, tracestate="a=1", X_Request_Id="edge-1"
        )
        assert answer.headers["X-Request-Id"] == "edge-1"
        await stack.watch("/live/two/master.m3u8", traceparent=UNRECORDED, tracestate="a=1")
        recorded, unrecorded = stack.origin.requests
    (request,) = collector.requests()
    assert (request.trace, request.parent, request.state) == (TRACE, SPAN, "a=1")
    assert request.attributes["playgate.request_id"] == "edge-1"
    assert recorded.headers["traceparent"] == f"00-{TRACE}-{collector.named('GET').id}-01"
    assert recorded.headers["tracestate"] == "a=1"
    # What is not recorded goes on as well, and says so.
    version, trace, span, flags = unrecorded.headers["traceparent"].split("-")
    assert (version, trace, flags) == ("00", TRACE, "00")
    assert span != SPAN
    assert unrecorded.headers["tracestate"] == "a=1"


async def test_a_strangers_trace_goes_on_but_has_nothing_recorded(
    collector: Collector, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OTEL_TRACES_SAMPLER", "parentbased_traceidratio")
    monkeypatch.setenv("OTEL_TRACES_SAMPLER_ARG", "0")
    async with traced() as stack:
        answer = await stack.watch(ENTRY, traceparent=PARENT, tracestate="a=1")
        (told,) = stack.origin.requests
    assert answer.headers["X-Request-Id"] == TRACE
    assert told.headers["traceparent"].startswith(f"00-{TRACE}-")
    assert told.headers["traceparent"].endswith("-00")
    assert told.headers["tracestate"] == "a=1"
    assert collector.spans == []


async def test_a_strangers_trace_is_recorded_as_often_as_any(
    collector: Collector, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By the trace's id, as that share is chosen, all or none would be."""
    monkeypatch.setenv("OTEL_TRACES_SAMPLER", "parentbased_traceidratio")
    monkeypatch.setenv("OTEL_TRACES_SAMPLER_ARG", "0.5")
    async with traced() as stack:
        for _ in range(40):
            await stack.ask("/nowhere", traceparent=PARENT)
    assert 0 < len(collector.requests()) < 40
    assert {(span.trace, span.parent) for span in collector.requests()} == {(TRACE, SPAN)}


async def test_a_refusal_says_by_its_code_what_it_was(collector: Collector) -> None:
    async with traced(limits={"default": 0}) as stack:
        await stack.watch(ENTRY)
    request = collector.named("GET /live/**")
    assert request.attributes["playgate.code"] == "stream_limit"
    assert request.attributes["playgate.outcome"] == "refused"
    assert request.attributes["http.response.status_code"] == 429
    assert not request.failed
    assert collector.below(request) == ["auth", "store"]


async def test_a_failing_origin_is_seen_with_each_attempt(collector: Collector) -> None:
    nobody = f"http://127.0.0.1:{free_port()}"
    async with traced(live={"origins": [nobody]}) as stack:
        await stack.watch(ENTRY)
    request = collector.named("GET /live/**")
    assert request.failed
    assert request.attributes["error.type"] == "origin_unreachable"
    assert collector.named("origin").failed
    first, second = sorted(
        (span for span in collector.spans if span.kind == "CLIENT"), key=lambda span: span.begun
    )
    assert "http.request.resend_count" not in first.attributes
    assert second.attributes["http.request.resend_count"] == 1
    for call in (first, second):
        assert call.failed
        assert call.attributes["error.type"] == call.attributes["playgate.result"] == "error"
        assert "http.response.status_code" not in call.attributes


async def test_an_origins_own_error_is_its_calls(collector: Collector) -> None:
    async with traced() as stack:
        await stack.watch("/live/missing.m3u8")
        stack.origin.answers[ENTRY] = web.Response(status=500)
        await stack.watch(ENTRY)
    missing, broken = collector.requests()
    assert (missing.failed, broken.failed) == (False, True)
    assert broken.attributes["error.type"] == "500"
    calls = [span for span in collector.spans if span.kind == "CLIENT"]
    assert [(span.failed, span.attributes["error.type"]) for span in calls] == [
        (True, "404"),
        (True, "500"),
    ]


async def test_a_viewer_who_goes_away_is_recorded(collector: Collector) -> None:
    over = asyncio.Event()

    async def hold(_request: web.Request) -> web.StreamResponse:
        await over.wait()
        return web.Response()

    async def is_asked() -> bool:
        return bool(stack.origin.requests)

    async def is_recorded() -> bool:
        return {span.name for span in collector.spans} >= {"GET /live/**", "GET", "origin"}

    async with traced() as stack:
        stack.origin.answers[ENTRY] = hold
        watching = asyncio.create_task(stack.watch(ENTRY))
        await until(is_asked, "the origin is asked")
        watching.cancel()
        await until(is_recorded, "the viewer's leaving is recorded")
        over.set()
    request = collector.named("GET /live/**")
    assert request.attributes["playgate.outcome"] == "abandoned"
    assert "http.response.status_code" not in request.attributes
    assert not request.failed
    assert collector.named("GET").attributes["playgate.result"] == "abandoned"


async def test_who_waits_for_anothers_fetch_is_told_so(collector: Collector) -> None:
    async def both_are_there() -> bool:
        metrics = await stack.operate("/metrics")
        return 'playgate_manifest_cache_total{result="coalesced"} 1.0' in metrics.text

    async def hold(_request: web.Request) -> web.StreamResponse:
        await until(both_are_there, "two wait")
        return web.Response(text=MASTER, content_type=HLS)

    async with traced() as stack:
        stack.origin.answers[ENTRY] = hold
        await asyncio.gather(stack.watch(ENTRY), stack.watch(ENTRY, account="bob"))
    looked_up = [span.attributes["playgate.manifest"] for span in collector.requests()]
    assert sorted(map(str, looked_up)) == ["coalesced", "miss"]
    assert len([span for span in collector.spans if span.kind == "CLIENT"]) == 1


async def test_only_recorded_requests_are_exemplars(
    collector: Collector, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OTEL_TRACES_SAMPLER", "parentbased_always_off")
    async with traced(**TRUSTING) as stack:
        await stack.ask("/nowhere")
        metrics = await scraped(stack)
        assert "# {" not in metrics
        await stack.ask("/nowhere", traceparent=PARENT)
        metrics = await scraped(stack)
        assert f'# {{request_id="{TRACE}",trace_id="{TRACE}"}}' in metrics
    assert len(collector.requests()) == 1


async def scraped(stack: Stack) -> str:
    headers = {"Accept": "application/openmetrics-text;version=1.0.0"}
    async with stack.admin.get("/metrics", headers=headers) as response:
        return await response.text()


async def test_a_method_and_a_path_can_be_anything_and_names_stay_few(collector: Collector) -> None:
    async with traced() as stack:
        await stack.ask("/nowhere", method="PURGE")
        await stack.ask(f"/live/{'x' * 5000}")
        await stack.ask("/live/../x")
        await stack.ask(f"/_playgate/streams/{'a' * 32}?token={stack.token()}", method="DELETE")
    purged, long, malformed, stopped = collector.requests()
    assert (purged.name, purged.attributes["http.request.method"]) == ("HTTP", "_OTHER")
    assert long.name == "GET /live/**"
    assert len(str(long.attributes["url.path"])) == 1024
    assert malformed.name == "HTTP"
    assert malformed.attributes["playgate.code"] == "bad_request"
    assert "url.path" not in malformed.attributes
    assert stopped.name == "DELETE /_playgate/streams/{id}"


async def test_nothing_that_opens_anything_is_recorded_nor_who_asked(collector: Collector) -> None:
    account, agent = "alice-canary", "agent-canary/1"
    async with traced(
        limits={"default": 1}, auth={"uri_signing": {"enabled": True}}, **TRUSTING
    ) as stack:
        token = stack.token(account)
        entry = await stack.ask(f"{ENTRY}?token={token}&q=canary", agent=agent)
        ticket = entry.ticket()
        child = f"/live/one/{entry.uris()[0]}"
        playlist = await stack.ask(child, agent=agent)
        await stack.ask(f"/live/one/low/{playlist.uris()[0]}", agent=agent)
        await stack.ask(f"/live/two/master.m3u8?token={token}", X_Forwarded_For="203.0.113.77")
        await stack.ask(ENTRY, Authorization=f"Bearer {token}", Cookie=f"session={token}")
        await stack.ask(f"{ENTRY};URISigningPackage={token}")
        await stack.ask(f"/live/{token}/master.m3u8?token={token}")
        await stack.ask(f"/live/_sid={ticket}/master.m3u8?token={token}")
        await stack.ask(f"{ENTRY}?token=canary-of-a-bad-token")
        await stack.ask(f"/_playgate/streams?token={token}")
        await stack.ask(f"/_playgate/heartbeat?_sid={ticket}", method="POST", agent=agent)
        await stack.ask(f"/_playgate/steering?_sid={ticket}", agent=agent)
        await stack.operate(f"/admin/v1/accounts/{account}/streams")
        stack.origin.answers[ENTRY] = ("text/html", "canary")
        await stack.ask(f"{ENTRY}?token={token}")
        hashed = AccountNames(stack.settings.tickets.key).hashed(account)
    sent = b"".join(collector.bodies)
    assert len(collector.requests()) >= 12
    signature, seal = token.rpartition(".")[2], ticket.partition(".")[0]
    for secret in (
        *("canary", signature, seal, ticket, hashed, "203.0.113.77"),
        *(JWT_SECRET, TICKET_SECRET, ADMIN_TOKEN),
    ):
        assert secret.encode() not in sent


async def test_what_is_left_is_sent_when_the_proxy_stops(
    collector: Collector, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OTEL_BSP_SCHEDULE_DELAY", "3600000")
    async with traced() as stack:
        await stack.ask("/nowhere")
        assert collector.spans == []
    assert len(collector.requests()) == 1


async def test_a_collector_that_hangs_holds_nothing_up(monkeypatch: pytest.MonkeyPatch) -> None:
    called, over = asyncio.Event(), asyncio.Event()

    async def hang(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        called.set()
        await over.wait()
        writer.write(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
        await writer.drain()
        await reader.read()  # until the other side has it, and closes
        writer.close()

    async def nobody_sends() -> bool:
        return not any(thread.name.startswith("OtelBatch") for thread in threading.enumerate())

    server = await asyncio.start_server(hang, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", f"http://127.0.0.1:{port}")
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_TIMEOUT", "3600")
    monkeypatch.setenv("OTEL_BSP_SCHEDULE_DELAY", "20")
    monkeypatch.setenv("OTEL_BSP_MAX_QUEUE_SIZE", "8")
    monkeypatch.setenv("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", "8")
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    try:
        # OpenTelemetry's own patience at the end is half a minute.
        async with asyncio.timeout(25), traced() as stack:
            await stack.ask("/nowhere")
            await called.wait()
            for _ in range(30):
                assert (await stack.ask("/nowhere")).status == 404
    finally:
        over.set()
        await until(nobody_sends, "what is left is given up")
        server.close()
        await server.wait_closed()


@pytest.mark.parametrize(
    ("variable", "value"), [("OTEL_SDK_DISABLED", "true"), ("OTEL_TRACES_EXPORTER", "none")]
)
async def test_the_environment_can_switch_it_off(
    collector: Collector, monkeypatch: pytest.MonkeyPatch, variable: str, value: str
) -> None:
    monkeypatch.setenv(variable, value)
    async with traced() as stack:
        answer = await stack.watch(ENTRY, traceparent=PARENT)
        (told,) = stack.origin.requests
    assert answer.status == 200
    assert told.headers["traceparent"] == PARENT
    assert collector.bodies == []


@pytest.mark.parametrize(
    ("variable", "value", "reason"),
    [
        ("OTEL_TRACES_EXPORTER", "zipkin", "OTEL_TRACES_EXPORTER: can be otlp only"),
        ("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc", "can be http/protobuf only"),
        ("OTEL_BSP_MAX_QUEUE_SIZE", "0", "max_queue_size must be a positive integer"),
    ],
)
async def test_what_the_environment_cannot_have_is_said_at_start(
    monkeypatch: pytest.MonkeyPatch, variable: str, value: str, reason: str
) -> None:
    monkeypatch.setenv(variable, value)
    with pytest.raises(ConfigError) as caught:
        async with traced():
            pass
    (problem,) = caught.value.problems
    assert reason in str(problem)


async def test_the_environment_says_what_the_service_is_called(
    collector: Collector, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OTEL_RESOURCE_ATTRIBUTES", "service.name=edge,host.name=x")
    async with traced() as stack:
        await stack.ask("/nowhere")
    (request,) = collector.requests()
    assert request.resource["service.name"] == "edge"
    assert request.resource["host.name"] == "x"
