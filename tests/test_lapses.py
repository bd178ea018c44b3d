"""A stream that nobody comes back for is told to have ended: once, by one proxy of all."""

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from proxy import lapses
from proxy.admission.ledger import LINGER_MS
from proxy.admission.memory import MemoryStore
from proxy.admission.policy import OnLimit, Takeover
from proxy.admission.redis import RedisStore
from proxy.admission.store import Store
from proxy.lapses import LapseCollector, LapseWatch
from proxy.reporting import ReportingStore
from proxy.streams import Cadence, EndReason, Intent
from proxy.telemetry.events import Event, EventType
from proxy.telemetry.journal import Journal
from proxy.telemetry.metrics import Metrics
from tests.admission.samples import ACCOUNT, FILM, LIVE, TTL, attempt, policy
from tests.support.playlists import serve_channels
from tests.support.poll import until
from tests.support.redis_server import RedisServer, lasting
from tests.support.stack import Stack

START = 1_700_000_000.0
ONE = "/live/one/master.m3u8"


@pytest.fixture(autouse=True)
def _brisk(monkeypatch: pytest.MonkeyPatch) -> None:
    """Look round often: nobody wants to wait for it."""
    monkeypatch.setattr(lapses, "ROUND_SECONDS", 0.1)


@dataclass
class Clock:
    """One clock for all, Redis included."""

    now: float = START

    def __call__(self) -> float:
        return self.now

    def now_ms(self) -> int:
        return round(self.now * 1000)


@dataclass
class Proxy:
    """What of a proxy has to do with lapses."""

    counted: Store
    clock: Clock
    events: list[Event] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.watch = LapseWatch(self.clock)
        journal = Journal(Metrics("0", ()), self.clock, self)
        self.store = ReportingStore(self.counted, journal, self.watch)
        self.collector = LapseCollector(self.store, self.watch)

    def put(self, event: Event) -> None:
        self.events.append(event)

    def ends(self) -> list[tuple[str | None, str | None]]:
        return [(e.stream, e.reason) for e in self.events if e.event is EventType.ENDED]

    async def collect(self) -> None:
        """Do what a round does, without its pauses."""
        due = [account for part in range(lapses.PARTS) for account in self.watch.due(part)]
        if not due:
            return
        for account, found in zip(due, await self.store.drop_lapsed(due), strict=True):
            self.watch.settle(account, found.next_lapse_ms)


@dataclass
class Calls:
    """What was asked of a store."""

    asked: list[str] = field(default_factory=list)

    def __call__(self, operation: str, _seconds: float, _succeeded: bool, /) -> None:
        self.asked.append(operation)


@asynccontextmanager
async def proxies(
    server: RedisServer, clock: Clock, number: int, *, observe: Calls
) -> AsyncIterator[list[Proxy]]:
    async with AsyncExitStack() as stack:
        stores = [
            RedisStore(
                server.url,
                policy(),
                key_prefix="lapses",
                timeout=10,
                observe=observe,
                now_ms=clock.now_ms,
            )
            for _ in range(number)
        ]
        for store in stores:
            await store.start()
            stack.push_async_callback(store.close)
        yield [Proxy(store, clock) for store in stores]


async def test_what_lapses_is_told_by_one_proxy_of_those_that_know_the_account(
    redis_server: RedisServer,
) -> None:
    clock = Clock()
    async with proxies(redis_server, clock, 2, observe=Calls()) as (one, two):
        for proxy in (one, two):
            await proxy.store.decide(attempt("a", account="both", beat=True))
        clock.now += TTL / 1000
        await asyncio.gather(one.collector.round(), two.collector.round())
        assert one.ends() + two.ends() == [("a", "lapsed")]
        assert len(one.watch) + len(two.watch) == 0


async def test_a_proxy_takes_over_the_watch_from_one_that_died(redis_server: RedisServer) -> None:
    clock = Clock()
    async with proxies(redis_server, clock, 2, observe=Calls()) as (living, dead):
        await living.store.decide(attempt("a", account="orphan"))
        clock.now += TTL / 1000 - 1
        await dead.store.decide(attempt("a", account="orphan", beat=True))
        clock.now += 1
        await living.collect()
        assert living.ends() == []
        clock.now += TTL / 1000 - 1
        await living.collect()
        assert living.ends() == [("a", "lapsed")]


async def test_who_plays_on_is_not_asked_about(redis_server: RedisServer) -> None:
    clock, calls = Clock(), Calls()
    async with proxies(redis_server, clock, 1, observe=calls) as (proxy,):
        for _ in range(10):
            await proxy.store.decide(attempt("a", account="steady", beat=True))
            clock.now += TTL / 1000 - 1
            await proxy.collect()
        assert set(calls.asked) == {"start", "decide"}


