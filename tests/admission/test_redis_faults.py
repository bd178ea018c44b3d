"""The ways to Redis, and what goes wrong on them: always one error, in time, and never a mix-up."""

import asyncio
import random
import signal
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import hiredis
import pytest
from redis.asyncio import Redis

from proxy.admission.redis import RedisStore
from proxy.errors import StoreUnavailable
from proxy.streams import Outcome
from tests.admission.samples import ACCOUNT, LIVE, attempt, policy
from tests.admission.tls_front import tls_front
from tests.support.poll import until
from tests.support.redis_server import RedisServer, free_port

# Far above what an answer takes on a busy machine, so that only a call that hangs runs into it.
PATIENT = 10.0
# Short, where running into it is the point.
BRIEF = 0.1
# More calls at once than Redis would want connections.
CROWD = 300


@asynccontextmanager
async def opened(url: str, *, patience: float = PATIENT) -> AsyncIterator[RedisStore]:
    store = RedisStore(url, policy(), key_prefix="faults", timeout=patience)
    try:
        yield store
    finally:
        await store.close()


@pytest.fixture
def server() -> Iterator[RedisServer]:
    """A Redis of the test's own, to be stopped, locked and starved."""
    with RedisServer() as server:
        yield server


async def works(store: RedisStore) -> bool:
    await store.ping()
    await store.decide(attempt("a"))
    ended = await store.end(ACCOUNT, "a", by="test")
    return [one.stream.id for one in ended] == ["a"]


async def connections_made(redis: Redis) -> int:
    return int((await redis.info("stats"))["total_connections_received"])


@asynccontextmanager
async def frozen(server: RedisServer) -> AsyncIterator[None]:
    """Let Redis hang: it takes connections and answers nothing."""
    assert server.process is not None
    server.process.send_signal(signal.SIGSTOP)
    try:
        yield
    finally:
        server.process.send_signal(signal.SIGCONT)


# --- Ways ---


async def test_redis_is_reached_by_a_unix_socket(redis_server: RedisServer) -> None:
    async with opened(redis_server.socket_url) as store:
        await store.start()
        assert await works(store)


async def test_redis_is_reached_by_tls(redis_server: RedisServer, tmp_path: Path) -> None:
    async with tls_front(redis_server.port, tmp_path) as port:
        url = f"rediss://127.0.0.1:{port}/0?ssl_ca_certs={tmp_path / 'ca.pem'}"
        async with opened(url) as store:
            assert await works(store)


async def test_a_certificate_nobody_vouches_for_is_not_accepted(
    redis_server: RedisServer, tmp_path: Path
) -> None:
    async with (
        tls_front(redis_server.port, tmp_path) as port,
        opened(f"rediss://127.0.0.1:{port}/0") as store,
    ):
        with pytest.raises(StoreUnavailable) as caught:
            await store.ping()
    assert "certificate verify failed" in str(caught.value.__cause__).lower()


async def test_user_password_and_database_are_taken_from_the_url(server: RedisServer) -> None:
    admin = Redis.from_url(server.url)
    await admin.acl_setuser(
        "playgate", enabled=True, passwords=["+p@ss/word"], keys=["*"], categories=["+@all"]
    )
    await admin.aclose()
    url = f"redis://playgate:p%40ss%2Fword@127.0.0.1:{server.port}/3"
    async with opened(url) as store:
        assert await works(store)
        await store.decide(attempt("a"))
    third = Redis(port=server.port, db=3)
    assert await third.dbsize() > 0
    await third.aclose()


async def test_a_store_that_was_not_started_works(redis_server: RedisServer) -> None:
    async with opened(redis_server.url) as store:
        assert await works(store)


# --- What cannot work ---


@pytest.mark.parametrize(
    "url",
    [
        "http://secret@127.0.0.1:6379",
        "redis://:secret/x@127.0.0.1:6379",
        "redis://127.0.0.1:6379/0?secret=1",
        "redis://127.0.0.1:6379/0?db=secret",
        "127.0.0.1",
        "",
    ],
)
def test_a_url_that_cannot_work_is_refused_without_being_quoted(url: str) -> None:
    with pytest.raises(ValueError, match="store's URL") as caught:
        RedisStore(url, policy(), key_prefix="p", timeout=1)
    assert "secret" not in str(caught.value)
    assert caught.value.__suppress_context__


async def test_a_wrong_password_is_an_unavailable_store(server: RedisServer) -> None:
    admin = Redis.from_url(server.url)
    await admin.config_set("requirepass", "right")
    await admin.aclose()
    for credentials in ("", ":wrong@"):
        async with opened(f"redis://{credentials}127.0.0.1:{server.port}/0") as store:
            for call in (store.start, store.ping, lambda: works(store)):
                with pytest.raises(StoreUnavailable) as caught:
                    await call()
                assert "wrong" not in str(caught.value)


