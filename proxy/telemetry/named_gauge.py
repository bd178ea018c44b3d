"""A gauge of things that have names, each of which is shown until it is gone.

Where several workers share their metrics, a series cannot be removed from the file it stands in.
What is gone there gets a value that changes neither a least nor a greatest, and ``SharedMetrics``
shows none of those.
"""

from math import inf
from typing import Literal

from prometheus_client import CollectorRegistry, Gauge


class NamedGauge:
    """A gauge of one label; ``mode`` says what is shown of several workers."""

    def __init__(
        self,
        name: str,
        documentation: str,
        label: str,
        registry: CollectorRegistry,
        *,
        mode: Literal["liveall", "livemax", "livemin"],
        shared: bool,
    ) -> None:
        self._gauge = Gauge(name, documentation, [label], registry=registry, multiprocess_mode=mode)
        self._gone = (inf if mode == "livemin" else -inf) if shared else None

    def set(self, name: str, value: float) -> None:
        """Show this value under the name."""
        self._gauge.labels(name).set(value)

    def drop(self, name: str) -> None:
        """Show nothing under the name any more."""
        if self._gone is None:
            self._gauge.remove(name)
        else:
            self._gauge.labels(name).set(self._gone)
