"""The players' port, as far as a request is one that came before (``proxy.beats``).

What a request is known by, and how its reply is written: head and body in one piece, the head byte
for byte as aiohttp would write it.

A request's name is a hash of it as players write it down: its line, its fields with one blank
each, an empty line, and nothing else. So there are two ways to the same name: from what the parser
made of a request, however it was written; and from bytes that nobody has read, if that is how they
are. What has a body or ends its connection has no name, and is found in neither way.
"""

import asyncio
from collections.abc import Iterable
from time import perf_counter
from typing import Any

import structlog
from multidict import MultiMapping

from proxy.beat import Beat, Turn
from proxy.beats import Beats, named, said
from proxy.conditions import CONDITIONS
from proxy.errors import PlaygateError, StreamEnded, StreamLimit
from proxy.gateway import Gateway
from proxy.model import Reply, Request
from proxy.streams import Decision, Renewal
from proxy.telemetry.access_log import AccessLog
from proxy.telemetry.metrics import Metrics
from proxy.telemetry.notes import ABANDONED, Notes
from proxy.telemetry.spans import NoSpans
from proxy.trace import Trace
from proxy.web.addresses import TrustedProxies
from proxy.web.fast_path import FastConnection, Told
from proxy.web.framing import Parsed
from proxy.web.heads import Date, head, manifest_head, tail
from proxy.web.identification import identified, new_id
from proxy.web.in_flight import InFlight
from proxy.web.refusals import Refusal, Refusals
from proxy.web.replies import Cors

# Different in each request, and read each time: what it is called by a proxy before us.
IDS = frozenset({b"x-request-id", b"traceparent", b"tracestate"})
# What is asked for with these is not all of a manifest, or something else.
PARTIAL = frozenset(name.lower().encode() for name in ("Range", "Upgrade", *CONDITIONS))
# Of the target of a request that is kept: several times what players' have, and what is kept of it
# (a ticket with its seal, a query for the origin) is as long as its asker made it.
MAX_TARGET = 4096
# Of what is looked up by its bytes alone, which are hashed for nothing where it is not known.
MAX_BYTES = 16 * 1024

# A reply in one piece: its head up to the request's id, around a stream's; the id and the rest of
# the head, with the body's length and the date; the body.
REPLY = b"%b%b%b%b%b%d\r\nDate: %b\r\n\r\n%b"

UNRECORDED = NoSpans()

log = structlog.get_logger("playgate")


