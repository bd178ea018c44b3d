"""Bad input and bad origins: each gets its documented error, and no slot is lost or kept."""

import asyncio
import re
from collections.abc import AsyncIterator

import jwt
import pytest
from aiohttp import web
from structlog.testing import capture_logs

from proxy.origin.health import FAILURES
from proxy.streams import Attempt, Decision
from tests.support.loop_clock import LoopClock
from tests.support.origin import HLS
from tests.support.playlists import MASTER, serve_channels
from tests.support.poll import until
from tests.support.redis_server import free_port
from tests.support.stack import JWT_SECRET, Stack

ENTRY = "/live/one/master.m3u8"


@pytest.fixture
async def stack() -> AsyncIterator[Stack]:
    async with Stack(origin={"max_manifest": "4KiB"}) as running:
        serve_channels(running.origin, "one")
        yield running


async def active(stack: Stack) -> int:
    answer = await stack.ask(f"/_playgate/streams?token={stack.token()}")
    return len(answer.json["streams"])


@pytest.mark.parametrize(
    ("token", "code"),
    [
        ("", "token_missing"),
        ("?token=", "token_missing"),
        ("?token=rubbish", "token_invalid"),
        (f"?token={'a' * 9000}", "token_invalid"),
        ("?token=" + jwt.encode({"sub": "alice", "exp": 1}, JWT_SECRET), "token_expired"),
        ("?token=" + jwt.encode({"sub": "alice", "exp": 2**40}, "x" * 32), "token_invalid"),
        ("?token=eyJhbGciOiJub25lIn0.eyJzdWIiOiJhIn0.", "token_invalid"),
        ("?_sid=", "ticket_invalid"),
        ("?_sid=a.b.c.d", "ticket_invalid"),
    ],
    ids=lambda value: value[:24],
)
async def test_a_bad_credential_is_told_what_it_is(stack: Stack, token: str, code: str) -> None:
    answer = await stack.ask(ENTRY + token)
    assert (answer.status, answer.code) == (401, code)
    assert answer.headers["WWW-Authenticate"].startswith("Bearer")
    assert stack.origin.requests == []


@pytest.mark.parametrize(
    "path",
    [
        "/live/../admin",
        "/live/%2e%2e/admin",
        "/live/%252e%252e/admin",
        "/live/..%2fadmin/v1/stats",
        "/live//one/master.m3u8",
        "/live/one%00/master.m3u8",
        "/live/one\\master.m3u8",
        "/" + "a" * 1_000_000,
    ],
    ids=lambda value: value[:24],
)
async def test_a_path_that_could_mean_two_things_is_a_bad_request(stack: Stack, path: str) -> None:
    answer = await stack.ask(path)
    assert (answer.status, answer.code) == (400, "bad_request")
    assert stack.origin.requests == []


@pytest.mark.parametrize("path", ["/", "/nowhere", "/admin/v1/stats", "/_playgate/nothing"])
async def test_what_no_route_serves_is_not_found(stack: Stack, path: str) -> None:
    assert (await stack.ask(path)).code == "not_found"


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "TRACE"])
async def test_another_method_is_not_allowed(stack: Stack, method: str) -> None:
    answer = await stack.ask(ENTRY, method=method)
    assert (answer.status, answer.code) == (405, "method_not_allowed")
    assert answer.headers["Allow"] == "GET, HEAD, OPTIONS"


