"""Asks the origins of a route: for a manifest as a whole, for a segment as a stream.

- Only GET and HEAD are sent, so what was asked in vain may be asked again, of another origin where
  there is one (``failover``).
- A manifest's redirect is followed to the route's own origins only: a body of anybody else's would
  be rewritten as if it came from here. A segment's goes to its viewer (``Upstream.outward``).
- The origin's own 4xx and 5xx are answers, not errors.
- Every wait has an end, and every failure is an OriginError.
"""

import asyncio
from collections import defaultdict
from collections.abc import Callable, Collection, Coroutine
from types import TracebackType
from typing import Any, Self, TypeVar

from aiohttp import ClientResponse
from yarl import URL

from proxy.errors import OriginError, OriginInvalid
from proxy.model import Request
from proxy.origin.body import Body
from proxy.origin.budget import Budget
from proxy.origin.call import Call, nobodys
from proxy.origin.exchange import Asked, Attempt, Exchange, Fetched, Observer, Opened, Until
from proxy.origin.failover import SILENT, Answer, Question
from proxy.origin.headers import (
    Validators,
    first,
    manifest_request,
    manifest_response,
    segment_request,
    segment_response,
    trace_fields,
)
from proxy.origin.health import Health
from proxy.origin.probing import Probe, Probing
from proxy.origin.transport import Transport
from proxy.origin.upstream import ELSEWHERE, Origin, Target, Upstream

T = TypeVar("T", bound=Answer)

MAX_REDIRECTS = 3  # of one manifest: what is moved again and again is nowhere
REDIRECTS = (301, 302, 303, 307, 308)

Check = Callable[[Fetched], object]


