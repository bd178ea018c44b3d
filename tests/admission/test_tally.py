"""The tally of active streams: exact while all goes well, and right again after anything else."""

from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from redis.asyncio import Redis

from proxy.admission.redis import RedisStore
from proxy.admission.tally import FAR_LATE_MS, LATE_MS, STEP_MS, total
from proxy.streams import Intent
from tests.admission.samples import ACCOUNT, FILM, LIVE, TTL, attempt, policy
from tests.support.redis_server import RedisServer

START_MS = 1_700_000_000_000
TALLY = "playgate:active"
SLOTS = f"playgate:{{{ACCOUNT}}}:streams"
# How long a live stream that beats as most do waits for its next beat.
BEAT = 6_000


class Fleet:
    """Stores of several proxies over one Redis, on a clock that is set by hand."""

    def __init__(self, build: Callable[[Callable[[], int]], RedisStore]) -> None:
        self.now_ms = START_MS
        self.here, self.there = (build(lambda: self.now_ms) for _ in range(2))

    async def watch(self, *streams: str, account: str = ACCOUNT, **more: object) -> None:
        for stream in streams:
            wanted = attempt(stream, account=account, limit=100, beat=True, **more)  # type: ignore[arg-type]  # passed on as they came
            await self.here.decide(wanted)

    async def active(self) -> dict[str, int]:
        """What both proxies say."""
        told = await self.there.active()
        assert await self.here.active() == told
        return told


@pytest.fixture
async def fleet(redis_server: RedisServer, redis: Redis) -> AsyncIterator[Fleet]:  # noqa: ARG001  # empties Redis before, and looks for keys without a TTL after
    async with AsyncExitStack() as stack:

        def build(now_ms: Callable[[], int]) -> RedisStore:
            store = RedisStore(
                redis_server.url, policy(), key_prefix="playgate", timeout=10, now_ms=now_ms
            )
            stack.push_async_callback(store.close)
            return store

        yield Fleet(build)


async def calls(redis: Redis, command: str) -> int:
    stats = await redis.info("commandstats")
    return int(stats.get(f"cmdstat_{command}", {"calls": 0})["calls"])


# --- Exact ---


async def test_all_accounts_are_counted_by_route(fleet: Fleet) -> None:
    for number in range(10):
        await fleet.watch("a", "b", account=f"{number}", route="live")
        await fleet.watch("c", account=f"{number}", route="vod", cadence=FILM)
    assert await fleet.active() == {"live": 20, "vod": 10}
    await fleet.here.end("0", None, by="admin")
    await fleet.here.release("1", "a")
    assert await fleet.active() == {"live": 17, "vod": 9}


async def test_a_lapse_is_seen_in_time_though_nobody_notices_it(fleet: Fleet) -> None:
    await fleet.watch("a", "b")
    for _ in range(10):
        fleet.now_ms += BEAT
        await fleet.watch("a", "b")
        assert await fleet.active() == {"live": 2}
    fleet.now_ms += TTL - 1
    await fleet.watch("b", account="other")
    assert await fleet.active() == {"live": 3}
    fleet.now_ms += LATE_MS + 1
    assert await fleet.active() == {"live": 1}


async def test_a_lapse_that_is_noticed_is_seen_at_once(fleet: Fleet) -> None:
    await fleet.here.decide(attempt("a", cadence=FILM))
    await fleet.watch("b")
    await fleet.here.amend(ACCOUNT, "b", LIVE)
    fleet.now_ms += TTL
    assert await fleet.active() == {"live": 2}
    await fleet.here.drop_lapsed([ACCOUNT])
    assert await fleet.active() == {"live": 1}
    fleet.now_ms += FILM.hold_ms
    await fleet.here.drop_lapsed([ACCOUNT])
    assert await fleet.active() == {}


async def test_a_stream_that_comes_back_after_its_lapse_is_counted_once(fleet: Fleet) -> None:
    await fleet.watch("a")
    fleet.now_ms += TTL
    await fleet.watch("a")
    assert await fleet.active() == {"live": 1}


async def test_who_only_asks_is_not_counted(fleet: Fleet) -> None:
    await fleet.watch("a", intent=Intent.PEEK)
    assert await fleet.active() == {}
    await fleet.watch("a")
    fleet.now_ms += TTL
    before = await fleet.active()
    await fleet.watch("a", intent=Intent.PEEK)
    assert await fleet.active() == before


async def test_a_film_that_is_held_is_counted_to_its_end(fleet: Fleet) -> None:
    await fleet.here.decide(attempt("a", cadence=FILM))
    fleet.now_ms += FILM.hold_ms - 1
    assert await fleet.active() == {"live": 1}
    fleet.now_ms += FAR_LATE_MS + 1
    assert await fleet.active() == {}


def test_tallies_of_several_places_are_added_up() -> None:
    assert total([{"live": 2, "vod": 1}, {}, {"live": 3}]) == {"live": 5, "vod": 1}


# --- What it costs ---


async def test_at_most_every_second_beat_of_a_live_stream_changes_the_tally(
    fleet: Fleet, redis: Redis
) -> None:
    await fleet.watch("a")
    await redis.config_resetstat()
    for _ in range(20):
        fleet.now_ms += BEAT
        await fleet.watch("a")
    assert 0 < await calls(redis, "hincrby") <= 20


async def test_the_tally_is_small_however_many_films_there_are(fleet: Fleet, redis: Redis) -> None:
    for number in range(200):
        fleet.now_ms += 1_000
        await fleet.here.decide(attempt("a", account=f"{number}", cadence=FILM))
    assert await redis.hlen(TALLY) <= 200 * 1_000 // FAR_LATE_MS + 2
    assert await fleet.active() == {"live": 200}