@pytest.mark.parametrize(
    "raw",
    [
        b"rubbish\r\n\r\n",
        b"GET /live HTTP/1.1\r\n\r\n",
        b"GET /live HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
        b"GET /live HTTP/1.1\r\nHost: a b\r\n\r\n",
        b"GET /live HTTP/1.1\r\nHost: a\r\nContent-Length: x\r\n\r\n",
        b"GET /live HTTP/1.1\r\nHost: a\r\nBad Header: x\r\n\r\n",
        b"GET /live HTTP/9.9\r\nHost: a\r\n\r\n",
        b"GET * HTTP/1.1\r\nHost: a\r\n\r\n",
        b"GET /l\xffve HTTP/1.1\r\nHost: a\r\n\r\n",
    ],
    ids=repr,
)
async def test_malformed_http_is_a_bad_request(stack: Stack, raw: bytes) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", stack.service.port)
    writer.write(raw)
    answer = await reader.readuntil(b"}")
    writer.close()
    await writer.wait_closed()
    assert answer.startswith((b"HTTP/1.1 400 ", b"HTTP/1.0 400 "))
    assert b'"code": "bad_request"' in answer


async def test_the_origins_own_errors_pass_through_and_cost_no_slot(stack: Stack) -> None:
    stack.origin.answers[ENTRY] = web.Response(status=404, text="gone fishing")
    answer = await stack.watch(ENTRY)
    assert (answer.status, answer.text) == (404, "gone fishing")
    stack.origin.answers[ENTRY] = web.Response(status=503, text="busy")
    assert (await stack.watch(ENTRY)).status == 503
    assert await active(stack) == 0


async def test_of_an_origin_that_goes_down_the_log_has_its_name_and_the_cause(
    stack: Stack,
) -> None:
    with capture_logs() as logs:

        async def is_back() -> bool:
            return any(one["event"] == "an origin is back" for one in logs)

        await stack.origin.__aexit__(None, None, None)
        for _ in range(2 * FAILURES):
            assert (await stack.watch(ENTRY)).code == "origin_unreachable"
        await stack.origin.__aenter__()
        await until(is_back, "an origin that answers again is used")
    told = [one for one in logs if one["event"].startswith("an origin")]
    assert told == [
        {
            "event": "an origin is down",
            "log_level": "warning",
            "origin": stack.origin.url,
            "cause": "connection refused",
        },
        {"event": "an origin is back", "log_level": "info", "origin": stack.origin.url},
    ]
    refused = [one["cause"] for one in logs if one["event"] == "refused"]
    assert refused == ["connection refused"] * 2 * FAILURES


async def test_an_origin_that_fails_again_and_again_ends_nobodys_playback(stack: Stack) -> None:
    child = "/live/one/low/index.m3u8"
    entry = await stack.watch(ENTRY)
    served = stack.origin.answers.pop(child)
    released = f"/_playgate/release?_sid={entry.ticket()}"
    assert (await stack.ask(released, method="POST")).status == 204
    for _ in range(3):
        assert (await stack.ask(f"/live/one/{entry.uris()[0]}")).status == 404
    stack.origin.answers[child] = served
    assert (await stack.ask(f"/live/one/{entry.uris()[0]}")).status == 200
    for _ in range(3):
        stack.origin.answers[ENTRY] = web.Response(status=500)
        assert (await stack.watch(ENTRY)).status == 500
    stack.origin.answers[ENTRY] = (HLS, MASTER)
    again = await stack.watch(ENTRY)
    assert (await stack.ask(f"/live/one/{again.uris()[0]}")).status == 200


@pytest.mark.parametrize(
    "answer",
    [
        (HLS, "not a playlist"),
        (HLS, MASTER[:60]),
        (HLS, ""),
        ("text/html", MASTER),
        ("application/dash+xml", "<MPD"),
        (HLS, MASTER + "#" * 5000),
        web.Response(status=302, headers={"Location": "/elsewhere.m3u8"}),
    ],
    ids=str,
)
async def test_what_is_no_manifest_is_origin_invalid_and_costs_no_slot(
    stack: Stack, answer: tuple[str, str]
) -> None:
    stack.origin.answers[ENTRY] = answer
    refused = await stack.watch(ENTRY)
    assert (refused.status, refused.code) == (502, "origin_invalid")
    assert await active(stack) == 0


