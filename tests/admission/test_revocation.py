"""What revoking does to an account's streams; memory and Redis alike."""

from collections.abc import AsyncIterator, Callable

import pytest
from redis.asyncio import Redis

from proxy.admission.ledger import LINGER_MS
from proxy.admission.memory import MemoryStore
from proxy.admission.redis import RedisStore
from proxy.admission.revocations import MAX_REVOKED, Revocation
from proxy.admission.store import Store
from proxy.errors import BadRequest
from proxy.model import Subject
from proxy.streams import EndReason, Intent, Outcome
from tests.admission.samples import ACCOUNT, KEPT, TTL, attempt, policy
from tests.support.redis_server import RedisServer

START_MS = 1_700_000_000_000
DAY_MS = 86_400_000
REVOKED = f"playgate:{{{ACCOUNT}}}:revoked"
RULES = policy(tombstone_ms=3_600_000)


class Clock:
    def __init__(self) -> None:
        self.now_ms = START_MS


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture(params=["memory", "redis"])
async def store(
    request: pytest.FixtureRequest,
    redis_server: RedisServer,
    redis: Redis,  # noqa: ARG001  # empties Redis before, and looks for keys without a TTL after
    clock: Clock,
) -> AsyncIterator[Store]:
    shared = RedisStore(
        redis_server.url, RULES, key_prefix="playgate", timeout=10, now_ms=lambda: clock.now_ms
    )
    yield MemoryStore(RULES, lambda: clock.now_ms / 1000) if request.param == "memory" else shared
    await shared.close()


async def ask(store: Store, stream: str, jti: str | None, **more: int | Intent | bool) -> Outcome:
    wanted = attempt(stream, jti=jti, **{"issued_ms": START_MS, **more})  # type: ignore[arg-type]  # by name
    return (await store.decide(wanted)).outcome


def of_token(jti: str, until_ms: int = START_MS + DAY_MS) -> Revocation:
    return Revocation(until_ms, jti=jti)


def issued_before(before_ms: int, until_ms: int = START_MS + DAY_MS) -> Revocation:
    return Revocation(until_ms, before_ms=before_ms)


async def test_a_revoked_token_ends_its_streams_and_no_others(store: Store) -> None:
    for stream, jti in (("a", "one"), ("b", "two"), ("c", "one"), ("d", None)):
        await ask(store, stream, jti, limit=4)
    ended = await store.revoke(ACCOUNT, of_token("one"))
    assert [(end.stream.id, end.reason) for end in ended] == [
        ("a", EndReason.KILLED),
        ("c", EndReason.KILLED),
    ]
    assert [stream.id for stream in await store.streams(ACCOUNT)] == ["b", "d"]
    assert await store.revoke(ACCOUNT, of_token("one")) == ()


@pytest.mark.parametrize("intent", Intent)
async def test_whatever_a_revoked_token_asks_it_is_told_so(store: Store, intent: Intent) -> None:
    told = await store.decide(attempt("a", jti="one"))
    await store.revoke(ACCOUNT, of_token("one"))
    for instance_ms in (None, told.started_ms):
        wanted = attempt("a", jti="one", intent=intent, instance_ms=instance_ms)
        assert (await store.decide(wanted)).outcome is Outcome.REVOKED
    assert await store.is_revoked(Subject(ACCOUNT, jti="one"))
    assert not await store.is_revoked(Subject(ACCOUNT, jti="two"))
    assert not await store.is_revoked(Subject("b" * 32, jti="one"))
    assert await store.streams(ACCOUNT) == ()


async def test_who_logs_in_anew_starts_the_same_stream_at_the_limit_at_once(store: Store) -> None:
    await ask(store, "a", "one", limit=1)
    assert await ask(store, "b", "two", limit=1) is Outcome.REFUSED
    await store.revoke(ACCOUNT, of_token("one"))
    assert await ask(store, "a", "two", limit=1) is Outcome.ADMITTED
    assert await ask(store, "a", "one", limit=1) is Outcome.REVOKED
    assert await ask(store, "a", "two", limit=1) is Outcome.RENEWED


async def test_a_stream_belongs_to_the_token_it_was_last_renewed_with(store: Store) -> None:
    await ask(store, "a", "one")
    await ask(store, "a", "two")
    assert await store.revoke(ACCOUNT, of_token("one")) == ()
    assert await ask(store, "a", "two") is Outcome.RENEWED


async def test_a_word_without_a_credential_keeps_a_stream_and_changes_not_whose_it_is(
    store: Store,
) -> None:
    """A CDN may tell that somebody still watches, also where the account was logged out before."""
    await store.revoke(ACCOUNT, issued_before(START_MS))
    await ask(store, "a", "one")
    vouched = attempt("a", issued_ms=None, intent=Intent.TOUCH, cadence=KEPT)
    assert (await store.decide(vouched)).outcome is Outcome.RENEWED
    assert len(await store.revoke(ACCOUNT, of_token("one"))) == 1
    assert (await store.decide(vouched)).outcome is Outcome.ABSENT


@pytest.mark.parametrize(
    ("issued_ms", "outcome"),
    [
        (0, Outcome.REVOKED),
        (START_MS - 1, Outcome.REVOKED),
        (START_MS, Outcome.ADMITTED),
        (START_MS + 1, Outcome.ADMITTED),
    ],
)
@pytest.mark.parametrize("jti", ["one", None])
async def test_all_that_was_issued_before_is_revoked_and_what_does_not_say_when(
    store: Store, issued_ms: int, outcome: Outcome, jti: str | None
) -> None:
    await store.revoke(ACCOUNT, issued_before(START_MS))
    assert await ask(store, "a", jti, issued_ms=issued_ms) is outcome


