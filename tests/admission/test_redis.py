"""What is particular to Redis: keys, their ends, damage to what is stored, scripts forgotten."""

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from redis.asyncio import Redis
from redis.crc import key_slot

from proxy.admission.ledger import LINGER_MS
from proxy.admission.policy import OnLimit, Takeover
from proxy.admission.redis import RedisStore
from proxy.admission.tally import FAR_LATE_MS, LATE_MS
from proxy.streams import EndReason, Outcome
from tests.admission.samples import ACCOUNT, FILM, LIVE, TTL, attempt, policy
from tests.support.redis_server import RedisServer

SLOTS = f"playgate:{{{ACCOUNT}}}:streams"
TOMBSTONES = f"playgate:{{{ACCOUNT}}}:ended"
TALLY = "playgate:active"


async def watch(store: RedisStore, *streams: str, limit: int = 3) -> list[Outcome]:
    return [(await store.decide(attempt(stream, limit=limit))).outcome for stream in streams]


# --- Keys ---


async def test_an_account_has_two_keys_in_one_cluster_slot(store: RedisStore, redis: Redis) -> None:
    await watch(store, "a")
    await store.end(ACCOUNT, "a", by="admin")
    await watch(store, "b")
    assert {key.decode() async for key in redis.scan_iter()} == {SLOTS, TOMBSTONES, TALLY}
    assert key_slot(SLOTS.encode()) == key_slot(TOMBSTONES.encode())


async def test_slots_expire_with_the_last_of_them(store: RedisStore, redis: Redis) -> None:
    await store.decide(attempt("a", cadence=FILM))
    await watch(store, "b")
    assert FILM.hold_ms < await redis.pttl(SLOTS) <= FILM.hold_ms + LINGER_MS + FAR_LATE_MS
    await store.release(ACCOUNT, "a")
    assert TTL < await redis.pttl(SLOTS) <= TTL + LINGER_MS + LATE_MS
    await store.amend(ACCOUNT, "b", FILM)
    assert FILM.hold_ms < await redis.pttl(SLOTS) <= FILM.hold_ms + LINGER_MS + FAR_LATE_MS
    await store.release(ACCOUNT, "b")
    assert not await redis.exists(SLOTS)


async def test_tombstones_expire_with_the_last_of_them(store: RedisStore, redis: Redis) -> None:
    await watch(store, "a", "b")
    await store.end(ACCOUNT, "a", by="admin")
    lasting = policy().tombstone_ms
    assert lasting < await redis.pttl(TOMBSTONES) <= lasting + LINGER_MS
    await store.release(ACCOUNT, "b")
    assert lasting < await redis.pttl(TOMBSTONES)


async def test_beats_make_the_key_live_on(redis_server: RedisServer, redis: Redis) -> None:
    now_ms = 1_700_000_000_000
    store = RedisStore(
        redis_server.url, policy(), key_prefix="playgate", timeout=10, now_ms=lambda: now_ms
    )
    try:
        for seconds in (0, 2, 2, 2, 2, 6, 6, 29):
            now_ms += seconds * 1000
            if await redis.exists(SLOTS):  # as much time passes for Redis
                await redis.pexpire(SLOTS, await redis.pttl(SLOTS) - seconds * 1000)
            await watch(store, "a")
            # Where a clock is set by hand, keys live for an hour longer.
            assert await redis.pttl(SLOTS) > 3_600_000 + TTL
    finally:
        await store.close()


async def test_time_is_redis_s_own(store: RedisStore, redis: Redis) -> None:
    async def now_ms() -> int:
        seconds, micros = await redis.time()
        return seconds * 1000 + micros // 1000

    before = await now_ms()
    told = await store.decide(attempt("a"))
    assert before <= told.started_ms <= await now_ms()


async def test_a_stream_takes_less_than_400_bytes(store: RedisStore, redis: Redis) -> None:
    names = [f"{number:024x}" for number in range(3)]
    for name in names:
        wanted = attempt(name, account="a" * 32, device="d" * 16, limit=3)
        await store.decide(wanted)
    assert (await redis.memory_usage(SLOTS) or 0) < 400 * len(names)


# --- Names that are no Unicode ---


async def test_what_is_no_unicode_is_counted_all_the_same(store: RedisStore) -> None:
    told = await store.decide(attempt("\udcff\x00\n"))
    assert told.outcome is Outcome.ADMITTED
    assert [stream.content for stream in await store.streams(ACCOUNT)] == [
        "tv.example/?\x00\n.m3u8"
    ]


# --- Scripts ---


async def test_scripts_that_were_flushed_are_sent_again(store: RedisStore, redis: Redis) -> None:
    await redis.script_flush()
    assert await watch(store, "a") == [Outcome.ADMITTED]
    await redis.script_flush()
    await store.amend(ACCOUNT, "a", FILM)
    await redis.script_flush()
    assert [stream.id for stream in await store.streams(ACCOUNT)] == ["a"]
    await redis.script_flush()
    assert await store.release(ACCOUNT, "a") is not None
    await watch(store, "b")
    await redis.script_flush()
    assert len(await store.end(ACCOUNT, None, by="admin")) == 1


async def test_a_script_is_sent_once_and_then_called_by_name(
    store: RedisStore, redis: Redis
) -> None:
    await redis.script_flush()
    await redis.config_resetstat()
    await watch(store, "a", "a", "a")
    stats = await redis.info("commandstats")
    assert stats["cmdstat_eval"]["calls"] == 1
    assert stats["cmdstat_evalsha"]["calls"] == 3


