"""How many requests of players are being answered, by whichever port and on whichever path."""

from collections.abc import Iterator
from contextlib import contextmanager

from proxy.telemetry.metrics import Metrics


class InFlight:
    """Counts them, and shows the number in the metrics."""

    def __init__(self, metrics: Metrics) -> None:
        self.number = 0
        self._changed = metrics.watch_in_flight(lambda: self.number)

    def begin(self) -> None:
        """Count one, until it ends."""
        self.number += 1
        self._changed()

    def end(self) -> None:
        """Count it no more."""
        self.number -= 1
        self._changed()

    @contextmanager
    def one_more(self) -> Iterator[None]:
        """Count one while inside."""
        self.begin()
        try:
            yield
        finally:
            self.end()
