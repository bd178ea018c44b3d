"""The fast path: a request that needs no waiting is answered behind aiohttp's own parser.

What aiohttp has parsed is kept from its task (``held``), which is given a request when it has
nothing else to do, and the first in the queue cannot be answered here. At once, or as soon as the
store has answered, is answered what came before: the reply is written to the connection, and the
task never hears of it. Any other plain request is walked in a task of its own, where its reply is
one that can be sent without aiohttp's request, response and writer.

So requests of a connection are answered one by one and in order, whichever way each goes, and who
comes this way meets the same parser, the same bounds and the same timeouts.

A player repeats itself to the byte. What has come between two requests, and is in all its bytes one
that the parser has read before, would be read as the same again: so it passes the parser by, and
the parser never hears of it, unless it cannot be answered here after all, or more comes before it
was.
"""

import asyncio
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Any, Protocol

import structlog
from aiohttp import ClientConnectionResetError, web

from proxy.streams import Decision
from proxy.web.framing import Parsed, is_plain
from proxy.web.held import HeldConnection

log = structlog.get_logger("playgate")


@dataclass(frozen=True, slots=True)
class Told:
    """What the store said of a request that is walked after all, and how it is undone."""

    decision: Decision
    undo: Callable[[], None]


class FastPath(Protocol):
    """Answers what needs no waiting."""

    def begin(self, connection: "FastConnection", request: Parsed) -> bool:
        """Begin to answer a plain request, or leave it (False).

        Once it has begun, it calls ``answered`` or ``left`` of the connection, perhaps at once, or
        ``walk``.
        """

    def begin_again(self, connection: "FastConnection", data: bytes) -> bool:
        """Do the same for what was not parsed, if it is one request that was answered before."""

    def walk(self, connection: "FastConnection", request: Parsed) -> bool:
        """Begin to answer a plain request that was left, by ``walk`` of the connection."""


class FastConnection(HeldConnection):
    """A player's connection, with a fast path beside aiohttp's own."""

    __slots__ = ("_fast_path", "_in_turn", "_walking", "ends", "told")

    def __init__(self, manager: web.Server, *, fast_path: FastPath | None, **options: Any) -> None:
        self._fast_path = fast_path
        self._in_turn = False
        self._walking: asyncio.Task[None] | None = None
        self.ends = False  # whether the next answer is the last, and says so
        self.told: Told | None = None
        super().__init__(manager, **options)

    def data_received(self, data: bytes) -> None:
        """Have aiohttp parse what came, unless it is known, and answer what can be answered."""
        if self._passes_by(data):
            return
        if self._passed:
            self._parse(b"")  # alone: the parser forgets what stands before something malformed
        self._parse(data)
        if self._queue and not self._in_turn:
            self._take_turns()

    def _passes_by(self, data: bytes) -> bool:
        """Begin to answer what came if it is known by its bytes, and nothing else is under way."""
        idle = self._idle
        if (
            self._pending
            or self._queue
            or not self._is_between
            # As ``_is_idle``; at each beat, and so without a call.
            or idle is None
            or idle.done()
            or self._theirs
            or not self._may_begin()
        ):
            return False
        self._pending, self._passed = True, data
        try:
            if self._fast_path is not None and self._fast_path.begin_again(self, data):
                return True
        except Exception:
            # A bug, which must cost one connection.
            log.exception("a request could not be looked at")
            self.force_close()
        self._pending, self._passed = False, b""
        return False

    def connection_lost(self, exc: BaseException | None) -> None:
        """Hear that the connection is gone."""
        self._pending, self._passed = False, b""
        self._queue.clear()
        told, self.told = self.told, None
        if told is not None:
            told.undo()
        if self._theirs and self._task_handler is not None:
            self._task_handler.cancel()  # woken in this very turn, for a request of nobody's
        if self._walking is not None:
            self._task_handler = self._walking  # as long as it goes on, the server knows of it
        super().connection_lost(exc)

    def close(self) -> None:
        """Answer what has come, and close."""
        if self._passed:
            self._parse(b"")  # while it still takes anything
        super().close()

    def answered(self, reply: bytes) -> None:
        """Send the reply to the request under way, and go on to the next."""
        if self.transport is not None:
            self.transport.write(reply)
            self._end()

    def _end(self) -> None:
        """Go on to the next, now that the one under way is answered."""
        self._pending = False
        if self._passed:
            self._passed = b""
        else:
            self._queue.popleft()
            if self._parser is not None:
                self._parser.message_consumed()
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
        if self._passed:
            self._parse(b"")
        self.told = told
        try:
            # A connection that is closed at once takes nothing any more.
            if self._queue and not self._begin(was_left=True):
                self._hand_over()
        except Exception:
            # A bug, which must cost one connection.
            log.exception("a request could not be looked at")
            self.force_close()

    def walk(self, answer: Coroutine[Any, Any, bool]) -> None:
        """Have the request under way answered by this, which tells whether it is the last one."""
        self._request_in_progress = True  # the server is not shut down meanwhile
        self._walking = self._loop.create_task(self._walk(answer))

    async def _walk(self, answer: Coroutine[Any, Any, bool]) -> None:
        is_last = True
        try:
            is_last = await answer
            await self.taken()
        except ConnectionError:
            log.debug("a client went away")
        except Exception:
            # A bug, which must cost one connection.
            log.exception("a request could not be answered")
        finally:
            self._walking, self._request_in_progress = None, False
            if self._handler_waiter is not None and not self._handler_waiter.done():
                self._handler_waiter.set_result(None)
            if self.transport is not None:
                self._close |= is_last
                self._end()

    def write(self, data: bytes) -> None:
        """Send something.

        Raises:
            ConnectionError: the client is gone.
        """
        if self.transport is None or self.transport.is_closing():
            raise ClientConnectionResetError("the client is gone")
        self.transport.write(data)

    async def taken(self) -> None:
        """Wait until its client, or the kernel for it, has taken all that was sent.

        Raises:
            ConnectionError: the client is gone.
        """
        if self._paused:
            await self._drain_helper()

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
            while self._queue and not self._pending and self._is_idle():
                if not self._begin():
                    self._hand_over()
        except Exception:
            # A bug, which must cost one connection.
            log.exception("a request could not be looked at")
            self.force_close()
        finally:
            self._in_turn = False

    def _may_begin(self) -> bool:
        """Tell whether a request may be answered here, be it as it may."""
        return not (
            self.ends
            or self._close
            or self._force_close
            or self._paused  # its client takes nothing: who waits for that is a task
        )

    def _begin(self, *, was_left: bool = False) -> bool:
        """Begin to answer the first in the queue here; False where it is to go aiohttp's way."""
        message, payload = self._queue[0]
        way = self._fast_path
        if way is None or not is_plain(message, payload) or not self._may_begin():
            return False
        self._pending = True
        if (way.walk if was_left else way.begin)(self, message):
            return True
        self._pending = False
        return False
