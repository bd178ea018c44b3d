"""What the operator decided: an account's limit, who gives way to whom, how long a slot lives.

Decides nothing about a particular stream; it turns settings into the numbers that ``decision``
and the Lua scripts compare. Never reads a clock, a store or a request.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache

from proxy.model import Subject
from proxy.streams import Cadence, Pace

# A slot must outlive a late beat or two: without a tempo of its own, a stream is taken to beat
# three times within its TTL.
BEATS_PER_TTL = 3


class Takeover(StrEnum):
    """How far a device may go to replace its own older stream; each value includes those before.

    STRONG: a device that names itself replaces at once. QUIET: a device that only looks the same
    replaces a stream whose beat is overdue. PROVISIONAL: or plays beside it until one of the two
    beats.
    """

    NONE = "none"
    STRONG = "strong"
    QUIET = "quiet"
    PROVISIONAL = "provisional"

    @property
    def rank(self) -> int:
        """The place in the order above, from 0."""
        return _RANKS[self]

    def includes(self, other: "Takeover") -> bool:
        """Tell whether what ``other`` allows is allowed."""
        return self.rank >= other.rank


_RANKS = {takeover: rank for rank, takeover in enumerate(Takeover)}


class OnOutage(StrEnum):
    """What new streams meet while the store is away (``store.on_outage``)."""

    LOCAL = "local"
    OPEN = "open"
    CLOSED = "closed"


class OnLimit(StrEnum):
    """What happens to a stream for which there is no room."""

    REJECT = "reject"
    EVICT_OLDEST = "evict_oldest"


@dataclass(frozen=True, slots=True)
class Rule:
    """A ceiling beside the account's limit: so many of the streams that carry its name.

    One that is ``observed`` refuses nothing: what it would refuse is let in and reported.
    """

    name: str
    limit: int
    observed: bool = False


@dataclass(frozen=True, slots=True)
class Policy:
    """The settings a decision depends on (milliseconds).

    ``silent_after_ms`` is how long a stream that never beat may hold its slot unheard of while
    another needs it. ``max_networks`` is on how many networks at once one stream may be.
    ``tombstone_ms`` is how long a ticket could be used (``tickets.ttl``), and so for how long the
    end of a stream must be remembered. ``observes`` says that nothing is refused at all, neither
    by the account's limit nor by a rule.

    Raises:
        ValueError: ``max_networks`` is below 1, or a time is negative.
    """

    takeover: Takeover
    on_limit: OnLimit
    silent_after_ms: int
    max_networks: int
    tombstone_ms: int
    rules: tuple[Rule, ...] = ()
    observes: bool = False

    def __post_init__(self) -> None:
        # With none at all, a stream's own network would be one too many.
        if self.max_networks < 1:
            raise ValueError("max_networks must be at least 1")
        if self.silent_after_ms < 0 or self.tombstone_ms < 0:
            raise ValueError("a time must not be negative")


@dataclass(frozen=True, slots=True)
class Lifetimes:
    """The ``streams`` settings that say how long a slot lives (seconds).

    ``live_ttl_factor`` has no unit: it is how many refreshes of a live manifest a TTL covers.
    ``vod_interval`` is how often players on demand are made to report; None where they are not.
    """

    ttl: float
    live_ttl_factor: float
    vod_ttl: float
    max_hold: float
    vod_interval: float | None = None


def limit_for(
    subject: Subject, *, plans: Mapping[str, int], route: int | None, default: int
) -> tuple[int, str]:
    """Give an account's limit and the name of the rule it comes from.

    A limit in the token beats its plan, which beats the route's, which beats the default. A plan
    the configuration does not know falls through: a plan renamed on one side only must not lock
    out those who pay for it.
    """
    if subject.limit is not None:
        return subject.limit, "token"
    if subject.plan is not None and subject.plan in plans:
        return plans[subject.plan], "plan"
    if route is not None:
        return route, "route"
    return default, "default"


def cadence(pace: Pace | None, lifetimes: Lifetimes, *, self_refreshing: bool = False) -> Cadence:
    """Give how long a slot lives by its content's tempo; ``None`` where nobody knows it yet.

    Live: as long as ``live_ttl_factor`` refreshes, HLS and DASH alike, for a DASH client asks
    again after minimumUpdatePeriod (ISO/IEC 23009-1 §5.3.1.2) as an HLS client does after
    EXT-X-TARGETDURATION (RFC 8216 §6.3.4). On demand: for the length of the content until the
    first beat, because many players load their manifests once and are never heard of again.

    A tempo is the origin's word: it never makes a slot outlive ``max_hold``.
    """
    if pace is None:
        return _beating(lifetimes.ttl, lifetimes.ttl / BEATS_PER_TTL, self_refreshing, guess=True)
    if pace.live:
        interval = _within(pace.interval, lifetimes.max_hold)
        wanted = _within(lifetimes.live_ttl_factor * interval, lifetimes.max_hold)
        return _beating(max(lifetimes.ttl, wanted), interval, self_refreshing)
    hold = _within(pace.duration, lifetimes.max_hold) or lifetimes.max_hold
    interval = lifetimes.vod_interval or lifetimes.vod_ttl / BEATS_PER_TTL
    return _beating(lifetimes.vod_ttl, interval, self_refreshing, hold=hold)


# Many streams live by the same, and what each has of its own is what a proxy's memory goes into.
@lru_cache(1024)
def _beating(
    ttl: float,
    interval: float,
    self_refreshing: bool,  # noqa: FBT001  # passed on as it came
    *,
    hold: float = 0,
    guess: bool = False,
) -> Cadence:
    return Cadence(
        ttl_ms=round(ttl * 1000),
        hold_ms=round(hold * 1000),
        interval_ms=round(interval * 1000),
        self_refreshing=self_refreshing,
        guess=guess,
    )


def _within(seconds: float, ceiling: float) -> float:
    """Bound what a manifest said; what is no positive number (NaN included) counts as not said."""
    return min(seconds, ceiling) if seconds > 0 else 0.0
