"""The players' port, as far as a request is one that came before (``proxy.beats``).

What a request is known by, and how its reply is written: head and body in one piece, the head byte
for byte as aiohttp would write it.
"""

import asyncio
from collections.abc import Iterable
from email.utils import formatdate
from functools import lru_cache
from hashlib import blake2b
from http import HTTPStatus
from time import perf_counter, time

from aiohttp import web
from multidict import MultiMapping

from proxy.beats import Beat, Beats, Headers, Outcomes
from proxy.conditions import CONDITIONS
from proxy.errors import PlaygateError, StreamEnded, StreamLimit
from proxy.gateway import Gateway
from proxy.model import Reply, Request
from proxy.streams import Decision
from proxy.telemetry.metrics import Metrics
from proxy.telemetry.notes import ABANDONED, Notes
from proxy.telemetry.spans import NoSpans
from proxy.trace import Trace
from proxy.web.addresses import TrustedProxies
from proxy.web.fast_path import FastConnection, Parsed, Told
from proxy.web.identification import identified, new_id
from proxy.web.in_flight import InFlight
from proxy.web.refusals import Refusal, Refusals
from proxy.web.replies import SERVER, Cors

# Different in each request, and read each time: what it is called by a proxy before us.
IDS = frozenset({b"x-request-id", b"traceparent", b"tracestate"})
# A cryptographic hash: who found two requests with one name could be given another's manifest.
NAME_BYTES = 16
# Of the target of a request that is kept: several times what players' have, and what is kept of it
# (a ticket with its seal, a query for the origin) is as long as its asker made it.
MAX_TARGET = 4096

UNRECORDED = NoSpans()


