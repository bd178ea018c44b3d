"""The metrics of origins: how requests to them went, and which of them are believed well."""

from collections.abc import Iterable
from functools import cache

from prometheus_client import CollectorRegistry, Counter

from proxy.telemetry.named_gauge import NamedGauge


class OriginMetrics:
    """Counts in a registry of the process. ``names`` are the origins there are at first."""

    def __init__(
        self, registry: CollectorRegistry, names: Iterable[str], *, shared: bool = False
    ) -> None:
        self.requests = Counter(
            "playgate_origin_requests_total",
            "Requests to origins, by how they went.",
            ["route", "origin", "result"],
            registry=registry,
        )
        self._requests_of = cache(self.requests.labels)
        self._up = NamedGauge(
            "playgate_origin_up",
            "Whether an origin is believed well (1) or not (0).",
            "origin",
            registry,
            mode="livemin",
            shared=shared,
        )
        self._watched: frozenset[str] = frozenset()
        self._former: frozenset[str] = frozenset()
        self.watch(names)

    def request(self, route: str, origin: str, result: str) -> None:
        """Count a request to an origin."""
        self._requests_of(route, origin, result).inc()

    def up(self, origin: str, up: bool) -> None:  # noqa: FBT001  # a callback
        """Note whether an origin is believed well."""
        # A request under way may still tell of one that was taken out since.
        if origin not in self._former:
            self._up.set(origin, up)

    def watch(self, names: Iterable[str]) -> None:
        """Show the health of these origins, well until it is known better, and of no others."""
        wanted = frozenset(names)
        gone = self._watched - wanted
        for origin in gone:
            self._up.drop(origin)
        for origin in wanted - self._watched:
            self._up.set(origin, 1)
        self._watched = wanted
        self._former = (self._former | gone) - wanted
