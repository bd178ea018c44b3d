"""One connection, byte by byte, for what no HTTP client would send or tell."""

import asyncio
from types import TracebackType
from typing import Self

from tests.support.stack import Stack


class Wire:
    """A connection to a proxy: to its players' port, or to another."""

    def __init__(self, stack: Stack, port: int | None = None) -> None:
        self._port = port or stack.service.port

    async def __aenter__(self) -> Self:
        self._reader, self.writer = await asyncio.open_connection("127.0.0.1", self._port)
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.writer.close()

    def request(self, target: str, *fields: str, method: str = "GET", host: str = "tv") -> bytes:
        """Write a request down."""
        lines = (f"{method} {target} HTTP/1.1", f"Host: {host}", "User-Agent: test/1", *fields)
        return "".join(f"{line}\r\n" for line in (*lines, "")).encode()

    def send(self, *requests: bytes) -> None:
        """Send requests in one piece."""
        self.writer.write(b"".join(requests))

    async def ask(self, target: str, *fields: str, **more: str) -> tuple[bytes, bytes]:
        """Ask for something; give head and body of the reply."""
        self.send(self.request(target, *fields, **more))
        return await self.reply()

    async def reply(self) -> tuple[bytes, bytes]:
        """Read a reply that has a length, or no body."""
        head = await self._reader.readuntil(b"\r\n\r\n")
        if head.startswith((b"HTTP/1.1 204 ", b"HTTP/1.1 304 ")):
            return head, b""
        size = next(
            int(line.partition(b":")[2])
            for line in head.lower().split(b"\r\n")
            if line.startswith(b"content-length:")
        )
        return head, await self._reader.readexactly(size)

    async def head(self) -> tuple[bytes, bytes]:
        """Read a reply that has no body, whatever it says of one."""
        return await self._reader.readuntil(b"\r\n\r\n"), b""

    async def some(self) -> bytes:
        """Read what has come; nothing once the proxy has closed the connection."""
        return await self._reader.read(65536)

    async def rest(self) -> bytes:
        """Read until the proxy closes the connection."""
        return await self._reader.read()


def status(reply: tuple[bytes, bytes]) -> int:
    """Give the status of a reply."""
    return int(reply[0][9:12])


def value(reply: tuple[bytes, bytes], name: str) -> str:
    """Give a field of a reply; empty where it has none."""
    for line in reply[0].decode().split("\r\n")[1:]:
        found, _, text = line.partition(": ")
        if found.lower() == name.lower():
            return text
    return ""
