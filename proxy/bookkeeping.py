"""The store, the journal, and what works on them beside the requests, put together.

Where streams are counted, who is told what became of them, and who tells of those that are still
watched: everything a decision needs and nothing that answers a request.
"""

import asyncio
import time
from collections.abc import Callable

import structlog

from proxy import wiring
from proxy.admission.memory import MemoryStore
from proxy.admission.outage import OnOutage, OutageGuard
from proxy.admission.redis import RedisStore
from proxy.admission.store import Store
from proxy.admit import Admission
from proxy.background import Background
from proxy.errors import StoreUnavailable
from proxy.keepalive_stream import KeepaliveStream
from proxy.lapses import LapseCollector, LapseWatch
from proxy.model import Clock
from proxy.redis_client import cause, client
from proxy.reporting import ReportingStore
from proxy.settings.schema import Settings
from proxy.settings.urls import MEMORY
from proxy.telemetry.event_stream import EventStream
from proxy.telemetry.events import NoSink, Sink
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
        self._background: list[Background] = []
        self.journal = Journal(metrics, clock or time.time, self._sink())
        watch = LapseWatch(clock or time.monotonic)
        self.store = ReportingStore(self._store(), self.journal, watch)
        self._background.append(LapseCollector(self.store, watch))
        if settings.events.keepalive:
            self._background.append(self._keepalive())

    async def start(self) -> None:
        """Get ready, and begin to work."""
        await self.store.start()
        for work in self._background:
            await work.start()

    async def close(self) -> None:
        """Finish, all at once, so that a Redis that hangs is waited for once.

        What was begun last is stopped first: when what tells of streams looks whether it has told
        all, nothing more is to come.
        """
        works = reversed(self._background)
        await asyncio.gather(*(work.close() for work in works), self.store.close())

    async def insist_on_store(self) -> None:
        """Return if the store answers.

        Raises:
            StoreUnavailable: it does not; its detail says why, to operators.
        """
        try:
            await self.store.ping()
        except StoreUnavailable as failure:
            raise StoreUnavailable(cause(failure, self._url)) from failure

    def _sink(self) -> Sink:
        events = self._settings.events
        match events.sink:
            case "log":
                return self._spared(LogSink())
            case "redis-stream":
                stream = EventStream(
                    client(self._url, timeout=CONNECT_SECONDS, connections=1),
                    f"{self._settings.store.key_prefix}:events",
                    max_length=events.max_length,
                    queue=events.queue,
                    dropped=self._metrics.events_dropped,
                )
                self._background.append(stream)
                return self._spared(stream)
            case _:
                return NoSink()

    def _spared(self, sink: Sink) -> Sink:
        return Sparing(sink, self._clock or time.monotonic, self._metrics.events_spared)

    def _keepalive(self) -> KeepaliveStream:
        settings = self._settings
        limits, lifetimes = wiring.limits(settings), wiring.lifetimes(settings)
        return KeepaliveStream(
            client(self._url, timeout=CONNECT_SECONDS, connections=1),
            f"{settings.store.key_prefix}:keepalive",
            Admission(self.store, limits, lifetimes, self._metrics),
            max_age_ms=round(settings.streams.ttl * 1000),
            count=self._metrics.keepalive_entry,
        )

    def _store(self) -> Store:
        store, clock = self._settings.store, self._clock
        rules = wiring.policy(self._settings)
        self._on_store(True)  # noqa: FBT003  # a callback
        if self._url == MEMORY:
            return MemoryStore(rules, clock or time.time)
        primary = RedisStore(
            self._url,
            rules,
            key_prefix=store.key_prefix,
            timeout=store.timeout,
            observe=self._metrics.store_call,
            now_ms=None if clock is None else lambda: round(clock() * 1000),
        )
        return OutageGuard(
            primary,
            rules,
            OnOutage(store.on_outage),
            clock=clock or time.time,
            on_change=self._on_change,
        )

    def _on_change(self, failure: StoreUnavailable | None) -> None:
        self._on_store(failure is None)
        if failure is None:
            log.info("the store is back")
        else:
            log.warning("the store is away", cause=cause(failure, self._url))