async def test_nobody_listening_is_an_unavailable_store(tmp_path: Path) -> None:
    for url in (f"redis://127.0.0.1:{free_port()}/0", f"unix://{tmp_path}/none.sock"):
        async with opened(url) as store:
            for call in (
                store.start(),
                store.ping(),
                store.decide(attempt("a")),
                store.amend(ACCOUNT, "a", LIVE),
                store.release(ACCOUNT, "a"),
                store.end(ACCOUNT, None, by="admin"),
                store.streams(ACCOUNT),
            ):
                with pytest.raises(StoreUnavailable):
                    await call


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 400 Bad Request\r\n\r\n",
        b"+OK\r\n" * 20,
        b":1\r\n" * 20,
        b"$3\r\nabc\r\n" * 20,
        b"*1\r\n*1\r\n:1\r\n" * 20,
        b"*-1\r\n" * 20,
        b"",
    ],
)
async def test_something_else_on_that_port_is_an_unavailable_store(answer: bytes) -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(65_536)
        writer.write(answer)
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    async with server, opened(f"redis://127.0.0.1:{port}/0") as store:
        with pytest.raises(StoreUnavailable):
            await store.decide(attempt("a"))
        with pytest.raises(StoreUnavailable):
            await store.end(ACCOUNT, None, by="admin")


async def test_an_answer_nobody_waited_for_is_never_taken_for_another() -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while asked := await reader.read(65_536):
            begins = asked.count(b"SETINFO") + asked.count(b"PING")  # as a new connection does
            writer.write(b"+OK\r\n" * begins or b"*0\r\n" + b"-ERR of a call before\r\n")
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    async with server, opened(f"redis://127.0.0.1:{port}") as store:
        for _ in range(3):
            assert await store.end(ACCOUNT, None, by="admin") == ()


async def test_a_redis_out_of_memory_is_an_unavailable_store_and_stores_nothing(
    server: RedisServer,
) -> None:
    admin = Redis.from_url(server.url)
    async with opened(server.url) as store:
        await store.decide(attempt("a"))
        await admin.config_set("maxmemory", 1)
        with pytest.raises(StoreUnavailable):
            await store.decide(attempt("b"))
        with pytest.raises(StoreUnavailable):
            await store.end(ACCOUNT, "a", by="admin")
        await admin.config_set("maxmemory", 0)
        assert [stream.id for stream in await store.streams(ACCOUNT)] == ["a"]
    await admin.aclose()


# --- Restarts and silence ---


async def test_a_restart_of_redis_is_survived(server: RedisServer) -> None:
    async with opened(server.url) as store:
        assert await works(store)
        server.stop()
        with pytest.raises(StoreUnavailable):
            await store.decide(attempt("a"))
        server.start()
        assert await works(store)


async def test_connections_that_died_while_idle_are_replaced(server: RedisServer) -> None:
    async with opened(server.url) as store:
        await asyncio.gather(*[store.decide(attempt(f"{number}")) for number in range(8)])
        server.stop()
        server.start()
        told = await asyncio.gather(*[store.decide(attempt(f"{n}", limit=9)) for n in range(8)])
        assert {one.outcome for one in told} == {Outcome.ADMITTED}


async def test_a_redis_that_hangs_is_given_up_after_the_timeout(server: RedisServer) -> None:
    async with opened(server.url, patience=BRIEF) as store:
        with suppress(StoreUnavailable):  # a busy machine may take longer to connect
            await store.start()
        async with frozen(server), asyncio.timeout(PATIENT):
            # Redis reads, and does, what was sent to it, though nobody waits for it any more.
            calls = [
                store.decide(attempt("a", account=f"crowd {number}")) for number in range(CROWD)
            ]
            told = await asyncio.gather(*calls, return_exceptions=True)
            assert {type(one) for one in told} == {StoreUnavailable}
    async with opened(server.url) as store:
        assert await works(store)


async def test_who_waited_in_vain_for_a_redis_that_hangs_is_told_so(server: RedisServer) -> None:
    """Or it would ask once more, and wait for as long again."""
    told = asyncio.get_running_loop().create_future()
    async with opened(server.url) as store:
        await store.start()
        store.wait_for(BRIEF)
        async with frozen(server):
            assert store.hear(store.question(attempt("a")), told.set_result)
            assert isinstance(await told, StoreUnavailable)


