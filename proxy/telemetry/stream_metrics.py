"""The metrics of streams: what was decided on them, how they ended, how many there are.

As everywhere, labels are bounded by the configuration.
"""

from collections import Counter as Tally
from collections.abc import Iterable, Mapping
from functools import cache

from prometheus_client import CollectorRegistry, Counter, Histogram

from proxy.model import NO_ROUTE
from proxy.streams import Decision, EndReason, Outcome
from proxy.telemetry.named_gauge import NamedGauge
from proxy.telemetry.tallies import Counts, Tallies

# Concurrency: each number of streams a plan may plausibly allow has a bucket of its own.
STREAMS = (*range(1, 11), 15, 20, 50, 100)

# What gives a stream a new slot.
STARTS = frozenset({Outcome.ADMITTED, Outcome.TAKEOVER, Outcome.PROVISIONAL, Outcome.OBSERVED})


class StreamMetrics:
    """The metrics of streams, in a registry of the process."""

    def __init__(
        self, registry: CollectorRegistry, tallies: Tallies, *, shared: bool = False
    ) -> None:
        self.admissions = Counter(
            "playgate_admissions_total",
            "Decisions on streams, by what was decided.",
            ["route", "result"],
            registry=registry,
        )
        self.refusals = Counter(
            "playgate_refusals_total",
            "Requests refused, by the code of the refusal and the rule that asked for it.",
            ["route", "code", "rule"],
            registry=registry,
        )
        self.observed = Counter(
            "playgate_observed_total",
            "Streams let in that would be refused, were their limit or rule enforced.",
            ["route", "rule"],
            registry=registry,
        )
        self.ends = Counter(
            "playgate_streams_ended_total", "Streams ended.", ["reason"], registry=registry
        )
        account_streams = Histogram(
            "playgate_account_streams",
            "Active streams of the account at each admission, the admitted one included.",
            buckets=STREAMS,
            registry=registry,
        )
        requested_streams = Histogram(
            "playgate_requested_streams",
            "Streams the account asked for at once, at each start, refused ones included: what"
            " another limit would have done.",
            buckets=STREAMS,
            registry=registry,
        )
        self._active = NamedGauge(
            "playgate_active_streams",
            "Active streams of all proxies that share the store: each shows the same number, so"
            " take max by (route), not sum. While the store is away: those of this proxy.",
            "route",
            registry,
            mode="liveall",
            shared=shared,
        )
        for reason in EndReason:
            self.ends.labels(reason)
        self._routes: frozenset[str] = frozenset()
        self._streams: Mapping[str, int] = {}
        self.active({})
        self._account_streams = tallies.times(account_streams, STREAMS)
        self._requested_streams = tallies.times(requested_streams, STREAMS)
        self._admissions_of = cache(lambda *labels: tallies.count(self.admissions.labels(*labels)))
        self._refusals_of = cache(lambda *labels: tallies.count(self.refusals.labels(*labels)))

    def decision(self, route: str, decision: Decision) -> None:
        """Count a decision that took effect; not the streams it ended."""
        self._admissions_of(route, decision.outcome).inc()
        if decision.outcome is Outcome.OBSERVED:
            self.observed.labels(route, decision.rule).inc()
        if decision.outcome in STARTS:
            self._account_streams.observe(decision.playing)

    def renewals(self, route: str) -> Counts:
        """Give what counts decisions by which a stream goes on, and nothing else happened."""
        return self._admissions_of(route, Outcome.RENEWED)

    def requested(self, streams: int) -> None:
        """Count a start that was asked for, by how many streams there would be with it."""
        self._requested_streams.observe(streams)

    def refusal(self, route: str, code: str, rule: str) -> None:
        """Count a refusal; ``rule`` is empty where no rule on streams asked for it."""
        self._refusals_of(route, code, rule).inc()

    def ended(self, reason: EndReason) -> None:
        """Count a stream that ended."""
        self.ends.labels(reason).inc()

    def watch_routes(self, routes: Iterable[str]) -> None:
        """Show the streams on these routes by their names, and on no others."""
        wanted = frozenset(routes)
        for gone in self._routes - wanted:
            self._active.drop(gone)
        self._routes = wanted
        self.active(self._streams)

    def active(self, streams: Mapping[str, int]) -> None:
        """Note how many streams are active by route; those on other routes are shown as on none."""
        self._streams = streams
        numbers = Tally(dict.fromkeys((*self._routes, NO_ROUTE), 0))
        for route, number in streams.items():
            numbers[route if route in self._routes else NO_ROUTE] += number
        for route, number in numbers.items():
            self._active.set(route, number)
