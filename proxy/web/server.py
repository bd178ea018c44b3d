"""The players' port on aiohttp's low-level server.

Turns what came over the wire into a Request, has it answered, and sends the Reply. Every failure
becomes a problem document here, aiohttp's own parse errors included: whatever a client sends, it
is told in one form what was wrong with it.
"""

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial
from time import perf_counter
from typing import TypeVar

import structlog
from aiohttp import web
from multidict import CIMultiDict

from proxy.errors import (
    BadRequest,
    InternalError,
    OriginUnreachable,
    Overloaded,
    PlaygateError,
    StreamLimit,
)
from proxy.gateway import READING, Gateway
from proxy.manifest_source import STEERING_PATH
from proxy.manifests.kinds import is_manifest_path
from proxy.model import Reply, Request
from proxy.origin.cause import cause
from proxy.origin.headers import is_loop
from proxy.telemetry.access_log import AccessLog
from proxy.telemetry.journal import Journal
from proxy.telemetry.metrics import Metrics
from proxy.telemetry.notes import ABANDONED, CURRENT, Notes
from proxy.telemetry.spans import Spans
from proxy.trace import Trace
from proxy.web import viewer_api
from proxy.web.addresses import TrustedProxies
from proxy.web.connections import Waiting, told
from proxy.web.fast_path import FastConnection
from proxy.web.fast_port import FastPort
from proxy.web.framing import Parsed
from proxy.web.identification import identified
from proxy.web.in_flight import InFlight
from proxy.web.incoming import Incoming, PlainRequest
from proxy.web.replies import Cors, problem
from proxy.web.sending import PlainSender, fields, send
from proxy.web.steering import Steering
from proxy.web.target import parse_target
from proxy.web.viewer_api import ViewerApi

# Of the requests that may be in flight, this part is for streams that play: where there are too
# many, who starts waits, and nobody is interrupted.
RESERVED = 1 / 8

T = TypeVar("T")
# What sends a reply, with these fields.
Send = Callable[[Reply, CIMultiDict[str]], Awaitable[T]]

log = structlog.get_logger("playgate")


def _never(_connection: FastConnection, _data: bytes, /) -> bool:
    return False


