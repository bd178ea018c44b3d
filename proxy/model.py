"""The values that travel between rooms.

Frozen, comparable, free of behaviour beyond what follows from their own fields. Durations are
seconds (float) except where a name ends in ``_ms``; instants the store deals in are milliseconds
since the epoch, because that is what the store's clock gives. An account is always the keyed hash
of the name in the token: the name itself never leaves the credentials room.
"""

from collections.abc import AsyncIterator, Callable, Mapping
from enum import StrEnum
from typing import Protocol

from proxy.trace import UNTRACED, Trace
from proxy.values import value


def millisecond(instant: float) -> int:
    """Give the millisecond that an instant (in seconds) is in.

    By way of microseconds, of which no float of our time is short.
    """
    return round(instant * 1_000_000) // 1000


class Kind(StrEnum):
    """What a request is for; the ``kind`` label of the request metrics."""

    ENTRY = "entry"
    CHILD = "child"
    SEGMENT = "segment"
    KEEPALIVE = "keepalive"
    API = "api"


# What stands for a route in metrics and logs where there is none: for paths that are nobody's, and
# for the viewer API. No route is called so.
NO_ROUTE, API_ROUTE = "none", "playgate"


# --- A request and its reply, free of any web framework --------------------------------------


@value(frozen=True, slots=True)
class Request:
    """One request as the gateway sees it.

    ``path`` is canonical: percent-decoded once and encoded again in one fixed way, without dot
    segments, so that two spellings of a path can never be two things. ``query`` is the raw query
    string. ``headers`` are found by their names in capitals or not. ``address`` is the viewer's
    address after ``listen.trusted_proxies`` was applied. ``package`` is a signed URI's token that
    came as a parameter of the path, and is in it no more. ``trace`` is what it is known by to those
    who are asked on its behalf. ``wording`` is all that its answer depends on, as players write it,
    address included; empty where it is not to be known again, or asks for less than all there is.
    """

    method: str
    scheme: str
    host: str
    path: str
    query: str
    headers: Mapping[str, str]
    address: str
    package: str | None = None
    trace: Trace = UNTRACED
    wording: bytes = b""

    def nobodys(self, query: str = "") -> "Request":
        """Give a request for the same by nobody, which may be kept: without what is a viewer's."""
        return Request("GET", self.scheme, self.host, self.path, query, headers={}, address="")


@value(frozen=True, slots=True)
class Reply:
    """An answer: ``body`` in full, or ``stream`` that yields it in parts.

    ``close`` gives up what is kept for it, and a ``stream`` always has one: whoever sends the reply
    calls it afterwards, whether it was sent whole or not.
    """

    status: int
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes = b""
    stream: AsyncIterator[bytes] | None = None
    close: Callable[[], None] | None = None


# --- Who ---------------------------------------------------------------------------------------


@value(frozen=True, slots=True)
class Subject:
    """What a credential says of its bearer, whichever form it came in.

    ``limit`` and ``plan`` are inputs to the account's limit, not its result: the configuration
    may change while a ticket lives. ``jti`` is a keyed hash of the token's id, and ``issued_at``
    when it was issued, in seconds since the epoch: what a revocation knows a token by.
    ``networks`` are those its bearer may come from, sealed; none means any. ``claims`` are the
    names and values that some rule asks for, in order. ``confined`` says that the token has a
    ``Scope``. A ticket has those of its token.
    """

    account: str
    limit: int | None = None
    plan: str | None = None
    jti: str | None = None
    issued_at: float | None = None
    networks: tuple[str, ...] = ()
    claims: tuple[tuple[str, str], ...] = ()
    confined: bool = False

    @property
    def issued_ms(self) -> int:
        """``issued_at`` in milliseconds; 0, before any revocation, where nobody knows."""
        return max(0, millisecond(self.issued_at or 0))


class Scope(Protocol):
    """What a token is good for, where that is not everything."""

    def permits(self, method: str, uri: str) -> bool:
        """Tell whether the token is good for a request, its URI normalised."""


@value(frozen=True, slots=True)
class Token:
    """A verified session token, or that of a signed URI, which has a ``scope``.

    ``expires_at`` is in seconds since the epoch.
    """

    subject: Subject
    expires_at: float
    device: str | None = None
    jti: str | None = None
    scope: Scope | None = None
    device_class: "DeviceClass | None" = None


class DeviceClass(StrEnum):
    """What kind of device a stream plays on, as rules tell them apart."""

    TV = "tv"
    CONSOLE = "console"
    TABLET = "tablet"
    MOBILE = "mobile"
    DESKTOP = "desktop"
    OTHER = "other"


@value(frozen=True, slots=True)
class Playback:
    """Which stream a request belongs to, and on what device it plays.

    ``stream`` is the stream's id and ``device`` the key takeover compares; ``strong`` says that
    the key names one device rather than a kind of device. ``network`` and ``agent`` are short
    hashes of the client's network and User-Agent, empty where nobody saw the client. ``label`` is
    what a person would call the device. ``instance_ms`` is the start of the playback whose ticket
    came with the request, and None where a token starts one. ``stray`` is who this request would
    be if its network turned out to be one too many for the stream (``identity.max_networks``).
    ``content_rules`` names the rules whose ``content`` takes in the entry manifest's path, which
    ``content`` may have only the beginning of.
    """

    stream: str
    device: str
    strong: bool
    content: str
    route: str
    label: str
    network: str
    agent: str
    instance_ms: int | None = None
    stray: "Stray | None" = None
    device_class: DeviceClass = DeviceClass.OTHER
    content_rules: tuple[str, ...] = ()


@value(frozen=True, slots=True)
class Stray:
    """The identity of a stream on a network of its own: always weak, keyed by agent and network."""

    stream: str
    device: str


@value(frozen=True, slots=True)
class Ticket:
    """A verified playback ticket: its bearer, and the playback it was minted for.

    ``text`` is the ticket as it came, to be put on the children of what it fetches; ``seal`` is
    what came before it and ties it to one place.
    """

    subject: Subject
    playback: Playback
    expires_at: float
    text: str
    seal: str


# Seconds since the epoch; the one way time enters code that decides.
Clock = Callable[[], float]
