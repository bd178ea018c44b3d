"""The players' port on aiohttp's low-level server.

Turns what came over the wire into a Request, has it answered, and sends the Reply. Every failure
becomes a problem document here, aiohttp's own parse errors included: whatever a client sends, it
is told in one form what was wrong with it.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from functools import partial
from time import perf_counter

import structlog
from aiohttp import web
from multidict import CIMultiDict

from proxy.errors import BadRequest, InternalError, Overloaded, PlaygateError, StreamLimit
from proxy.gateway import READING, Gateway
from proxy.manifest_source import STEERING_PATH
from proxy.model import Reply, Request, nameless
from proxy.origin.headers import is_loop
from proxy.telemetry.journal import Journal
from proxy.telemetry.metrics import Metrics
from proxy.telemetry.notes import ABANDONED, CURRENT, Notes
from proxy.telemetry.spans import Spans
from proxy.trace import Trace
from proxy.web import viewer_api
from proxy.web.addresses import TrustedProxies
from proxy.web.connections import SEND_SECONDS, PlayerServer, last_if_it_ends, told, waiting
from proxy.web.fast_path import FastPath
from proxy.web.fast_port import FastPort
from proxy.web.identification import identified
from proxy.web.in_flight import InFlight
from proxy.web.replies import SERVER, Cors, problem
from proxy.web.steering import Steering
from proxy.web.target import parse_target
from proxy.web.viewer_api import ViewerApi

# A token of 8 KiB in a URL must reach the verifier to be refused by its name; what is longer than
# this is refused by the parser.
MAX_LINE_BYTES = 32 * 1024
# Longer than the idle time of players' connection pools, far shorter than aiohttp's hour.
KEEPALIVE_SECONDS = 75
Handler = Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]

log = structlog.get_logger("playgate")


def player_server(handle: Handler, fast_path: FastPath) -> PlayerServer:
    """Give the server of players' connections, whose requests ``handle`` answers.

    Unless ``fast_path`` can, without waiting.
    """
    return PlayerServer(
        handle,
        fast_path=fast_path,
        send_timeout=SEND_SECONDS,
        access_log=None,
        keepalive_timeout=KEEPALIVE_SECONDS,
        max_line_size=MAX_LINE_BYTES,
        max_field_size=MAX_LINE_BYTES,
        auto_decompress=False,
    )


class PlayerPort:
    """Answers every request on the players' port.

    ``package`` names the path's parameter that carries a signed URI's token; None: none does.
    ``fast`` answers what came before.
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
        journal: Journal,
        in_flight: InFlight,
        max_in_flight: int,
        package: str | None = None,
        fast: FastPort | None = None,
    ) -> None:
        self.fast = fast
        self._gateway = gateway
        self._api = api
        self._steering = steering
        self._cors = cors
        self._trusted = trusted
        self._metrics = metrics
        self._spans = spans
        self._journal = journal
        self._max_in_flight = max_in_flight
        self._package = package
        self._in_flight = in_flight

    async def handle(self, raw: web.BaseRequest) -> web.StreamResponse:
        """Answer one request."""
        trusted = self._trusted.trusts(raw.remote or "")
        trace, span = identified(raw.headers, self._spans, trusted=trusted)
        known = told(raw)
        notes = Notes(trace, told=known.decision if known else None)
        before = CURRENT.set(trace)
        try:
            with self._in_flight.one_more():
                return await self._answer(raw, notes)
        finally:
            if known is not None and notes.told is not None:
                known.undo()  # the walk ended before anybody asked
            CURRENT.reset(before)
            span.end(notes)

    async def _answer(self, raw: web.BaseRequest, notes: Notes) -> web.StreamResponse:
        begun = perf_counter()
        try:
            reply = await self._reply(raw, notes)
            notes.outcome = _outcome(reply.status)
        except PlaygateError as error:
            reply, notes.outcome, notes.code = self._told(raw, error), error.outcome, error.code
            self._note(error, notes)
            if self.fast and notes.request:
                self.fast.refused(notes.request, error, reply, notes)
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
        extra = (("X-Request-Id", notes.trace.request_id), *self._cors.headers(raw.headers))
        return await send(raw, reply, extra)

    def _told(self, raw: web.BaseRequest, error: PlaygateError) -> Reply:
        """Put an error into the form its asker can read: no player survives one of steering."""
        if raw.path == STEERING_PATH and raw.method in ("GET", "HEAD"):
            return self._steering.excuse(raw.rel_url.raw_query_string, error)
        return problem(error)

    async def _reply(self, raw: web.BaseRequest, notes: Notes) -> Reply:
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
        with waiting(raw):
            return await self._gateway.reply(request, notes)

    def _read(self, raw: web.BaseRequest, trace: Trace) -> Request:
        peer = raw.remote or ""
        self._trusted.check(peer, raw.headers)
        scheme = self._trusted.scheme(peer, raw.scheme, raw.headers)
        target = parse_target(raw.raw_path, self._package)
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
            name=partial(self.fast.name, raw) if self.fast else nameless,
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
        )


def _outcome(status: int) -> str:
    """Name how a reply that is no error of ours went: the origin's own status may be one."""
    if status >= 500:
        return "origin_error"
    return "not_found" if status in (404, 410) else "ok"


async def send(
    raw: web.BaseRequest, reply: Reply, extra: tuple[tuple[str, str], ...]
) -> web.StreamResponse:
    """Send a reply; ``extra`` fields replace those of the same name.

    One that keeps nothing from others is left to aiohttp, to be sent once this request is no
    longer in flight: who asks for a thousand refusals at once and reads none holds no place.
    """
    headers = CIMultiDict(reply.headers)
    headers["Server"] = SERVER
    for name, value in extra:
        if name == "Vary":
            headers.add(name, value)
        else:
            headers[name] = value
    if reply.close is None:
        response = web.Response(status=reply.status, headers=headers, body=reply.body)
        last_if_it_ends(raw, response)
        return response
    try:
        if reply.stream is not None:
            return await _send_stream(raw, reply.status, headers, reply.stream)
        response = web.Response(status=reply.status, headers=headers, body=reply.body)
        last_if_it_ends(raw, response)
        await response.prepare(raw)
        await response.write_eof()
        return response
    finally:
        reply.close()


async def _send_stream(
    raw: web.BaseRequest, status: int, headers: CIMultiDict[str], parts: AsyncIterator[bytes]
) -> web.StreamResponse:
    response = web.StreamResponse(status=status, headers=headers)
    last_if_it_ends(raw, response)
    try:
        await response.prepare(raw)
        if raw.method != "HEAD":
            with waiting(raw):
                async for chunk in parts:
                    await response.write(chunk)
        await response.write_eof()
    except PlaygateError as error:
        # The origin died in the middle, or the stream was ended. Part of the body is out: only a
        # broken connection tells the player that it is not whole.
        level = log.warning if error.status >= 500 else log.info
        level("a reply broke off", code=error.code)
        if raw.transport is not None:
            raw.transport.abort()
    except ConnectionError:
        log.debug("a client went away")
    return response
