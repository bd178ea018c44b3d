"""The players' port on aiohttp's low-level server.

Turns what came over the wire into a Request, has it answered, and sends the Reply. Every failure
becomes a problem document here, aiohttp's own parse errors included: whatever a client sends, it
is told in one form what was wrong with it. A client that takes nothing of its reply for a while is
cut off: whoever does not read must not hold what others need.
"""

import asyncio
import fcntl
import sys
import termios
from collections.abc import AsyncIterator, Awaitable, Callable
from time import perf_counter
from typing import Any

import structlog
from aiohttp import web
from aiohttp.web_protocol import RequestHandler
from multidict import CIMultiDict

from proxy.errors import BadRequest, InternalError, Overloaded, PlaygateError, StreamLimit
from proxy.gateway import READING, Gateway, Notes
from proxy.model import Reply, Request
from proxy.telemetry.metrics import Metrics
from proxy.web import viewer_api
from proxy.web.addresses import TrustedProxies
from proxy.web.replies import SERVER, Cors, problem
from proxy.web.target import parse_target
from proxy.web.viewer_api import ViewerApi

# A token of 8 KiB in a URL must reach the verifier to be refused by its name; what is longer than
# this is refused by the parser.
MAX_LINE_BYTES = 32 * 1024
# Longer than the idle time of players' connection pools, far shorter than aiohttp's hour.
KEEPALIVE_SECONDS = 75
# Seconds in which a client takes some of what waits for it, or is cut off: longer than a phone is
# in a tunnel, and half of what nginx and others wait, for each one holds a connection to an origin.
SEND_SECONDS = 30.0

log = structlog.get_logger("playgate")


class PlayerPort:
    """Answers every request on the players' port."""

    def __init__(
        self,
        *,
        gateway: Gateway,
        api: ViewerApi,
        cors: Cors,
        trusted: TrustedProxies,
        metrics: Metrics,
        max_in_flight: int,
        send_timeout: float = SEND_SECONDS,
    ) -> None:
        self._gateway = gateway
        self._api = api
        self._cors = cors
        self._trusted = trusted
        self._metrics = metrics
        self._max_in_flight = max_in_flight
        self._send_timeout = send_timeout
        self._in_flight = 0

    def server(self) -> "PlayerServer":
        """Give the server whose connections this port answers."""
        return PlayerServer(
            self.handle,
            send_timeout=self._send_timeout,
            access_log=None,
            keepalive_timeout=KEEPALIVE_SECONDS,
            max_line_size=MAX_LINE_BYTES,
            max_field_size=MAX_LINE_BYTES,
            auto_decompress=False,
        )

    async def handle(self, raw: web.BaseRequest) -> web.StreamResponse:
        """Answer one request."""
        self._in_flight += 1
        self._metrics.in_flight.inc()
        try:
            return await self._answer(raw)
        finally:
            self._in_flight -= 1
            self._metrics.in_flight.dec()

    async def _answer(self, raw: web.BaseRequest) -> web.StreamResponse:
        begun = perf_counter()
        notes = Notes()
        outcome = "ok"
        try:
            reply = await self._reply(raw, notes)
            outcome = _outcome(reply.status)
        except PlaygateError as error:
            reply, outcome = problem(error), error.outcome
            self._note(error, notes)
        except Exception:
            # The last line: a bug must cost one request, be seen, and say nothing to the client.
            log.exception("a request failed", route=notes.route, kind=notes.kind)
            reply, outcome = problem(InternalError()), InternalError.outcome
        self._metrics.request(notes.route, notes.kind, outcome, perf_counter() - begun)
        return await send(raw, reply, self._cors.headers(raw.headers))

    async def _reply(self, raw: web.BaseRequest, notes: Notes) -> Reply:
        if self._in_flight > self._max_in_flight:
            raise Overloaded
        request = self._read(raw)
        ours = request.path.startswith(viewer_api.PREFIX)
        if request.method == "OPTIONS":
            methods = self._api.methods(request.path) if ours else READING
            return self._cors.preflight(request.headers, methods)
        if ours:
            return await self._api.reply(request, notes)
        return await self._gateway.reply(request, notes)

    def _read(self, raw: web.BaseRequest) -> Request:
        peer = raw.remote or ""
        scheme = self._trusted.scheme(peer, raw.scheme, raw.headers)
        named, path, query = parse_target(raw.raw_path)
        hosts = raw.headers.getall("Host", [])
        if len(hosts) != 1:
            raise BadRequest("A request has one Host field (RFC 9112 §3.2).")
        host = self._trusted.host(peer, scheme, named or hosts[0], raw.headers)
        if host is None:
            raise BadRequest("The Host field names no host.")
        return Request(
            method=raw.method,
            scheme=scheme,
            host=host,
            path=path,
            query=query,
            headers=raw.headers,
            address=self._trusted.viewer(peer, raw.headers),
        )

    def _note(self, error: PlaygateError, notes: Notes) -> None:
        """Count and log a refusal or failure: who by the hash, what by the stream's id."""
        rule = error.decision.rule if isinstance(error, StreamLimit) else ""
        if error.outcome in ("refused", "unauthenticated"):
            self._metrics.refusal(notes.route, error.code, rule)
        level = log.warning if error.status >= 500 else log.info
        level(
            "refused",
            code=error.code,
            detail=error.detail,
            route=notes.route,
            kind=notes.kind,
            account=notes.subject.account if notes.subject else None,
            stream=notes.playback.stream if notes.playback else None,
            rule=rule or None,
        )


