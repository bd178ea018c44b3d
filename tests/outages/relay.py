"""A way to a server that can be slow, and that can be cut in the middle of an answer."""

import asyncio
import random
import socket
import struct
from types import TracebackType
from typing import Self

# Closing by a reset, as a machine does that knows the connection no more.
RESET = struct.pack("ii", 1, 0)


class Relay:
    """Passes on what comes to a port of its own, and what is answered ``delay`` seconds later.

    While ``cut`` is set, each connection that was made since is reset once up to so many bytes have
    come back, as chance has it.
    """

    def __init__(self, port: int) -> None:
        self._to = port
        self.port = 0
        self.delay = 0.0
        self.cut = 0
        self.resets = 0
        self._chance = random.Random(1)
        self._ways: set[_Way] = set()

    @property
    def url(self) -> str:
        """The address in ``store.url`` form."""
        return f"redis://127.0.0.1:{self.port}/0"

    def left(self) -> int | None:
        """Give how many bytes may come back on a new connection."""
        return self._chance.randrange(1, self.cut) if self.cut else None

    def reset(self) -> None:
        """Reset all connections there are."""
        for way in list(self._ways):
            way.reset()

    async def __aenter__(self) -> Self:
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(lambda: _Way(self, self._to), "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._server.close()
        self.reset()
        await self._server.wait_closed()


class _Way(asyncio.Protocol):
    """One connection, from who made it."""

    def __init__(self, relay: Relay, port: int) -> None:
        self._relay, self._port = relay, port
        self._loop = asyncio.get_running_loop()
        self._left = relay.left()
        self._last = 0.0
        self._before: list[bytes] = []
        self._there: asyncio.WriteTransport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._here = transport
        self._relay._ways.add(self)
        self._task = self._loop.create_task(self._connect())

    async def _connect(self) -> None:
        try:
            there, _ = await self._loop.create_connection(
                lambda: _Back(self), "127.0.0.1", self._port
            )
        except OSError:
            self._here.abort()
            return
        self._there = there
        there.writelines(self._before)

    def data_received(self, data: bytes) -> None:
        if self._there is None:
            self._before.append(data)
        else:
            self._there.write(data)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002  # what asyncio calls
        self._relay._ways.discard(self)
        self._task.cancel()
        if self._there is not None:
            self._there.abort()

    def answered(self, data: bytes) -> None:
        """Pass an answer on when its time has come, and never before one that came earlier."""
        self._last = max(self._loop.time() + self._relay.delay, self._last + 1e-6)
        self._loop.call_at(self._last, self._pass_on, data)

    def _pass_on(self, data: bytes) -> None:
        if self._here.is_closing():
            return
        if self._left is None:
            self._here.write(data)
            return
        self._here.write(data[: self._left])
        self._left -= len(data)
        if self._left <= 0:
            self._relay.resets += 1
            self.reset()

    def reset(self) -> None:
        """Have the connection be gone at once."""
        raw = self._here.get_extra_info("socket")
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
        self._here.abort()


class _Back(asyncio.Protocol):
    """The same connection, from the server."""

    def __init__(self, way: _Way) -> None:
        self._way = way

    def data_received(self, data: bytes) -> None:
        self._way.answered(data)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002  # what asyncio calls
        self._way._here.abort()