class _Head:
    """The head of replies, around what differs between them."""

    __slots__ = ("after_id", "before_id", "headers")

    def __init__(self, reply: Reply, cors: Headers) -> None:
        self.headers = reply.headers
        line = f"HTTP/1.1 {reply.status} {HTTPStatus(reply.status).phrase}"
        first = _written((*reply.headers, ("Server", SERVER)))
        self.before_id = f"{line}\r\n{first}X-Request-Id: ".encode()
        self.after_id = _after_id(cors)


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
        in_flight: InFlight,
        max_in_flight: int,
    ) -> None:
        self._beats = beats
        self._gateway = gateway
        self._cors = cors
        self._trusted = trusted
        self._metrics = metrics
        self._in_flight = in_flight
        self._max_in_flight = max_in_flight
        self._refusals = Refusals()
        self._undoing: set[asyncio.Task[None]] = set()
        self._date, self._dated = b"", 0

    def name(self, raw: web.BaseRequest) -> bytes:
        """Give what a request is known by if it comes again; empty where it is not worth it."""
        whole = "Range" not in raw.headers and not any(name in raw.headers for name in CONDITIONS)
        if raw.method != "GET" or not whole or len(raw.raw_path) > MAX_TARGET:
            return b""
        return self._name(raw.remote or "", raw.scheme, raw.raw_path, raw.raw_headers)

    def refused(self, request: Request, error: PlaygateError, reply: Reply, notes: Notes) -> None:
        """Take note of a request that was refused."""
        if not notes.subject or not isinstance(error, StreamLimit | StreamEnded):
            return
        if name := request.name():
            rule = error.decision.rule if isinstance(error, StreamLimit) else ""
            account = notes.subject.account
            refusal = Refusal(reply, account, notes.route, notes.kind, error.code, rule)
            self._refusals.note(name, refusal, perf_counter())

    def room_made(self, account: str) -> None:
        """Answer an account's requests anew, for a stream of it has ended."""
        self._refusals.forget(account)

    def begin(self, connection: FastConnection, request: Parsed) -> bool:
        """Begin to answer a request that came before; False where it is to go the usual way."""
        if self._in_flight.number >= self._max_in_flight:
            return False
        begun = perf_counter()
        peer, scheme = connection.client
        name = self._name(peer, scheme, request.path, request.raw_headers)
        if refusal := self._refusals.find(name, begun):
            trace = self._trace(peer, request.headers)
            self._count_refusal(refusal, trace, begun)
            connection.answered(self._written(refusal, refusal.reply, trace, request.headers))
            return True
        beat = self._beats.find(name)
        if beat is None:
            return False
        trace = self._trace(peer, request.headers)

        def answered(outcome: Outcomes) -> None:
            self._in_flight.end()
            if connection.transport is None:
                self._count(beat, trace, begun, ABANDONED)
                if isinstance(outcome, Decision):
                    self._undo(beat, outcome)
            elif isinstance(outcome, Reply):
                self._count(beat, trace, begun, "ok")
                connection.answered(self._written(beat, outcome, trace, request.headers))
            elif outcome is None:
                connection.left(None)
            else:
                connection.left(Told(outcome, lambda: self._undo(beat, outcome)))

        self._in_flight.begin()
        if self._beats.answer(beat, trace, answered):
            return True
        self._in_flight.end()
        return False

    def _undo(self, beat: Beat, decision: Decision) -> None:
        """Give back what the store gave to a request whose client has gone away meanwhile."""
        undoing = asyncio.ensure_future(self._gateway.forsake(beat.visit, decision))
        self._undoing.add(undoing)
        undoing.add_done_callback(self._undoing.discard)

    def _name(
        self, peer: str, scheme: str, target: str, headers: Iterable[tuple[bytes, bytes]]
    ) -> bytes:
        """Name a request by all that its answer could depend on.

        But for what it is called by a proxy that is trusted, which tells nothing of it. A line end
        can stand in no part, so parts cannot run together.
        """
        if self._trusted.trusts(peer):
            headers = [pair for pair in headers if pair[0].lower() not in IDS]
        parts = [f"{peer}\n{scheme}\n{target}".encode("utf-8", "surrogateescape")]
        for pair in headers:
            parts += pair
        return blake2b(b"\n".join(parts), digest_size=NAME_BYTES).digest()

    def _trace(self, peer: str, headers: MultiMapping[str]) -> Trace:
        if "traceparent" in headers or "X-Request-Id" in headers:
            return identified(headers, UNRECORDED, trusted=self._trusted.trusts(peer))[0]
        return Trace(new_id())

    def _count(self, beat: Beat, trace: Trace, begun: float, outcome: str) -> None:
        visit, now = beat.visit, perf_counter()
        counter, seconds = self._metrics.requests(visit.route.name, visit.kind, outcome)
        counter.inc()
        seconds.observe(now - begun, now, trace)

    def _count_refusal(self, refusal: Refusal, trace: Trace, begun: float) -> None:
        now = perf_counter()
        counter, seconds = self._metrics.requests(refusal.route, refusal.kind, StreamLimit.outcome)
        counter.inc()
        seconds.observe(now - begun, now, trace)
        self._metrics.streams.refusal(refusal.route, refusal.code, refusal.rule)

    def _written(
        self, kept: Beat | Refusal, reply: Reply, trace: Trace, headers: MultiMapping[str]
    ) -> bytes:
        head = kept.head
        if not isinstance(head, _Head) or head.headers is not reply.headers:
            head = kept.head = _Head(reply, self._cors.headers(headers))
        now = int(time())
        if now != self._dated:
            self._date, self._dated = formatdate(now, usegmt=True).encode(), now
        return b"%b%b%b%d\r\nDate: %b\r\n\r\n%b" % (
            head.before_id,
            trace.request_id.encode(),
            head.after_id,
            len(reply.body),
            self._date,
            reply.body,
        )


@lru_cache(1024)
def _after_id(cors: Headers) -> bytes:
    """Write what is the same for all who ask from the same page."""
    return f"\r\n{_written(cors)}Content-Length: ".encode()


def _written(fields: Iterable[tuple[str, str]]) -> str:
    return "".join(f"{name}: {value}\r\n" for name, value in fields)
