"""The metrics of key sets: how old each is, and how old it may become."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from prometheus_client import CollectorRegistry

from proxy.telemetry.named_gauge import NamedGauge


@dataclass(frozen=True, slots=True)
class WatchedKeys:
    """One source: how old its keys are now, and how old they may become (seconds)."""

    age: Callable[[], float]
    refresh: float


class KeyMetrics:
    """Shows them in a registry of the process."""

    def __init__(self, registry: CollectorRegistry, *, shared: bool = False) -> None:
        self._age = NamedGauge(
            "playgate_keys_age_seconds",
            "Time since the keys of a source were last found to be in force.",
            "source",
            registry,
            mode="livemax",
            shared=shared,
        )
        self._refresh = NamedGauge(
            "playgate_keys_refresh_seconds",
            "How old the keys of a source may become before they are looked at again.",
            "source",
            registry,
            mode="livemax",
            shared=shared,
        )
        self._watched: Mapping[str, WatchedKeys] = {}

    def watch(self, sources: Mapping[str, WatchedKeys]) -> None:
        """Show these sources and no others."""
        for gone in self._watched.keys() - sources.keys():
            self._age.drop(gone)
            self._refresh.drop(gone)
        self._watched = dict(sources)
        for source, keys in sources.items():
            self._refresh.set(source, keys.refresh)
        self.look()

    def look(self) -> None:
        """Show how old they are now."""
        for source, keys in self._watched.items():
            self._age.set(source, keys.age())