async def test_a_pause_longer_than_the_timeout_loses_no_lapse(server: RedisServer) -> None:
    """Once Redis goes on it drops the slot; who has gone away by then never hears of it."""
    now_ms = 1_700_000_000_000
    store = RedisStore(
        server.url, policy(), key_prefix="faults", timeout=BRIEF, now_ms=lambda: now_ms
    )
    while True:  # a busy machine may take longer
        with suppress(StoreUnavailable):
            await store.decide(attempt("a"))
            break
    now_ms += LIVE.ttl_ms
    async with frozen(server):
        call = asyncio.create_task(store.drop_lapsed([ACCOUNT]))
        with pytest.raises(StoreUnavailable):
            await store.ping()  # by then, the other one has been asked for as long
    [found] = await call
    assert [end.stream.id for end in found.ended] == ["a"]
    await store.close()


async def test_many_calls_at_once_share_a_connection(server: RedisServer) -> None:
    async with opened(server.url) as store, Redis.from_url(server.url) as redis:
        before = await connections_made(redis)
        calls = [
            store.decide(attempt(f"{number}", account=f"crowd {number}")) for number in range(CROWD)
        ]
        told = await asyncio.gather(*calls)
        assert [one.stream for one in told] == [f"{number}" for number in range(CROWD)]
        assert await connections_made(redis) == before + 1


# --- Cancellation ---


async def test_a_cancelled_call_leaves_its_answer_to_nobody(server: RedisServer) -> None:
    async with opened(server.url) as store:
        await store.start()
        async with frozen(server):
            call = asyncio.create_task(store.decide(attempt("cancelled")))
            await asyncio.sleep(0.02)  # let the command leave
            call.cancel()
            with pytest.raises(asyncio.CancelledError):
                await call
        for number in range(5):
            told = await store.decide(attempt(f"{number}", limit=9))
            assert told.stream == f"{number}"


async def test_calls_cancelled_at_any_moment_mix_nothing_up(redis_server: RedisServer) -> None:
    chance = random.Random(1)

    async def call(store: RedisStore, number: int) -> None:
        account = f"cancel {number}"
        task = asyncio.create_task(store.decide(attempt(f"{number}", account=account)))
        for _ in range(chance.randrange(12)):
            await asyncio.sleep(0)
        if chance.random() < 0.5:
            task.cancel()
        with suppress(asyncio.CancelledError):
            told = await task
            assert (told.stream, told.active) == (f"{number}", 1)

    async with opened(redis_server.url) as store:
        for start in range(0, 600, 30):
            await asyncio.gather(*[call(store, number) for number in range(start, start + 30)])
        assert await works(store)


# --- Being heard of ---


async def test_each_call_is_reported_with_its_time_and_success(server: RedisServer) -> None:
    heard: list[tuple[str, bool]] = []

    def observe(operation: str, seconds: float, succeeded: bool) -> None:
        assert seconds >= 0
        heard.append((operation, succeeded))

    store = RedisStore(server.url, policy(), key_prefix="faults", timeout=PATIENT, observe=observe)
    await store.start()
    await store.decide(attempt("a"))
    await store.streams(ACCOUNT)
    server.stop()
    with pytest.raises(StoreUnavailable):
        await store.ping()
    await store.close()
    assert heard == [("start", True), ("decide", True), ("streams", True), ("ping", False)]


async def test_closing_is_quiet_whatever_happened(server: RedisServer) -> None:
    store = RedisStore(server.url, policy(), key_prefix="faults", timeout=PATIENT)
    await store.start()
    server.stop()
    await store.close()
    await store.close()


@pytest.mark.parametrize(
    "answer",
    [
        b"*13\r\n$7\r\nrenewed\r\n:5\r\n" + b":0\r\n" * 11,  # a number where a text belongs
        b"*3\r\n:1\r\n:1\r\n$-1\r\n",
        b"$3\r\nyes\r\n",  # as long as what is told of a stream that goes on
        b":3\r\n",
    ],
)
async def test_an_answer_that_no_script_gives_is_none_and_ends_no_connection(answer: bytes) -> None:
    """Whoever listens hears of nothing, as after a lost answer."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        parts = hiredis.Reader()
        with suppress(ConnectionError):
            while data := await reader.read(65536):
                parts.feed(data)
                while (command := parts.gets()) is not False:
                    assert isinstance(command, list)
                    writer.write(answer if command[0] == b"EVALSHA" else b"+OK\r\n")
        writer.close()

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        async with opened(f"redis://127.0.0.1:{port}/0") as store:
            await store.start()
            told: list[object] = []
            for _ in range(3):
                assert store.hear(store.question(attempt("a")), told.append)
            await until(lambda: has(told, 3), "all are told")
            assert told == [None, None, None]


async def has(told: list[object], number: int) -> bool:
    return len(told) == number
