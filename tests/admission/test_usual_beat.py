"""The usual beat is decided on before the rest of the script is defined (``renew.lua``).

What that stores and says is what the rest would have stored and said: two Redis stores live through
the same, one of them without it.
"""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from hashlib import sha1
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from redis.asyncio import Redis

from proxy.admission import scripts
from proxy.admission.policy import Policy, Takeover
from proxy.admission.redis import RedisStore
from proxy.admission.revocations import Revocation
from proxy.admission.scripts import Script
from proxy.model import Stray
from proxy.streams import Attempt, Decision, Intent, Outcome, Renewal
from tests.admission.samples import ACCOUNT, FILM, LIVE, TTL, attempt, policy
from tests.support.redis_server import RedisServer

USUAL = scripts.DECIDE
SHORTCUT = "if renewal then return renewal end"
assert USUAL.text.count(SHORTCUT) == 1
TEXT = USUAL.text.replace(SHORTCUT, "").replace("local renewal = usual_beat()", "")
WHOLE = Script(TEXT, sha1(TEXT.encode(), usedforsecurity=False).hexdigest())
# As long as ids are: one that stands in another slot's texts might be its rival, and is not usual.
A, B, C, D = (name * 24 for name in "abcd")
STRAY = Stray(D, f"device of {D}")
# Between two looks at how long a key lives time goes on (milliseconds).
MEANWHILE = 5_000


@dataclass
class Twins:
    """Two stores by one clock: in the second, nothing is usual."""

    redis: Redis
    stores: tuple[RedisStore, RedisStore]
    now_ms: int = 1_700_000_000_000

    async def decide(self, wanted: Attempt) -> Decision:
        """Ask both, and see that nobody could tell them apart; give what both say."""
        told = []
        with pytest.MonkeyPatch.context() as patched:
            for store, script in zip(self.stores, (USUAL, WHOLE), strict=True):
                patched.setattr(scripts, "DECIDE", script)
                told.append(await store.decide(wanted))
        assert told[0] == told[1]
        kept = [await self.kept(store) for store in self.stores]
        assert kept[0][0] == kept[1][0]
        assert kept[0][1] == pytest.approx(kept[1][1], abs=MEANWHILE)
        return told[0]

    async def kept(self, store: RedisStore) -> tuple[list[Any], list[int]]:
        """Give all that is stored of the account, and for how long (milliseconds)."""
        keys = store._keys.of(ACCOUNT)
        return (
            [await self.redis.hgetall(key) for key in keys],
            [await self.redis.pttl(key) for key in keys],
        )


@asynccontextmanager
async def twins(server: RedisServer, rules: Policy) -> AsyncIterator[Twins]:
    async with Redis.from_url(server.url) as redis:
        await redis.flushdb()
        stores = tuple(
            RedisStore(server.url, rules, key_prefix=name, timeout=30, now_ms=lambda: both.now_ms)
            for name in ("usual", "whole")
        )
        both = Twins(redis, (stores[0], stores[1]))
        try:
            yield both
        finally:
            await asyncio.gather(*(store.close() for store in stores))


@pytest.fixture
def runner() -> Iterator[asyncio.Runner]:
    with asyncio.Runner() as runner:
        yield runner


asked = st.builds(
    attempt,
    st.sampled_from([A, A, B, C]),
    device=st.sampled_from(["tv", None]),
    network=st.sampled_from(["home", "home", "home", "mobile", ""]),
    stray=st.sampled_from([None, None, STRAY]),
    cadence=st.sampled_from([LIVE, LIVE, FILM]),
    beat=st.booleans(),
    intent=st.sampled_from([*[Intent.START] * 5, *Intent]),
    limit=st.sampled_from([2, 3]),
    rules=st.sampled_from([(), (), ("one",), None]),
    jti=st.sampled_from([None, "one", "two"]),
    issued_ms=st.sampled_from([0, 0, None]),
)
waits = st.sampled_from([1, 3_000, 6_000, 6_000, TTL - 1, TTL, TTL + 1])
others = st.sampled_from(["release", "end", "stop", "revoke"])


