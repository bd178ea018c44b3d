"""The metrics of the proxy, by their documented names.

Labels are bounded by the configuration: a route, a kind, an outcome, a reason; never an account,
a stream, a path or an address. Children are looked up once and kept, so that a request costs an
increment and not a search.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Iterable
from functools import cache
from typing import TypeVar

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    disable_created_metrics,
)
from prometheus_client.exposition import choose_encoder
from prometheus_client.process_collector import ProcessCollector

from proxy.background import in_thread
from proxy.model import Kind
from proxy.telemetry.beat_tally import ASKED, BEGUN, DONE, HEARD, BeatTally, Part
from proxy.telemetry.beginnings import Beginnings, Counters, Expected
from proxy.telemetry.config_metrics import ConfigMetrics
from proxy.telemetry.exemplars import Exemplified
from proxy.telemetry.key_metrics import KeyMetrics
from proxy.telemetry.notes import Notes
from proxy.telemetry.origin_metrics import OriginMetrics
from proxy.telemetry.phases import Phases
from proxy.telemetry.process_share import ProcessShare
from proxy.telemetry.shared_metrics import SharedMetrics
from proxy.telemetry.spans import NoSpans, Spans
from proxy.telemetry.store_metrics import STORE_SECONDS, StoreMetrics
from proxy.telemetry.stream_metrics import StreamMetrics
from proxy.telemetry.tallies import Counts, Tallies
from proxy.telemetry.totals import Totals, totals

T = TypeVar("T")

# From a cached beat (well under a millisecond) to a slow origin's time-out.
SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)
PHASE_SECONDS = STORE_SECONDS + SECONDS[10:]
# Of how many looks at the event loop's lag the worst is shown: those of 15 seconds, which is how
# often Prometheus comes where nobody says otherwise.
LAGS = 30

# When each counter began (`…_created`) would be a series beside every one of them, half of what is
# scraped, and tell what is known: all begin when the process does (process_start_time_seconds).
disable_created_metrics()  # type: ignore[no-untyped-call]  # it gives and takes nothing


class Metrics:
    """All metrics of one process, in a registry of their own.

    ``phase(name)`` gives the context in which a phase of a request is measured. ``spans`` hears of
    phases, and of where a manifest came from. ``shared`` has the metrics of all workers, where
    there are several; what is shown is then of all of them.
    """

    def __init__(
        self,
        version: str,
        origins: Iterable[str],
        spans: Spans | None = None,
        shared: SharedMetrics | None = None,
    ) -> None:
        registry = self.registry = CollectorRegistry()
        self._tallies = tallies = Tallies(registry, shared=shared is not None)
        # Since when others have counted what is shown; None: it is counted from now on, and here.
        self.began = shared.began if shared else None
        self._shown = shared.registry if shared else registry
        self._process = ProcessShare(registry) if shared else None
        if shared is None:
            ProcessCollector(registry=registry)
        build = Gauge(
            "playgate_build_info",
            "The running build.",
            ["version"],
            registry=registry,
            multiprocess_mode="livemax",
        )
        build.labels(version).set(1)
        self.streams = StreamMetrics(registry, tallies, shared=shared is not None)
        self._requests = Counter(
            "playgate_requests_total",
            "Requests answered on the player port.",
            ["route", "kind", "outcome"],
            registry=registry,
        )
        self._request_seconds = Histogram(
            "playgate_request_seconds",
            "Time to answer a request on the player port (a segment: until its first byte).",
            ["route", "kind"],
            buckets=SECONDS,
            registry=registry,
        )
        phase_seconds = Histogram(
            "playgate_phase_seconds",
            "Where a request's time goes: auth, store, origin, rewrite.",
            ["phase"],
            buckets=PHASE_SECONDS,
            registry=registry,
        )
        self._spans = spans or NoSpans()
        self.phase = Phases(phase_seconds, PHASE_SECONDS, self._spans, tallies)
        self.store = StoreMetrics(registry, tallies)
        self.origins = OriginMetrics(registry, origins, shared=shared is not None)
        self._cache = Counter(
            "playgate_manifest_cache_total",
            "Look-ups of compiled manifests: hit, miss, or coalesced into a fetch under way.",
            ["result"],
            registry=registry,
        )
        self.keys = KeyMetrics(registry, shared=shared is not None)
        self._events_dropped = Counter(
            "playgate_events_dropped_total",
            "Events that could not be sent, because too many waited.",
            registry=registry,
        )
        self._events_spared = Counter(
            "playgate_events_spared_total",
            "Refusals that are no event, because too many of a kind came in a second.",
            registry=registry,
        )
        self._keepalive_entries = Counter(
            "playgate_keepalive_entries_total",
            "Entries of the keepalive stream, by what became of them.",
            ["result"],
            registry=registry,
        )
        self._loop_lag = Gauge(
            "playgate_event_loop_lag_seconds",
            "How late the event loop ran a timer, at worst within 15 seconds.",
            registry=registry,
            multiprocess_mode="livemax",
        )
        self._lags: deque[float] = deque(maxlen=LAGS)
        self._in_flight = Gauge(
            "playgate_in_flight_requests",
            "Player requests being answered.",
            registry=registry,
            multiprocess_mode="livesum",
        )
        self.config = ConfigMetrics(registry, shared=shared is not None)
        self._keep_children()

    def _keep_children(self) -> None:
        count, times = self._tallies.count, self._tallies.times
        # A request that was answered is counted, even if the worker is killed in that moment.
        self._requests_of = cache(lambda *labels: count(self._first(*labels), at_once=True))
        self._request_seconds_of = cache(
            lambda *labels: Exemplified(
                times(self._request_seconds.labels(*labels), SECONDS, at_once=True)
            )
        )
        self._cache_of = cache(lambda result: count(self._cache.labels(result)))
        self.beat = cache(self._beat)
        counters = Counters(
            requests=self._requests,
            entry_seconds=lambda route: self._request_seconds_of(route, Kind.ENTRY),
            refusals=self.streams.refusals,
            admissions=self.streams.admissions,
            observed=self.streams.observed,
            origin_requests=self.origins.requests,
        )
        self._beginnings = Beginnings(counters, weight=len(SECONDS) + len(("+Inf", "sum", "count")))

    def expect(self, expected: Expected) -> None:
        """Show what can be counted from now on as 0, before it is counted first."""
        self._beginnings.expect(expected.routes)
        self.store.expect(expected.operations)
        for result in expected.cached:
            self._cache_of(result)
        for result in expected.kept_alive:
            self._keepalive_entries.labels(result)

    def _first(self, route: str, kind: str, outcome: str) -> Counter:
        self._beginnings.meet(route)
        return self._requests.labels(route, kind, outcome)

    async def ask(self, look: Callable[[], T]) -> T:
        """Give what a look at all metrics finds, as they are now.

        In a thread: with thousands of routes it takes a tenth of a second, for which nobody is to
        wait, and where there are several workers files are read.
        """
        self.settle()
        self.refresh()
        return await asyncio.wrap_future(in_thread(look))

    def exposition(self, accept: str) -> tuple[bytes, str]:
        """Give all metrics and their content type, as OpenMetrics or in Prometheus's own form."""
        encode, content_type = choose_encoder(accept)
        return encode(self._shown), content_type

    def totals(self) -> Totals:
        """Give how things are, and what was counted so far over all routes."""
        return totals(self._shown.collect())

    def settle(self) -> None:
        """Have what was counted seen by whoever reads the metrics of all workers."""
        self._tallies.settle()

    def refresh(self) -> None:
        """Show what nobody tells of when it changes: how old keys are, what the process takes."""
        self.keys.look()
        if self._process is not None:
            self._process.look()

    def request(self, notes: Notes, begun: float, now: float) -> None:
        """Count a request that was answered; it began and ended at these instants, in seconds."""
        counter, seconds = self.requests(notes.route, notes.kind, notes.outcome)
        counter.inc()
        seconds.observe(now - begun, now, notes.trace)

    def requests(self, route: str, kind: str, outcome: str) -> tuple[Counts, Exemplified]:
        """Give what requests of a kind are counted in, and how long they took."""
        return self._requests_of(route, kind, outcome), self._request_seconds_of(route, kind)

    def _beat(self, route: str, kind: str) -> BeatTally:
        """Give what beats of a kind are counted in that are answered as usual (``beat``)."""
        request, phase = self.requests(route, kind, "ok"), self.phase.of
        counts = [self.streams.renewals(route), self._cache_of("hit")]
        parts = [
            Part(phase("auth"), BEGUN, ASKED),
            Part(phase("store"), ASKED, HEARD),
            Part(self.store.times("decide"), ASKED, HEARD),
            Part(phase("rewrite"), HEARD, DONE),
        ]
        if self._tallies.shared:
            return BeatTally(counts, parts, self._tallies.counted, at_once=request)
        counts.append(request[0])
        parts.append(Part(request[1], BEGUN, DONE))
        return BeatTally(counts, parts, self._tallies.counted)

    def cache_lookup(self, result: str) -> None:
        """Count a look-up of a compiled manifest."""
        self._cache_of(result).inc()
        self._spans.note("playgate.manifest", result)

    def events_dropped(self, number: int) -> None:
        """Count events that were lost."""
        self._events_dropped.inc(number)

    def events_spared(self, number: int) -> None:
        """Count refusals that nobody was told of, on purpose."""
        self._events_spared.inc(number)

    def keepalive_entry(self, result: str) -> None:
        """Count an entry of the keepalive stream."""
        self._keepalive_entries.labels(result).inc()

    def watch_in_flight(self, look: Callable[[], int]) -> Callable[[], None] | None:
        """Show how many requests are being answered: what ``look`` gives.

        Gives what to call when that is another number, if somebody has to be told.
        """
        return self._tallies.level(self._in_flight, look)

    def loop_lag(self, seconds: float) -> None:
        """Note how late the event loop ran; the worst counts for a while."""
        self._lags.append(seconds)
        self._loop_lag.set(max(self._lags))