def _outcome(status: int) -> str:
    """Name how a reply that is no error of ours went: the origin's own status may be one."""
    if status >= 500:
        return "origin_error"
    return "not_found" if status in (404, 410) else "ok"


async def send(
    raw: web.BaseRequest, reply: Reply, extra: tuple[tuple[str, str], ...]
) -> web.StreamResponse:
    """Send a reply; ``extra`` fields replace those of the same name."""
    headers = CIMultiDict(reply.headers)
    headers["Server"] = SERVER
    for name, value in extra:
        if name == "Vary":
            headers.add(name, value)
        else:
            headers[name] = value
    if reply.stream is None:
        response = web.Response(status=reply.status, headers=headers, body=reply.body)
        await response.prepare(raw)
        await response.write_eof()
        return response
    return await _send_stream(raw, reply, reply.stream, headers)


async def _send_stream(
    raw: web.BaseRequest, reply: Reply, parts: AsyncIterator[bytes], headers: CIMultiDict[str]
) -> web.StreamResponse:
    response = web.StreamResponse(status=reply.status, headers=headers)
    try:
        await response.prepare(raw)
        if raw.method != "HEAD":
            async for chunk in parts:
                await response.write(chunk)
        await response.write_eof()
    except PlaygateError as error:
        # The origin died in the middle. Part of the body is out: only a broken connection tells
        # the player that it is not whole.
        log.warning("a reply broke off", code=error.code)
        if raw.transport is not None:
            raw.transport.abort()
    except ConnectionError:
        log.debug("a client went away")
    finally:
        if reply.close is not None:
            reply.close()
    return response


class PlayerProtocol(RequestHandler):
    """aiohttp's connection handler; its own errors are problem documents, too.

    Cuts a client off that takes nothing for ``send_timeout`` seconds of what waits to be sent:
    whoever awaits a write then learns that the connection is lost.
    """

    __slots__ = ("_send_timeout", "_stall_check")

    def __init__(self, manager: web.Server, *, send_timeout: float, **options: Any) -> None:
        super().__init__(manager, **options)
        self._send_timeout = send_timeout
        self._stall_check: asyncio.TimerHandle | None = None

    def pause_writing(self) -> None:
        """Hear that more waits to be sent than a connection should hold; watch it from here."""
        super().pause_writing()
        if self.transport is not None:
            self._check_later(self.transport)

    def resume_writing(self) -> None:
        """Hear that the client took most of what waited."""
        super().resume_writing()
        self._check_no_more()

    def connection_lost(self, exc: BaseException | None) -> None:
        """Hear that the connection is gone."""
        self._check_no_more()
        super().connection_lost(exc)

    def _check_later(self, transport: asyncio.Transport) -> None:
        # The transport is passed along: aiohttp forgets it where it closes a connection, which
        # stays open all the same until its last byte is taken.
        self._stall_check = self._loop.call_later(
            self._send_timeout, self._check, transport, _waiting(transport)
        )

    def _check(self, transport: asyncio.Transport, waited: int) -> None:
        if _waiting(transport) < waited:
            self._check_later(transport)
            return
        log.info("a client took nothing for too long", seconds=self._send_timeout)
        transport.abort()

    def _check_no_more(self) -> None:
        if self._stall_check is not None:
            self._stall_check.cancel()

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
        reply = problem(error)
        response = web.Response(status=reply.status, headers=reply.headers, body=reply.body)
        response.headers["Access-Control-Allow-Origin"] = "*"
        response.headers["Server"] = SERVER
        response.force_close()
        return response


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


class PlayerServer(web.Server):
    """aiohttp's server, with our connection handler."""

    def __init__(
        self,
        handler: Callable[[web.BaseRequest], Awaitable[web.StreamResponse]],
        *,
        send_timeout: float,
        **options: Any,
    ) -> None:
        super().__init__(handler, **options)
        self._send_timeout = send_timeout

    def __call__(self) -> RequestHandler:
        """Make the handler of a new connection."""
        kwargs: dict[str, Any] = self._kwargs
        return PlayerProtocol(self, loop=self._loop, send_timeout=self._send_timeout, **kwargs)
