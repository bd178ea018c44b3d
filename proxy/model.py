"""The values that travel between rooms.

Frozen, comparable, free of behaviour beyond what follows from their own fields. Durations are
seconds (float) except where a name ends in ``_ms``; instants the store deals in are milliseconds
since the epoch, because that is what the store's clock gives. An account is always the keyed hash
of the name in the token: the name itself never leaves the credentials room.
"""

from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol


class Kind(StrEnum):
    """What a request is for; the ``kind`` label of the request metrics."""

    ENTRY = "entry"
    CHILD = "child"
    SEGMENT = "segment"
    KEEPALIVE = "keepalive"
    API = "api"


# --- A request and its reply, free of any web framework --------------------------------------


@dataclass(frozen=True, slots=True)
class Request:
    """One request as the gateway sees it.

    ``path`` is canonical: percent-decoded once and encoded again in one fixed way, without dot
    segments, so that two spellings of a path can never be two things. ``query`` is the raw query
    string. ``address`` is the viewer's address after ``listen.trusted_proxies`` was applied.
    ``package`` is a signed URI's token that came as a parameter of the path, and is in it no more.
    """

    method: str
    scheme: str
    host: str
    path: str
    query: str
    headers: Mapping[str, str]
    address: str
    package: str | None = None


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer: ``body`` in full, or ``stream`` that yields it in parts.

    Whoever sends a ``stream`` calls ``close`` afterwards, whether it was sent whole or not.
    """

    status: int
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes = b""
    stream: AsyncIterator[bytes] | None = None
    close: Callable[[], None] | None = None


# --- Who ---------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Subject:
    """What a credential says of its bearer, whichever form it came in.

    ``limit`` and ``plan`` are inputs to the account's limit, not its result: the configuration
    may change while a ticket lives. ``jti`` is a keyed hash of the token's id, and ``issued_at``
    when it was issued, in seconds since the epoch: what a revocation knows a token by.
    ``networks`` are those its bearer may come from, sealed; none means any. ``claims`` are the
    names and values that some rule asks for, in order. A ticket has those of its token.
    """

    account: str
    limit: int | None = None
    plan: str | None = None
    jti: str | None = None
    issued_at: float | None = None
    networks: tuple[str, ...] = ()
    claims: tuple[tuple[str, str], ...] = ()

    @property
    def issued_ms(self) -> int:
        """``issued_at`` in milliseconds; 0, before any revocation, where nobody knows."""
        return max(0, round((self.issued_at or 0) * 1000))


class Scope(Protocol):
    """What a token is good for, where that is not everything."""

    def permits(self, method: str, uri: str) -> bool:
        """Tell whether the token is good for a request, its URI normalised."""


@dataclass(frozen=True, slots=True)
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


@dataclass(frozen=True, slots=True)
class Playback:
    """Which stream a request belongs to, and on what device it plays.

    ``stream`` is the stream's id and ``device`` the key takeover compares; ``strong`` says that
    the key names one device rather than a kind of device. ``network`` and ``agent`` are short
    hashes of the client's network and User-Agent, empty where nobody saw the client. ``label`` is
    what a person would call the device. ``instance_ms`` is the start of the playback whose ticket
    came with the request, and None where a token starts one. ``stray`` is who this request would
    be if its network turned out to be one too many for the stream (``identity.max_networks``).
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


@dataclass(frozen=True, slots=True)
class Stray:
    """The identity of a stream on a network of its own: always weak, keyed by agent and network."""

    stream: str
    device: str


@dataclass(frozen=True, slots=True)
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


# --- How a stream behaves in time ----------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Pace:
    """What a manifest says about its own tempo (seconds).

    ``interval`` is the time between two refreshes of a live manifest, ``duration`` the length of
    an on-demand one; each is 0 where it does not apply.
    """

    live: bool
    interval: float = 0.0
    duration: float = 0.0


@dataclass(frozen=True, slots=True)
class Cadence:
    """How long a slot lives (milliseconds).

    ``ttl_ms`` counts from each beat, ``hold_ms`` from the start until the first beat (0: the same
    as ``ttl_ms``). ``interval_ms`` is when the next beat is due. ``self_refreshing`` marks a
    stream whose refreshes look like new entries: the entry is itself a live media playlist, or its
    player was seen to refresh an MPD by the entry's own URL.
    ``guess`` says that no manifest was read yet: a slot that knows better keeps its own.
    """

    ttl_ms: int
    hold_ms: int = 0
    interval_ms: int = 0
    self_refreshing: bool = False
    guess: bool = False


# --- Admission -----------------------------------------------------------------------------------


