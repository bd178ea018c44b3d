"""How many requests of players are being answered, by whichever port and on whichever path."""

from proxy.telemetry.metrics import Metrics


class InFlight:
    """Counts them, and shows the number in the metrics.

    What is over within a moment may be counted in ``number`` itself: it is shown with what changes
    next.
    """

    def __init__(self, metrics: Metrics) -> None:
        self.number = 0
        self._changed = metrics.watch_in_flight(lambda: self.number)

    def begin(self) -> None:
        """Count one, until it ends."""
        self.number += 1
        if self._changed is not None:
            self._changed()

    def end(self) -> None:
        """Count it no more."""
        self.number -= 1
        if self._changed is not None:
            self._changed()

    def __enter__(self) -> None:
        """Count one while inside."""
        self.begin()

    def __exit__(self, *_: object) -> None:
        self.end()
