"""How many streams are active is shown by every proxy, and is the number of all of them."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families
from redis.asyncio import Redis

from proxy import active_streams
from proxy.active_streams import PAUSE_SECONDS, ActiveStreams
from proxy.admission.memory import MemoryStore
from proxy.admission.tally import LATE_MS
from proxy.errors import StoreUnavailable
from proxy.telemetry.metrics import Metrics
from tests.admission.samples import policy
from tests.support.pair import Pair, two_proxies
from tests.support.playlists import serve_channels
from tests.support.poll import until
from tests.support.redis_server import RedisServer
from tests.support.stack import Stack

ONE, TWO = "/live/one/master.m3u8", "/live/two/master.m3u8"
ALICE = "/admin/v1/accounts/alice/streams"
TTL = 30  # seconds: streams.ttl


@pytest.fixture(autouse=True)
def _brisk(monkeypatch: pytest.MonkeyPatch) -> None:
    """Look often: nobody wants to wait for it."""
    monkeypatch.setattr(active_streams, "PAUSE_SECONDS", 0.02)


@dataclass
class Clock:
    """One clock for all, Redis included."""

    now: float = 1_700_000_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
async def pair(redis: Redis, redis_server: RedisServer, clock: Clock) -> AsyncIterator[Pair]:
    del redis  # empties the server and looks for keys without a TTL
    async with two_proxies(redis_server, clock=clock) as pair:
        serve_channels(pair.here.origin, "one", "two")
        yield pair


async def shown(stack: Stack) -> dict[str, float]:
    exposed = (await stack.operate("/metrics", token=None)).text
    return {
        sample.labels["route"]: sample.value
        for family in text_string_to_metric_families(exposed)
        if family.name == "playgate_active_streams"
        for sample in family.samples
    }


async def shows(stack: Stack, **numbers: int) -> None:
    """Wait until a proxy shows these numbers."""

    async def so() -> bool:
        return await shown(stack) == numbers

    await until(so, f"{numbers} are shown")


async def both_show(pair: Pair, live: int) -> None:
    await shows(pair.here, live=live, open=0, none=0)
    await shows(pair.there, live=live, none=0)


async def test_every_proxy_shows_the_streams_of_all(pair: Pair) -> None:
    assert await shown(pair.here) == {"live": 0, "open": 0, "none": 0}
    await pair.here.watch(ONE, "alice", Host="tv.test")
    await both_show(pair, live=1)
    await pair.there.watch(ONE, "bob", Host="tv.test")
    await pair.there.watch(TWO, "carol", Host="tv.test")
    await both_show(pair, live=3)
    await pair.there.operate(ALICE, "DELETE")
    await both_show(pair, live=2)


async def test_the_number_falls_when_viewers_just_go_also_through_a_proxy_that_died(
    pair: Pair, clock: Clock
) -> None:
    await pair.here.watch(ONE, "alice", Host="tv.test")
    await pair.there.watch(ONE, "bob", Host="tv.test")
    await both_show(pair, live=2)
    await pair.here.service.stop()
    clock.now += TTL + LATE_MS / 1000
    await shows(pair.there, live=0, none=0)


async def test_streams_on_routes_that_are_not_configured_are_shown_as_on_none(
    pair: Pair, redis_server: RedisServer
) -> None:
    await pair.here.watch(ONE, Host="tv.test")
    other = [{"name": "films", "path": "/films/**", "origins": ["http://origin.test"]}]
    store = {"url": redis_server.url, "timeout": "10s"}
    async with Stack(clock=pair.here.clock, store=store, routes=other) as stack:
        await shows(stack, films=0, none=1)
        await pair.here.operate(ALICE, "DELETE")
        await shows(stack, films=0, none=0)


async def test_while_the_store_is_away_a_proxy_shows_its_own(clock: Clock) -> None:
    with RedisServer() as server:
        async with two_proxies(server, clock=clock) as pair:
            serve_channels(pair.here.origin, "one")
            await pair.here.watch(ONE, "alice", Host="tv.test")
            await pair.there.watch(ONE, "bob", Host="tv.test")
            await both_show(pair, live=2)
            server.stop()
            await pair.here.watch(ONE, "alice", Host="tv.test")
            await pair.there.watch(ONE, "alice", Host="tv.test")
            await pair.there.watch(ONE, "carol", Host="tv.test")
            await shows(pair.here, live=1, open=0, none=0)
            await shows(pair.there, live=3, none=0)


async def test_a_stream_is_shown_on_none_when_its_route_goes_while_it_plays(
    tmp_path: Path,
) -> None:
    async with Stack(folder=tmp_path) as stack:
        serve_channels(stack.origin, "one")
        await stack.watch(ONE)
        await shows(stack, live=1, open=0, none=0)
        [live, _other] = stack.mapping()["routes"]
        await stack.reload(routes=[{**live, "name": "tv"}])
        await shows(stack, tv=0, none=1)
        await stack.reload(routes=[live])
        await shows(stack, live=1, none=0)


async def test_one_process_shows_what_it_counts() -> None:
    async with Stack() as stack:
        serve_channels(stack.origin, "one")
        await stack.watch(ONE)
        await shows(stack, live=1, open=0, none=0)
        assert (await stack.operate("/admin/v1/stats")).json["active_streams"] == {
            "live": 1,
            "open": 0,
            "none": 0,
        }


async def test_what_was_seen_last_stands_where_there_is_no_answer() -> None:
    metrics = Metrics("0", ())
    metrics.streams.watch_routes(["live"])

    class Silent(MemoryStore):
        async def active(self) -> dict[str, int]:
            raise StoreUnavailable

    metrics.streams.active({"live": 3})
    await ActiveStreams(Silent(policy(), Clock()), metrics.streams.active).look()
    assert metrics.totals().active == {"live": 3, "none": 0}


def test_routes_come_and_go_and_their_streams_are_shown_all_the_same() -> None:
    metrics = Metrics("0", ())
    streams = metrics.streams
    streams.watch_routes(["live", "films"])
    streams.active({"live": 3, "films": 2, "old": 1})
    assert metrics.totals().active == {"live": 3, "films": 2, "none": 1}
    streams.watch_routes(["live", "old", "none"])
    assert metrics.totals().active == {"live": 3, "old": 1, "none": 2}
    streams.watch_routes(["live"])
    assert metrics.totals().active == {"live": 3, "none": 3}


def test_a_lapse_is_seen_within_ten_seconds() -> None:
    assert LATE_MS / 1000 + PAUSE_SECONDS < 10