class Intent(StrEnum):
    """What a request wants of admission.

    START may take a slot. PEEK asks what START would be told and changes nothing (``HEAD``,
    conditional requests). RESUME keeps a slot, and takes it again where there is room: it comes
    from a player that is open, whether anybody watches it or not, and so displaces nobody. TOUCH
    keeps a slot that is there and never takes one.
    """

    START = "start"
    PEEK = "peek"
    RESUME = "resume"
    TOUCH = "touch"


class Outcome(StrEnum):
    """What admission said. The first six are the values of ``Playgate-Decision``.

    OBSERVED: let in although it would be refused, were its limit or rule not in ``observe`` mode.
    UNCHECKED: the store was away and ``store.on_outage`` let the stream pass. ABSENT: there was
    no slot to TOUCH.
    """

    ADMITTED = "admitted"
    RENEWED = "renewed"
    TAKEOVER = "takeover"
    PROVISIONAL = "provisional"
    OBSERVED = "observed"
    UNCHECKED = "unchecked"
    ENDED = "ended"
    REFUSED = "refused"
    REVOKED = "revoked"
    ABSENT = "absent"


class EndReason(StrEnum):
    """Why a stream ended; the ``reason`` of events, metrics and of ``stream_ended``."""

    RELEASED = "released"
    LAPSED = "lapsed"
    KILLED = "killed"
    SUPERSEDED = "superseded"
    EVICTED = "evicted"


# Where an account's limit comes from, the first that is there (``policy.limit_for``): a refusal
# calls it so, and no rule is called so.
LIMIT_SOURCES = ("token", "plan", "route", "default")


@dataclass(frozen=True, slots=True)
class Attempt:
    """One request's claim to a slot: everything the decision depends on but state and clock.

    ``beat`` says that the player shows it is alive (a live refresh, a segment, a heartbeat), as
    opposed to loading manifests at the start. ``rule`` names where ``limit`` comes from. ``rules``
    names the rules whose ceilings the stream counts in; None where nobody can say, because it is
    known by its id alone: a slot keeps those it has. ``jti`` and ``issued_ms`` are those of the
    credential (``Subject``); the latter is None where none comes with the word of a third.
    """

    account: str
    playback: Playback
    limit: int
    rule: str
    cadence: Cadence
    beat: bool = False
    intent: Intent = Intent.START
    rules: tuple[str, ...] | None = ()
    jti: str | None = None
    issued_ms: int | None = 0


@dataclass(frozen=True, slots=True)
class Stream:
    """An active stream as it is listed to its viewer and to operators.

    ``on_demand`` is what its manifest said; False also where none was read yet.
    """

    id: str
    content: str
    route: str
    device: str
    started_ms: int
    seen_ms: int
    expires_ms: int
    beats: int
    on_demand: bool


@dataclass(frozen=True, slots=True)
class Ended:
    """A stream that ended on the way to a decision: ``at_ms`` is when it stopped holding a slot."""

    stream: Stream
    reason: EndReason
    at_ms: int


@dataclass(frozen=True, slots=True)
class Decision:
    """The store's answer to an attempt.

    ``stream`` is the stream that was decided on (the stray's id where the network was one too
    many), ``started_ms`` its instance. ``active`` counts the account's streams after the decision,
    ``limit`` says how many it may have, and ``rule`` where that comes from; where the ceiling of a
    rule was met (REFUSED, OBSERVED), all three are that ceiling's. ``requested`` is how many
    streams the account would have had at once, this one included, were there no limit at all.
    ``reason`` and ``by`` belong to ENDED, ``conflicts`` to REFUSED. ``retry_after_ms`` is when a
    refusal, or the end of a stream that may not be started again yet, could be answered otherwise.
    ``ended`` lists the streams this decision found lapsed or put an end to. ``next_lapse_ms`` is
    how long until the first of the account's slots lapses if nothing is heard of it; 0 without one.
    """

    outcome: Outcome
    stream: str
    started_ms: int
    active: int
    limit: int
    rule: str
    requested: int
    reason: EndReason | None = None
    by: str | None = None
    retry_after_ms: int = 0
    conflicts: tuple[Stream, ...] = ()
    ended: tuple[Ended, ...] = ()
    next_lapse_ms: int = 0


@dataclass(frozen=True, slots=True)
class Lapsed:
    """The streams of one account that were found lapsed, and how long until the next one is.

    ``next_lapse_ms`` is 0 where the account has no slot left.
    """

    ended: tuple[Ended, ...] = ()
    next_lapse_ms: int = 0


# Seconds since the epoch; the one way time enters code that decides.
Clock = Callable[[], float]
