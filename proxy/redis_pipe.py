"""Calls to Redis that do not wait for one another: sent as they come, answered in that order.

redis-py makes the connection (addresses, TLS, credentials, the database) and hands it over; from
then on all calls of a turn of the event loop leave in one write, and what comes back is read in one
pass. A client that takes a connection for each call spends many times as much on it.

Redis answers in the order in which it was asked, and each answer is for whoever is first in the
queue, waiting still or not: a call that was given up keeps its place, so that nobody can be given
the answer to another's question. A connection that ends fails all who wait on it.
"""

import asyncio
from collections import deque
from collections.abc import Callable

import structlog
from hiredis import HiredisError, PushNotification, Reader, pack_command
from redis.asyncio.connection import AbstractConnection, Connection
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import NoScriptError, ResponseError

# What only another connection can better: a primary that became a replica, one that has not loaded
# yet, a password that is asked for from now on.
ELSEWHERE = ("READONLY", "MASTERDOWN", "LOADING", "NOAUTH")

LATE = "Redis did not answer in time"

Argument = str | bytes | int

log = structlog.get_logger("playgate")

_pack: Callable[[tuple[Argument, ...]], bytes] = pack_command  # type: ignore[assignment]  # its stub wants a tuple of one
# Told apart from every answer there can be.
NOTHING = object()


