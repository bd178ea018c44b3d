"""Refusals among the events: a few of a kind in a second, however fast they are asked for.

Clients are refused as fast as they like, with no credential at all, and a stream of events keeps
only so many: a few thousand garbage tokens would push out every start and end that nobody has read
yet. So whom nobody knows, all of them together, are told of once a second for each reason, and each
account as often as all the screens of a home could make it. What is not told is counted; how many
refusals there were, by code, is for the metrics to say.
"""

from collections import Counter
from collections.abc import Callable

from proxy.model import Clock
from proxy.telemetry.events import LESSER, Event, Sink

PER_SECOND = 10  # for one account and reason
STRANGERS_PER_SECOND = 1


class Sparing:
    """Spares a sink what is refused too often. ``clock`` is in seconds."""

    def __init__(self, sink: Sink, clock: Clock, spared: Callable[[int], None]) -> None:
        self._sink = sink
        self._clock = clock
        self._spared = spared
        self._second = 0
        self._told: Counter[tuple[str | None, str | None]] = Counter()

    def put(self, event: Event) -> None:
        """Pass an event on, or count it as spared."""
        if event.event in LESSER and self._is_too_much(event):
            self._spared(1)
        else:
            self._sink.put(event)

    def _is_too_much(self, event: Event) -> bool:
        if (second := int(self._clock())) != self._second:
            self._second = second
            self._told.clear()
        key = event.account, event.reason
        self._told[key] += 1
        return self._told[key] > (PER_SECOND if event.account else STRANGERS_PER_SECOND)