async def test_an_origin_that_hangs_times_out_and_costs_no_slot(
    stack: Stack, loop_clock: LoopClock
) -> None:
    gate = asyncio.Event()

    async def hang(_: web.Request) -> web.StreamResponse:
        loop_clock.passes(stack.settings.origin.timeout)
        await gate.wait()
        return web.Response()

    stack.origin.answers[ENTRY] = hang
    answer = await stack.watch(ENTRY)
    gate.set()
    assert (answer.status, answer.code) == (504, "origin_timeout")
    assert await active(stack) == 0


async def test_an_origin_that_is_away_is_unreachable_and_costs_no_slot() -> None:
    away = f"http://127.0.0.1:{free_port()}"
    async with Stack(routes=[{"name": "live", "path": "/live/**", "origins": [away]}]) as stack:
        answer = await stack.watch(ENTRY)
        assert (answer.status, answer.code) == (502, "origin_unreachable")
        assert away not in answer.text
        assert await active(stack) == 0


@pytest.mark.parametrize("status", [200, 203, 206])
async def test_a_manifest_under_a_segments_name_is_not_served(stack: Stack, status: int) -> None:
    stack.origin.answers["/open/video.ts"] = web.Response(
        status=status, body=MASTER.encode(), headers={"Content-Type": HLS}
    )
    answer = await stack.ask("/open/video.ts")
    assert (answer.status, answer.code) == (502, "origin_invalid")