async def test_what_is_past_is_taken_out_by_whoever_looks(fleet: Fleet, redis: Redis) -> None:
    for _ in range(10):
        await fleet.watch("a")
        fleet.now_ms += TTL + LATE_MS + STEP_MS
    assert await redis.hlen(TALLY) == 10
    await fleet.watch("a")
    assert await fleet.active() == {"live": 1}
    assert await redis.hlen(TALLY) == 1


async def test_where_nothing_is_counted_nothing_is_kept(fleet: Fleet, redis: Redis) -> None:
    await fleet.watch("a", "b")
    fleet.now_ms += BEAT
    await fleet.watch("a")
    await fleet.here.end(ACCOUNT, None, by="admin")
    assert not await redis.exists(TALLY)


async def test_the_tally_expires_with_the_last_that_is_counted(
    redis_server: RedisServer, redis: Redis
) -> None:
    store = RedisStore(redis_server.url, policy(), key_prefix="playgate", timeout=10)
    try:
        await store.decide(attempt("a", cadence=FILM))
        await store.decide(attempt("b"))
        lives = await redis.pttl(TALLY)
        assert FILM.hold_ms < lives <= FILM.hold_ms + FAR_LATE_MS
    finally:
        await store.close()


# --- Right again ---


async def test_a_tally_that_was_lost_is_right_again_after_a_beat_of_all(
    fleet: Fleet, redis: Redis
) -> None:
    await fleet.watch("a", "b", "c", "d")
    await redis.delete(TALLY)
    assert await fleet.active() == {}
    await fleet.here.release(ACCOUNT, "d")
    assert not await redis.exists(TALLY)
    for _ in range(2):  # one of two changes the tally
        fleet.now_ms += BEAT
        await fleet.watch("a", "b", "c")
    assert await fleet.active() == {"live": 3}
    await fleet.here.end(ACCOUNT, None, by="admin")
    assert await fleet.active() == {}


async def test_an_account_that_was_lost_is_counted_until_it_would_have_lapsed(
    fleet: Fleet, redis: Redis
) -> None:
    await fleet.watch("a", "b")
    await fleet.watch("c", account="other")
    await redis.delete(SLOTS)
    fleet.now_ms += TTL + LATE_MS
    await fleet.watch("c", account="other")
    assert await fleet.active() == {"live": 1}


async def test_a_tally_that_is_no_hash_fails_nothing_and_is_replaced(
    fleet: Fleet, redis: Redis
) -> None:
    await redis.set(TALLY, "somebody else's")
    await fleet.watch("a")
    assert [stream.id for stream in await fleet.here.streams(ACCOUNT)] == ["a"]
    assert await fleet.active() == {}
    for _ in range(2):
        fleet.now_ms += BEAT
        await fleet.watch("a")
    assert await fleet.active() == {"live": 1}


async def test_in_a_redis_that_is_full_what_lapsed_is_handed_back_all_the_same(
    fleet: Fleet, redis: Redis
) -> None:
    await fleet.watch("a", "b")
    fleet.now_ms += TTL
    await redis.config_set("maxmemory", 1)
    try:
        [told] = await fleet.here.drop_lapsed([ACCOUNT])
        assert [one.stream.id for one in told.ended] == ["a", "b"]
        assert await fleet.active() == {"live": 2}
    finally:
        await redis.config_set("maxmemory", 0)
    fleet.now_ms += LATE_MS
    assert await fleet.active() == {}


async def test_what_cannot_be_read_in_the_tally_goes(fleet: Fleet, redis: Redis) -> None:
    await fleet.watch("a")
    [counted] = await redis.hkeys(TALLY)
    assert isinstance(counted, bytes)
    strange = {b"": b"1", b"x": b"1", b"\1" * 6: b"1", b"\xff" * 6: b"-3", counted: b"many"}
    for field, number in strange.items():
        await redis.hset(TALLY, field, number)
    fleet.now_ms += 1
    await fleet.watch("a", "b")
    assert await fleet.active() == {}
    assert not await redis.exists(TALLY)
    fleet.now_ms += 2 * BEAT
    await fleet.watch("a", "b")
    assert await fleet.active() == {"live": 2}


@given(damage=st.lists(st.tuples(st.integers(0, 400), st.integers(1, 255)), min_size=1, max_size=9))
@settings(
    max_examples=40,
    deadline=None,
    # Each example overwrites what the one before it left.
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
async def test_whatever_was_damaged_the_tally_is_right_when_it_has_lapsed(
    redis_server: RedisServer, damage: list[tuple[int, int]]
) -> None:
    now_ms = START_MS
    store = RedisStore(
        redis_server.url, policy(), key_prefix="bent", timeout=10, now_ms=lambda: now_ms
    )
    redis = Redis.from_url(redis_server.url)
    slots = f"bent:{{{ACCOUNT}}}:streams"
    try:
        await redis.flushall()
        for stream in ("a", "b"):
            await store.decide(attempt(stream))
        for name, value in (await redis.hgetall(slots)).items():
            assert isinstance(value, bytes)
            bent = bytearray(value)
            for position, flip in damage:
                bent[position % len(bent)] ^= flip
            await redis.hset(slots, name, bytes(bent))
        await store.decide(attempt("a"))
        await store.release(ACCOUNT, "b")
        assert (await store.active()).keys() <= {
            "live",
            *(s.route for s in await store.streams(ACCOUNT)),
        }
        await store.end(ACCOUNT, None, by="admin")
        now_ms += FILM.hold_ms
        await store.decide(attempt("a", account="sound"))
        assert (await store.active()).get("live") == 1
    finally:
        await store.close()
        await redis.aclose()
