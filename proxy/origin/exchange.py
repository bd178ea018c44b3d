"""One answer from an origin, from its header to its last byte, and the one report made of it.

Every exception of the HTTP client becomes one of the error tree here and nowhere else. An error's
``detail`` never names the origin; why it failed is in the exception it was raised from (``cause``).
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from enum import StrEnum
from types import TracebackType
from typing import Protocol, Self

from aiohttp import ClientError, ClientPayloadError, ClientResponse, ClientResponseError
from aiohttp import ConnectionTimeoutError as ConnectTimeout
from aiohttp.client_proto import ResponseHandler
from aiohttp.connector import Connection

from proxy.errors import OriginError, OriginInvalid, OriginTimeout, OriginUnreachable
from proxy.origin.cause import cause
from proxy.origin.freshness import Freshness, freshness
from proxy.origin.headers import Fields, Validators, first
from proxy.origin.health import Health, HealthObserver
from proxy.origin.upstream import Origin, Target
from proxy.trace import Trace
from proxy.values import value

BROKE_OFF = "The origin's answer broke off."
# Said to operators of an origin that another has outdone.
OUTDONE = "no answer while another origin had one"


class Result(StrEnum):
    """How a request to an origin went; the ``result`` of ``playgate_origin_requests_total``.

    ERROR: no connection, or the origin's own 5xx. INVALID: an answer that cannot be used.
    """

    OK = "ok"
    ERROR = "error"
    TIMEOUT = "timeout"
    INVALID = "invalid"


@value(frozen=True, slots=True)
class Asked:
    """What one attempt asks of whom; ``again`` counts those before it that failed."""

    route: str
    origin: Origin
    method: str
    target: Target
    again: int = 0


class Watch(Protocol):
    """Follows one attempt; the origin is told of ``trace``."""

    trace: Trace

    def over(self, result: Result | None, status: int | None) -> None:
        """Hear how it went, once: None where nobody waited for the answer to begin."""


class Observer(HealthObserver, Protocol):
    """Hears of every attempt and of every origin's health, so that this room knows no metrics."""

    def watch(self, asked: Asked, trace: Trace) -> Watch:
        """Follow an attempt that is about to be made for a request of that trace."""


@value(frozen=True, slots=True)
class Fetched:
    """A manifest's answer, whole: ``body`` decoded, ``headers`` fit to go with it."""

    status: int
    headers: Fields
    body: bytes

    @property
    def content_type(self) -> str:
        """Give the origin's Content-Type, parameters and all; empty where there is none."""
        return first(self.headers, "content-type") or ""

    @property
    def validators(self) -> Validators | None:
        """Give what the manifest can be asked for again by, if anything."""
        etag, modified = first(self.headers, "etag"), first(self.headers, "last-modified")
        return Validators(etag, modified) if etag or modified else None

    @property
    def freshness(self) -> Freshness:
        """Give how long the origin lets this be used again."""
        return freshness(self.headers)


@value(frozen=True, slots=True)
class Opened:
    """A segment's answer: its header is here, its body still comes.

    ``stream`` gives the bytes as the origin sent them, content coding included, and raises
    OriginUnreachable, OriginInvalid or OriginTimeout where they end before their time: whoever
    passes them on breaks its own connection then, so that no part looks like the whole.
    ``close`` must be called in the end, as often as one likes; before the end of the stream it
    breaks the connection to the origin.
    """

    status: int
    headers: Fields
    stream: AsyncIterator[bytes]
    close: Callable[[], None]


