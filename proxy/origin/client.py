"""Asks the origins of a route: for a manifest as a whole, for a segment as a stream.

- Only GET and HEAD are sent, so an attempt whose connection failed before an answer began may be
  made again, at another origin where there is one. An answer that began is never asked for twice,
  nor one that did not come in time: that would double a slow origin's load.
- No redirect is followed. For a manifest it is an error, because a body from elsewhere would be
  rewritten as if it came from here; a segment's goes to the viewer (``Upstream.outward``).
- The origin's own 4xx and 5xx are answers, not errors.
- Every wait has an end, and every failure is an OriginError.
"""

import asyncio
from collections.abc import Callable, Collection
from types import TracebackType
from typing import Self

from aiohttp import ClientResponse

from proxy.errors import OriginError, OriginInvalid, OriginUnreachable
from proxy.model import Request
from proxy.origin.body import Body
from proxy.origin.exchange import Asked, Attempt, Exchange, Fetched, Observer, Opened, until
from proxy.origin.headers import (
    Fields,
    Validators,
    manifest_request,
    manifest_response,
    segment_request,
    segment_response,
    trace_fields,
)
from proxy.origin.health import Health
from proxy.origin.transport import Transport
from proxy.origin.upstream import Origin, Target, Upstream
from proxy.trace import Trace


class OriginClient:
    """All origins of all routes, from ``start`` to ``close`` or inside ``async with``.

    What a reload may change comes with each call, in the ``Upstream``; connections and what is
    known of an origin's health stay. ``clock`` gives seconds and never goes back.
    """

    def __init__(self, observer: Observer, *, clock: Callable[[], float]) -> None:
        self._observer = observer
        self._health = Health(clock, observer)
        self._transport = Transport()

    def keep(self, origins: Collection[Origin]) -> None:
        """Forget the health of all other origins: they are no route's any more."""
        self._health.keep(origins)

    async def start(self) -> None:
        """Be ready to ask; opens no connection yet."""
        await self._transport.start()

    async def close(self) -> None:
        """Break every connection. May be called again."""
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
    ) -> Fetched:
        """GET a manifest, whole and decoded, in ``timeout`` seconds from now.

        ``hold`` is how much longer it may take because the origin holds it (seconds).

        The answer depends on nothing of ``request`` but its scheme and host, so these, the route,
        the target and nothing else are the key under which it may be shared. With ``validators``
        a 304 is an answer too, and its body is empty.

        Raises OriginUnreachable, OriginTimeout, or OriginInvalid: redirected, partial, too large,
        damaged, cut short.
        """
        fields = manifest_request(request, validators)
        deadline = asyncio.get_running_loop().time() + upstream.config.timeout + hold
        exchange = await self._begin(
            "GET", upstream, target, fields, trace=request.trace, hold=hold
        )
        try:
            response = exchange.response
            _check_manifest(response, conditional=validators is not None)
            body = await _read(exchange, upstream.config.max_manifest, deadline)
            headers = manifest_response(response.headers.items(), upstream)
            return Fetched(response.status, headers, body)
        except OriginError as error:
            exchange.fail(error)
            raise
        finally:
            exchange.close()

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
        exchange = await self._begin(
            method, upstream, target, fields, trace=request.trace, hold=hold
        )
        try:
            response = exchange.response
            if not 200 <= response.status < 600:
                raise OriginInvalid(f"The origin answered with status {response.status}.")
            headers = segment_response(response.headers.items(), upstream)
        except OriginError as error:
            exchange.fail(error)
            raise
        return Opened(response.status, headers, exchange, exchange.close)

    async def _begin(
        self,
        method: str,
        upstream: Upstream,
        target: Target,
        fields: Fields,
        *,
        trace: Trace,
        hold: float,
    ) -> Exchange:
        """Send a request until an answer begins: once, and once more for each retry."""
        patience = upstream.config.timeout + hold
        deadline = asyncio.get_running_loop().time() + patience
        tried: list[Origin] = []
        while True:
            origin = self._health.choose(upstream.origins, tried)
            asked = Asked(upstream.route, origin, method, target, again=len(tried))
            watch = self._observer.watch(asked, trace)
            attempt = Attempt(origin, self._health, watch, held=hold > 0)
            try:
                response = await self._transport.send(
                    method,
                    origin.url(target),
                    (*fields, *trace_fields(watch.trace)),
                    upstream.config,
                    deadline=deadline,
                    again=bool(tried),
                )
            except OriginError as error:
                attempt.failed(error)
                tried.append(origin)
                if not isinstance(error, OriginUnreachable) or len(tried) > upstream.config.retries:
                    raise
            except asyncio.CancelledError:
                attempt.forsaken()
                raise
            else:
                return Exchange(response, attempt, patience)


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
    async with until(deadline):
        async for part in exchange:
            body.feed(part)
    return body.finish()