class Call(asyncio.Future[object]):
    """An answer that is waited for; ``asked_at`` in seconds of the event loop's clock."""

    __slots__ = ("asked_at", "command")

    def __init__(self, command: bytes, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__(loop=loop)
        self.command = command
        self.asked_at = loop.time()

    @property
    def waits(self) -> bool:
        """Whether there is neither an answer nor a failure, and somebody waits still."""
        return not self.done()


class Hearing:
    """A call whose answer, or failure, is handed to ``heard`` in the turn in which it is read.

    Nothing waits, so ``heard`` is called even if nobody wants to know any more.
    """

    __slots__ = ("_heard", "asked_at", "command", "waits")

    def __init__(self, command: bytes, asked_at: float, heard: Callable[[object], None]) -> None:
        self.command = command
        self.asked_at = asked_at
        self._heard = heard
        self.waits = True  # until something was handed over

    def set_result(self, answer: object) -> None:
        """Hand the answer over, the first there is."""
        self.waits = False
        try:
            self._heard(answer)
        except Exception:
            # A bug, which must cost one request and not those whose answers come behind it.
            log.exception("an answer of the store could not be taken in")

    set_exception = set_result


def packed(*arguments: Argument) -> bytes:
    """Give a command as it is sent. Text that is no Unicode is sent with ``?`` in its place."""
    try:
        return _pack(arguments)
    except UnicodeEncodeError:
        texts = (
            one.encode("utf-8", "replace") if isinstance(one, str) else one for one in arguments
        )
        return _pack(tuple(texts))


class Pipe(asyncio.Protocol):
    """One connection; a call is waited for as long as ``timeout`` (seconds)."""

    def __init__(self, connection: AbstractConnection, timeout: float) -> None:
        self._timeout = timeout
        self.lost = ""
        self._connection = connection
        self._loop = asyncio.get_running_loop()
        self._reader = Reader(notEnoughData=NOTHING)
        self._unsent: deque[Call | Hearing] = deque()
        self._sent: deque[Call | Hearing] = deque()
        self._read_at = self._loop.time()
        self._may_write = True
        self._watch: asyncio.TimerHandle | None = None
        self._transport = _transport(connection)
        self._transport.set_protocol(self)

    def ask(self, command: bytes) -> Call:
        """Send a command; its answer comes, or an error of ``redis_pipes.Pipes.ask``."""
        call = Call(command, self._loop)
        if self.lost:  # since whoever asks was given it
            call.set_exception(RedisConnectionError(self.lost))
        else:
            self._put(call)
        return call

    def hear(self, command: bytes, heard: Callable[[object], None]) -> None:
        """Send a command, where it is not ``lost``; ``heard`` hears its answer, or one of those."""
        self._put(Hearing(command, self._loop.time(), heard))

    def _put(self, call: Call | Hearing) -> None:
        if not self._unsent and self._may_write:
            self._loop.call_soon(self._send)
        self._unsent.append(call)
        if self._watch is None:
            self._watch = self._loop.call_later(self._timeout, self._give_up)

    def wait_for(self, timeout: float) -> None:
        """Wait for another time (seconds) from now on, for calls under way, too."""
        self._timeout = timeout
        if self._watch is not None:
            self._watch.cancel()
            self._give_up()

    @property
    def address(self) -> tuple[str, int] | None:
        """The host and port that were connected to; None: a socket of this machine."""
        connection = self._connection
        return (connection.host, connection.port) if isinstance(connection, Connection) else None

    @property
    def is_busy(self) -> bool:
        """Whether somebody waits for an answer."""
        return bool(self._sent or self._unsent)

    def end(self, why: str) -> None:
        """Close the connection at once, and fail all who wait."""
        if self.lost:
            return
        self.lost = why
        self._transport.abort()
        # Nothing is waited for: the transport is closed already.
        self._connection._close()  # type: ignore[no-untyped-call]  # noqa: SLF001  # what disconnect() does, less the goodbye
        if self._watch is not None:
            self._watch.cancel()
        waiting = (*self._sent, *self._unsent)
        self._sent.clear()
        self._unsent.clear()
        for call in waiting:
            if call.waits:
                call.set_exception(RedisConnectionError(why))

    # --- What the event loop calls ---

    def data_received(self, data: bytes) -> None:
        """Hand out the answers there are."""
        self._read_at = self._loop.time()
        next_answer, next_call = self._reader.gets, self._sent.popleft
        try:
            self._reader.feed(data)
            while (answer := next_answer()) is not NOTHING:
                if answer.__class__ is PushNotification:
                    continue  # RESP3: nobody's answer
                call = next_call()
                if isinstance(answer, HiredisError):
                    self._refused(call, str(answer))
                elif call.waits:
                    call.set_result(answer)
        except (HiredisError, IndexError):  # no Redis, or an answer that nobody has asked for
            self.end("what came is no answer of Redis")

    def pause_writing(self) -> None:
        """Send no more for now: Redis does not read."""
        self._may_write = False

    def resume_writing(self) -> None:
        """Send what has come meanwhile."""
        self._may_write = True
        self._send()

    def connection_lost(self, exc: Exception | None) -> None:
        """Fail all who wait."""
        self.end(f"the connection was lost: {exc}" if exc else "Redis closed the connection")

    # --- Inside ---

    def _refused(self, call: Call | Hearing, why: str) -> None:
        if call.waits:
            kind = NoScriptError if why.startswith("NOSCRIPT") else ResponseError
            call.set_exception(kind(why))
        if why.startswith(ELSEWHERE):
            self.end(why)

    def _send(self) -> None:
        if not self._may_write or self.lost:
            return
        # Who has gone away by now is not asked for any more.
        calls = [call for call in self._unsent if call.waits]
        self._unsent.clear()
        self._sent.extend(calls)
        if calls:
            self._transport.write(b"".join([call.command for call in calls]))

    def _give_up(self) -> None:
        """Fail who has waited for long enough, and look again when the next one will have."""
        self._watch = None
        before = self._loop.time() - self._timeout
        waiting = [call for call in (*self._sent, *self._unsent) if call.waits]
        late = [call for call in waiting if call.asked_at <= before]
        # Not a sound since then: whatever is at the other end, it hangs.
        hangs = bool(late) and self._read_at <= late[0].asked_at
        for call in late:
            call.set_exception(TimeoutError(LATE))
        if hangs:
            self.end(LATE)
            return
        if len(late) < len(waiting):
            next_one = waiting[len(late)].asked_at + self._timeout
            self._watch = self._loop.call_at(next_one, self._give_up)


def _transport(connection: AbstractConnection) -> asyncio.WriteTransport:
    writer = connection._writer  # noqa: SLF001  # redis-py has no other way to hand it over
    if writer is None:
        raise RedisConnectionError("the connection was closed")
    return writer.transport