async def live(server: RedisServer, rules: Policy, history: list[Any]) -> None:
    async with twins(server, rules) as both:
        for step in history:
            match step:
                case Attempt():
                    await both.decide(step)
                case int():
                    both.now_ms += step
                case _:
                    for store in both.stores:
                        await other(store, step, both.now_ms)


async def other(store: RedisStore, step: str, now_ms: int) -> None:
    match step:
        case "release":
            await store.release(ACCOUNT, A)
        case "end":
            await store.end(ACCOUNT, A, by="admin")
        case "stop":
            await store.stop(ACCOUNT, A, by="viewer")
        case _:
            await store.revoke(ACCOUNT, Revocation(now_ms + 20_000, jti="two"))


@given(
    st.sampled_from([Takeover.QUIET, Takeover.PROVISIONAL]),
    st.lists(st.one_of(asked, asked, asked, waits, waits, others), min_size=10, max_size=60),
)
@settings(
    max_examples=400,
    deadline=None,
    # The fixture is a server and a loop: nothing in it is of one example.
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
def test_it_says_and_stores_what_the_rest_would(
    redis_server: RedisServer, runner: asyncio.Runner, takeover: Takeover, history: list[Any]
) -> None:
    runner.run(live(redis_server, policy(takeover), history))


async def test_it_is_told_as_a_renewal(redis_server: RedisServer) -> None:
    async with twins(redis_server, policy()) as both:
        assert type(await both.decide(attempt(A))) is Decision
        both.now_ms += 6_000
        assert type(await both.decide(attempt(A, beat=True))) is Renewal


async def test_a_newcomer_on_approval_is_settled_by_its_own_beat(redis_server: RedisServer) -> None:
    async with twins(redis_server, policy(Takeover.PROVISIONAL)) as both:
        for stream in (A, B):
            await both.decide(attempt(stream, device="tv", limit=2))
        newcomer = attempt(C, device="tv", limit=2)
        assert (await both.decide(newcomer)).outcome is Outcome.PROVISIONAL
        for _ in range(3):
            both.now_ms += 6_000
            await both.decide(replace(newcomer, beat=True))


async def test_a_newcomer_on_approval_gives_way_to_the_older_one_s_beat(
    redis_server: RedisServer,
) -> None:
    async with twins(redis_server, policy(Takeover.PROVISIONAL)) as both:
        older, newcomer = (attempt(stream, device="tv", limit=1) for stream in (A, B))
        await both.decide(older)
        assert (await both.decide(newcomer)).outcome is Outcome.PROVISIONAL
        both.now_ms += 6_000
        assert (await both.decide(replace(older, beat=True))).active == 1


async def test_a_second_network_is_not_forgotten(redis_server: RedisServer) -> None:
    async with twins(redis_server, policy()) as both:
        for network in ("mobile", "home", "home"):
            await both.decide(attempt(A, network=network))
            both.now_ms += 1_000
        astray = attempt(A, network="office", stray=STRAY)
        assert (await both.decide(astray)).stream == STRAY.stream


async def test_where_it_is_seen_now_is_as_fresh_as_its_beat(redis_server: RedisServer) -> None:
    async with twins(redis_server, policy(max_networks=1)) as both:
        for _ in range(4):
            await both.decide(attempt(A))
            both.now_ms += TTL - 1_000
        astray = attempt(A, network="office", stray=STRAY)
        assert (await both.decide(astray)).stream == STRAY.stream


async def test_the_key_lives_as_long_as_the_account_s_last_stream(
    redis_server: RedisServer,
) -> None:
    async with twins(redis_server, policy()) as both:
        await both.decide(attempt(B, cadence=FILM))
        for _ in range(6):
            await both.decide(attempt(A, beat=True))
            both.now_ms += 6_000


@pytest.mark.parametrize("garbage", [b"\x7f" * 80, b"x" * 80, b"\xff" * 200])
async def test_what_is_no_slot_beside_it_is_looked_at_in_full(
    redis_server: RedisServer, garbage: bytes
) -> None:
    async with twins(redis_server, policy()) as both:
        await both.decide(attempt(A))
        for store in both.stores:
            await both.redis.hset(store._keys.of(ACCOUNT)[0], B, garbage)
        assert (await both.decide(attempt(A, beat=True))).active == 1
