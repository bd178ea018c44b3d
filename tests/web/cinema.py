"""A proxy before films of every kind of segment, and clients that are slow to take them."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

from tests.support.origin import HLS
from tests.support.playlists import VOD, serve_channels, serve_film
from tests.support.poll import until
from tests.support.stack import Stack

FILM, OTHER, WIDE, LONG = (f"/live/{name}.m3u8" for name in ("film", "other", "wide", "long"))
# More than the kernel's buffers of both sides take.
LARGE = 8 * 1024 * 1024
# What a client takes in before it is asked to read (bytes): the kernel for it, and asyncio.
ROOM = 2048


class TurnedAway(Exception):
    """A viewer may not begin to watch."""


@dataclass
class Slow:
    """A client that has read the first line of its reply, and for now no more.

    ``status`` is 0 where the connection ended before.
    """

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    status: int = 0

    async def read_on(self) -> None:
        """Read until the connection ends, as it does when a reply is broken off."""
        async with asyncio.timeout(60):
            with suppress(ConnectionError):
                while await self.reader.read(65536):
                    pass

    async def leave(self) -> None:
        self.writer.transport.abort()
        with suppress(ConnectionError):
            # Shielded: who is called off here would leave a cancelled end to who waits next.
            await asyncio.shield(self.writer.wait_closed())


@dataclass
class Cinema:
    """What the tests ask of a proxy, and of clients before it."""

    stack: Stack
    opened: AsyncExitStack
    over: asyncio.Event = field(default_factory=asyncio.Event)

    def serve(self) -> None:
        answers = self.stack.origin.answers
        for name in ("film", "other"):
            serve_film(self.stack.origin, name)
        serve_channels(self.stack.origin, "one")
        answers[LONG] = (HLS, VOD + "#" * LARGE)
        answers[WIDE] = (HLS, VOD + "#" * 32 * 1024)
        answers["/live/tagged.m3u8"] = web.Response(
            text=VOD, headers={"Content-Type": HLS, "ETag": '"1"'}
        )
        answers["/live/faulty.m3u8"] = (HLS, "no playlist")
        answers["/live/hangs.m3u8"] = self.hang
        answers["/live/endless.ts"] = self.endless
        answers["/live/one/low/seg8.ts"] = self.endless
        answers["/live/short.ts"] = answers["/open/short.ts"] = ("video/mp2t", b"short")
        answers["/live/large.ts"] = ("video/mp2t", bytes(LARGE))
        answers["/live/empty.ts"] = ("video/mp2t", b"")
        answers["/live/known.ts"] = web.Response(status=304)
        answers["/live/part.ts"] = web.Response(status=206, body=b"part")
        answers["/live/manifest.ts"] = (HLS, VOD)
        answers["/live/dies.ts"] = self.die
        answers["/live/dead.ts"] = self.refuse
        answers["/live/hangs.ts"] = self.hang

    async def endless(self, request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(status=206 if "Range" in request.headers else 200)
        with suppress(ConnectionError):
            await response.prepare(request)
            while True:
                await response.write(bytes(65536))
                await asyncio.sleep(0)
        return response

    async def die(self, request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        await response.write(b"some")
        return await self.refuse(request)

    async def refuse(self, request: web.Request) -> web.StreamResponse:
        assert request.transport is not None
        request.transport.abort()
        return web.Response()

    async def hang(self, _: web.Request) -> web.StreamResponse:
        await self.over.wait()
        return web.Response()

    async def segment(
        self, name: str, account: str = "alice", *, film: str = FILM, **more: Any
    ) -> str:
        """Begin to watch, and give the address of a segment.

        Raises:
            TurnedAway: that is refused.
        """
        entry = await self.stack.watch(film, account, **more)
        if entry.status != 200:
            raise TurnedAway
        return f"/live/{name}.ts?_sid={entry.ticket()}"

    async def slow(self, path: str, *fields: str, times: int = 1) -> Slow:
        """Ask for something, ``times`` over in a row, and read the first line of the reply."""
        slow = Slow(*await self._connection())
        self.opened.push_async_callback(slow.leave)
        host = f"Host: 127.0.0.1:{self.stack.service.port}"
        lines = (f"GET {path} HTTP/1.1", host, "User-Agent: test/1", *fields, "", "")
        slow.writer.write("\r\n".join(lines).encode() * times)
        slow.status = int((await slow.reader.readline())[9:12] or 0)
        return slow

    async def _connection(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        client = socket.socket()
        try:
            client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, ROOM)
            client.setblocking(False)
            address = ("127.0.0.1", self.stack.service.port)
            await asyncio.get_running_loop().sock_connect(client, address)
            return await asyncio.open_connection(sock=client, limit=ROOM)
        except BaseException:
            client.close()
            raise

    async def refused(self, path: str) -> bool:
        """Tell whether one more is too many; it is not read to its end, which it may not have."""
        slow = await self.slow(path)
        fields = (await slow.reader.readuntil(b"\r\n\r\n")).decode()
        if slow.status == 503:
            assert "Retry-After: 1\r\n" in fields
            assert b'"code": "overloaded"' in await slow.reader.readuntil(b"}")
        await slow.leave()
        return slow.status == 503

    async def stuck(self, number: int) -> None:
        """Wait until so many connections take no more of what waits for them."""

        async def paused() -> bool:
            connections = self.stack.service._server.connections
            return sum(connection.writing_paused for connection in connections) == number

        await until(paused, f"{number} connections are stuck")

    async def in_flight(self, number: int) -> None:
        """Wait until so many requests are in flight."""
        registry = self.stack.service.metrics.registry

        async def counted() -> bool:
            return registry.get_sample_value("playgate_in_flight_requests") == number

        await until(counted, f"{number} in flight")

    async def room(self, number: int, account: str = "alice") -> None:
        """See that an account may have exactly so many requests under way from here."""
        await self.in_flight(0)
        await self.stack.operate(f"/admin/v1/accounts/{account}/streams", "DELETE")
        path = await self.segment("endless", account)
        readers = [await self.slow(path) for _ in range(number)]
        assert [reader.status for reader in readers] == [200] * number
        await self.stuck(number)
        assert await self.refused(path)
        for reader in readers:
            await reader.leave()
        await self.in_flight(0)


@asynccontextmanager
async def cinema(**settings: Any) -> AsyncIterator[Cinema]:
    """Serve films, to people of whom each may have one stream unless it is said otherwise."""
    defaults = {"limits": {"default": 1}, "origin": {"cache": "1h", "max_manifest": "64MiB"}}
    async with Stack(**{**defaults, **settings}) as stack, AsyncExitStack() as opened:
        running = Cinema(stack, opened)
        running.serve()
        opened.callback(running.over.set)
        yield running
