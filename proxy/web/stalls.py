"""Cuts clients off that take nothing of their reply, for who does not read must hold nothing.

Every reply waits for a moment, mostly until the end of the loop's turn. So that this costs next to
nothing, a connection on which something waits is only noted, and looked at now and then.
"""

import asyncio
import fcntl
import sys
import termios
from dataclasses import dataclass

import structlog

# Looks at a connection in the time it is given: it is cut off an eighth later at most.
LOOKS = 8

log = structlog.get_logger("playgate")


@dataclass(slots=True)
class _Stall:
    """What waits on a connection: bytes at the last progress that was seen, and when that was."""

    transport: asyncio.Transport
    waiting: int | None = None
    since: float = 0.0


class Stalls:
    """The connections on which something waits to be taken, by whoever knows them.

    One is cut off where nothing of that is taken for ``timeout`` seconds.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, timeout: float) -> None:
        self._loop = loop
        self._timeout = timeout
        self._stalls: dict[object, _Stall] = {}
        self._timer: asyncio.TimerHandle | None = None

    def begin(self, connection: object, transport: asyncio.Transport) -> None:
        """Watch a connection on which something waits from now on.

        Its transport is passed along: aiohttp forgets it where it closes a connection, which stays
        open all the same until its last byte is taken.
        """
        self._stalls[connection] = _Stall(transport)
        if self._timer is None:
            self._timer = self._loop.call_later(self._timeout / LOOKS, self._look)

    def end(self, connection: object) -> None:
        """Watch it no more: all was taken, or it is gone."""
        self._stalls.pop(connection, None)

    def _look(self) -> None:
        self._timer = None
        now = self._loop.time()
        for stall in list(self._stalls.values()):
            waiting = _waiting(stall.transport)
            if stall.waiting is None or waiting < stall.waiting:
                stall.waiting, stall.since = waiting, now
            elif now - stall.since >= self._timeout:
                log.info("a client took nothing for too long", seconds=self._timeout)
                stall.transport.abort()
        if self._stalls:
            self._timer = self._loop.call_later(self._timeout / LOOKS, self._look)


def _waiting(transport: asyncio.Transport) -> int:
    """Count the bytes that the client has not taken: ours, and the kernel's for its connection.

    The kernel asks for more only after a megabyte or so, where a connection was fast once.
    """
    connection = transport.get_extra_info("socket")
    try:
        unsent = fcntl.ioctl(connection.fileno(), termios.TIOCOUTQ, bytes(4))
    except OSError:
        return transport.get_write_buffer_size()  # closed just now, or not a socket that can tell
    return transport.get_write_buffer_size() + int.from_bytes(unsent, sys.byteorder)
