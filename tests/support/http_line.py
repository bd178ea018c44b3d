"""One HTTP connection by hand, to a port of loopback: no client's retry hides anything."""

import asyncio
from dataclasses import dataclass


@dataclass(frozen=True)
class Said:
    """An answer, read to its end; its fields by their names in lower case."""

    status: int
    fields: dict[str, str]
    body: str


class Line:
    """A connection that is kept as long as the other side lets it, and made anew after that."""

    def __init__(self, port: int) -> None:
        self.port = port
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    @property
    def is_open(self) -> bool:
        """Whether there is a connection; it may be found to have ended when it is used."""
        return self._streams is not None

    @property
    def is_hung_up(self) -> bool:
        """Whether there is one that the other side has ended, as far as has been heard."""
        if self._streams is None:
            return False
        reader, _ = self._streams
        return reader.at_eof() or reader.exception() is not None

    async def ask(
        self, path: str, *, method: str = "GET", agent: str = "test/1", keep: bool = True
    ) -> Said:
        """Send a request and read the answer.

        Raises:
            ConnectionRefusedError: nobody listens; nothing was sent.
            OSError, EOFError: it broke off.
        """
        if self._streams is None:
            self._streams = await asyncio.open_connection("127.0.0.1", self.port)
        reader, writer = self._streams
        body = "Content-Length: 0\r\n" if method == "POST" else ""
        writer.write(
            f"{method} {path} HTTP/1.1\r\nHost: tv.test\r\nUser-Agent: {agent}\r\n{body}"
            f"Connection: {'keep-alive' if keep else 'close'}\r\n\r\n".encode()
        )
        first, *lines = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
        pairs = (line.partition(":") for line in lines if line)
        fields = {name.lower(): value.strip() for name, _, value in pairs}
        said = Said(int(first.split()[1]), fields, await _body(reader, fields))
        if fields.get("connection") == "close":
            self.close()
        return said

    def close(self) -> None:
        """Close the connection there is."""
        if self._streams is not None:
            self._streams[1].close()
            self._streams = None


async def _body(reader: asyncio.StreamReader, fields: dict[str, str]) -> str:
    if "transfer-encoding" not in fields:
        size = int(fields.get("content-length", "0"))
        return (await reader.readexactly(size)).decode("latin-1")
    parts = []
    while size := int((await reader.readuntil(b"\r\n")).split(b";")[0], 16):
        parts.append(await reader.readexactly(size))
        await reader.readexactly(2)
    await reader.readuntil(b"\r\n")
    return b"".join(parts).decode("latin-1")


def uris(text: str) -> list[str]:
    """Give the URI lines of a playlist."""
    return [line for line in text.splitlines() if line and not line.startswith("#")]
