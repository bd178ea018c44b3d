"""Which counters are at 0 from the start: all that can count, as the configuration tells.

Prometheus sees by how much a counter rises between two scrapes. One whose series begins with its
first event has not risen: the first refusal of each kind after a start would be on no dashboard. So
the series of all routes begin before anything has happened, and again with each configuration.

There may be thousands of routes, and each series costs some 12 µs of each scrape, whether it counts
or not. So no more than ``MOST`` begin beforehand; those of further routes begin with the first
request that their route has.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from prometheus_client import Counter

from proxy.errors import PlaygateError, StreamLimit
from proxy.model import API_ROUTE, NO_ROUTE, Kind
from proxy.streams import Outcome
from proxy.telemetry.notes import ABANDONED

# 120 ms of each scrape; with one origin each that is some 130 routes.
MOST = 10_000


@dataclass(frozen=True, slots=True)
class RouteLabels:
    """What a route can count.

    ``enforced`` are limits and rules that may refuse on it, ``observed`` those that only look on.
    ``answers`` are its origins' names, each with how a request to it can go.
    """

    route: str
    enforced: tuple[str, ...] = ()
    observed: tuple[str, ...] = ()
    answers: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Expected:
    """What a configuration can count: on its routes, and by the names that other rooms have."""

    routes: tuple[RouteLabels, ...] = ()
    operations: tuple[str, ...] = ()
    cached: tuple[str, ...] = ()
    kept_alive: tuple[str, ...] = ()


def _errors(base: type[PlaygateError] = PlaygateError) -> Iterator[type[PlaygateError]]:
    for kind in base.__subclasses__():
        if hasattr(kind, "code"):
            yield kind
        yield from _errors(kind)


# The codes of refusals; that of one stream too many is counted by rule.
CODES = tuple(
    kind.code
    for kind in _errors()
    if kind.outcome in ("refused", "unauthenticated") and kind is not StreamLimit
)
OUTCOMES = tuple(sorted({"ok", ABANDONED, *(kind.outcome for kind in _errors())}))
# How requests can go that no route is for, and those for our own API, which asks no origin.
NOWHERE = ("ok", ABANDONED, "bad_request", "internal_error", "not_found", "overloaded")
OUR_OUTCOMES = tuple(outcome for outcome in OUTCOMES if outcome != "origin_error")
KINDS = (Kind.ENTRY, Kind.CHILD, Kind.SEGMENT)
OUR_KINDS = (Kind.API, Kind.KEEPALIVE)


@dataclass(frozen=True, slots=True)
class Counters:
    """Those that have a route. ``entry_seconds`` begins how long a route's entries take."""

    requests: Counter
    entry_seconds: Callable[[str], object]
    refusals: Counter
    admissions: Counter
    observed: Counter
    origin_requests: Counter


class Beginnings:
    """Begins series at 0."""

    def __init__(self, counters: Counters, weight: int) -> None:
        """``weight`` is how many series the histogram of a route's entries has."""
        self._counters = counters
        self._weight = weight
        self._begun: set[tuple[Counter, tuple[str, ...]]] = set()
        self._timed: set[str] = set()
        self._left = MOST
        self._met: set[str] = set()
        self._later: dict[str, RouteLabels] = {}

    def expect(self, routes: Iterable[RouteLabels]) -> None:
        """Begin what these routes can count, or have it begin once they are met."""
        self._later = {}
        nowhere = [(NO_ROUTE, Kind.API, outcome) for outcome in NOWHERE]
        self._begin_at_0(self._counters.requests, nowhere)
        for labels in routes:
            if self._left > 0 or labels.route in self._met:
                self._begin(labels)
            else:
                self._later[labels.route] = labels

    def meet(self, route: str) -> None:
        """Hear that a route has a request; need not be told of each."""
        self._met.add(route)
        if labels := self._later.pop(route, None):
            self._begin(labels)

    def _begin(self, labels: RouteLabels) -> None:
        route, counters = labels.route, self._counters
        ours = route == API_ROUTE
        went = [
            (route, kind, outcome)
            for kind in (OUR_KINDS if ours else KINDS)
            for outcome in (OUR_OUTCOMES if ours else OUTCOMES)
        ]
        self._begin_at_0(counters.requests, went)
        self._begin_at_0(counters.refusals, [(route, code, "") for code in CODES])
        limits = [(route, StreamLimit.code, rule) for rule in labels.enforced]
        self._begin_at_0(counters.refusals, limits)
        if ours:
            return  # streams, and all that is asked for, are those of other routes
        self._begin_at_0(counters.admissions, [(route, outcome) for outcome in Outcome])
        self._begin_at_0(counters.observed, [(route, rule) for rule in labels.observed])
        answers = [(route, *answer) for answer in labels.answers]
        self._begin_at_0(counters.origin_requests, answers)
        if route not in self._timed:
            self._timed.add(route)
            self._left -= self._weight
            counters.entry_seconds(route)

    def _begin_at_0(self, counter: Counter, children: Iterable[tuple[str, ...]]) -> None:
        for child in children:
            if (counter, child) not in self._begun:
                self._begun.add((counter, child))
                self._left -= 1
                counter.labels(*child)
