"""Signs of life from a CDN's logs: they keep slots that are there, and nothing else."""

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, field, replace
from typing import Any

import pytest
from redis.asyncio import Redis

from proxy import keepalive_stream
from proxy.admission.memory import MemoryStore
from proxy.admission.outage import OutageGuard
from proxy.admission.policy import Lifetimes, OnOutage
from proxy.admission.redis import RedisStore
from proxy.admission.revocations import Revocation
from proxy.admission.store import Store
from proxy.admit import Admission, Limits
from proxy.errors import StoreUnavailable
from proxy.keepalive_stream import GROUP, TTL_MS, KeepaliveStream, unseen
from proxy.model import Stray
from proxy.redis_client import client
from proxy.streams import Intent, Outcome
from proxy.telemetry.metrics import Metrics
from tests.admission.samples import ACCOUNT, KEPT, attempt, policy
from tests.support.poll import until
from tests.support.redis_server import RedisServer, lasting

KEY = "playgate:keepalive"
MAX_AGE_MS = 30_000
STREAM = "ab12"
# Seconds: what is answered later would be read, and counted, once more.
PATIENT = 60.0


@dataclass
class Feed:
    """A reader of the stream, and what it counted."""

    url: str
    store: Store
    counted: Counter[str] = field(default_factory=Counter)

    def __post_init__(self) -> None:
        limits = Limits(default=3, plans={}, routes={}, status=429)
        lifetimes = Lifetimes(ttl=30, live_ttl_factor=4, vod_ttl=90, max_hold=3600)
        self.reader = KeepaliveStream(
            client(self.url, timeout=PATIENT, connections=1),
            KEY,
            Admission(self.store, limits, lifetimes, Metrics("0", ())),
            max_age_ms=lambda: MAX_AGE_MS,
            count=self._count,
        )

    def _count(self, result: str) -> None:
        self.counted[result] += 1

    async def heard(self, **expected: int) -> None:
        async def all_of_it() -> bool:
            return self.counted == Counter(expected)

        await until(all_of_it, f"{expected} counted, of {self.counted}")


@pytest.fixture(autouse=True)
def _patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a busy Redis take its time."""
    monkeypatch.setattr(keepalive_stream, "ANSWER_SECONDS", PATIENT)


@pytest.fixture
async def feeds(
    redis_server: RedisServer, store: RedisStore, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[list[Feed]]:
    """Two proxies' readers, not started; a read of nothing does not keep a test waiting."""
    monkeypatch.setattr(keepalive_stream, "BLOCK_SECONDS", 0.05)
    async with AsyncExitStack() as stack:
        feeds = [Feed(redis_server.url, store) for _ in range(2)]
        for feed in feeds:
            stack.push_async_callback(feed.reader.close)
        yield feeds


@pytest.fixture
async def store(redis_server: RedisServer, redis: Redis) -> AsyncIterator[RedisStore]:
    """A store in an emptied Redis."""
    del redis
    store = RedisStore(redis_server.url, policy(), key_prefix="playgate", timeout=10)
    await store.start()
    yield store
    await store.close()


async def say(redis: Redis, stream: str = STREAM, **more: Any) -> None:
    entry: dict[Any, Any] = {"account": ACCOUNT, "stream": stream, **more}
    await redis.xadd(KEY, entry)


async def group(redis: Redis) -> dict[str, Any]:
    [group] = await redis.xinfo_groups(KEY)
    return dict(group)


async def test_an_entry_is_a_beat_of_its_stream(
    feeds: list[Feed], store: RedisStore, redis: Redis
) -> None:
    await store.decide(attempt(STREAM))
    await feeds[0].reader.start()
    await say(redis, note="more fields do no harm")
    await feeds[0].heard(renewed=1)
    [listed] = await store.streams(ACCOUNT)
    assert listed.beats == 1


async def test_an_entry_takes_no_slot_and_brings_none_back(
    feeds: list[Feed], store: RedisStore, redis: Redis
) -> None:
    await store.decide(attempt(STREAM))
    await store.end(ACCOUNT, STREAM, by="operator", hold_ms=60_000)
    await feeds[0].reader.start()
    await say(redis)
    await say(redis, stream="cd34")
    await feeds[0].heard(stream_ended=1, absent=1)
    assert await store.streams(ACCOUNT) == ()


async def test_each_entry_is_taken_by_one_of_all_proxies(
    feeds: list[Feed], store: RedisStore, redis: Redis
) -> None:
    await store.decide(attempt(STREAM))
    names = [f"{number:x}" for number in range(1, 600)]
    for feed in feeds:
        await feed.reader.start()
    async with redis.pipeline(transaction=False) as pipe:
        for name in names:
            pipe.xadd(KEY, {"account": ACCOUNT, "stream": name})
        await pipe.execute()

    async def all_of_them() -> bool:
        return sum((feed.counted["absent"] for feed in feeds), 0) == len(names)

    await until(all_of_them, "every entry")

    async def acknowledged() -> bool:
        return bool((await group(redis))["pending"] == 0)

    await until(acknowledged, "every entry acknowledged")


