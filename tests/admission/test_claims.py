"""Who plays keeps the slot when the store is back, or has forgotten, before a newcomer takes it."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterator

import pytest
from redis.asyncio import Redis

from proxy.admission.breaker import BACKOFF
from proxy.admission.claims import AT_ONCE
from proxy.admission.outage import OutageGuard
from proxy.admission.policy import OnOutage, Takeover
from proxy.admission.redis import RedisStore
from proxy.admission.revocations import Revocation
from proxy.streams import Attempt, Cadence, Decision, Intent, Outcome
from tests.admission.guarded import PATIENT, START, Guarded, guarded
from tests.admission.samples import ACCOUNT, FILM, KEPT, LIVE, TTL, attempt, policy
from tests.support.poll import until
from tests.support.redis_server import RedisServer


@pytest.fixture
def server() -> Iterator[RedisServer]:
    with RedisServer() as server:
        yield server


async def there(home: Guarded) -> list[str]:
    """Give what the store says to other proxies."""
    return [stream.id for stream in await home.redis.streams(ACCOUNT)]


def claimed(home: Guarded, *streams: str) -> Callable[[], Awaitable[bool]]:
    async def so() -> bool:
        return await there(home) == [*streams]

    return so


def on_tv(stream: str, instance_ms: int | None = None) -> Attempt:
    """What plays on a device that its token names."""
    return attempt(stream, device="tv", strong=True, instance_ms=instance_ms, limit=1)


async def made(home: Guarded) -> None:
    """Wait until all claims are made that nobody waits for."""
    await asyncio.gather(*home.guard._claims._works.values())


async def empty(server: RedisServer) -> None:
    async with Redis.from_url(server.url) as redis:
        await redis.flushall()


async def test_the_newcomer_who_finds_the_store_back_gets_no_slot_of_those_who_play(
    server: RedisServer,
) -> None:
    async with guarded(server) as home:
        await home.watch("a")
        server.stop()
        assert await home.watch("b") == [Outcome.ADMITTED]
        server.start()
        home.now += BACKOFF
        assert await home.watch("c") == [Outcome.REFUSED]
        assert home.guard.available
        assert await home.watch("a", "b") == [Outcome.RENEWED] * 2


async def test_what_lapsed_in_the_store_alone_is_claimed_as_well(server: RedisServer) -> None:
    """It took no beats for longer than slots live, and tells whoever asks first of all of them."""
    async with guarded(server) as home, Redis.from_url(server.url) as redis:
        await home.watch("a", "b")
        await redis.config_set("maxmemory", 1)
        for _ in range(2):
            home.now += TTL * 2 / 3 / 1000
            assert await home.watch("a", "b") == [Outcome.UNCHECKED] * 2
        await redis.config_set("maxmemory", 0)
        home.now += BACKOFF
        told = await home.guard.decide(attempt("a"))
        assert (told.outcome, len(told.ended)) == (Outcome.ADMITTED, 2)
        assert await home.watch("c") == [Outcome.REFUSED]
        assert await home.watch("b") == [Outcome.RENEWED]


async def test_many_newcomers_at_once_get_none_either(server: RedisServer) -> None:
    async with guarded(server) as home:
        await home.watch("a", "b")
        server.stop()
        await home.watch("a")
        await home.return_of_redis()
        told = await asyncio.gather(*(home.watch(f"newcomer {number}") for number in range(20)))
        assert told == [[Outcome.REFUSED]] * 20


async def test_who_plays_claims_its_slot_without_a_beat_for_those_who_ask_elsewhere(
    server: RedisServer,
) -> None:
    async with guarded(server) as home:
        await home.watch("a", "b")
        server.stop()
        await home.watch("a")
        await home.return_of_redis()
        await until(claimed(home, "a", "b"), "both are claimed")
        assert [(one.playback.stream, told.outcome) for one, told in home.granted] == [
            ("a", Outcome.ADMITTED),
            ("b", Outcome.ADMITTED),
        ]


async def test_a_stream_that_was_given_back_or_lapsed_meanwhile_is_not_claimed(
    server: RedisServer,
) -> None:
    async with guarded(server) as home:
        await home.watch("given back", "lapsed")
        server.stop()
        await home.guard.release(ACCOUNT, "given back")
        home.now += TTL / 1000
        await home.watch("a")
        await home.return_of_redis()
        await until(claimed(home, "a"), "the other is claimed")


@pytest.mark.parametrize("ago", [0.5, 3])
async def test_what_was_given_back_by_another_proxy_is_not_claimed(
    server: RedisServer, ago: float
) -> None:
    """Which the store answers, while this one alone finds it away."""
    async with guarded(server) as home, Redis.from_url(server.url) as redis:
        told = await home.guard.decide(attempt("a"))
        await redis.config_set("maxmemory", 1)
        assert await home.watch("a") == [Outcome.UNCHECKED]
        await redis.config_set("maxmemory", 0)
        assert await home.redis.release(ACCOUNT, "a", told.started_ms)
        home.now += ago
        await home.return_of_redis()
        await made(home)
        assert await there(home) == []
        assert await home.watch("b", limit=1) == [Outcome.ADMITTED]


async def test_whoever_is_overdue_claims_nothing(server: RedisServer) -> None:
    """Its viewer may watch something else by another proxy, and it is not to be in the way."""
    async with guarded(server) as home:
        await home.watch("gone", "b")
        server.stop()
        home.now += LIVE.interval_ms * 5 / 4 / 1000
        await home.watch("b")
        server.start()
        home.now += BACKOFF
        assert await home.watch("c") == [Outcome.ADMITTED]
        await made(home)
        assert await there(home) == ["b", "c"]


async def test_one_beat_that_was_forgotten_tells_that_all_are(server: RedisServer) -> None:
    """By an operator, or by a replica that took the place of one that had more."""
    async with guarded(server) as home:
        told = await home.guard.decide(attempt("a"))
        await home.watch("b")
        await empty(server)
        beat = attempt("a", instance_ms=told.started_ms, beat=True)
        assert await home.ask(beat) is Outcome.ADMITTED
        assert await home.watch("c") == [Outcome.REFUSED]
        assert home.changes == []
        await until(claimed(home, "a", "b"), "both are claimed")


@pytest.mark.parametrize("lapses", ["found", "known"])
async def test_a_stream_that_lapsed_was_not_forgotten(server: RedisServer, lapses: str) -> None:
    async with guarded(server) as home:
        told = await home.guard.decide(attempt("a"))
        # By the store's clock, which is a little ahead.
        home.redis_ahead = TTL / 1000
        if lapses == "known":
            await home.guard.drop_lapsed([ACCOUNT])
            home.now += TTL / 1000
        assert await home.ask(attempt("a", instance_ms=told.started_ms)) is Outcome.ADMITTED
        assert home.granted == []
        assert not home.guard._claims._works


async def test_a_stream_that_is_started_anew_was_not_forgotten(server: RedisServer) -> None:
    async with guarded(server) as home:
        await home.watch("a")
        await home.redis.release(ACCOUNT, "a")
        assert await home.watch("a") == [Outcome.ADMITTED]
        assert not home.guard._claims._works


async def test_claims_are_made_by_each_stream_s_own_limit(server: RedisServer) -> None:
    async with guarded(server, OnOutage.OPEN) as home:
        server.stop()
        assert await home.watch("a", "b", "c") == [Outcome.UNCHECKED] * 3
        await home.return_of_redis()
        await made(home)
        assert await there(home) == ["a", "b"]
        assert [one.playback.stream for one, _ in home.granted] == ["a", "b"]
        assert await home.watch("c") == [Outcome.REFUSED]


async def test_whoever_vouches_for_a_stream_does_not_know_its_limit(server: RedisServer) -> None:
    async with guarded(server) as home:
        server.stop()
        await home.guard.decide(attempt("a", limit=1))
        await home.guard.decide(attempt("a", limit=9, intent=Intent.TOUCH, issued_ms=None))
        server.start()
        await home.redis.decide(attempt("elsewhere", limit=1))
        await home.return_of_redis()
        await made(home)
        assert await there(home) == ["elsewhere"]


async def test_a_claim_displaces_nobody(server: RedisServer) -> None:
    async with guarded(server, rules=policy(Takeover.STRONG)) as home:
        server.stop()
        await home.guard.decide(on_tv("here"))
        server.start()
        await home.redis.decide(on_tv("elsewhere"))
        await home.return_of_redis()
        assert await home.ask(attempt("new", device="phone", limit=1)) is Outcome.REFUSED
        assert await there(home) == ["elsewhere"]


async def test_who_takes_over_finds_the_stream_that_gives_way(server: RedisServer) -> None:
    async with guarded(server) as home:
        old = await home.guard.decide(on_tv("old"))
        server.stop()
        await home.guard.decide(on_tv("old"))
        server.start()
        home.now += BACKOFF
        assert await home.ask(on_tv("new")) is Outcome.TAKEOVER
        late = on_tv("old", old.started_ms)
        assert await home.ask(late) is Outcome.ENDED


async def test_what_was_revoked_elsewhere_claims_nothing(server: RedisServer) -> None:
    async with guarded(server) as home:
        now_ms = round(START * 1000)
        await home.ask(attempt("a", jti="one", issued_ms=now_ms))
        server.stop()
        await home.watch("b")
        server.start()
        await home.redis.revoke(ACCOUNT, Revocation(now_ms + 60_000, jti="one"))
        await home.return_of_redis()
        await until(claimed(home, "b"), "the other is claimed")


async def test_what_was_ended_elsewhere_claims_nothing(server: RedisServer) -> None:
    async with guarded(server) as home, Redis.from_url(server.url) as redis:
        await home.watch("a", "b")
        await redis.config_set("maxmemory", 1)
        await home.watch("a")
        await redis.config_set("maxmemory", 0)
        await home.redis.end(ACCOUNT, "a", by="another proxy")
        await home.return_of_redis()
        await made(home)
        assert await there(home) == ["b"]


async def test_a_touch_finds_its_stream_again(server: RedisServer) -> None:
    """It takes no slot, so what it keeps claims one before."""
    async with guarded(server) as home:
        await home.watch("a", "b")
        server.stop()
        home.now += LIVE.interval_ms * 5 / 4 / 1000
        await home.watch("b")
        server.start()
        home.now += BACKOFF
        touch = attempt("a", intent=Intent.TOUCH, cadence=KEPT)
        assert await home.ask(touch) is Outcome.RENEWED


@pytest.mark.parametrize("beats", [True, False])
async def test_a_film_is_claimed_for_as_long_as_it_would_be_kept(
    server: RedisServer, beats: bool
) -> None:
    async with guarded(server) as home:
        await home.ask(attempt("a", cadence=FILM, beat=beats))
        server.stop()
        await home.watch("b")
        await home.return_of_redis()
        await until(claimed(home, "a", "b"), "it is claimed")
        film, _ = await home.redis.streams(ACCOUNT)
        kept_ms = FILM.ttl_ms if beats else FILM.hold_ms
        assert film.expires_ms - film.seen_ms == kept_ms
        assert film.beats == 0


async def test_what_the_store_has_is_as_it_was(server: RedisServer) -> None:
    async with guarded(server) as home:
        cadence = Cadence(TTL, hold_ms=3_600_000, interval_ms=6_000)
        await home.ask(attempt("a", cadence=cadence, beat=True))
        [before] = await home.redis.streams(ACCOUNT)
        async with Redis.from_url(server.url) as redis:
            await redis.config_set("maxmemory", 1)
            await home.watch("b")
            await redis.config_set("maxmemory", 0)
        await home.return_of_redis()
        await until(claimed(home, "a", "b"), "both are claimed")
        after, _ = await home.redis.streams(ACCOUNT)
        assert (after.started_ms, after.beats) == (before.started_ms, before.beats)
        assert after.on_demand


async def test_what_asks_without_waiting_gets_no_slot_of_those_who_play(
    server: RedisServer,
) -> None:
    """A paused player comes back with the words it always used."""
    ahead = 0.0
    store = RedisStore(server.url, policy(), key_prefix="claims", timeout=PATIENT)
    guard = OutageGuard(store, policy(), OnOutage.LOCAL, clock=lambda: time.time() + ahead)
    for stream in "ab":
        await guard.decide(attempt(stream))
    server.stop()
    await guard.decide(attempt("a"))
    server.start()
    ahead = BACKOFF
    await guard.ping()
    told = asyncio.get_running_loop().create_future()
    late = guard.question(attempt("c", beat=True))
    assert not guard.hear(late, told.set_result)

    async def settled() -> bool:
        return guard.hear(late, told.set_result)

    await until(settled, "all have claimed")
    answer = await told
    assert isinstance(answer, Decision)
    assert answer.outcome is Outcome.REFUSED
    await guard.close()


async def test_accounts_with_many_streams_do_not_keep_others_waiting(
    server: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Or their requests would not be answered in time, and the store be taken for away again."""
    async with guarded(server, OnOutage.OPEN) as home:
        server.stop()
        for account in range(4):
            for stream in range(AT_ONCE):
                wanted = attempt(f"{account}-{stream}", account=f"{account}", limit=2)
                assert await home.ask(wanted) is Outcome.UNCHECKED
        under_way, most, decide = 0, 0, home.redis.decide

        async def counted(claim: Attempt) -> Decision:
            nonlocal under_way, most
            under_way += 1
            most = max(most, under_way)
            try:
                return await decide(claim)
            finally:
                under_way -= 1

        monkeypatch.setattr(home.redis, "decide", counted)
        await home.return_of_redis()
        await made(home)
        assert most == AT_ONCE
        assert len(home.granted) == 4 * 2