class Attempt:
    """One request to one origin, and the one report made of it.

    ``held`` says that the origin was free to hold it until there is something new. ``number``
    counts the attempts of the same request before it.
    """

    def __init__(
        self, origin: Origin, health: Health, watch: Watch, *, held: bool, number: int = 0
    ) -> None:
        self.number = number
        self.origin = origin
        self.trace = watch.trace
        self._held = held
        self._health = health
        self._watch = watch
        self._open = True
        # Why the answer is no good that came, or did not in time, for as long as none is blamed.
        self._no_good: str | None = None

    def answered(self, status: int) -> None:
        """Report an answer that came whole."""
        if self._report_status(status) and status < 500:
            self._health.succeeded(self.origin)

    def failed(self, error: OriginError, status: int | None = None) -> None:
        """Report an answer that did not come, or cannot be used.

        Only what befell the connection counts against the origin's health: a manifest that is
        too large may be of one channel among many, and where a held request runs out of time it is
        an encoder that makes nothing new.
        """
        match error:
            case OriginInvalid():
                if self._report(Result.INVALID, status):
                    self._no_good = cause(error)
                return
            case OriginTimeout():
                news = self._report(Result.TIMEOUT, status) and not self._held
            case _:
                news = self._report(Result.ERROR, status)
        if news:
            self._health.failed(self.origin, cause(error))

    def outdone(self) -> None:
        """Hear that another origin had a good answer, and this one none, or none so far.

        Then it is no longer the channel that is to blame.
        """
        if self._report(Result.TIMEOUT, None):
            self._no_good = OUTDONE
        if self._no_good is not None:
            self._health.failed(self.origin, self._no_good)
            self._no_good = None

    def abandoned(self, status: int) -> None:
        """Report an answer whose rest nobody waits for; of the origin's health it says nothing."""
        self._report_status(status)

    def forsaken(self) -> None:
        """Report that nobody waits for an answer that has not begun."""
        self._report(None, None)

    def _report_status(self, status: int) -> bool:
        news = self._report(Result.ERROR if status >= 500 else Result.OK, status)
        if news and status >= 500:
            self._no_good = f"status {status}"
        return news

    def _report(self, result: Result | None, status: int | None) -> bool:
        """Report the attempt, unless that was done."""
        first_report, self._open = self._open, False
        if first_report:
            self._watch.over(result, status)
        return first_report


class Answer(ClientResponse):
    """A response that remembers its connection, to tell a body's end from the connection's.

    A body with neither a length nor chunks ends when the connection does (RFC 9112 §6.3), and
    aiohttp takes a reset for that end as well: half a manifest would pass for a whole one.
    """

    wire: ResponseHandler | None = None

    async def start(self, connection: Connection) -> ClientResponse:
        """Wait for the header."""
        self.wire = connection.protocol
        return await super().start(connection)

    def was_reset(self) -> bool:
        """Tell whether a body that has ended was cut off by a connection that failed."""
        if "Content-Length" in self.headers or "Transfer-Encoding" in self.headers:
            return False  # it would not have ended
        if self.method == "HEAD" or self.status in {204, 304}:
            return False  # there was none
        return self.wire is not None and isinstance(self.wire.exception(), OSError)


class Exchange(AsyncIterator[bytes]):
    """A response whose header has arrived; iterating gives its body as it comes.

    ``patience`` bounds each wait for more (seconds). It is counted here because aiohttp's
    ``sock_read`` stops counting when a malformed chunk arrives, and tells the reader nothing.
    """

    def __init__(self, response: Answer, attempt: Attempt, patience: float) -> None:
        self.response = response
        self._attempt = attempt
        self._patience = patience

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> bytes:
        try:
            async with Until(asyncio.get_running_loop().time() + self._patience):
                data = await self.response.content.readany()
            if not data and self.response.was_reset():
                raise OriginInvalid(BROKE_OFF)
        except OriginError as error:
            self.fail(error)
            raise
        if not data:
            raise StopAsyncIteration
        return data

    def fail(self, error: OriginError) -> None:
        """Report that the answer cannot be used, and break the connection."""
        self._attempt.failed(error, self.response.status)
        self.response.close()

    def close(self) -> None:
        """Report how it went, and let go: a connection whose body came whole was kept already."""
        if self.response.content.at_eof():
            self._attempt.answered(self.response.status)
        else:
            self._attempt.abandoned(self.response.status)
        self.response.close()


class Until:
    """Bounds a wait by an instant of the event loop's time, and raises the room's errors.

    A class, because a generator costs several times as much.
    """

    __slots__ = ("_timeout",)

    def __init__(self, deadline: float) -> None:
        self._timeout = asyncio.timeout_at(deadline)

    async def __aenter__(self) -> None:
        await self._timeout.__aenter__()

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        try:
            await self._timeout.__aexit__(kind, error, trace)
        except TimeoutError as late:
            error = late
        if error is not None and (told := _told(error)):
            raise told from error


def _told(error: BaseException) -> OriginError | None:
    """Give the room's error for one of the HTTP client: they are translated here alone."""
    match error:
        case ConnectTimeout():
            return OriginUnreachable()
        case TimeoutError():
            return OriginTimeout()
        case ClientPayloadError():
            return OriginInvalid(BROKE_OFF)
        case ClientResponseError():
            return OriginInvalid("The origin's answer is not HTTP.")
        case ClientError() | OSError():
            return OriginUnreachable()
    return None