@pytest.mark.parametrize(
    "fields",
    [
        {"account": ACCOUNT},
        {"stream": STREAM},
        {"account": "alice", "stream": STREAM},
        {"account": ACCOUNT, "stream": "no such id"},
        {"account": ACCOUNT, "stream": "a" * 100_000},
        {"account": b"\xff\x00", "stream": b"\x00"},
        {"x": "y"},
    ],
)
async def test_what_cannot_be_read_is_counted_and_never_seen_again(
    feeds: list[Feed], redis: Redis, fields: dict[Any, Any]
) -> None:
    await feeds[0].reader.start()
    await redis.xadd(KEY, fields)
    await say(redis)
    await feeds[0].heard(malformed=1, absent=1)

    async def acknowledged() -> bool:
        return bool((await group(redis))["pending"] == 0)

    await until(acknowledged, "both acknowledged")


async def test_a_backlog_keeps_nobody(feeds: list[Feed], store: RedisStore, redis: Redis) -> None:
    """What waited while no proxy was there says nothing of who watches now."""
    await store.decide(attempt(STREAM))
    await store.decide(attempt("dead"))
    gone: dict[Any, Any] = {"account": ACCOUNT, "stream": "dead"}
    seconds, _ = await redis.time()
    await redis.xadd(KEY, gone, id="1-1")
    await redis.xadd(KEY, gone, id=f"{seconds * 1000 - MAX_AGE_MS - 1}-1")
    await say(redis)
    await feeds[0].reader.start()

    async def heard() -> bool:
        return feeds[0].counted["renewed"] == 1

    await until(heard, "the one that is new")
    # What is too old may have been taken out before anybody read it.
    assert set(feeds[0].counted) <= {"renewed", "late"}
    beats = {stream.id: stream.beats for stream in await store.streams(ACCOUNT)}
    assert beats == {STREAM: 1, "dead": 0}


async def test_a_number_far_ahead_of_time_keeps_nobody(
    feeds: list[Feed], store: RedisStore, redis: Redis
) -> None:
    """Redis counts on from the highest number, and no entry after it tells its age."""
    await store.decide(attempt(STREAM))
    await feeds[0].reader.start()
    fields: dict[Any, Any] = {"account": ACCOUNT, "stream": STREAM}
    seconds, micros = await redis.time()
    await redis.xadd(KEY, fields, id=f"{seconds * 1_000_000 + micros}-0")  # not milliseconds
    await say(redis)
    await feeds[0].heard(malformed=2)
    assert [stream.beats for stream in await store.streams(ACCOUNT)] == [0]
    await redis.delete(KEY)  # as documented
    await say(redis)
    await feeds[0].heard(malformed=2, renewed=1)


