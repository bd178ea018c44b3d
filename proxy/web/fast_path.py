"""The fast path: a request that needs no waiting is answered behind aiohttp's own parser.

aiohttp parses what comes, with all its limits, and puts requests into a queue, from which a task of
the connection takes one at a time and has each answered in a task of its own. Here that queue is
kept from the task, which is given a request when it has nothing else to do, and the first in the
queue cannot be answered at once, or as soon as the store has answered. If it can be, the reply is
written to the connection, and the task never hears of it.

So requests of a connection are answered one by one and in order, whichever way each goes, and who
comes this way meets the same parser, the same bounds and the same timeouts.
"""

import asyncio
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol, cast

import structlog
from aiohttp import HttpVersion, HttpVersion11, web
from aiohttp.http_parser import RawRequestMessage
from aiohttp.streams import EMPTY_PAYLOAD
from aiohttp.web_protocol import RequestHandler
from multidict import MultiMapping

from proxy.streams import Decision

log = structlog.get_logger("playgate")


class Parsed(Protocol):
    """What a request came to in aiohttp's parser, as far as it is looked at here."""

    method: str
    path: str
    version: HttpVersion
    headers: MultiMapping[str]
    raw_headers: tuple[tuple[bytes, bytes], ...]
    should_close: bool


@dataclass(frozen=True, slots=True)
class Told:
    """What the store said of a request that goes aiohttp's way after all, and how it is undone."""

    decision: Decision
    undo: Callable[[], None]


class FastPath(Protocol):
    """Answers what needs no waiting."""

    def begin(self, connection: "FastConnection", request: Parsed) -> bool:
        """Begin to answer a request, or leave it (False).

        Once it has begun, it calls ``answered`` or ``left`` of the connection, perhaps at once.
        """


class FastConnection(RequestHandler):
    """aiohttp's connection handler, with a fast path beside its own."""

    __slots__ = (
        "_client",
        "_fast_path",
        "_idle",
        "_in_turn",
        "_pending",
        "_queue",
        "_theirs",
        "_uneven",
        "ends",
        "told",
    )

    def __init__(self, manager: web.Server, *, fast_path: FastPath | None, **options: Any) -> None:
        self._fast_path = fast_path
        self._idle: asyncio.Future[None] | None = None
        self._pending = False  # whether a request is under way here: the first in the queue
        self._in_turn = False
        # Whether a request had a body: aiohttp's parser counts it when that has come, and may have
        # been told before that it was taken. Then it holds back what follows, and nobody knows.
        self._uneven = False
        self._queue: deque[Any] = deque()
        self._client: tuple[str, str] | None = None
        self.ends = False  # whether the next answer is the last, and says so
        self.told: Told | None = None
        super().__init__(manager, **options)
        self._theirs = self._messages

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

    def data_received(self, data: bytes) -> None:
        """Have aiohttp parse what came, and answer what can be answered."""
        self._parse(data)
        if self._queue and not self._in_turn:
            self._take_turns()

    def _parse(self, data: bytes) -> None:
        """Have aiohttp parse what came, into the queue."""
        idle, self._idle = self._idle, None  # which it would wake
        self._messages = self._queue
        try:
            super().data_received(data)
        finally:
            self._messages = self._theirs
            self._idle = idle
        # The parser holds back what is more, and has to be asked for it again: nothing may be taken
        # out of the queue before that is noted.
        if not self._buffer_paused and self._is_full():
            self._pause_reading_for_buffer()

    def connection_lost(self, exc: BaseException | None) -> None:
        """Hear that the connection is gone."""
        self._pending = False
        self._queue.clear()
        if self.told is not None:
            self.told.undo()
        if self._theirs and self._task_handler is not None:
            self._task_handler.cancel()  # woken in this very turn, for a request of nobody's
        super().connection_lost(exc)

    def is_busy(self) -> bool:
        """Tell whether a request is under way, or has come."""
        return bool(self._queue or self._messages or self._request_in_progress)

    def answered(self, reply: bytes) -> None:
        """Send the reply to the request under way, and go on to the next."""
        transport = self.transport
        if transport is None:
            return
        self._pending = False
        self._queue.popleft()
        if self._parser is not None:
            self._parser.message_consumed()
        if self._manager is not None:
            self._manager.requests_count += 1
        transport.write(reply)
        if self._close:  # asked for meanwhile
            self.force_close()
            return
        self._next_keepalive_close_time = self._loop.time() + self._keepalive_timeout
        if self._keepalive_handle is None:
            self._keepalive_handle = self._loop.call_at(
                self._next_keepalive_close_time, self._process_keepalive
            )
        if self._buffer_paused:
            self._resume_reading_if_drained()
        if self._queue or self._uneven:
            self._go_on()

    def left(self, told: Told | None) -> None:
        """Have the request under way go aiohttp's way, with what is known of it."""
        self._pending = False
        if self.transport is None:
            return
        self.told = told
        self._hand_over()

    def _resume_reading_if_drained(self) -> None:
        """Read on once there is room in the queue; aiohttp knows only what its task was given."""
        if len(self._queue) > self._msg_queue_resume_size:
            return
        if not self._upgraded:
            self._parse(b"")  # what the parser holds back comes first
        if not self._is_full() and len(self._message_tail) < self._read_bufsize:
            self._resume_reading_for_buffer()

    def _is_full(self) -> bool:
        """Tell whether the parser holds back what comes, for so much waits to be answered."""
        return len(self._queue) + len(self._theirs) >= self._max_msg_queue_size

    def _go_on(self) -> None:
        """Answer what is in the queue, or what the parser may hold back without need."""
        if self._uneven and not self._queue and self._parser is not None:
            self._parse(b"")
        self._take_turns()

    def _take_turns(self) -> None:
        """Answer what is in the queue, as long as it can be, one after the other."""
        if self._in_turn:
            return
        self._in_turn = True
        try:
            while self._queue and not self._pending:
                idle = self._idle
                if idle is None or idle.done() or self._theirs:
                    break  # aiohttp's task has something to do
                if not self._begin():
                    self._hand_over()
        except Exception:
            # A bug, which must cost one connection.
            log.exception("a request could not be looked at")
            self.force_close()
        finally:
            self._in_turn = False

    def _begin(self) -> bool:
        message, payload = self._queue[0]
        if self._fast_path is None or message.__class__ is not RawRequestMessage:
            return False  # what could not be parsed
        request = cast("Parsed", message)
        if (
            request.method != "GET"
            or request.version != HttpVersion11
            or request.should_close
            or payload is not EMPTY_PAYLOAD
            or self.ends
            or self._close
            or self._paused  # its client takes nothing: who waits for that is a task
        ):
            return False
        self._pending = True
        if not self._fast_path.begin(self, request):
            self._pending = False
            return False
        return True

    def _hand_over(self) -> None:
        """Give the first in the queue to aiohttp's task, and wake it."""
        message, payload = self._queue.popleft()
        self._uneven |= payload is not EMPTY_PAYLOAD
        self._theirs.append((message, payload))
        if self._idle is not None and not self._idle.done():
            self._idle.set_result(None)
