"""Events: what happened to streams, for whoever keeps account of it (``docs/events.md``).

An event is a value; where it goes is a sink's business. Who an account is, is never in it, only the
keyed hash by which the store knows it too. What a viewer has a say in, such as a device's name, is
bounded here and made fit to be printed, so that nothing in it can break what reads it.
"""

import re
from dataclasses import fields
from enum import StrEnum
from typing import Protocol

from proxy.errors import PlaygateError
from proxy.listing import rfc3339
from proxy.streams import Attempt, Decision, Ended, EndReason, Outcome
from proxy.values import value

# Longer than contents and devices are named (``playback``), whatever names them one day.
MAX_TEXT_LENGTH = 256
# What ends a line or changes how the rest of one is shown (controls, separators, directions), and
# what no encoding of Unicode can carry (surrogates).
UNPRINTABLE = re.compile("[\x00-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")
# Credentials that were refused. Who brings none was refused nothing.
REJECTIONS = frozenset(
    {"token_invalid", "token_expired", "token_revoked", "token_forbidden", "ticket_invalid"}
)


class EventType(StrEnum):
    """What can happen; the ``event`` field."""

    STARTED = "stream.started"
    REFUSED = "stream.refused"
    ENDED = "stream.ended"
    REJECTED = "token.rejected"


# What comes as fast as clients ask, and must keep nothing else out.
LESSER = frozenset({EventType.REFUSED, EventType.REJECTED})


@value(frozen=True, slots=True)
class Event:
    """One event; None is what does not belong to its type, or is not known.

    ``ts`` is RFC 3339 in UTC. ``seconds`` is how long a stream that ended was watched.
    """

    event: EventType
    ts: str
    account: str | None = None
    stream: str | None = None
    content: str | None = None
    device: str | None = None
    route: str | None = None
    limit: int | None = None
    active: int | None = None
    rule: str | None = None
    reason: str | None = None
    seconds: float | None = None

    def fields(self) -> dict[str, str | int | float]:
        """Give what is known, by the names of the fields."""
        known = ((name, getattr(self, name)) for name in NAMES)
        return {name: value for name, value in known if value is not None}


NAMES = tuple(field.name for field in fields(Event))


class Sink(Protocol):
    """Where events go."""

    def put(self, event: Event) -> None:
        """Take an event. Never waits and never raises."""


def attempted(attempt: Attempt, told: Decision, now_ms: int) -> Event:
    """Tell of an attempt that got a new slot, or none."""
    playback = attempt.playback
    refused = told.outcome is Outcome.REFUSED
    return Event(
        EventType.REFUSED if refused else EventType.STARTED,
        rfc3339(now_ms if refused else told.started_ms),
        account=attempt.account,
        stream=told.stream,
        content=clean(playback.content),
        device=clean(playback.label),
        route=playback.route,
        limit=told.limit,
        active=told.active,
        rule=told.rule if refused or told.outcome is Outcome.OBSERVED else None,
        reason=told.rule if refused else told.outcome.value,
    )


def ended(account: str, end: Ended) -> Event:
    """Tell of a stream that ended."""
    stream = end.stream
    return Event(
        EventType.ENDED,
        rfc3339(end.at_ms),
        account=account,
        stream=stream.id,
        content=clean(stream.content),
        device=clean(stream.device),
        route=stream.route,
        reason=end.reason.value,
        seconds=watched(end),
    )


def watched(end: Ended) -> float:
    """Give for how many seconds a stream was watched, as far as anybody can know.

    Who lets a slot lapse was last seen at its last sign of life; the rest is waiting.
    """
    last_ms = end.stream.seen_ms if end.reason is EndReason.LAPSED else end.at_ms
    return max(0, last_ms - end.stream.started_ms) / 1000


def rejected(error: PlaygateError, route: str, account: str | None, now_ms: int) -> Event:
    """Tell of a credential that was refused."""
    return Event(
        EventType.REJECTED, rfc3339(now_ms), account=account, route=route, reason=error.code
    )


def clean(text: str) -> str:
    """Give a text that any log, terminal or database can take."""
    return UNPRINTABLE.sub("\N{REPLACEMENT CHARACTER}", text[:MAX_TEXT_LENGTH])
