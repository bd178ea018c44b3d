"""A small cache in front of something slow: one load for all who ask at once.

- *Single flight*, always: of all who ask for a key while it is being loaded, one loads and the
  others wait for what it gets, an error too. Errors are not kept.
- The load belongs to nobody: it runs on while anyone waits, whoever of them goes away, and is
  cancelled when nobody does.
- *Fresh* values are handed out for as long as their loader allows and ``ttl`` at most. One that
  is no longer fresh is kept, and given to the next load, which may find it is still good.
- Who asks *shortly before* a value is no longer fresh gets it, and has it loaded ``again`` for
  those who come then. So nobody waits for what is asked for all the time.
- A value its loader calls not shareable goes to one request only: those who waited load their
  own, and for a while nobody waits for that key at all.
- Bounded in entries and in weight; what was used longest ago goes first.

It knows nothing of HTTP, and never hands out a value that is not fresh.
"""

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Hashable
from dataclasses import dataclass
from enum import StrEnum
from typing import Generic, TypeAlias, TypeVar

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")

# Seconds a key is remembered as not shareable. Each time it lapses, one round of requests waits
# in vain for one flight; a manifest that is private stays so, so that may be seldom.
UNSHAREABLE_FOR = 60.0


class CacheResult(StrEnum):
    """How a request was served; the ``result`` of ``playgate_manifest_cache_total``.

    MISS: by a load of its own. COALESCED: it waited for another's, and only if that was not for
    sharing makes a load of its own after all, which counts as a MISS besides. STALE: a load failed,
    and what was there stood in for it; it counts besides, too.
    """

    HIT = "hit"
    MISS = "miss"
    COALESCED = "coalesced"
    STALE = "stale"


@dataclass(frozen=True, slots=True)
class Loaded(Generic[V]):
    """What a loader got.

    ``seconds`` is how long it may be used without asking again, from now on: None where only
    ``ttl`` says, 0 for not at all. ``shareable``: others may have it. ``storable``: it may be
    kept; one that is not is still handed to those who waited for it.
    """

    value: V
    seconds: float | None = None
    shareable: bool = True
    storable: bool = True


Loader: TypeAlias = Callable[[V | None], Awaitable[Loaded[V]]]


@dataclass(slots=True)
class _Entry(Generic[V]):
    """A value; from ``due`` on there is more to do than to give it."""

    value: V
    fresh_until: float
    due: float
    weight: int
    again: Loader[V] | None


@dataclass(slots=True)
class _Flight(Generic[V]):
    task: asyncio.Task[Loaded[V]]
    waiting: int = 0


