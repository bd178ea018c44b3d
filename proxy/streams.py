"""What is said of streams: how they behave, an attempt at one, what was decided, those there are.

Values like those of ``model``, in the units that it names.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple

from proxy.model import Playback
from proxy.values import value

# --- How a stream behaves in time ----------------------------------------------------------------


@value(frozen=True, slots=True)
class Pace:
    """What a manifest says about its own tempo (seconds).

    ``interval`` is the time between two refreshes of a live manifest, ``duration`` the length of
    an on-demand one; each is 0 where it does not apply.
    """

    live: bool
    interval: float = 0.0
    duration: float = 0.0


@value(frozen=True, slots=True)
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
    from a player that is open, whether anybody watches it or not, and so displaces nobody. CLAIM
    does the same on behalf of a player, who is not asked: what was given back stays so. TOUCH keeps
    a slot that is there and never takes one.
    """

    START = "start"
    PEEK = "peek"
    RESUME = "resume"
    CLAIM = "claim"
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
EVERY_ACCOUNT = "account"  # what no account has more of
LIMIT_SOURCES = ("token", "plan", "route", "default", EVERY_ACCOUNT)


@value(frozen=True, slots=True)
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


@value(frozen=True, slots=True)
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


@value(frozen=True, slots=True)
class Ended:
    """A stream that ended on the way to a decision: ``at_ms`` is when it stopped holding a slot."""

    stream: Stream
    reason: EndReason
    at_ms: int


class Decision(NamedTuple):
    """The store's answer to an attempt. One is made at each beat, and a tuple is made fastest.

    ``stream`` is the stream that was decided on (the stray's id where the network was one too
    many), ``started_ms`` its instance. ``active`` counts the account's streams after the decision,
    ``limit`` says how many it may have, and ``rule`` where that comes from; where the ceiling of a
    rule was met (REFUSED, OBSERVED), all three are that ceiling's. ``playing`` counts the account's
    streams after the decision whatever was met, ``requested`` how many it would have had at once,
    this one included, were there no limit at all.
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
    playing: int
    requested: int
    reason: EndReason | None = None
    by: str | None = None
    retry_after_ms: int = 0
    conflicts: tuple[Stream, ...] = ()
    ended: tuple[Ended, ...] = ()
    next_lapse_ms: int = 0


class Renewal(Decision):
    """That a stream goes on as was asked, and nothing else came of it: what most beats are told."""

    __slots__ = ()


@dataclass(frozen=True, slots=True)
class Lapsed:
    """The streams of one account that were found lapsed, and how long until the next one is.

    ``next_lapse_ms`` is 0 where the account has no slot left.
    """

    ended: tuple[Ended, ...] = ()
    next_lapse_ms: int = 0
