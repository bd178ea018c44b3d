"""Clients that misbehave on the wire, and the end of the process while they do."""

import asyncio
import os
import signal
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress

import aiohttp
import pytest
import ua_parser
from aiohttp import web
from structlog.testing import capture_logs

from proxy import keepalive_stream, redis_client, token_keys
from proxy.admission.redis import RedisStore
from proxy.credentials import key_source
from proxy.errors import StoreUnavailable
from proxy.running import run
from proxy.serve import Service
from proxy.settings.load import from_mapping
from proxy.telemetry import event_stream
from proxy.web.connections import SEND_SECONDS
from proxy.web.doors import Doors
from proxy.web.sockets import Sockets
from proxy.web.stalls import LOOKS
from tests.settings.samples import minimal
from tests.support import poll
from tests.support.issuer import KeyServer
from tests.support.loop_clock import LoopClock
from tests.support.origin import HLS
from tests.support.redis_server import RedisServer
from tests.support.stack import Stack

# More than the kernel's buffers of both sides take.
LARGE = 8 * 1024 * 1024


async def until(happened: Callable[[], bool]) -> None:
    async def so() -> bool:
        return happened()

    await poll.until(so, "it happens")


def asking(port: int, path: str, *, buffer: int = 1024) -> socket.socket:
    """Ask for something, and read nothing of the answer yet."""
    client = socket.socket()
    client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, buffer)
    client.connect(("127.0.0.1", port))
    client.sendall(f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n".encode())
    return client


def in_flight(stack: Stack) -> float:
    return stack.service.metrics.registry.get_sample_value("playgate_in_flight_requests") or 0.0


async def cut_off(stack: Stack, clock: LoopClock) -> None:
    """Let time pass until nobody is served any more."""

    def none_is_left() -> bool:
        clock.passes(SEND_SECONDS / LOOKS)
        return in_flight(stack) == 0

    await until(none_is_left)


async def test_a_client_that_never_reads_a_segment_is_cut_off(loop_clock: LoopClock) -> None:
    async with Stack(listen={"max_in_flight": 1}) as stack:
        left = asyncio.Event()

        async def endless(request: web.Request) -> web.StreamResponse:
            response = web.StreamResponse()
            with suppress(ConnectionError):
                await response.prepare(request)
                while True:
                    await response.write(bytes(65536))
            left.set()
            return response

        stack.origin.answers["/open/endless.ts"] = endless
        stack.origin.answers["/open/short.ts"] = ("video/mp2t", b"short")
        with asking(stack.service.port, "/open/endless.ts"):
            await until(lambda: in_flight(stack) == 1)
            assert (await stack.ask("/open/short.ts")).code == "overloaded"
            await cut_off(stack, loop_clock)
            assert (await stack.ask("/open/short.ts")).body == b"short"
            async with asyncio.timeout(60):
                await left.wait()


async def test_a_client_that_never_reads_a_manifest_is_cut_off(loop_clock: LoopClock) -> None:
    async with Stack(origin={"max_manifest": "64MiB"}) as stack:
        stack.origin.answers["/live/large.m3u8"] = (
            HLS,
            "#EXTM3U\n#EXT-X-TARGETDURATION:4\n" + "#" * LARGE,
        )
        path = f"/live/large.m3u8?token={stack.token()}"
        with asking(stack.service.port, path):
            await until(lambda: in_flight(stack) == 1)
            await cut_off(stack, loop_clock)


async def test_a_single_byte_that_a_client_leaves_unread_is_noticed() -> None:
    """So that the watch begins there, too: asyncio by itself tells of 64 KiB and more."""
    async with Stack() as stack:
        with asking(stack.service.port, "/open/nothing.ts"):
            await until(lambda: bool(stack.service._server.connections))
            (connection,) = stack.service._server.connections
            assert connection.transport is not None
            assert connection.transport.get_write_buffer_limits() == (0, 0)


async def test_a_client_that_reads_slowly_is_served_to_the_end(loop_clock: LoopClock) -> None:
    async with Stack() as stack:
        body = bytes(16 * 1024 * 1024)
        stack.origin.answers["/open/large.ts"] = ("video/mp2t", body)
        client = asking(stack.service.port, "/open/large.ts", buffer=65536)
        client.setblocking(False)
        loop = asyncio.get_running_loop()
        received, begun = 0, loop.time()
        with client:
            while received < len(body):
                part = await loop.sock_recv(client, 256 * 1024)
                assert part, f"cut off after {received} bytes"
                received += len(part)
                # It is looked at again, and something was taken since, however late that is seen.
                loop_clock.passes(SEND_SECONDS / LOOKS)
                await asyncio.sleep(0)
        assert loop.time() - begun > 2 * SEND_SECONDS


# --- The end of the process ---

# States of a connection, as Linux numbers them.
ESTABLISHED, SYN_SENT = 1, 2


@asynccontextmanager
async def draining(stack: Stack) -> AsyncIterator[asyncio.Task[None]]:
    """Stop a proxy while a client downloads something that has no end."""
    entered = asyncio.Event()

    async def endless(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        with suppress(ConnectionError):
            await response.prepare(request)
            while True:
                await response.write(b"more")
                entered.set()
                await asyncio.sleep(0.01)  # as a live encoder
        return response

    stack.origin.answers["/open/endless.ts"] = endless
    with asking(stack.service.port, "/open/endless.ts"):
        await entered.wait()
        yield asyncio.create_task(stack.service.stop())


async def elapsed(stop: asyncio.Task[None]) -> float:
    begun = asyncio.get_running_loop().time()
    async with asyncio.timeout(60):
        await stop
    return asyncio.get_running_loop().time() - begun


async def test_a_drain_grants_its_time_and_leaves_none_for_aiohttp_to_grant_again() -> None:
    """aiohttp waits its own timeout twice, after the drain; the whole of it must not count."""
    stack = Stack(listen={"drain_timeout": "2s"})
    async with stack:
        runners = stack.service._runners
        assert len(runners) == 2
        assert all(runner._shutdown_timeout < 0.1 for runner in runners)
        async with draining(stack) as stop:
            assert await elapsed(stop) > 1.9


async def test_no_drain_time_is_none_and_not_for_ever() -> None:
    stack = Stack(listen={"drain_timeout": "0s"})
    async with stack, draining(stack) as stop:
        await elapsed(stop)


async def test_a_drain_that_is_hurried_is_over() -> None:
    stack = Stack(listen={"drain_timeout": "1h"})
    async with stack, draining(stack) as stop:
        await until(lambda: stack.service.health.draining)
        stack.service.hurry()
        await elapsed(stop)


async def test_a_proxy_that_drains_takes_no_connection_and_says_that_it_is_not_ready() -> None:
    stack = Stack(listen={"drain_timeout": "1h"})
    async with stack, draining(stack) as stop:
        await until(lambda: stack.service.health.draining)
        assert (await stack.operate("/readyz", token=None)).status == 503
        with pytest.raises(aiohttp.ClientConnectorError):
            await stack.ask("/open/late.ts")
        assert not stop.done()
        stack.service.hurry()
        await elapsed(stop)


def connecting(port: int) -> tuple[socket.socket, int]:
    """Begin a connection; its state is known at once, for loopback has no way to go (tcp_info)."""
    one = socket.socket()
    one.setblocking(False)
    one.connect_ex(("127.0.0.1", port))
    return one, one.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 1)[0]


async def test_nobody_is_let_believe_to_be_connected_to_a_port_that_is_about_to_be_closed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """What is made after the last look at what waits is reset, with the request that was sent."""
    states: list[int] = []
    close = Doors.close

    async def observed(doors: Doors) -> Sockets:
        one, state = connecting(port)
        states.append(state)
        try:
            return await close(doors)
        finally:
            one.close()

    monkeypatch.setattr(Doors, "close", observed)
    async with Stack() as stack:
        port = stack.service.port
        before, state = connecting(port)
        assert state == ESTABLISHED
        before.close()
        await stack.service.stop()
        assert states[0] == SYN_SENT


async def read_on(reader: asyncio.StreamReader) -> bytes:
    async with asyncio.timeout(60):
        return await reader.read()


async def test_a_drain_closes_connections_that_nobody_uses_and_waits_for_none_of_them() -> None:
    async with Stack(listen={"drain_timeout": "1h"}) as stack:
        stack.origin.answers["/open/seg.ts"] = ("video/mp2t", b"media")
        used, unused = [
            await asyncio.open_connection("127.0.0.1", stack.service.port) for _ in range(2)
        ]
        used[1].write(b"GET /open/seg.ts HTTP/1.1\r\nHost: tv.test\r\n\r\n")
        assert (await used[0].readuntil(b"media")).startswith(b"HTTP/1.1 200")
        await elapsed(asyncio.create_task(stack.service.stop()))
        for reader, writer in (used, unused):
            assert await read_on(reader) == b"", "the client knows that it must send elsewhere"
            writer.close()


async def test_a_drain_ends_a_kept_connection_with_the_request_that_is_under_way() -> None:
    entered, go_on = asyncio.Event(), asyncio.Event()

    async def slow(_: web.Request) -> web.StreamResponse:
        entered.set()
        await go_on.wait()
        return web.Response(body=b"media", content_type="video/mp2t")

    async with Stack(listen={"drain_timeout": "1h"}) as stack:
        stack.origin.answers["/open/slow.ts"] = slow
        reader, writer = await asyncio.open_connection("127.0.0.1", stack.service.port)
        writer.write(b"GET /open/slow.ts HTTP/1.1\r\nHost: tv.test\r\n\r\n")
        await entered.wait()
        stop = asyncio.create_task(stack.service.stop())
        await until(lambda: stack.service.health.draining)
        go_on.set()
        assert (await read_on(reader)).endswith(b"media")
        await elapsed(stop)
        writer.close()


async def test_a_connection_that_is_accepted_while_a_drain_begins_is_answered_and_closed() -> None:
    async with Stack(listen={"drain_timeout": "1h"}) as stack:
        stack.origin.answers["/open/seg.ts"] = ("video/mp2t", b"media")
        stack.service._server.pre_shutdown()
        reader, writer = await asyncio.open_connection("127.0.0.1", stack.service.port)
        writer.write(b"GET /open/seg.ts HTTP/1.1\r\nHost: tv.test\r\n\r\n")
        assert (await reader.readuntil(b"media")).startswith(b"HTTP/1.1 200")
        assert await read_on(reader) == b""
        writer.close()


async def test_a_second_signal_ends_the_drain() -> None:
    async with Stack(listen={"drain_timeout": "1h"}) as stack:
        started: asyncio.Future[Service] = asyncio.get_running_loop().create_future()
        running = asyncio.create_task(run(stack.settings, ready=started.set_result))
        service = await started
        entered, over = asyncio.Event(), asyncio.Event()

        async def silent(_: web.Request) -> web.StreamResponse:
            entered.set()
            await over.wait()
            return web.Response()

        stack.origin.answers["/open/silent.ts"] = silent
        with asking(service.port, "/open/silent.ts"):
            await entered.wait()
            os.kill(os.getpid(), signal.SIGTERM)
            await until(lambda: service.health.draining)
            assert not running.done()
            os.kill(os.getpid(), signal.SIGINT)
            await elapsed(running)
            over.set()


async def test_a_redis_that_hangs_is_waited_for_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Events are still to be sent, a group to be left: one after the other, waits would add up."""
    hour = 3600
    monkeypatch.setattr(event_stream, "CLOSE_SECONDS", hour)
    monkeypatch.setattr(keepalive_stream, "LEAVE_SECONDS", hour)
    closed: list[object] = []
    close = RedisStore.close

    async def noted(store: RedisStore) -> None:
        await close(store)
        closed.append(store)

    monkeypatch.setattr(RedisStore, "close", noted)
    with RedisServer() as server:
        store = {"url": server.url, "timeout": "10s"}
        events = {"sink": "redis-stream", "keepalive": True}
        async with Stack(store=store, events=events) as stack:
            assert server.process is not None
            server.process.send_signal(signal.SIGSTOP)
            assert (await stack.ask("/live/one.m3u8?token=none")).code == "token_invalid"
            stop = asyncio.create_task(stack.service.stop())
            try:
                await until(lambda: len(closed) == 1)
                assert not stop.done()
            finally:
                server.process.send_signal(signal.SIGCONT)
            await elapsed(stop)


def test_the_end_waits_a_second_for_redis_and_no_longer() -> None:
    waits = (event_stream.CLOSE_SECONDS, keepalive_stream.LEAVE_SECONDS)
    assert max(waits) + redis_client.CLOSE_SECONDS <= 1


async def test_who_is_told_to_stop_while_starting_does_not_wait_for_an_issuer(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    hour = 3600
    monkeypatch.setattr(token_keys, "START_SECONDS", hour)
    monkeypatch.setattr(key_source, "READ_SECONDS", hour)
    async with KeyServer() as issuer:
        issuer.gate = asyncio.Event()
        auth = {"keys": [{"algorithms": ["ES256"], "jwks_url": issuer.url}]}
        running = asyncio.create_task(run(from_mapping(minimal(auth=auth))))
        await until(lambda: bool(issuer.requests))
        os.kill(os.getpid(), signal.SIGTERM)
        await elapsed(running)
        issuer.gate.set()


# --- A store that is away ---


async def test_no_viewer_waits_until_user_agents_can_be_read(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Reading the expressions takes the loop some 0.1 s; ua-parser puts it off until asked."""
    monkeypatch.delattr(ua_parser, "parser", raising=False)
    async with Stack():
        assert "parser" in vars(ua_parser)


async def test_a_store_that_goes_and_comes_back_is_logged_once_each() -> None:
    with RedisServer() as server, capture_logs() as logs:
        # Long enough for a busy machine to hear that nobody listens.
        store = {"url": server.url, "on_outage": "local", "timeout": "10s"}
        async with Stack(store=store) as stack:
            server.stop()
            for _ in range(3):
                with suppress(StoreUnavailable):
                    await stack.service.store.ping()
            server.start()
            await until(lambda: stack.service.health.components["store"])
    told = [entry for entry in logs if "store" in entry["event"]]
    assert [entry["log_level"] for entry in told] == ["warning", "info"]
    assert told[0]["cause"].startswith("ConnectionError: ")


async def test_a_required_store_that_is_away_is_told_with_its_cause_and_opens_no_port() -> None:
    with RedisServer("--requirepass", "right-canary") as server:
        url = server.url.replace("//", "//:wrong-canary@")
        async with Stack(store={"url": url, "timeout": "10s"}) as stack:
            service = Service(stack.settings)
            with pytest.raises(StoreUnavailable) as raised:
                await service.start(require_store=True)
            assert (service.port, service.admin_port) == (0, 0)
            await service.stop()
    assert "AuthenticationError" in str(raised.value.detail)
    assert "canary" not in str(raised.value.detail)
