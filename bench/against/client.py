"""Starts streams before a measurement: many requests by few connections, answers read whole.

It reads answers with a Content-Length, which is what all peers give; wrk does what is measured.
"""

import asyncio
from collections.abc import AsyncIterator, Iterable, Iterator
from typing import cast
from urllib.parse import urljoin

from bench.against import world

# How many viewers ask at the same time.
AT_ONCE = 32
HEAD = f" HTTP/1.1\r\nHost: {world.HOST}\r\nUser-Agent: {world.AGENT}\r\n\r\n"


class Unexpected(Exception):
    """A server did not answer as the workload needs it."""


class Connection(asyncio.Protocol):
    """Asks one thing after another."""

    def __init__(self) -> None:
        self._received = b""
        self._answer: asyncio.Future[tuple[int, str]] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)  # uvloop's does not say so

    async def ask(self, path: str) -> tuple[int, str]:
        """Give the status and the body of an answer."""
        self._answer = asyncio.get_running_loop().create_future()
        self._transport.write(f"GET {path}{HEAD}".encode())
        return await self._answer

    def data_received(self, data: bytes) -> None:
        self._received += data
        head, found, body = self._received.partition(b"\r\n\r\n")
        if not found:
            return
        _, has_length, rest = head.lower().partition(b"\r\ncontent-length:")
        if not has_length:
            self._transport.abort()
            return
        length = int(rest.partition(b"\r\n")[0])
        if len(body) >= length and self._answer is not None:
            self._received = body[length:]
            self._answer.set_result((int(head[9:12]), body[:length].decode()))
            self._answer = None

    def connection_lost(self, error: Exception | None) -> None:
        if self._answer is not None:
            self._answer.set_exception(error or ConnectionError("no answer with a Content-Length"))

    def close(self) -> None:
        self._transport.close()


async def connect(port: int) -> Connection:
    loop = asyncio.get_running_loop()
    _, connection = await loop.create_connection(Connection, "127.0.0.1", port)
    return connection


async def bodies(port: int, paths: Iterable[str]) -> AsyncIterator[tuple[str, str]]:
    """Ask for each path once, and give each with what was answered, as answers come.

    Raises:
        Unexpected: an answer was not 200.
    """
    waiting = iter(paths)
    connections = [await connect(port) for _ in range(AT_ONCE)]
    while under_way := list(zip(connections, waiting, strict=False)):
        answers = await asyncio.gather(*(each.ask(path) for each, path in under_way))
        for (_, path), (status, body) in zip(under_way, answers, strict=True):
            if status != 200:
                raise Unexpected(f"{status} for {path.partition('?')[0]}: {body[:300]}")
            yield path, body
    for each in connections:
        each.close()


async def start_all(port: int, entries: Iterable[str]) -> list[str]:
    """Start a stream by each entry, and give the path of a child of each."""
    return [child(entry, master) async for entry, master in bodies(port, entries)]


async def segments_of(port: int, playlists: Iterable[str]) -> list[str]:
    """Give the paths of all segments that playlists name."""
    found = bodies(port, playlists)
    return [carried(playlist, uri) async for playlist, body in found for uri in uris(body)]


def child(entry: str, master: str) -> str:
    """Give the path of the first manifest that a master names."""
    return carried(entry, next(uris(master)))


def carried(base: str, uri: str) -> str:
    """Give the path that a URI in a manifest stands for, with a credential.

    Where there is none in it, that of the manifest goes along: as if players did what none does.
    """
    _, _, credential = base.partition("?")
    return urljoin(base, uri) + ("" if "?" in uri else f"?{credential}")


def uris(manifest: str) -> Iterator[str]:
    return (line for line in manifest.splitlines() if line and not line.startswith("#"))
