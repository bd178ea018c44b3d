"""Counted at once, and added up when somebody looks.

A counter of prometheus_client takes a lock for each count, a histogram walks its buckets, and where
workers share their metrics each count is a write into a file. A request has a dozen of them, and
who looks comes every few seconds. So what is counted at each request is an addition here. It is
handed on when the metrics are read, and now and then; where other workers may be asked for them,
after each turn of the event loop. What must not be lost if this one is killed in that turn is
handed on at once there.
"""

import asyncio
from bisect import bisect_left
from collections import Counter as Tally
from collections.abc import Callable, Iterable, Sequence
from itertools import repeat
from threading import get_ident
from time import time
from typing import Protocol

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, Metric
from prometheus_client.registry import Collector
from prometheus_client.samples import Exemplar


class Tallied(Protocol):
    """Has counted something, to be handed on."""

    def settle(self) -> None:
        """Hand on what was counted."""


OnCount = Callable[[Tallied], None]


class Counts(Protocol):
    """Counts something."""

    def inc(self, number: int = 1, /) -> None:
        """Count one, or some."""


class Count:
    """What is to be added to a counter's child; it tells ``counted`` of what is new."""

    __slots__ = ("_child", "_counted", "_number")

    def __init__(self, child: Counter, counted: OnCount) -> None:
        self._child = child
        self._counted = counted
        self._number = 0

    def inc(self, number: int = 1, /) -> None:
        """Count one, or some."""
        if not self._number:
            self._counted(self)
        self._number += number

    def settle(self) -> None:
        """Hand on what was counted."""
        self._child.inc(self._number)
        self._number = 0


class Times:
    """What is to be added to a histogram's child; ``bounds`` are its buckets' upper ones.

    ``observe`` counts a value: a time in seconds, say. Values are kept as they come and sorted into
    their buckets by the hundred, which takes a fraction of the time.
    """

    __slots__ = ("_values", "bounds", "child", "observe")

    def __init__(self, child: Histogram, bounds: Sequence[float]) -> None:
        self.child = child
        self.bounds = tuple(bounds)
        self._values: list[float] = []
        self.observe: Callable[[float], None] = self._values.append

    def show(self, bucket: int, value: float, labels: dict[str, str]) -> None:
        """Give a bucket an exemplar: one of the values in it, and what that is known by."""
        self.child._buckets[bucket].set_exemplar(Exemplar(labels, value, time()))  # noqa: SLF001  # see settle

    def take(self, values: Sequence[float]) -> None:
        """Count some values at once."""
        for bucket, number in Tally(map(bisect_left, repeat(self.bounds), values)).items():
            self.child._buckets[bucket].inc(number)  # noqa: SLF001  # it takes one value at a time otherwise
        self.child._sum.inc(sum(values))  # noqa: SLF001  # see above

    def settle(self) -> None:
        """Hand on what was counted."""
        if self._values:
            self.take(self._values)
            self._values.clear()


class TimesTold(Times):
    """The same, which tells ``counted`` of what is new."""

    __slots__ = ("_counted",)

    def __init__(self, child: Histogram, bounds: Sequence[float], counted: OnCount) -> None:
        super().__init__(child, bounds)
        self._counted = counted
        self.observe = self._observe

    def _observe(self, value: float) -> None:
        if not self._values:
            self._counted(self)
        self._values.append(value)


class TimesAtOnce(Times):
    """The same, handed on at once."""

    __slots__ = ()

    def __init__(self, child: Histogram, bounds: Sequence[float]) -> None:
        super().__init__(child, bounds)
        self.observe = child.observe


class Tallies(Collector):
    """All tallies of a registry, which hands them on whenever it is read.

    ``shared``: others read it, too, without asking.
    """

    def __init__(self, registry: CollectorRegistry, *, shared: bool = False) -> None:
        self.shared = shared
        self._thread = get_ident()
        self._soon = False  # whether it will be handed on after this turn
        self._open: list[Tallied] = []
        self._times: list[Times] = []  # of those that nobody else reads: all there are
        self._levels: list[tuple[Gauge, Callable[[], float]]] = []
        registry.register(self)  # read in this order: before what it adds to

    def count(self, child: Counter, *, at_once: bool = False) -> Counts:
        """Count for a counter's child; ``at_once`` where others read it."""
        return child if at_once and self.shared else Count(child, self.counted)

    def times(self, child: Histogram, bounds: Sequence[float], *, at_once: bool = False) -> Times:
        """Count for a histogram's child; ``at_once`` where others read it."""
        if not self.shared:
            self._times.append(Times(child, bounds))
            return self._times[-1]
        return TimesAtOnce(child, bounds) if at_once else TimesTold(child, bounds, self.counted)

    def counted(self, tally: Tallied) -> None:
        """Have what was counted there handed on with all else, once."""
        self._changed()
        self._open.append(tally)

    def _changed(self) -> None:
        if self.shared and not self._soon:
            self._soon = True
            asyncio.get_running_loop().call_soon(self.settle)

    def level(self, child: Gauge, look: Callable[[], float]) -> Callable[[], None] | None:
        """Show in a gauge's child what ``look`` gives.

        Gives what to call when that is another, if somebody has to be told.
        """
        self._levels.append((child, look))
        return self._changed if self.shared else None

    def settle(self) -> None:
        """Hand on all that was counted, and how things are now."""
        self._soon = True  # what is handed on to another tally is so below
        try:
            for tally in self._open:  # which may become more meanwhile
                tally.settle()
        finally:
            self._soon = False
        self._open.clear()
        for times in self._times:
            times.settle()
        for child, look in self._levels:
            child.set(look())

    def describe(self) -> Iterable[Metric]:
        """Name nothing: it has no metrics of its own."""
        return ()

    def collect(self) -> Iterable[Metric]:
        """Hand on all that was counted; give nothing.

        Not in a thread of somebody who reads: that would be in the middle of a count. Who reads so
        has had it done before.
        """
        if get_ident() == self._thread:
            self.settle()
        return ()
