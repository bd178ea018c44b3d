"""An origin down to its bytes, and what else the tests of this room have in common."""

import asyncio
import socket
import ssl
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Self, TypeAlias

from multidict import CIMultiDict

from proxy.model import Request
from proxy.origin.exchange import Asked, Result
from proxy.origin.upstream import Origin, OriginConfig, Target, Upstream
from proxy.trace import Trace

PLAYLIST = Target("/live/a.m3u8")
SEGMENT = Target("/live/a.ts")
RESET_ON_CLOSE = b"\x01\x00\x00\x00\x00\x00\x00\x00"  # struct linger: on, zero seconds


@dataclass
class Observed:
    """An observer that remembers."""

    results: list[Result] = field(default_factory=list)
    statuses: list[int | None] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)
    asked_again: list[str] = field(default_factory=list)  # of these
    healthy: dict[str, bool] = field(default_factory=dict)
    causes: list[str] = field(default_factory=list)  # of those that went down

    def watch(self, asked: Asked, trace: Trace) -> "Watched":
        assert asked.route == "live"
        return Watched(self, asked, trace)

    def seen(self, origin: str) -> None:
        self.healthy[origin] = True

    def down(self, origin: str, cause: str) -> None:
        self.healthy[origin] = False
        self.causes.append(cause)

    back = seen


@dataclass
class Watched:
    """An attempt that is remembered once it is over."""

    by: Observed
    asked: Asked
    trace: Trace

    def over(self, result: Result | None, status: int | None) -> None:
        self.by.statuses.append(status)
        if result is not None:
            self.by.asked.append(self.asked.origin.name)
            if self.asked.again:
                self.by.asked_again.append(self.asked.origin.name)
            self.by.results.append(result)


def viewer(
    *fields: tuple[str, str],
    method: str = "GET",
    address: str = "203.0.113.7",
    host: str = "tv.example",
    scheme: str = "https",
) -> Request:
    """Give a viewer's request; its own path and query say nothing to this room."""
    return Request(method, scheme, host, "/public", "", CIMultiDict(fields), address)


# Seconds: a busy machine may take its time, and after a quarter of it another origin is asked, too.
PATIENT = {"timeout": 240.0, "connect_timeout": 60.0}


def upstream(*urls: str, **config: Any) -> Upstream:
    """Give a route's upstream, its config patient but for what is named."""
    origins = tuple(Origin.parse(url) for url in urls)
    return Upstream("live", origins, OriginConfig(**{**PATIENT, **config}))


async def until(condition: Callable[[], bool]) -> None:
    """Poll for a condition; what has not come true by the end of this never will."""
    give_up = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < give_up, "it did not come true"
        await asyncio.sleep(0.005)


@dataclass
class Received:
    """A request as it came over the wire."""

    line: str
    fields: list[tuple[str, str]]

    def all(self, name: str) -> list[str]:
        return [value for key, value in self.fields if key.lower() == name.lower()]


@dataclass
class Talk:
    """One connection, from the origin's side."""

    number: int
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    log: list[Received]

    async def request(self) -> Received:
        """Wait for the next request. Raises IncompleteReadError where there is none."""
        head = (await self.reader.readuntil(b"\r\n\r\n")).decode("utf-8", "surrogateescape")
        line, *lines = head.removesuffix("\r\n\r\n").split("\r\n")
        pairs = [each.partition(": ") for each in lines]
        received = Received(line, [(name, value) for name, _, value in pairs])
        self.log.append(received)
        return received

    async def send(self, data: bytes) -> None:
        self.writer.write(data)
        await self.writer.drain()

    async def gone(self) -> None:
        """Wait until the other side has closed, whatever it still sends."""
        while await self.reader.read(1024):
            pass

    def reset(self) -> None:
        """End the connection with a RST instead of an orderly close."""
        raw = self.writer.get_extra_info("socket")
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET_ON_CLOSE)
        self.writer.transport.abort()


Behaviour: TypeAlias = Callable[[Talk], Awaitable[None]]


@dataclass
class RawOrigin:
    """Listens on loopback; each connection is handled by ``behave`` and then closed."""

    behave: Behaviour
    tls: ssl.SSLContext | None = None
    requests: list[Received] = field(default_factory=list)
    connections: int = 0
    errors: list[Exception] = field(default_factory=list)
    tasks: set[asyncio.Task[None]] = field(default_factory=set)

    @property
    def url(self) -> str:
        return f"{'https' if self.tls else 'http'}://127.0.0.1:{self.port}"

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._connected, "127.0.0.1", 0, ssl=self.tls)
        self.port: int = self._server.sockets[0].getsockname()[1]
        return self

    def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        talk = Talk(self.connections, reader, writer, self.requests)
        task = asyncio.create_task(self._handle(talk))
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)

    async def _handle(self, talk: Talk) -> None:
        try:
            await self.behave(talk)
        except (asyncio.IncompleteReadError, ConnectionError):
            pass  # the proxy went away, as it may
        except Exception as error:  # noqa: BLE001  # raised where the test ends
            self.errors.append(error)
        finally:
            talk.writer.close()

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._server.close()
        tasks = tuple(self.tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await self._server.wait_closed()
        if error is None and self.errors:
            raise self.errors[0]


def always(data: bytes, *, then_close: bool = False) -> Behaviour:
    """Give an origin that answers each request with the same bytes."""

    async def behave(talk: Talk) -> None:
        while True:
            await talk.request()
            await talk.send(data)
            if then_close:
                return

    return behave


def response(body: bytes = b"", status: str = "200 OK", *fields: str) -> bytes:
    """Give the bytes of an answer framed by its length."""
    head = "\r\n".join((f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", *fields))
    return head.encode() + b"\r\n\r\n" + body