class FastPort:
    """Answers players' requests that came before, and knows them again."""

    def __init__(
        self,
        *,
        beats: Beats,
        gateway: Gateway,
        cors: Cors,
        trusted: TrustedProxies,
        metrics: Metrics,
        access_log: AccessLog,
        in_flight: InFlight,
        max_in_flight: int,
    ) -> None:
        self._beats = beats
        self._gateway = gateway
        self._cors = cors
        self._trusted = trusted
        self._metrics = metrics
        self._auth, self._store = map(metrics.phase.of, ("auth", "store"))
        self._access_log = access_log
        self._in_flight = in_flight
        self._max_in_flight = max_in_flight
        self._refusals = Refusals()
        self._undoing: set[asyncio.Task[None]] = set()
        self._date = Date()

    def refused(self, request: Request, error: PlaygateError, reply: Reply, notes: Notes) -> None:
        """Take note of a request that was refused."""
        if not notes.subject or not isinstance(error, StreamLimit | StreamEnded):
            return
        if request.wording:
            rule = error.decision.rule if isinstance(error, StreamLimit) else ""
            account = notes.subject.account
            refusal = Refusal(reply, account, notes.route, notes.kind, error.code, rule)
            self._refusals.note(named(request.wording), refusal, perf_counter())

    def room_made(self, account: str) -> None:
        """Answer an account's requests anew, for a stream of it has ended."""
        self._refusals.forget(account)

    def begin(self, connection: FastConnection, wording: bytes, request: Parsed) -> bool:
        """Begin to answer a request that came before; False where it is to go the usual way.

        It is known by its ``wording``; that is empty where it is not to be known.
        """
        if not wording:
            return False
        name = named(wording)
        if self._begin(connection, name, said(wording), request.headers):
            return True
        # Only here: what is found in neither way was looked for in both.
        self._refusals.asked(name)
        return False

    def begin_again(self, connection: FastConnection, data: bytes) -> bool:
        """Do the same for what is, byte for byte, a request that was answered here before."""
        if len(data) > MAX_BYTES:
            return False
        return self._begin(connection, named(connection.whose + data), data, None)

    def _begin(
        self,
        connection: FastConnection,
        name: bytes,
        request: bytes,
        headers: MultiMapping[str] | None,
    ) -> bool:
        """Begin to answer a request by its name; its fields are None where nobody read them."""
        if self._in_flight.number >= self._max_in_flight:
            return False
        begun = perf_counter()
        known = self._refusals.find(name, begun) or self._beats.find(name)
        if known is None:
            return False
        if headers is not None:
            known.tail = tail(self._cors.headers(headers))
        elif known.tail is None:
            return False
        trace = None if headers is None else self._trace(connection, headers)
        request_id = new_id() if trace is None else trace.request_id
        if isinstance(known, Refusal):
            self._count_refusal(known, trace or Trace(request_id), begun)
            known.head = known.head or head(known.reply.status, known.reply.headers)
            body = known.reply.body
            reply = REPLY % (
                known.head,
                b"",
                b"",
                request_id.encode(),
                known.tail,
                len(body),
                self._date(),
                body,
            )
            connection.answered(reply)
            return True
        self._in_flight.number += 1
        turn = Turn(connection, known, request, request_id, trace, begun)
        if self._beats.answer(turn, self._answered):
            return True
        self._in_flight.number -= 1
        return False

    def _answered(self, turn: Turn[FastConnection], told: Decision | None) -> None:
        self._in_flight.number -= 1
        connection = turn.who
        if connection.transport is None:
            self._count_left(turn, told)
            self._count_abandoned(turn)
            if turn.body is None and told is not None:
                self._undo(turn.beat, told)
            return
        reply = None if turn.body is None or told is None else self._reply(turn, told, turn.body)
        # Were its number lost by a bug, its client would still be owed an answer.
        if reply is not None:
            try:
                self._count(turn)
            finally:
                connection.answered(reply)
            return
        beat = turn.beat
        try:
            self._count_left(turn, told)
        finally:
            connection.left(told and Told(told, lambda: self._undo(beat, told)))

    def _reply(self, turn: Turn[Any], told: Decision, body: bytes) -> bytes | None:
        """Write a reply; None where that fails, by a bug: the usual path may do better."""
        beat = turn.beat
        try:
            before, after = manifest_head(turn.template.content_type, told.active, told.limit)
            return REPLY % (
                before,
                told.stream.encode(),
                after,
                turn.request_id.encode(),
                beat.tail or b"",
                len(body),
                self._date(),
                body,
            )
        except Exception:
            log.exception("a beat could not be answered", route=beat.key.route)
            return None

    def _undo(self, beat: Beat, decision: Decision) -> None:
        """Give back what the store gave to a request whose client has gone away meanwhile."""
        if beat.guide is None:
            return  # who comes with a ticket will ask again
        undoing = asyncio.ensure_future(self._gateway.forsake(beat.guide.walker, decision))
        self._undoing.add(undoing)
        undoing.add_done_callback(self._undoing.discard)

    def wording(self, connection: FastConnection, request: Parsed) -> bytes:
        """Write down all of a plain request that its answer could depend on, as players write it.

        But for what it is called by a proxy that is trusted, which tells nothing of it. One that
        others call something is left: it would be another each time.
        """
        headers = request.raw_headers
        names = {name.lower() for name, _ in headers}
        if not names.isdisjoint(PARTIAL) or len(request.path) > MAX_TARGET:
            return b""
        fields: Iterable[tuple[bytes, bytes]] = headers
        if not names.isdisjoint(IDS):
            if not self._trusted.trusts(connection.client[0]):
                return b""
            fields = [pair for pair in headers if pair[0].lower() not in IDS]
        line = f"GET {request.path} HTTP/1.1".encode("utf-8", "surrogateescape")
        written = b"\r\n".join((line, *map(b": ".join, fields), b"", b""))
        return connection.whose + written

    def _trace(self, connection: FastConnection, headers: MultiMapping[str]) -> Trace:
        if "traceparent" in headers or "X-Request-Id" in headers:
            peer = connection.client[0]
            return identified(headers, UNRECORDED, trusted=self._trusted.trusts(peer))[0]
        return Trace(new_id())

    def _count(self, turn: Turn[Any]) -> None:
        """Count a request that was answered as usual, in all that it counts in."""
        beat, done = turn.beat, perf_counter()
        tally = self._metrics.beat(beat.key.route, beat.kind)
        tally.note(turn, done)
        if self._access_log.draw():
            self._log(turn, "ok", 200, done - turn.begun)

    def _count_left(self, turn: Turn[Any], told: Decision | None) -> None:
        """Count what was done up to here for one that is not."""
        begun, asked, heard, trace = turn.begun, turn.asked, turn.heard, turn.trace
        self._auth.observe(asked - begun, asked, trace)
        self._store.observe(heard - asked, heard, trace)
        if isinstance(told, Renewal):  # the rest was counted by who listens to the store
            self._metrics.store.times("decide").observe(heard - asked)
            self._metrics.streams.renewals(turn.beat.key.route).inc()

    def _count_abandoned(self, turn: Turn[Any]) -> None:
        beat, now = turn.beat, perf_counter()
        counter, seconds = self._metrics.requests(beat.key.route, beat.kind, ABANDONED)
        counter.inc()
        seconds.observe(now - turn.begun, now, turn.trace)
        if self._access_log.draw():
            self._log(turn, ABANDONED, 0, now - turn.begun)

    def _log(self, turn: Turn[Any], outcome: str, status: int, seconds: float) -> None:
        beat = turn.beat
        self._access_log.write(
            turn.trace,
            route=beat.key.route,
            kind=beat.kind,
            outcome=outcome,
            status=status,
            account=beat.account,
            stream=beat.stream,
            seconds=seconds,
        )

    def _count_refusal(self, refusal: Refusal, trace: Trace, begun: float) -> None:
        now = perf_counter()
        counter, seconds = self._metrics.requests(refusal.route, refusal.kind, StreamLimit.outcome)
        counter.inc()
        seconds.observe(now - begun, now, trace)
        self._metrics.streams.refusal(refusal.route, refusal.code, refusal.rule)
        if self._access_log.draw():
            self._access_log.write(
                trace,
                route=refusal.route,
                kind=refusal.kind,
                outcome=StreamLimit.outcome,
                code=refusal.code,
                status=refusal.reply.status,
                account=refusal.account,
                stream=None,
                seconds=now - begun,
            )
