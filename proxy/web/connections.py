"""A player's connection: aiohttp's handler, with four things it lacks.

Its own errors are problem documents like all others. A client that takes nothing of its reply for
a while is cut off: whoever does not read must not hold what others need. One that goes away while
it waits for an origin waits no longer: an answer may be held for many seconds, and players give up
sooner. And a drain closes connections that nobody uses, so that it waits for requests alone.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, cast

import structlog
from aiohttp import web
from aiohttp.web_protocol import RequestHandler

from proxy.errors import BadRequest, InternalError, PlaygateError
from proxy.web.fast_path import FastConnection, FastPath, Told
from proxy.web.incoming import Incoming
from proxy.web.replies import SERVER, problem
from proxy.web.stalls import Stalls

# Seconds in which a client takes some of what waits for it, or is cut off: longer than a phone is
# in a tunnel, and half of what nginx and others wait, for each one holds a connection to an origin.
SEND_SECONDS = 30.0

# Longer than the idle time of players' connection pools, far shorter than aiohttp's hour. So long
# may the head of a request take to come, too.
KEEPALIVE_SECONDS = 75
# How long a body that nobody wants is taken, so that its sender reads the answer before the end.
LINGER_SECONDS = 10

# A token of 8 KiB in a URL must reach the verifier to be refused by its name; what is longer than
# this is refused by the parser.
MAX_LINE_BYTES = 32 * 1024

# How long a connection that is to be closed is kept for one more request. One that was just
# accepted has it nearly always there already. On one that was used, it may be under way: who closes
# at once answers it with a reset, and only some clients send it again.
LATE_SECONDS = 1.0

log = structlog.get_logger("playgate")


class PlayerProtocol(FastConnection):
    """aiohttp's connection handler; its own errors are problem documents, too.

    A client that takes nothing for long of what waits to be sent is cut off (``stalls``): whoever
    awaits a write then learns that the connection is lost.
    """

    __slots__ = ("_stalls", "_waiting")

    def __init__(self, manager: web.Server, *, stalls: Stalls, **options: Any) -> None:
        super().__init__(manager, **options)
        self._stalls = stalls
        self._waiting: asyncio.Task[Any] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Hear of the connection. Whatever its client does not take is watched, be it a byte."""
        super().connection_made(transport)
        # asyncio pauses above that, with TLS from there on: at 0 it would pause where nothing
        # waits, and nothing would resume it.
        high = 1 if self.ssl_context else 0
        cast("asyncio.Transport", transport).set_write_buffer_limits(high=high)

    def pause_writing(self) -> None:
        """Hear that more waits to be sent than a connection should hold; watch it from here."""
        super().pause_writing()
        if self.transport is not None:
            self._stalls.begin(self, self.transport)

    def resume_writing(self) -> None:
        """Hear that the client took most of what waited."""
        super().resume_writing()
        self._stalls.end(self)

    def close(self) -> None:
        """Answer what is under way, and close; at once, where nothing is.

        aiohttp would leave an idle connection open, and not read from it any more: whoever sent a
        request on it would wait in vain.
        """
        idle = not self.is_busy()
        super().close()
        if idle and self.transport is not None:
            self.transport.close()

    def end(self) -> None:
        """Answer what is under way, or one more request that comes soon, and close."""
        self.ends = True
        self._loop.call_later(LATE_SECONDS, self.close)

    def connection_lost(self, exc: BaseException | None) -> None:
        """Hear that the connection is gone."""
        self._stalls.end(self)
        if self._waiting is not None:
            self._waiting.cancel()
        super().connection_lost(exc)

    def wait(self, task: asyncio.Task[Any] | None) -> None:
        """Take a task that waits on behalf of the client, and is cancelled if that goes away."""
        self._waiting = task

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,  # noqa: ARG002  # names parser internals; ours says enough
    ) -> web.StreamResponse:
        """Answer what could not be parsed, and close the connection: its framing is lost."""
        if request.writer.output_size > 0:
            raise ConnectionError("part of a reply is sent already")
        if status >= 500:
            log.error("a connection failed", exc_info=exc)
        error = BadRequest("This is not well-formed HTTP.") if status < 500 else InternalError()
        response = _closing(error)
        response.headers["Access-Control-Allow-Origin"] = "*"
        return response


