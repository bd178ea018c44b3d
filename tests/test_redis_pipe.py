"""One connection to Redis for many calls: each gets its own answer, or an error in time."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import cast

import pytest
from redis.asyncio import Redis
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import ResponseError

from proxy.redis_client import dial
from proxy.redis_pipe import packed
from proxy.redis_pipes import Pipes
from proxy.redis_place import parse
from tests.support.poll import until
from tests.support.redis_server import RedisServer

PATIENT = 30.0
BRIEF = 0.1

Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


class Peer:
    """Somebody who speaks as Redis does, and answers when told: an ECHO by its text.

    Redis itself answers at once, or not at all.
    """

    def __init__(self) -> None:
        self.asked: list[bytes] = []
        self.connections = 0
        self.welcomes = True
        self._unwelcomed = 0
        self._writer: asyncio.StreamWriter | None = None
        self._answered = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        self._writer, self._answered, self.asked = writer, 0, []
        while line := await reader.readline():
            texts = []
            for _ in range(int(line[1:])):
                length = int((await reader.readline())[1:])
                texts.append((await reader.readexactly(length + 2))[:-2])
            if texts[0] == b"ECHO":
                self.asked.append(texts[1])
            elif self.welcomes:
                writer.write(b"+OK\r\n")  # what a new connection begins with
            else:
                self._unwelcomed += 1

    async def has_got(self, number: int) -> None:
        async def so() -> bool:
            return len(self.asked) == number

        await until(so, f"{number} calls have come: {self.asked}")

    def answer(self, number: int = 1) -> None:
        """Answer the oldest calls."""
        assert self._writer
        for text in self.asked[self._answered : self._answered + number]:
            self._writer.write(b"$%d\r\n%b\r\n" % (len(text), text))
        self._answered += number

    async def welcome(self) -> None:
        """Answer what a connection began with, once it has."""

        async def so() -> bool:
            return self._unwelcomed > 0

        await until(so, "a connection has begun")
        assert self._writer
        self.welcomes = True
        self._writer.write(b"+OK\r\n" * self._unwelcomed)

    def deaf(self) -> None:
        """Read no more."""
        assert self._writer
        cast("asyncio.ReadTransport", self._writer.transport).pause_reading()

    def hang_up(self) -> None:
        assert self._writer
        self._writer.close()


@asynccontextmanager
async def listening(serve: Serve) -> AsyncIterator[str]:
    async def served(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await serve(reader, writer)
        finally:
            writer.close()

    connections: list[asyncio.Task[None]] = []

    def serve_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connections.append(asyncio.create_task(served(reader, writer)))

    server = await asyncio.start_server(serve_on, "127.0.0.1", 0)
    try:
        yield f"redis://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    finally:
        server.close()
        for connection in connections:
            connection.cancel()
        await asyncio.wait(connections)


@asynccontextmanager
async def piped(url: str, timeout: float = PATIENT) -> AsyncIterator[Pipes]:  # noqa: ASYNC109  # of its calls
    pipes = Pipes(dial(parse(url, PATIENT)), timeout)
    try:
        yield pipes
    finally:
        await pipes.close()


@pytest.fixture
async def peer() -> Peer:
    return Peer()


def echo(pipes: Pipes, text: str) -> "asyncio.Task[object]":
    return asyncio.create_task(pipes.ask(packed("ECHO", text)))


async def connections_made(redis: Redis) -> int:
    return int((await redis.info("stats"))["total_connections_received"])


async def answered(peer: Peer, pipes: Pipes) -> None:
    """Have a connection on which all is well."""
    call = echo(pipes, "hello")
    await peer.has_got(1)
    peer.answer()
    assert await call == b"hello"


async def failures(*calls: "asyncio.Task[object]") -> list[type]:
    told = await asyncio.gather(*calls, return_exceptions=True)
    return [type(one) for one in told]


# --- Answers ---


async def test_an_error_is_for_its_own_call_alone(redis_server: RedisServer) -> None:
    async with piped(redis_server.url) as pipes:
        first, wrong, last = echo(pipes, "a"), pipes.ask(packed("ECHO")), echo(pipes, "b")
        told = await asyncio.gather(first, wrong, last, return_exceptions=True)
        assert (told[0], type(told[1]), told[2]) == (b"a", ResponseError, b"b")


async def test_a_call_given_up_keeps_its_place(peer: Peer) -> None:
    async with listening(peer.serve) as url, piped(url) as pipes:
        gone, stays = echo(pipes, "gone"), echo(pipes, "stays")
        await peer.has_got(2)
        gone.cancel()
        peer.answer(2)
        assert await stays == b"stays"
        assert peer.connections == 1


async def test_what_nobody_waits_for_any_more_is_not_sent(peer: Peer) -> None:
    async with listening(peer.serve) as url, piped(url) as pipes:
        first = echo(pipes, "first")
        await peer.has_got(1)
        gone, stays = echo(pipes, "gone"), echo(pipes, "stays")
        await asyncio.sleep(0)  # they ask; what they ask leaves in the turn after
        gone.cancel()
        await peer.has_got(2)
        assert peer.asked == [b"first", b"stays"]
        peer.answer(2)
        assert [await first, await stays] == [b"first", b"stays"]


async def test_an_answer_nobody_asked_for_ends_the_connection(peer: Peer) -> None:
    async with listening(peer.serve) as url, piped(url) as pipes:
        first = echo(pipes, "first")
        await peer.has_got(1)
        peer.asked *= 2
        peer.answer(2)
        assert await first == b"first"
        second = echo(pipes, "second")
        await peer.has_got(1)
        peer.answer()
        assert await second == b"second"
        assert peer.connections == 2


async def test_what_is_pushed_is_nobody_s_answer(peer: Peer) -> None:
    """As RESP3 has it, by whatever is in between."""
    async with listening(peer.serve) as url, piped(url) as pipes:
        await answered(peer, pipes)
        call = echo(pipes, "text")
        await peer.has_got(2)
        assert peer._writer
        peer._writer.write(b">2\r\n+MIGRATING\r\n*1\r\n:1\r\n")
        peer.answer()
        assert await call == b"text"
        assert peer.connections == 1


@pytest.mark.parametrize("protocol", [2, 3])
async def test_both_versions_of_the_protocol_are_spoken(
    redis_server: RedisServer, protocol: int
) -> None:
    async with piped(f"{redis_server.url}?protocol={protocol}") as pipes:
        told = await pipes.ask(packed("HELLO"))
        assert isinstance(told, dict) is (protocol == 3)


# --- Time ---


async def test_a_late_answer_fails_its_call_and_not_the_connection(peer: Peer) -> None:
    async with listening(peer.serve) as url, piped(url) as pipes:
        first, late = echo(pipes, "first"), echo(pipes, "late")
        await peer.has_got(2)
        peer.answer()  # a sign of life, after "late" was asked for
        assert await first == b"first"
        pipes.wait_for(BRIEF)
        assert await failures(late) == [TimeoutError]
        pipes.wait_for(PATIENT)
        next_one = echo(pipes, "next")
        await peer.has_got(3)
        peer.answer(2)
        assert await next_one == b"next"
        assert peer.connections == 1


async def test_a_connection_that_hangs_is_given_up_for_a_new_one(peer: Peer) -> None:
    async with listening(peer.serve) as url, piped(url) as pipes:
        await answered(peer, pipes)
        pipes.wait_for(BRIEF)
        assert await failures(echo(pipes, "a"), echo(pipes, "b")) == [TimeoutError] * 2
        pipes.wait_for(PATIENT)
        again = echo(pipes, "again")

        async def so() -> bool:
            return b"again" in peer.asked

        await until(so, "it is asked on a new connection")
        peer.answer(len(peer.asked))
        assert await again == b"again"
        assert peer.connections > 1


async def test_who_does_not_read_is_sent_no_more(peer: Peer) -> None:
    """What is asked meanwhile waits here, where it can still be given up."""
    size = 8_000_000  # more than fits between us
    async with listening(peer.serve) as url, piped(url) as pipes:
        await answered(peer, pipes)
        peer.deaf()
        calls = [echo(pipes, "x" * size)]
        await asyncio.sleep(0.01)  # it is being sent
        calls += [echo(pipes, "x" * size) for _ in range(8)]
        await asyncio.sleep(0.01)
        assert pipes._pipe
        assert pipes._pipe._transport.get_write_buffer_size() < 2 * size
        for call in calls:
            call.cancel()
        assert await failures(*calls) == [asyncio.CancelledError] * 9


# --- Ends ---


async def test_a_connection_that_was_lost_is_an_error_at_once(redis_server: RedisServer) -> None:
    async with piped(redis_server.url) as pipes:
        await pipes.ask(packed("PING"))
        pipe = pipes._pipe
        assert pipe
        pipe.end("it is gone")
        with pytest.raises(RedisConnectionError, match="it is gone"):
            async with asyncio.timeout(PATIENT):
                await pipe.ask(packed("PING"))


async def test_a_primary_that_became_a_replica_is_left_for_whoever_is_there_next(
    redis_server: RedisServer,
) -> None:
    write = packed("SET", "pipe", "x", "PX", 1000)
    async with (
        Redis.from_url(redis_server.url, socket_timeout=None) as redis,
        piped(redis_server.url) as pipes,
    ):
        assert await pipes.ask(write) == b"OK"
        before = await connections_made(redis)
        await redis.replicaof("127.0.0.1", 1)
        try:
            with pytest.raises(ResponseError, match="READONLY"):
                await pipes.ask(write)
        finally:
            await redis.replicaof("NO", "ONE")
        assert await pipes.ask(write) == b"OK"
        assert await connections_made(redis) == before + 1


async def test_a_password_that_is_wanted_is_said_to_be() -> None:
    with RedisServer("--requirepass", "right") as server:
        async with piped(server.url) as pipes:
            with pytest.raises(ResponseError, match="NOAUTH"):
                await pipes.ask(packed("EVAL", "return 1", 0, "x" * 100_000))


async def test_calls_that_meet_the_end_of_a_connection_are_sent_again(peer: Peer) -> None:
    async with listening(peer.serve) as url, piped(url) as pipes:
        await answered(peer, pipes)
        calls = [echo(pipes, "a"), echo(pipes, "b")]
        await peer.has_got(3)
        peer.hang_up()
        await peer.has_got(2)
        peer.answer(2)
        assert [await call for call in calls] == [b"a", b"b"]
        assert peer.connections == 2


async def test_a_connection_may_take_longer_to_be_made_than_an_answer(peer: Peer) -> None:
    """Who waits for it goes away in time; the connection is there for the next."""
    peer.welcomes = False
    async with listening(peer.serve) as url, piped(url, BRIEF) as pipes:
        assert await failures(echo(pipes, "a")) == [TimeoutError]
        await peer.welcome()
        pipes.wait_for(PATIENT)
        call = echo(pipes, "b")
        await peer.has_got(1)
        peer.answer()
        assert await call == b"b"
        assert peer.connections == 1


async def test_a_new_connection_that_ends_at_once_is_an_error(peer: Peer) -> None:
    async with listening(peer.serve) as url, piped(url) as pipes:
        call = echo(pipes, "a")
        await peer.has_got(1)
        peer.hang_up()
        assert await failures(call) == [RedisConnectionError]


async def test_closing_fails_who_waits(peer: Peer) -> None:
    async with listening(peer.serve) as url:
        async with piped(url) as pipes:
            call = echo(pipes, "a")
            await peer.has_got(1)
        assert await failures(call) == [RedisConnectionError]