async def test_a_later_instant_revokes_more_and_an_earlier_one_takes_nothing_back(
    store: Store,
) -> None:
    await ask(store, "a", None, issued_ms=START_MS)
    for before_ms in (START_MS, START_MS - 5_000):
        assert await store.revoke(ACCOUNT, issued_before(before_ms)) == ()
    assert await ask(store, "b", None, issued_ms=START_MS - 1) is Outcome.REVOKED
    assert len(await store.revoke(ACCOUNT, issued_before(START_MS + 1))) == 1


@pytest.mark.parametrize("of", [of_token, issued_before])
async def test_a_revocation_lasts_as_long_as_it_says_and_a_shorter_one_does_not_shorten_it(
    store: Store, clock: Clock, of: Callable[..., Revocation]
) -> None:
    what = "one" if of is of_token else START_MS + 1
    await store.revoke(ACCOUNT, of(what))
    await store.revoke(ACCOUNT, of(what, START_MS))
    clock.now_ms += DAY_MS - 1
    assert await ask(store, "a", "one") is Outcome.REVOKED
    clock.now_ms += 1
    assert await ask(store, "a", "one") is Outcome.ADMITTED


async def test_a_revocation_lasts_for_as_long_as_a_ticket_however_soon_its_token_expires(
    store: Store, clock: Clock
) -> None:
    await store.revoke(ACCOUNT, of_token("one", START_MS - DAY_MS))
    clock.now_ms += RULES.tombstone_ms - 1
    assert await ask(store, "a", "one") is Outcome.REVOKED
    clock.now_ms += 1
    assert await ask(store, "a", "one") is Outcome.ADMITTED


async def test_so_many_tokens_are_revoked_by_their_ids_and_no_more_until_some_expire(
    store: Store, clock: Clock
) -> None:
    for number in range(MAX_REVOKED):
        await store.revoke(ACCOUNT, of_token(f"{number}", START_MS + DAY_MS + number))
    with pytest.raises(BadRequest, match="issued before now"):
        await store.revoke(ACCOUNT, of_token("one too many"))
    assert await ask(store, "a", "one too many") is Outcome.ADMITTED
    await store.revoke(ACCOUNT, of_token("0", START_MS + DAY_MS))
    assert len(await store.revoke(ACCOUNT, issued_before(START_MS + 1))) == 1
    clock.now_ms += DAY_MS
    await store.revoke(ACCOUNT, of_token("one too many", clock.now_ms))
    assert await ask(store, "a", "one too many") is Outcome.REVOKED
    assert await ask(store, "a", f"{MAX_REVOKED - 1}") is Outcome.REVOKED


async def test_memory_forgets_an_account_with_its_last_revocation(clock: Clock) -> None:
    store = MemoryStore(RULES, lambda: clock.now_ms / 1000)
    await store.revoke(ACCOUNT, of_token("one", START_MS + DAY_MS))
    for wait_ms, remembered in ((TTL, 1), (DAY_MS, 0)):
        clock.now_ms += wait_ms
        for _ in range(2):
            await store.decide(attempt("x", account="somebody else", limit=0))
        assert (ACCOUNT in store._ledgers) == bool(remembered)


# --- In Redis ---


@pytest.fixture
async def shared(redis_server: RedisServer, redis: Redis) -> AsyncIterator[RedisStore]:
    del redis
    store = RedisStore(redis_server.url, RULES, key_prefix="playgate", timeout=10)
    yield store
    await store.close()


async def now_ms(redis: Redis) -> int:
    seconds, micros = await redis.time()
    return int(seconds) * 1000 + int(micros) // 1000


async def test_the_key_expires_with_the_last_revocation(shared: RedisStore, redis: Redis) -> None:
    now = await now_ms(redis)
    await shared.revoke(ACCOUNT, of_token("one", now + 2 * DAY_MS))
    await shared.revoke(ACCOUNT, issued_before(now, now + DAY_MS))
    left = await redis.pttl(REVOKED)
    assert DAY_MS < left - DAY_MS <= DAY_MS + LINGER_MS


async def test_what_has_expired_is_swept_at_the_next_write(
    shared: RedisStore, redis: Redis
) -> None:
    now = await now_ms(redis)
    await shared.revoke(ACCOUNT, of_token("one", now + DAY_MS))
    whole = await redis.hget(REVOKED, "one")
    assert isinstance(whole, bytes)
    await redis.hset(REVOKED, "old", (now - 1).to_bytes(6, "little") + whole[6:])
    await redis.hset(REVOKED, "damaged", whole[:-1])
    await shared.revoke(ACCOUNT, of_token("two", now + DAY_MS))
    assert set(await redis.hkeys(REVOKED)) == {b"one", b"two"}


async def test_what_cannot_be_read_revokes_nothing_and_is_replaced(
    shared: RedisStore, redis: Redis
) -> None:
    await redis.hset(REVOKED, mapping={"one": b"garbage", "all": b"\xff" * 11})
    await redis.expire(REVOKED, 60)
    assert await ask(shared, "a", "one") is Outcome.ADMITTED
    await redis.set(REVOKED, "somebody else's", ex=60)
    assert await ask(shared, "a", "one") is Outcome.RENEWED
    assert not await shared.is_revoked(Subject(ACCOUNT, jti="one"))
    assert len(await shared.revoke(ACCOUNT, of_token("one", await now_ms(redis)))) == 1
    assert await ask(shared, "a", "one") is Outcome.REVOKED