class Waiting:
    """Cancels the current task, should its client go away while inside.

    aiohttp can do that for all of a request. But a viewer who goes away may have said so just
    before (``navigator.sendBeacon``), and that must be heard to its end.
    """

    __slots__ = ("_connection",)

    def __init__(self, request: Incoming) -> None:
        self._connection = ours(request.protocol)

    def __enter__(self) -> None:
        if self._connection.transport is None:
            raise asyncio.CancelledError
        self._connection.wait(asyncio.current_task())

    def __exit__(self, *_: object) -> None:
        self._connection.wait(None)


def told(request: Incoming) -> Told | None:
    """Take what the store said of a request already, on its way here."""
    connection = ours(request.protocol)
    known, connection.told = connection.told, None
    return known


def last_if_it_ends(request: web.BaseRequest, response: web.StreamResponse) -> None:
    """Say in a response that the connection is closed after it, where that is so."""
    if ours(request.protocol).ends or _ends_its_connection(request):
        response.force_close()


def _ends_its_connection(request: web.BaseRequest) -> bool:
    """Tell whether a request asks for another protocol.

    It is answered in this one. But aiohttp's parser passes over what came in one piece with it.
    """
    return request._message.upgrade  # noqa: SLF001  # the public name is deprecated, without another


def ours(connection: RequestHandler) -> PlayerProtocol:
    """Give a connection as what it is."""
    assert isinstance(connection, PlayerProtocol)  # noqa: S101  # the servers make no others
    return connection


def _closing(error: PlaygateError) -> web.Response:
    """Make the last answer of a connection."""
    reply = problem(error)
    response = web.Response(status=reply.status, headers=reply.headers, body=reply.body)
    response.headers["Server"] = SERVER
    response.force_close()
    return response


class PlayerServer(web.Server):
    """aiohttp's server, with our connection handler."""

    def __init__(
        self,
        handler: Callable[[web.BaseRequest], Awaitable[web.StreamResponse]],
        *,
        send_timeout: float,
        fast_path: FastPath | None = None,
        **options: Any,
    ) -> None:
        super().__init__(handler, **options)
        self._stalls = Stalls(self._loop, send_timeout)
        self._fast_path = fast_path
        self._draining = False

    def pre_shutdown(self) -> None:
        """Have each connection closed once nothing is under way on it."""
        self._draining = True
        for connection in self.connections:
            ours(connection).end()

    def connection_made(self, handler: RequestHandler, transport: asyncio.Transport) -> None:
        """Take note of a connection; one that comes late may send one request."""
        super().connection_made(handler, transport)
        if self._draining:
            ours(handler).end()

    def __call__(self) -> RequestHandler:
        """Make the handler of a new connection."""
        kwargs: dict[str, Any] = self._kwargs
        return PlayerProtocol(
            self,
            loop=self._loop,
            stalls=self._stalls,
            fast_path=self._fast_path,
            **kwargs,
        )


def player_server(
    handle: Callable[[web.BaseRequest], Awaitable[web.StreamResponse]], fast_path: FastPath
) -> PlayerServer:
    """Give the server of players' connections, whose requests ``handle`` answers.

    Unless ``fast_path`` can, without waiting.
    """
    return PlayerServer(
        handle,
        fast_path=fast_path,
        send_timeout=SEND_SECONDS,
        access_log=None,
        keepalive_timeout=KEEPALIVE_SECONDS,
        lingering_time=LINGER_SECONDS,
        max_line_size=MAX_LINE_BYTES,
        max_field_size=MAX_LINE_BYTES,
        auto_decompress=False,
    )


class OperatorRunner(web.AppRunner):
    """Runs an application on our connection handler.

    aiohttp's own quotes to the client, and in the log, what it could not parse: a token with a slip
    in it, say. And it keeps who asks nothing for an hour.
    """

    async def _make_server(self) -> PlayerServer:
        made = await super()._make_server()

        async def answer(request: web.BaseRequest) -> web.StreamResponse:
            try:
                response = await made.request_handler(request)
            except web.HTTPExpectationFailed:
                # aiohttp's, before any middleware hears of the request (RFC 9110 §10.1.1).
                return _closing(BadRequest("Nothing but 100-continue can be expected."))
            if not response.prepared:
                last_if_it_ends(request, response)
            return response

        return PlayerServer(
            answer,
            request_factory=made.request_factory,
            send_timeout=SEND_SECONDS,
            keepalive_timeout=KEEPALIVE_SECONDS,
            lingering_time=LINGER_SECONDS,
            **self._kwargs,
        )
