"""The store, the journal, and what works on them beside the requests, put together.

Where streams are counted, who is told what became of them, and who tells of those that are still
watched: everything a decision needs and nothing that answers a request.
"""

import asyncio
import time
from collections.abc import Callable
from dataclasses import replace

import structlog

from proxy import wiring
from proxy.active_streams import ActiveStreams
from proxy.admission.memory import MemoryStore
from proxy.admission.outage import OutageGuard
from proxy.admission.policy import OnOutage
from proxy.admission.redis import RedisStore
from proxy.admit import Admission
from proxy.background import Background
from proxy.errors import StoreUnavailable
from proxy.keepalive_stream import KeepaliveStream
from proxy.lapses import LapseCollector, LapseWatch
from proxy.model import Clock
from proxy.redis_client import cause, client
from proxy.reporting import ReportingStore
from proxy.settings.schema import Settings
from proxy.settings.store_url import MEMORY
from proxy.streams import Attempt, Decision
from proxy.telemetry.event_stream import EventStream
from proxy.telemetry.events import Sink
from proxy.telemetry.journal import Journal
from proxy.telemetry.metrics import Metrics
from proxy.telemetry.sinks import LogSink
from proxy.telemetry.sparing import Sparing

# How long a connection for what nobody waits for may take to be made, in seconds.
CONNECT_SECONDS = 5.0

log = structlog.get_logger("playgate")


class Bookkeeping:
    """Counts streams and tells of them. ``on_store`` hears whether the store answers."""

    def __init__(
        self,
        settings: Settings,
        metrics: Metrics,
        *,
        clock: Clock | None,
        on_store: Callable[[bool], None],
    ) -> None:
        self._settings = settings
        self._metrics = metrics
        self._clock = clock
        self._on_store = on_store
        self._url = settings.store.url.get_secret_value()
        self._policy = wiring.policy(settings)
        self._ended: list[Background] = []
        self._redis: RedisStore | None = None
        self._counting = self._store()
        self._events = self._event_stream()
        self.journal = Journal(metrics, clock or time.time, self._sink())
        watch = LapseWatch(clock or time.monotonic)
        self.store = ReportingStore(self._counting, self.journal, watch)
        self._lapses = LapseCollector(self.store, watch)
        self._active = ActiveStreams(self.store, metrics.streams.active)
        self._keepalive = self._keepalive_stream()

    async def start(self) -> None:
        """Get ready, and begin to work."""
        await self.store.start()
        for work in self._works():
            await work.start()

    async def close(self) -> None:
        """Finish, all at once, so that a Redis that hangs is waited for once.

        What was begun last is stopped first: when what tells of streams looks whether it has told
        all, nothing more is to come.
        """
        works = reversed(self._works())
        await asyncio.gather(*(work.close() for work in works), self.store.close())

    def _works(self) -> list[Background]:
        works = (*self._ended, self._events, self._lapses, self._active, self._keepalive)
        return [work for work in works if work is not None]

    def govern(self, settings: Settings) -> None:
        """Count by other settings from now on; what is counted stays."""
        policy = wiring.policy(settings)
        # An end is remembered for as long as tickets live that were made before.
        longest = max(policy.tombstone_ms, self._policy.tombstone_ms)
        self._policy = replace(policy, tombstone_ms=longest)
        self._settings = settings
        if self._redis is not None:
            self._redis.govern(self._policy)
        if isinstance(self._counting, OutageGuard):
            self._counting.govern(self._policy, OnOutage(settings.store.on_outage))
        else:
            self._counting.govern(self._policy)

    async def follow(self, before: Settings) -> None:
        """Work beside the requests as the settings say, which were others ``before``.

        What is not wanted any more has come to its end when this returns.
        """
        if self._settings.events != before.events:
            self._ended += filter(None, (self._events, self._keepalive))
            self._events, self._keepalive = self._event_stream(), self._keepalive_stream()
            if self._events is not None:
                await self._events.start()
            if self._keepalive is not None:
                await self._keepalive.start()
            self.journal.tell(self._sink())
        while self._ended:
            await self._ended[-1].close()
            self._ended.pop()
        if self._redis is not None:
            self._redis.wait_for(self._settings.store.timeout)

    async def insist_on_store(self) -> None:
        """Return if the store answers.

        Raises:
            StoreUnavailable: it does not; its detail says why, to operators.
        """
        try:
            await self.store.ping()
        except StoreUnavailable as failure:
            raise StoreUnavailable(cause(failure, self._url)) from failure

    def _event_stream(self) -> EventStream | None:
        events = self._settings.events
        if events.sink != "redis-stream":
            return None
        key = f"{self._settings.store.key_prefix}:events"
        return EventStream(
            client(self._url, timeout=CONNECT_SECONDS, connections=1, key=key),
            key,
            max_length=events.max_length,
            queue=events.queue,
            dropped=self._metrics.events_dropped,
        )

    def _sink(self) -> Sink | None:
        if self._events is not None:
            return self._spared(self._events)
        return self._spared(LogSink()) if self._settings.events.sink == "log" else None

    def _spared(self, sink: Sink) -> Sink:
        return Sparing(sink, self._clock or time.monotonic, self._metrics.events_spared)

    def _keepalive_stream(self) -> KeepaliveStream | None:
        settings = self._settings
        if not settings.events.keepalive:
            return None
        # What is kept alive has a slot, whose limit and time are those it was given.
        limits, lifetimes = wiring.limits(settings), wiring.lifetimes(settings)
        key = f"{settings.store.key_prefix}:keepalive"
        return KeepaliveStream(
            client(self._url, timeout=CONNECT_SECONDS, connections=1, key=key),
            key,
            Admission(self.store, limits, lifetimes, self._metrics),
            max_age_ms=lambda: round(self._settings.streams.ttl * 1000),
            count=self._metrics.keepalive_entry,
        )

    def _store(self) -> MemoryStore | OutageGuard:
        store, clock = self._settings.store, self._clock
        self._on_store(True)  # noqa: FBT003  # a callback
        if self._url == MEMORY:
            return MemoryStore(self._policy, clock or time.time, self._metrics.store.call)
        self._redis = RedisStore(
            self._url,
            self._policy,
            key_prefix=store.key_prefix,
            timeout=store.timeout,
            observe=self._metrics.store.call,
            now_ms=None if clock is None else lambda: round(clock() * 1000),
        )
        return OutageGuard(
            self._redis,
            self._policy,
            OnOutage(store.on_outage),
            clock=clock or time.time,
            on_change=self._on_change,
            granted=self._granted,
        )

    def _granted(self, attempt: Attempt, told: Decision) -> None:
        self.store.tell(attempt, told)

    def _on_change(self, failure: StoreUnavailable | None) -> None:
        self._on_store(failure is None)
        if failure is None:
            log.info("the store is back")
        else:
            log.warning("the store is away", cause=cause(failure, self._url))