class MicroCache(Generic[K, V]):
    """See the module. ``ttl`` in seconds; ``weigh`` gives a value's weight, in bytes, say.

    ``ahead`` gives the part of a value's life in which it is loaded anew while it is fresh still.
    ``clock`` gives seconds and never goes back; ``observe`` hears how each request was served.
    """

    def __init__(
        self,
        *,
        ttl: float,
        max_entries: int,
        max_weight: int,
        weigh: Callable[[V], int],
        ahead: Callable[[K], float] = lambda _: 0.0,
        clock: Callable[[], float],
        observe: Callable[[CacheResult], None],
    ) -> None:
        self._ttl = ttl
        self._max_entries = max_entries
        self._max_weight = max_weight
        self._weigh = weigh
        self._ahead = ahead
        self._clock = clock
        self._observe = observe
        self._entries: OrderedDict[K, _Entry[V]] = OrderedDict()
        self._weight = 0
        self._flights: dict[K, _Flight[V]] = {}
        self._unshareable: OrderedDict[K, float] = OrderedDict()

    def peek(self, key: K) -> V | None:
        """Give the value if it is fresh, without waiting; whoever uses it has to count that."""
        entry = self._entries.get(key)
        if entry is None:
            return None
        now = self._clock()
        if entry.due <= now:
            if entry.fresh_until <= now:
                return None
            self._begin_again(key, entry)
        self._entries.move_to_end(key)
        return entry.value

    async def get(self, key: K, load: Loader[V], again: Loader[V] | None = None) -> V:
        """Give the value: a fresh one, one being loaded, or else load it.

        ``load`` gets the value that was kept though it is not fresh any more, if there is one.
        ``again`` does the same ahead of time, and nobody waits for it; it is kept with the value.
        Raises what ``load`` raises.
        """
        value = self.peek(key)
        if value is not None:
            self._observe(CacheResult.HIT)
            return value
        flight = self._flights.get(key)
        if flight is not None and not flight.task.done():
            self._observe(CacheResult.COALESCED)
            loaded = await self._join(key, flight)
            if loaded.shareable:
                return loaded.value
        elif not self._is_unshareable(key):
            self._observe(CacheResult.MISS)
            return (await self._join(key, self._begin(key, load, again))).value
        self._observe(CacheResult.MISS)
        return (await self._load(key, load, again)).value

    def _begin_again(self, key: K, entry: _Entry[V]) -> None:
        """Have a value that is fresh still loaded again, once, where that may be."""
        entry.due = entry.fresh_until
        if entry.again is None:
            return
        flight = self._begin(key, entry.again, entry.again)
        flight.waiting += 1  # for those who will have asked by then
        flight.task.add_done_callback(lambda _: self._leave(key, flight))

    def _begin(self, key: K, load: Loader[V], again: Loader[V] | None) -> _Flight[V]:
        flight = self._flights[key] = _Flight(asyncio.create_task(self._load(key, load, again)))
        flight.task.add_done_callback(_retrieve)
        return flight

    async def _join(self, key: K, flight: _Flight[V]) -> Loaded[V]:
        """Wait for a flight."""
        flight.waiting += 1
        try:
            return await asyncio.shield(flight.task)
        finally:
            self._leave(key, flight)

    def _leave(self, key: K, flight: _Flight[V]) -> None:
        """Wait for a flight no more; it is called off when the last who waits goes away."""
        flight.waiting -= 1
        if not flight.waiting:
            flight.task.cancel()  # does nothing to a task that is done
            if self._flights.get(key) is flight:
                del self._flights[key]

    async def _load(self, key: K, load: Loader[V], again: Loader[V] | None) -> Loaded[V]:
        """Load, and keep what may be kept."""
        entry = self._entries.get(key)
        loaded = await load(entry.value if entry else None)
        is_ahead = entry is not None and self._clock() < entry.fresh_until
        if is_ahead and loaded.shareable and not loaded.storable:
            return loaded  # an error, say: what is there is good for its time
        self._forget(key)
        if not loaded.shareable:
            self._remember_unshareable(key)
            return loaded
        self._unshareable.pop(key, None)
        if loaded.storable:
            self._keep(key, loaded, again)
        return loaded

    def _keep(self, key: K, loaded: Loaded[V], again: Loader[V] | None) -> None:
        """Keep a value, fresh or not, and let go of the oldest where that is too much."""
        lifetime = self._ttl if loaded.seconds is None else min(self._ttl, loaded.seconds)
        weight = self._weigh(loaded.value)
        fresh_until = self._clock() + lifetime
        due = fresh_until - self._ahead(key) * lifetime
        self._entries[key] = _Entry(loaded.value, fresh_until, due, weight, again)
        self._weight += weight
        while len(self._entries) > self._max_entries or self._weight > self._max_weight:
            self._forget(next(iter(self._entries)))

    def _forget(self, key: K) -> None:
        entry = self._entries.pop(key, None)
        if entry is not None:
            self._weight -= entry.weight

    def _is_unshareable(self, key: K) -> bool:
        until = self._unshareable.get(key)
        return until is not None and self._clock() < until

    def _remember_unshareable(self, key: K) -> None:
        self._unshareable[key] = self._clock() + UNSHAREABLE_FOR
        self._unshareable.move_to_end(key)
        while len(self._unshareable) > self._max_entries:
            self._unshareable.popitem(last=False)


def _retrieve(task: "asyncio.Task[Loaded[V]]") -> None:
    """Look at a failure nobody waits for any more, or asyncio would log it as overlooked."""
    if not task.cancelled():
        task.exception()