class OriginClient:
    """All origins of all routes, from ``start`` to ``close`` or inside ``async with``.

    What a reload may change comes with each call, in the ``Upstream``; connections and what is
    known of an origin's health stay. ``clock`` gives seconds and never goes back.
    """

    def __init__(self, observer: Observer, *, clock: Callable[[], float]) -> None:
        self._observer = observer
        self._health = Health(observer)
        self._probing = Probing(self._health)
        self._health.went_down = self._probing.begin
        self._budgets: defaultdict[str, Budget] = defaultdict(lambda: Budget(clock))
        self._transport = Transport()

    def keep(self, origins: Collection[Origin]) -> None:
        """Forget the health of all other origins: they are no route's any more."""
        self._health.keep(origins)
        self._probing.keep(origins)

    async def start(self) -> None:
        """Be ready to ask; opens no connection yet."""
        await self._transport.start()

    async def close(self) -> None:
        """Break every connection. May be called again."""
        await self._probing.close()
        await self._transport.close()

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.close()

    async def fetch(
        self,
        upstream: Upstream,
        target: Target,
        request: Request,
        validators: Validators | None = None,
        *,
        hold: float = 0.0,
        check: Check = lambda _: None,
    ) -> Fetched:
        """GET a manifest, whole and decoded, in ``timeout`` seconds from now.

        ``hold`` is how much longer it may take because the origin holds it (seconds). ``check``
        looks at each answer with a manifest in it, and raises OriginInvalid if that is none.

        The answer depends on nothing of ``request`` but its scheme and host, so these, the route,
        the target and nothing else are the key under which it may be shared. With ``validators``
        a 304 is an answer too, and its body is empty.

        Raises OriginUnreachable, OriginTimeout, or OriginInvalid: redirected elsewhere, partial,
        too large, damaged, cut short, or what ``check`` finds.
        """
        fields = manifest_request(request, validators)
        call = Call("GET", upstream, target, fields, request.trace, hold)
        deadline, plain = call.deadline(), request.nobodys()

        async def probe(origin: Origin) -> None:
            ours = nobodys("GET", upstream, target, plain)
            await self._whole(ours, self._attempt(ours, origin), ours.deadline(SILENT), check)

        return await self._answer(
            call, lambda attempt: self._whole(call, attempt, deadline, check), probe
        )

    async def open(
        self, upstream: Upstream, target: Target, request: Request, *, hold: float = 0.0
    ) -> Opened:
        """Ask for a segment as its viewer does: the method (GET or HEAD), Range, conditions.

        Waits ``timeout`` and ``hold`` seconds for the answer to begin, and as long for each
        further part: some origins begin at once and hold the body.

        Raises OriginUnreachable, OriginTimeout, or OriginInvalid: no usable status, or a redirect
        that would show an origin's address.
        """
        config = upstream.config
        fields = segment_request(request, config.private_cookies, config.private_headers)
        method = "HEAD" if request.method == "HEAD" else "GET"
        call = Call(method, upstream, target, fields, request.trace, hold)
        deadline, plain = call.deadline(), request.nobodys()

        async def probe(origin: Origin) -> None:
            ours = nobodys("HEAD", upstream, target, plain)
            attempt = self._attempt(ours, origin)
            (await self._begun(ours, attempt, ours.deadline(SILENT))).close()

        return await self._answer(
            call,
            lambda attempt: self._begun(call, attempt, deadline),
            probe,
            discard=lambda opened: opened.close(),
        )

    async def _answer(
        self,
        call: Call,
        ask: Callable[[Attempt], Coroutine[Any, Any, T]],
        probe: Probe,
        discard: Callable[[T], object] = lambda _: None,
    ) -> T:
        """Have a call answered by whichever origin can; ``probe`` asks one that is down."""
        upstream = call.upstream
        if upstream.route != ELSEWHERE:  # nobody waits for those to be back
            self._probing.note(upstream.origins, probe)
        question = Question(
            upstream,
            lambda origin, number: self._attempt(call, origin, number),
            ask,
            health=self._health,
            budget=self._budgets[upstream.route],
            discard=discard,
        )
        return await question.answer(call.hold)

    def _attempt(self, call: Call, origin: Origin, number: int = 0) -> Attempt:
        asked = Asked(call.upstream.route, origin, call.method, call.target, again=number)
        watch = self._observer.watch(asked, call.trace)
        return Attempt(origin, self._health, watch, held=call.hold > 0, number=number)

    async def _whole(self, call: Call, attempt: Attempt, deadline: float, check: Check) -> Fetched:
        """Make an attempt at a manifest."""
        exchange = await self._followed(call, attempt, deadline)
        try:
            response = exchange.response
            _check_manifest(response, conditional=call.is_conditional)
            body = await _read(exchange, call.upstream.config.max_manifest, deadline)
            headers = manifest_response(response.headers.items(), call.upstream)
            fetched = Fetched(response.status, headers, body)
            if fetched.status < 300:
                check(fetched)
        except OriginError as error:
            exchange.fail(error)
            raise
        else:
            return fetched
        finally:
            exchange.close()

    async def _followed(self, call: Call, attempt: Attempt, deadline: float) -> Exchange:
        """Send a request, and go where it is redirected to on the route's own origins."""
        origin, target = attempt.origin, call.target
        exchange = await self._send(call, attempt, origin.url(target), deadline)
        for _ in range(MAX_REDIRECTS):
            location = first(exchange.response.headers.items(), "location")
            if exchange.response.status not in REDIRECTS or location is None:
                break
            try:
                origin, target = call.upstream.inward(location, origin.url(target), target)
            except OriginError as error:
                exchange.fail(error)
                raise
            exchange.response.close()
            exchange = await self._send(call, attempt, origin.url(target), deadline)
        return exchange

    async def _begun(self, call: Call, attempt: Attempt, deadline: float) -> Opened:
        """Make an attempt at a segment, until an answer begins."""
        exchange = await self._send(call, attempt, attempt.origin.url(call.target), deadline)
        try:
            response = exchange.response
            if not 200 <= response.status < 600:
                raise OriginInvalid(f"The origin answered with status {response.status}.")
            headers = segment_response(response.headers.items(), call.upstream)
        except OriginError as error:
            exchange.fail(error)
            raise
        return Opened(response.status, headers, exchange, exchange.close)

    async def _send(self, call: Call, attempt: Attempt, url: URL, deadline: float) -> Exchange:
        """Send a request until an answer begins."""
        config = call.upstream.config
        fields = (*call.fields, *trace_fields(attempt.trace))
        try:
            response = await self._transport.send(
                call.method, url, fields, config, deadline=deadline, again=attempt.number > 0
            )
        except OriginError as error:
            attempt.failed(error)
            raise
        except asyncio.CancelledError:
            attempt.forsaken()
            raise
        return Exchange(response, attempt, config.timeout + call.hold)


def _check_manifest(response: ClientResponse, *, conditional: bool) -> None:
    """Raise OriginInvalid for a status that is neither a manifest nor the origin's own refusal.

    A 206 nobody asked for is a part; a 204 is nothing; a 304 without a condition refers to a
    copy that is not there.
    """
    status = response.status
    if status in {200, 203} or 400 <= status < 600 or (status == 304 and conditional):
        return
    if 300 <= status < 400:
        raise OriginInvalid("The origin redirects its manifest.")
    raise OriginInvalid(f"The origin answered with status {status}.")


async def _read(exchange: Exchange, limit: int, deadline: float) -> bytes:
    """Give the whole body, decoded. Raises OriginInvalid over ``limit`` bytes, OriginTimeout."""
    response = exchange.response
    body = Body(",".join(response.headers.getall("Content-Encoding", ())), limit)
    async with Until(deadline):
        async for part in exchange:
            body.feed(part)
    return body.finish()