async def test_lapses_while_the_store_was_away_are_told_when_it_is_back() -> None:
    clock = Clock()
    with lasting() as server:
        async with proxies(server, clock, 1, observe=Calls()) as (proxy,):
            await proxy.store.decide(attempt("a"))
            clock.now += TTL / 1000
            server.stop()
            await proxy.collector.round()
            assert proxy.ends() == []
            server.start()

            async def told() -> bool:
                await proxy.collector.round()
                return proxy.ends() != []

            await until(told, "the store is back")  # it may still be loading what it has kept
            assert proxy.ends() == [("a", "lapsed")]


async def test_what_is_heard_while_the_store_is_asked_is_not_forgotten() -> None:
    clock = Clock()
    watch = LapseWatch(clock)
    watch.note(ACCOUNT, TTL)
    clock.now += TTL / 1000
    watch.note(ACCOUNT, TTL)
    watch.settle(ACCOUNT, 0)
    assert len(watch) == 1
    clock.now += TTL / 1000
    watch.settle(ACCOUNT, 0)
    assert len(watch) == 0


def test_what_is_remembered_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lapses, "MAX_ACCOUNTS", 10 * lapses.PARTS)
    watch = LapseWatch(Clock())
    for number in range(10_000):
        watch.note(f"account {number}", TTL)
    assert len(watch) == 10 * lapses.PARTS


async def test_a_running_proxy_tells_of_viewers_who_never_come_back() -> None:
    clock = Clock()
    async with Stack(clock=clock) as stack:
        serve_channels(stack.origin, "one")
        await stack.watch(ONE)
        clock.now += TTL / 1000 + 1

        async def told() -> bool:
            return stack.service.metrics.totals().ended.get("lapsed") == 1

        await until(told, "the lapse counted")


# --- Whatever happens ---

STREAMS = st.sampled_from("abcd")
Step = Callable[[Proxy], object]


def asks(stream: str, number: int, cadence: Cadence, *, beat: bool, intent: Intent) -> Step:
    async def step(proxy: Proxy) -> None:
        await proxy.store.decide(
            attempt(
                stream,
                account=f"account {number}",
                device=f"device {ord(stream) % 2}",
                cadence=cadence,
                beat=beat,
                intent=intent,
            )
        )

    return step


def releases(stream: str, number: int) -> Step:
    return lambda proxy: proxy.store.release(f"account {number}", stream)


def kills(stream: str | None, number: int) -> Step:
    return lambda proxy: proxy.store.end(f"account {number}", stream, by="operator")


def waits(seconds: float) -> Step:
    async def step(proxy: Proxy) -> None:
        proxy.clock.now += seconds
        await proxy.collect()

    return step


ACCOUNTS = st.integers(1, 2)
histories = st.lists(
    st.one_of(
        st.builds(
            asks,
            STREAMS,
            ACCOUNTS,
            st.sampled_from([LIVE, FILM]),
            beat=st.booleans(),
            intent=st.sampled_from([Intent.START, Intent.START, *Intent]),
        ),
        st.builds(releases, STREAMS, ACCOUNTS),
        st.builds(kills, st.one_of(st.none(), STREAMS), ACCOUNTS),
        st.builds(waits, st.sampled_from([0.5, 5.0, 20.0, LINGER_MS / 1000])),
    ),
    min_size=20,
    max_size=60,
)


@given(
    history=histories,
    takeover=st.sampled_from(list(Takeover)),
    on_limit=st.sampled_from(list(OnLimit)),
)
@settings(max_examples=60)
def test_every_stream_that_started_ended_once(
    history: list[Step], takeover: Takeover, on_limit: OnLimit
) -> None:
    async def live_through() -> list[Event]:
        clock = Clock()
        proxy = Proxy(MemoryStore(policy(takeover, on_limit), clock), clock)
        for step in history:
            await step(proxy)  # type: ignore[misc]  # each gives something to wait for
        while len(proxy.watch):
            await waits(20)(proxy)  # type: ignore[misc]  # the same
        return proxy.events

    told = defaultdict[tuple[str | None, str | None], list[Event]](list)
    for event in asyncio.run(live_through()):
        if event.event is not EventType.REFUSED:
            told[event.account, event.stream].append(event)
    for events in told.values():
        turns = [EventType.STARTED, EventType.ENDED] * (len(events) // 2)
        assert [event.event for event in events] == turns
        assert {event.reason for event in events[1::2]} <= {reason.value for reason in EndReason}