async def test_a_segment_that_breaks_off_is_never_passed_on_as_whole(stack: Stack) -> None:
    async def break_off(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Length": "1000"})
        await response.prepare(request)
        await response.write(b"x" * 100)
        assert request.transport is not None
        request.transport.abort()
        return response

    stack.origin.answers["/open/seg.ts"] = break_off
    reader, writer = await asyncio.open_connection("127.0.0.1", stack.service.port)
    writer.write(b"GET /open/seg.ts HTTP/1.1\r\nHost: a\r\n\r\n")
    with pytest.raises((ConnectionError, asyncio.IncompleteReadError)):
        await reader.readexactly(10_000)
    writer.close()


async def test_a_loop_is_a_bad_request_and_no_origin_s_fault(stack: Stack) -> None:
    """Whoever writes the Via: any viewer can."""
    answer = await stack.watch("/live/one/master.m3u8", Via="1.1 playgate, 1.1 playgate")
    assert (answer.status, answer.code) == (400, "bad_request")
    stats = (await stack.operate("/admin/v1/stats")).json
    assert "origin_error" not in stats["totals"]["requests"]
    assert await active(stack) == 0
    assert stack.origin.requests == []


async def test_more_requests_than_allowed_in_flight_are_shed() -> None:
    async with Stack(listen={"max_in_flight": 1}) as stack:
        entered, gate = asyncio.Event(), asyncio.Event()

        async def hold(_: web.Request) -> web.StreamResponse:
            entered.set()
            await gate.wait()
            return web.Response(text=MASTER, content_type=HLS)

        stack.origin.answers[ENTRY] = hold
        first = asyncio.create_task(stack.watch(ENTRY))
        await entered.wait()
        shed = await stack.ask("/live/two/master.m3u8")
        assert (shed.status, shed.code) == (503, "overloaded")
        gate.set()
        assert (await first).status == 200


async def test_where_too_many_come_who_plays_goes_first() -> None:
    async with Stack(listen={"max_in_flight": 16}, origin={"cache": "0s"}) as stack:
        serve_channels(stack.origin, "one")
        master = await stack.watch(ENTRY)
        low = re.search(rb"low/index.m3u8\?_sid=[\w.-]+", master.body)
        assert low
        refresh = f"/live/one/{low[0].decode()}"
        gate = asyncio.Event()

        async def hold(_: web.Request) -> web.StreamResponse:
            await gate.wait()
            return web.Response(text=MASTER, content_type=HLS)

        starts = []
        for number in range(14):
            path = f"/live/held-{number}/master.m3u8"
            stack.origin.answers[path] = hold
            starts.append(asyncio.create_task(stack.watch(path, account=f"account-{number}")))
        await until(lambda: in_flight(stack, 14), "all but the last places are taken")
        for entry in (ENTRY, f"{ENTRY}?_sid=seal.forged", "/live/one/low/seg7.ts"):
            assert (await stack.watch(entry, account="bob")).code == "overloaded"
        assert (await stack.ask(refresh)).status == 200
        gate.set()
        assert {answer.status for answer in await asyncio.gather(*starts)} == {200}


async def in_flight(stack: Stack, number: int) -> bool:
    read = stack.service.metrics.registry.get_sample_value
    return read("playgate_in_flight_requests") == number


@pytest.mark.parametrize(
    "field",
    [
        *("User-Agent", "Cookie", "Authorization", "Range", "If-None-Match", "If-Modified-Since"),
        *("X-Playback-Session-Id", "CMCD-Session", "Origin", "X-Forwarded-For", "Referer"),
        *("Access-Control-Request-Headers", "Accept", "Via", "Forwarded", "X-Unheard-Of"),
    ],
)
async def test_a_field_of_odd_bytes_is_never_an_internal_error(stack: Stack, field: str) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", stack.service.port)
    for method in (b"GET", b"HEAD", b"OPTIONS"):
        for value in (
            b"\xff\xfe",
            b"VLC \xe9",
            b"\xed\xa0\x80",
            b'sid="\xf0"',
            b"bytes=\xb2-",
            b",",
        ):
            line = b"%s %s?token=%s HTTP/1.1\r\n" % (method, ENTRY.encode(), stack.token().encode())
            fields = b"Host: a\r\n%s: %s\r\nConnection: keep-alive\r\n\r\n" % (
                field.encode(),
                value,
            )
            writer.write(line + fields)
            head = await reader.readuntil(b"\r\n\r\n")
            status = int(head.split()[1])
            assert status < 500, (method, value)
            if method != b"HEAD" and (found := re.search(rb"Content-Length: (\d+)", head)):
                await reader.readexactly(int(found[1]))
    writer.close()
    await writer.wait_closed()


@pytest.mark.parametrize(("on_outage", "status"), [("closed", 503), ("local", 200), ("open", 200)])
async def test_without_its_store_the_proxy_does_as_it_was_told(on_outage: str, status: int) -> None:
    away = f"redis://127.0.0.1:{free_port()}"
    async with Stack(store={"url": away, "on_outage": on_outage}) as stack:
        serve_channels(stack.origin, "one")
        answer = await stack.watch(ENTRY)
        assert answer.status == status
        if status == 503:
            assert answer.code == "store_unavailable"
            assert stack.origin.requests == []
        ready = await stack.operate("/readyz", token=None)
        assert (ready.status, ready.json["components"]["store"]) == (200, False)


async def test_a_viewer_who_goes_away_while_the_store_is_asked_leaves_no_slot_behind(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with Stack(streams={"ttl": "10m"}) as stack:
        store, asked, gate = stack.service.store, asyncio.Event(), asyncio.Event()
        decide = store.decide

        async def slow(attempt: Attempt) -> Decision:
            decision = await decide(attempt)  # the slot is taken, and the answer on its way
            asked.set()
            await gate.wait()
            return decision

        monkeypatch.setattr(store, "decide", slow)
        request = asyncio.create_task(stack.watch(ENTRY))
        await asked.wait()
        (connection,) = stack.service._server.connections
        assert await active(stack) == 1
        request.cancel()

        async def gone() -> bool:
            return connection.transport is None

        await until(gone, "the viewer has gone")
        gate.set()

        async def freed() -> bool:
            return await active(stack) == 0

        await until(freed, "the slot is free")
        assert stack.origin.requests == []


async def test_a_stream_that_fails_by_our_fault_costs_no_slot(
    stack: Stack, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise LookupError

    monkeypatch.setattr("proxy.gateway.rendered", fail)
    assert (await stack.watch(ENTRY)).code == "internal_error"
    assert await active(stack) == 0