def test_the_scripts_travel_with_the_package() -> None:
    package = Path("proxy/admission/lua")
    assert {path.stem for path in package.iterdir()} == {
        *(
            "prelude",
            "decide",
            "ways",
            "admit",
            "amend",
            "release",
            "forget",
            "end",
            "lapse",
            "list",
        ),
        *("common", "asked", "tally", "slot", "renew", "active", "ping"),
        *("ends", "churn", "stop", "revoke", "revoked"),
    }


# --- Damage ---


@pytest.mark.parametrize(
    "garbage", [b"", b"x", b"garbage" * 20, b"\x00" * 200, b"\xff" * 200, b'{"json": true}']
)
async def test_a_slot_that_cannot_be_read_counts_for_nothing_and_goes(
    store: RedisStore, redis: Redis, garbage: bytes
) -> None:
    await watch(store, "a")
    await redis.hset(SLOTS, "b", garbage)
    assert [stream.id for stream in await store.streams(ACCOUNT)] == ["a"]
    assert await watch(store, "c", "d") == [Outcome.ADMITTED] * 2
    assert set(await redis.hkeys(SLOTS)) == {b"a", b"c", b"d"}


async def test_a_slot_cut_short_or_drawn_out_counts_for_nothing(
    store: RedisStore, redis: Redis
) -> None:
    await watch(store, "a")
    whole = await redis.hget(SLOTS, "a")
    assert isinstance(whole, bytes)
    for damaged in (whole[:-1], whole + b"\x00"):
        await redis.hset(SLOTS, "a", damaged)
        assert await store.streams(ACCOUNT) == ()


async def test_a_tombstone_that_cannot_be_read_ends_nothing_and_goes(
    store: RedisStore, redis: Redis
) -> None:
    told = await store.decide(attempt("a"))
    await store.end(ACCOUNT, "a", by="admin")
    await redis.hset(TOMBSTONES, "a", b"garbage")
    again = await store.decide(attempt("a", instance_ms=told.started_ms))
    assert again.outcome is Outcome.ADMITTED
    assert not await redis.hexists(TOMBSTONES, "a")


async def test_a_newcomer_whose_older_stream_cannot_be_read_stays(
    redis_server: RedisServer, redis: Redis
) -> None:
    rules = policy(Takeover.PROVISIONAL)
    store = RedisStore(redis_server.url, rules, key_prefix="playgate", timeout=10)
    try:
        await store.decide(attempt("a", device="browser", limit=1))
        told = await store.decide(attempt("b", device="browser", limit=1))
        assert told.outcome is Outcome.PROVISIONAL
        await redis.hset(SLOTS, "a", b"garbage")
        for _ in range(2):
            told = await store.decide(attempt("b", device="browser", limit=0))
            assert (told.outcome, told.active) == (Outcome.RENEWED, 1)
    finally:
        await store.close()


async def test_a_key_that_is_no_hash_is_replaced(store: RedisStore, redis: Redis) -> None:
    for key in (SLOTS, TOMBSTONES):
        await redis.set(key, "somebody else's")
    assert await store.streams(ACCOUNT) == ()
    assert await store.release(ACCOUNT, "a") is None
    assert await watch(store, "a", "b") == [Outcome.ADMITTED] * 2
    await redis.set(TOMBSTONES, "somebody else's again")
    assert len(await store.end(ACCOUNT, "a", by="admin")) == 1
    assert await watch(store, "b") == [Outcome.RENEWED]


@given(damage=st.lists(st.tuples(st.integers(0, 400), st.integers(1, 255)), min_size=1, max_size=9))
@settings(
    max_examples=60,
    deadline=None,
    # Each example overwrites what the one before it left.
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
async def test_no_damage_to_what_is_stored_fails_a_decision(
    redis_server: RedisServer, damage: list[tuple[int, int]]
) -> None:
    """Bits may turn a slot into another one; asking about it must still give an answer."""
    store = RedisStore(
        redis_server.url, policy(on_limit=OnLimit.EVICT_OLDEST), key_prefix="damage", timeout=10
    )
    redis = Redis.from_url(redis_server.url)
    try:
        await watch(store, "a", "b", "c")
        await store.end(ACCOUNT, "c", by="admin")
        for key in (
            b"damage:{%s}:%s" % (ACCOUNT.encode(), kind) for kind in (b"streams", b"ended")
        ):
            for name, value in (await redis.hgetall(key)).items():
                assert isinstance(value, bytes)
                bent = bytearray(value)
                for position, flip in damage:
                    bent[position % len(bent)] ^= flip
                await redis.hset(key, name, bytes(bent))
        for stream in ("a", "b", "c"):
            await store.decide(attempt(stream, limit=1))
            await store.decide(attempt(stream, instance_ms=1))
        await store.streams(ACCOUNT)
        await store.amend(ACCOUNT, "a", LIVE)
        await store.release(ACCOUNT, "b")
        await store.end(ACCOUNT, None, by="admin")
    finally:
        await store.close()
        await redis.aclose()


async def test_ending_one_stream_reports_it_as_killed(store: RedisStore) -> None:
    await watch(store, "a", "b")
    (ended,) = await store.end(ACCOUNT, "a", by="admin")
    assert (ended.stream.id, ended.reason) == ("a", EndReason.KILLED)
    # A stream nobody knows, and a name that is empty, are nobody's.
    assert await store.end(ACCOUNT, "x", by="admin") == ()
    assert await store.end(ACCOUNT, "", by="admin") == ()
    assert [stream.id for stream in await store.streams(ACCOUNT)] == ["b"]
