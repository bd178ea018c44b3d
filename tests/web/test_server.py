"""Clients that misbehave on the wire, and the end of the process while they do."""

import asyncio
import socket
from collections.abc import Callable
from contextlib import suppress
from functools import partial

import pytest
from aiohttp import web

from proxy.web.server import PlayerPort
from tests.support.origin import HLS
from tests.support.stack import Stack

# More than the kernel's buffers of both sides take.
LARGE = 8 * 1024 * 1024


async def until(happened: Callable[[], bool]) -> None:
    for _ in range(500):
        if happened():
            return
        await asyncio.sleep(0.02)
    raise AssertionError("it did not happen")


def asking(port: int, path: str, *, buffer: int = 1024) -> socket.socket:
    """Ask for something, and read nothing of the answer yet."""
    client = socket.socket()
    client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, buffer)
    client.connect(("127.0.0.1", port))
    client.sendall(f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n".encode())
    return client


def in_flight(stack: Stack) -> float:
    return stack.service.metrics.registry.get_sample_value("playgate_in_flight_requests") or 0.0


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("proxy.serve.PlayerPort", partial(PlayerPort, send_timeout=0.3))


@pytest.mark.usefixtures("impatient")
async def test_a_client_that_never_reads_a_segment_is_cut_off() -> None:
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
            await until(lambda: in_flight(stack) == 0)
            assert (await stack.ask("/open/short.ts")).body == b"short"
            async with asyncio.timeout(10):
                await left.wait()


@pytest.mark.usefixtures("impatient")
async def test_a_client_that_never_reads_a_manifest_is_cut_off() -> None:
    async with Stack(origin={"max_manifest": "64MiB"}) as stack:
        stack.origin.answers["/live/large.m3u8"] = (
            HLS,
            "#EXTM3U\n#EXT-X-TARGETDURATION:4\n" + "#" * LARGE,
        )
        path = f"/live/large.m3u8?token={stack.token()}"
        with asking(stack.service.port, path):
            await until(lambda: in_flight(stack) == 1)
            await until(lambda: in_flight(stack) == 0)


@pytest.mark.usefixtures("impatient")
async def test_a_client_that_reads_slowly_is_served_to_the_end() -> None:
    async with Stack() as stack:
        body = bytes(16 * 1024 * 1024)
        stack.origin.answers["/open/large.ts"] = ("video/mp2t", body)
        client = asking(stack.service.port, "/open/large.ts", buffer=65536)
        client.setblocking(False)
        loop = asyncio.get_running_loop()
        received = 0
        with client:
            while received < len(body):
                part = await loop.sock_recv(client, 256 * 1024)
                assert part, f"cut off after {received} bytes"
                received += len(part)
                await asyncio.sleep(0.005)  # slower than the proxy would send