class PlayerPort:
    """Answers every request on the players' port.

    ``package`` names the path's parameter that carries a signed URI's token; None: none does.
    ``fast`` answers what came before; ``plainly`` is whether plain requests are answered without
    aiohttp's objects.
    """

    def __init__(
        self,
        *,
        gateway: Gateway,
        api: ViewerApi,
        steering: Steering,
        cors: Cors,
        trusted: TrustedProxies,
        metrics: Metrics,
        spans: Spans,
        access_log: AccessLog,
        journal: Journal,
        in_flight: InFlight,
        max_in_flight: int,
        package: str | None = None,
        fast: FastPort | None = None,
        plainly: bool = True,
    ) -> None:
        self.fast = fast
        self.begin_again = fast.begin_again if fast else _never
        self._gateway = gateway
        self._api = api
        self._steering = steering
        self._cors = cors
        self._trusted = trusted
        self._metrics = metrics
        self._spans = spans
        self._access_log = access_log
        self._journal = journal
        self._max_in_flight = max_in_flight
        self._max_with_starts = max_in_flight - int(max_in_flight * RESERVED)
        self._package = package
        self._plainly = plainly
        self._in_flight = in_flight
        self._sender = PlainSender()

    async def handle(self, raw: web.BaseRequest) -> web.StreamResponse:
        """Answer one request."""
        return await self._handle(raw, partial(send, raw))

    def begin(self, connection: FastConnection, message: Parsed) -> bool:
        """Begin to answer a plain request, as one that came before if it did."""
        wording = self._wording(connection, message)
        began = self.fast is not None and self.fast.begin(connection, wording, message)
        return began or self._walk(connection, message, wording)

    def walk(self, connection: FastConnection, message: Parsed) -> bool:
        """Begin to answer one that was left."""
        return self._walk(connection, message, self._wording(connection, message))

    def _wording(self, connection: FastConnection, message: Parsed) -> bytes:
        return self.fast.wording(connection, message) if self.fast else b""

    def _walk(self, connection: FastConnection, message: Parsed, wording: bytes) -> bool:
        """Begin to answer without aiohttp's objects; False where they are needed."""
        if not self._plainly:
            return False
        try:
            target = parse_target(message.path, self._package)
        except BadRequest:
            return False
        # Anything else may have a body that is long, or whose length nobody knows yet.
        if not (is_manifest_path(target.path) or target.path.startswith(viewer_api.PREFIX)):
            return False
        raw = PlainRequest(connection, message, target, wording)
        connection.walk(self._handle(raw, partial(self._sender.send, raw)))
        return True

    async def _handle(self, raw: Incoming, send: Send[T]) -> T:
        begun = perf_counter()
        trusted = self._trusted.trusts(raw.remote or "")
        trace, span = identified(raw.headers, self._spans, trusted=trusted)
        known = told(raw)
        notes = Notes(trace, told=known.decision if known else None)
        before = CURRENT.set(trace)
        try:
            with self._in_flight:
                return await self._answer(raw, notes, send)
        finally:
            if known is not None and notes.told is not None:
                known.undo()  # the walk ended before anybody asked
            CURRENT.reset(before)
            span.end(notes)
            if self._access_log.draw():
                self._access_log.note(notes, perf_counter() - begun)

    async def _answer(self, raw: Incoming, notes: Notes, send: Send[T]) -> T:
        begun = perf_counter()
        try:
            reply = await self._reply(raw, notes)
            notes.outcome = _outcome(reply.status)
        except PlaygateError as error:
            reply, notes.outcome, notes.code = self._told(raw, error), error.outcome, error.code
            self._note(error, notes)
            if self.fast and notes.request:
                self.fast.refused(notes.request, error, reply, notes)
            _let_go(error)
        except Exception:
            # The last line: a bug must cost one request, be seen, and say nothing to the client.
            log.exception("a request failed", route=notes.route, kind=notes.kind)
            bug = InternalError()
            reply, notes.outcome, notes.code = self._told(raw, bug), bug.outcome, bug.code
        except asyncio.CancelledError:
            log.debug("a client went away")
            notes.outcome = ABANDONED
            raise
        finally:
            self._metrics.request(notes, begun, perf_counter())
        notes.status = reply.status
        try:
            extra = (("X-Request-Id", notes.trace.request_id), *self._cors.headers(raw.headers))
            return await send(reply, fields(reply, extra))
        finally:
            if reply.close is not None:
                reply.close()

    def _told(self, raw: Incoming, error: PlaygateError) -> Reply:
        """Put an error into the form its asker can read: no player survives one of steering."""
        if raw.path == STEERING_PATH and raw.method in ("GET", "HEAD"):
            return self._steering.excuse(raw.rel_url.raw_query_string, error)
        return problem(error)

    async def _reply(self, raw: Incoming, notes: Notes) -> Reply:
        if self._in_flight.number > self._max_in_flight:
            raise Overloaded
        request = notes.request = self._read(raw, notes.trace)
        if is_loop(request):  # told before it costs anybody a slot, or counts as an origin's fault
            raise BadRequest("The request has come through this proxy too often (Via).")
        ours = request.path.startswith(viewer_api.PREFIX)
        if request.method == "OPTIONS":
            methods = self._api.methods(request.path) if ours else READING
            return self._cors.preflight(request.headers, methods)
        if ours:
            return await self._api.reply(request, notes)
        if self._in_flight.number > self._max_with_starts and not self._gateway.goes_on(request):
            raise Overloaded
        with Waiting(raw):
            return await self._gateway.reply(request, notes)

    def _read(self, raw: Incoming, trace: Trace) -> Request:
        peer = raw.remote or ""
        self._trusted.check(peer, raw.headers)
        scheme = self._trusted.scheme(peer, raw.scheme, raw.headers)
        plain = raw if isinstance(raw, PlainRequest) else None
        target = plain.target if plain else parse_target(raw.raw_path, self._package)
        hosts = raw.headers.getall("Host", [])
        if len(hosts) != 1:
            raise BadRequest("A request has one Host field (RFC 9112 §3.2).")
        host = self._trusted.host(peer, scheme, target.host or hosts[0], raw.headers)
        if host is None:
            raise BadRequest("The Host field names no host.")
        return Request(
            method=raw.method,
            scheme=scheme,
            host=host,
            path=target.path,
            query=target.query,
            headers=raw.headers,
            address=self._trusted.viewer(peer, raw.headers),
            package=target.package,
            trace=trace,
            wording=plain.wording if plain else b"",
        )

    def _note(self, error: PlaygateError, notes: Notes) -> None:
        """Tell and log a refusal or failure: who by the hash, what by the stream's id."""
        account = notes.subject.account if notes.subject else None
        self._journal.failed(error, notes.route, account)
        rule = error.decision.rule if isinstance(error, StreamLimit) else None
        level = log.warning if error.status >= 500 else log.info
        level(
            "refused",
            code=error.code,
            detail=error.detail,
            route=notes.route,
            kind=notes.kind,
            account=account,
            stream=notes.playback.stream if notes.playback else None,
            rule=rule,
            cause=cause(error) if isinstance(error, OriginUnreachable) else None,
        )


def _let_go(error: BaseException | None) -> None:
    """Have an error forget where it came from, once that is of no use.

    Many of them waited for a task, whose failure it is: it would hold itself by their frames, with
    sixty objects and more, until the garbage collector finds it, which stops everything meanwhile.
    The frames stay as they are: of who waited for the same failure, some are still under way.
    """
    while error is not None:
        error.__traceback__ = None
        error = error.__cause__ or error.__context__


def _outcome(status: int) -> str:
    """Name how a reply that is no error of ours went: the origin's own status may be one."""
    if status >= 500:
        return "origin_error"
    return "not_found" if status in (404, 410) else "ok"