async def test_what_a_dead_proxy_had_read_is_taken_by_another(
    feeds: list[Feed], store: RedisStore, redis: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(keepalive_stream, "CLAIM_MS", 0)
    monkeypatch.setattr(keepalive_stream, "GONE_MS", -1)
    monkeypatch.setattr(keepalive_stream, "TIDY_SECONDS", 0.0)
    await store.decide(attempt(STREAM))
    await redis.xgroup_create(KEY, GROUP, mkstream=True)
    await say(redis)
    await redis.xreadgroup(GROUP, "dead", {KEY: ">"})
    await feeds[0].reader.start()
    await feeds[0].heard(renewed=1)

    async def struck_off() -> bool:
        names = [one["name"] for one in await redis.xinfo_consumers(KEY, GROUP)]
        return b"dead" not in names

    await until(struck_off, "the dead one struck off")


async def test_a_proxy_that_stops_leaves_the_group(feeds: list[Feed], redis: Redis) -> None:
    one, two = feeds
    for feed in feeds:
        await feed.reader.start()
    await say(redis)

    async def both() -> bool:
        heard = (one.counted + two.counted).total() == 1
        return heard and bool((await group(redis))["consumers"] == 2)

    await until(both, "both in the group")
    await one.reader.close()
    assert (await group(redis))["consumers"] == 1


async def test_a_redis_that_forgot_everything_is_read_again(
    feeds: list[Feed], redis: Redis
) -> None:
    await feeds[0].reader.start()
    await say(redis)
    await feeds[0].heard(absent=1)
    await redis.flushall()
    await say(redis)
    await feeds[0].heard(absent=2)
    assert 0 < await redis.pttl(KEY) <= TTL_MS


async def test_entries_written_while_redis_was_restarted_are_taken(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(keepalive_stream, "BLOCK_SECONDS", 0.05)
    with lasting() as server:
        store = RedisStore(server.url, policy(), key_prefix="playgate", timeout=10)
        feed = Feed(server.url, store)
        await store.decide(attempt(STREAM))
        await feed.reader.start()
        for heard in (1, 2):
            async with Redis.from_url(server.url, socket_timeout=None) as redis:
                await say(redis)
            await feed.heard(renewed=heard)
            server.stop()
            server.start()
        await feed.reader.close()
        await store.close()


@asynccontextmanager
async def deaf_from(word: bytes, port: int) -> AsyncIterator[int]:
    """A way to Redis whose first connection takes all and gives nothing once it hears a word."""
    deaf = asyncio.Event()
    carried: list[asyncio.Task[Any] | None] = []

    async def carry(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        carried.append(asyncio.current_task())
        is_first = len(carried) == 1
        there, back = await asyncio.open_connection("127.0.0.1", port)

        async def pump(source: asyncio.StreamReader, to: asyncio.StreamWriter) -> None:
            with suppress(ConnectionError):  # who gives up may leave something unread
                while data := await source.read(65_536):
                    if is_first and word in data:
                        deaf.set()
                    if not (is_first and deaf.is_set()):
                        to.write(data)
            to.close()

        await asyncio.gather(pump(reader, back), pump(there, writer))
        with suppress(ConnectionError):
            await asyncio.gather(back.wait_closed(), writer.wait_closed())

    async with await asyncio.start_server(carry, "127.0.0.1", 0) as server:
        yield server.sockets[0].getsockname()[1]
        assert deaf.is_set()
        await asyncio.gather(*(task for task in carried if task))


@pytest.mark.parametrize("word", [b"TIME", b"XREADGROUP", b"XACK"])
async def test_a_connection_that_dies_in_silence_is_given_up(
    redis_server: RedisServer,
    redis: Redis,
    store: RedisStore,
    monkeypatch: pytest.MonkeyPatch,
    word: bytes,
) -> None:
    monkeypatch.setattr(keepalive_stream, "BLOCK_SECONDS", 0.05)
    monkeypatch.setattr(keepalive_stream, "ANSWER_SECONDS", 0.5)
    monkeypatch.setattr(keepalive_stream, "LEAVE_SECONDS", 0.1)
    await store.decide(attempt(STREAM))
    async with deaf_from(word, redis_server.port) as port:
        feed = Feed(f"redis://127.0.0.1:{port}/0", store)
        await redis.xgroup_create(KEY, GROUP, mkstream=True)
        await say(redis)
        await feed.reader.start()

        async def taken() -> bool:
            told = await group(redis)
            return bool(feed.counted["renewed"] and (told["pending"], told["lag"]) == (0, 0))

        await until(taken, "the entry taken and acknowledged")
        await feed.reader.close()


@pytest.mark.parametrize("mode", list(OnOutage))
async def test_an_entry_waits_for_a_store_that_is_away(
    redis_server: RedisServer, redis: Redis, monkeypatch: pytest.MonkeyPatch, mode: OnOutage
) -> None:
    """What a proxy says on its own keeps no slot; whoever takes its word has used up the entry."""
    monkeypatch.setattr(keepalive_stream, "BLOCK_SECONDS", 0.05)
    with lasting() as server:
        primary = RedisStore(server.url, policy(), key_prefix="playgate", timeout=10)
        store = OutageGuard(primary, policy(), mode, clock=time.time)
        feed = Feed(redis_server.url, store)
        await store.decide(attempt(STREAM))
        server.stop()
        with pytest.raises(StoreUnavailable):
            await store.ping()
        await redis.xgroup_create(KEY, GROUP, mkstream=True)
        await feed.reader.start()
        await say(redis)

        async def read() -> bool:
            return bool((await group(redis))["pending"] == 1)

        await until(read, "the entry read")
        assert feed.counted == Counter()
        server.start()
        await feed.heard(renewed=1)
        [listed] = await store.streams(ACCOUNT)
        assert listed.beats == 1
        await feed.reader.close()
        await store.close()


async def test_who_has_seen_no_token_says_nothing_of_one(
    feeds: list[Feed], store: RedisStore, redis: Redis
) -> None:
    """An entry neither counts as revoked, nor hides by which token its stream plays."""
    now_ms = (await redis.time())[0] * 1000
    issued = replace(attempt(STREAM), jti="mine", issued_ms=now_ms)
    await store.decide(issued)
    await store.revoke(ACCOUNT, Revocation(now_ms + 60_000, before_ms=now_ms))
    await feeds[0].reader.start()
    await say(redis)
    await feeds[0].heard(renewed=1)
    [ended] = await store.revoke(ACCOUNT, Revocation(now_ms + 60_000, jti="mine"))
    assert ended.stream.id == STREAM


def test_who_has_not_seen_the_viewer_adds_no_network() -> None:
    """Or each entry would be a network of its own, and the viewer's own one too many."""
    store = MemoryStore(policy(max_networks=1), lambda: 1_700_000_000.0)
    at_home = attempt(STREAM, stray=Stray("astray", "device"))
    told = store.rule(at_home)
    touch = replace(at_home, playback=unseen(STREAM), cadence=KEPT, intent=Intent.TOUCH)
    assert store.rule(touch).outcome is Outcome.RENEWED
    assert store.rule(at_home).stream == told.stream == STREAM
