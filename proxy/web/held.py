"""aiohttp's connection handler, with its queue of requests kept from the task that answers them.

aiohttp parses what comes, with all its limits, and puts requests into a queue, from which a task of
the connection takes one at a time and has each answered in a task of its own. Here that queue is
kept from the task, which is given a request when somebody hands it over. What aiohttp does to bound
its queue is done for both of them together.
"""

import asyncio
from abc import ABC, abstractmethod
from collections import deque
from typing import Any

from aiohttp import web
from aiohttp.streams import EMPTY_PAYLOAD
from aiohttp.web_protocol import RequestHandler

from proxy.web.framing import are_whole, framed


class HeldConnection(RequestHandler, ABC):
    """One whose requests are in ``_queue``, until they are answered or handed over.

    ``_pending`` says whether one is under way here: the first in the queue, or what was passed by
    the parser (``_passed``). Whoever has answered it goes on with ``_go_on``.
    """

    __slots__ = (
        "_client",
        "_idle",
        "_is_between",
        "_passed",
        "_pending",
        "_queue",
        "_theirs",
        "_uneven",
        "whose",
    )

    def __init__(self, manager: web.Server, **options: Any) -> None:
        self._idle: asyncio.Future[None] | None = None
        self._pending = False
        self._passed = b""
        # Whether all that the parser was given is known to be whole requests without bodies.
        self._is_between = True
        # Whether a request had a body: aiohttp's parser counts it when that has come, and may have
        # been told before that it was taken. Then it holds back what follows, and nobody knows.
        self._uneven = False
        self._queue: deque[Any] = deque()
        self._client: tuple[str, str] | None = None
        self.whose = b""  # the client, as it is written down before what it says: in two lines
        super().__init__(manager, **options)
        self._theirs = self._messages

    @abstractmethod
    def _go_on(self) -> None:
        """Answer what is in the queue, or hand it over."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin."""
        super().connection_made(transport)
        self.whose = "{}\n{}\n".format(*self.client).encode()

    @property
    def _waiter(self) -> asyncio.Future[None] | None:
        """What aiohttp's task waits for: to be woken when there is a request, cancelled at the end.

        Not while one is under way here: the task is not idle then, as far as others may know.
        """
        return None if self._pending else self._idle

    @_waiter.setter
    def _waiter(self, waiter: asyncio.Future[None] | None) -> None:
        self._idle = waiter
        if waiter is not None and (self._queue or self._uneven):
            self._loop.call_soon(self._go_on)

    @property
    def client(self) -> tuple[str, str]:
        """The address of whoever is connected, and the scheme: as aiohttp's requests have them."""
        if self._client is None:
            peer = self.peername
            address = peer[0] if isinstance(peer, tuple) else peer
            self._client = str(address or ""), "https" if self.ssl_context else "http"
        return self._client

    def is_busy(self) -> bool:
        """Tell whether a request is under way, or has come."""
        return bool(self._queue or self._passed or self._messages or self._request_in_progress)

    def _parse(self, data: bytes) -> None:
        """Have aiohttp parse what came, into the queue; what it has passed by comes first."""
        if self._close or self._force_close:
            return  # nothing is taken any more, and what is under way keeps its place
        data, self._passed = self._passed + data, b""
        before = len(self._queue)
        idle, self._idle = self._idle, None  # which it would wake
        self._messages = self._queue
        try:
            super().data_received(data)
        finally:
            self._messages = self._theirs
            self._idle = idle
            # What stands behind a request for another protocol, which is the last one answered.
            # aiohttp would give it to its task at the end of whatever request that has by then.
            self._message_tail = b""
        if self._is_between:
            self._is_between = are_whole(data, list(self._queue)[before:])
        # The parser holds back what is more, and has to be asked for it again: nothing may be taken
        # out of the queue before that is noted.
        if not self._buffer_paused and self._is_full():
            self._pause_reading_for_buffer()

    def _resume_reading_if_drained(self) -> None:
        """Read on once there is room in the queue; aiohttp knows only what its task was given."""
        if len(self._queue) > self._msg_queue_resume_size:
            return
        if not self._upgraded:
            self._parse(b"")  # what the parser holds back comes first
        if not self._is_full():
            self._resume_reading_for_buffer()

    def _is_full(self) -> bool:
        """Tell whether the parser holds back what comes, for so much waits to be answered."""
        return len(self._queue) + len(self._theirs) >= self._max_msg_queue_size

    def _is_idle(self) -> bool:
        """Tell whether aiohttp's task has nothing to do."""
        return self._idle is not None and not self._idle.done() and not self._theirs

    def _hand_over(self) -> None:
        """Give the first in the queue to aiohttp's task, and wake it."""
        message, payload = self._queue.popleft()
        self._uneven |= payload is not EMPTY_PAYLOAD
        self._theirs.append(framed(message, payload))
        if self._idle is not None and not self._idle.done():
            self._idle.set_result(None)
