"""Floods of every kind, while others play: nobody of them fails, in figures.

Whoever floods shares a machine, and mostly a process, with the proxy and its viewers: so times are
worse than they would be elsewhere.
"""

import asyncio
import os
import re
import resource
import signal
import socket
import sys
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, suppress
from itertools import count
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from redis.asyncio import Redis

from tests.conftest import Tell
from tests.engines.audience import CHANNELS, LIMIT, Audience
from tests.outages.test_origin_faults import by_now, more, p99
from tests.processes.crowd import ENTRY
from tests.processes.fleet import Fleet, descriptors
from tests.support.origin import TestOrigin
from tests.support.playlists import serve_channels
from tests.support.poll import until
from tests.support.redis_server import RedisServer
from tests.support.stack import Stack
from tests.web.wire import Wire, status

pytestmark = pytest.mark.engines

ACCOUNTS = 8
START = "/live/a/master.m3u8"


@asynccontextmanager
async def watched(
    accounts: int = ACCOUNTS, **settings: Any
) -> AsyncIterator[tuple[Stack, Audience]]:
    """Have viewers play on, of whom none may fail."""
    async with Stack(origin={"cache": "1s"}, **settings) as stack:
        audience = Audience(stack)
        await audience.watch(accounts)
        await until(more(audience, 3), "all have played for a while")
        try:
            yield stack, audience
        finally:
            await audience.leave()
        told = sum((viewer.told for viewer in audience.viewers), Counter[str]())
        assert set(told) == {"renewed"}, told


class Meanwhile:
    """What becomes of who plays from now on."""

    def __init__(self, audience: Audience) -> None:
        self._audience = audience
        self._begun = by_now(audience)
        self._before = p99(audience, [0] * len(self._begun))

    @property
    def refreshes(self) -> int:
        return sum(by_now(self._audience)) - sum(self._begun)

    def __str__(self) -> str:
        during = p99(self._audience, self._begun)
        return (
            f"{self.refreshes} refreshes meanwhile, 0 failed;"
            f" 99 % within {during:.0f} ms, {self._before:.0f} before"
        )


# --- Who is slow on purpose ---------------------------------------------------------------------

CONNECTIONS = 1000
# What takes longer else may take so long: more than a busy machine needs for who plays.
CUT_SECONDS = 5
HEAD = b"GET /live/a/master.m3u8?token=x HTTP/1.1\r\nHost: tv\r\nX-A: "
BODY = b"POST /_playgate/release HTTP/1.1\r\nHost: tv\r\nContent-Length: 1000000\r\n\r\n"
UNREAD = b"GET /open/endless.ts HTTP/1.1\r\nHost: tv\r\n\r\n"

Connection = tuple[asyncio.StreamReader, asyncio.StreamWriter]


@asynccontextmanager
async def opened(port: int, number: int, begin: bytes) -> AsyncIterator[list[Connection]]:
    """Open connections whose clients take in little, and send something on each."""

    async def one() -> Connection:
        client = socket.socket()
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
        client.setblocking(False)
        await asyncio.get_running_loop().sock_connect(client, ("127.0.0.1", port))
        reader, writer = await asyncio.open_connection(sock=client, limit=1024)
        writer.write(begin)
        return reader, writer

    connections: list[Connection] = []
    while len(connections) < number:
        # No more at a time than a port lets wait.
        connections += await asyncio.gather(*(one() for _ in range(50)))
    try:
        yield connections
    finally:
        for _, writer in connections:
            writer.transport.abort()


MUCH = bytes(256 * 1024)


async def endless(request: web.Request) -> web.StreamResponse:
    response = web.StreamResponse()
    with suppress(ConnectionError):
        await response.prepare(request)
        while True:
            await response.write(MUCH)
    return response


async def cut(reader: asyncio.StreamReader) -> float:
    """Give when a connection ended."""
    with suppress(ConnectionError):
        while await reader.read(1024):
            pass
    return time.monotonic()


@pytest.mark.parametrize(
    ("what", "begin", "limit"),
    [("head", HEAD, "KEEPALIVE_SECONDS"), ("body", BODY, "LINGER_SECONDS")],
)
async def test_who_sends_byte_by_byte_is_cut_off(
    what: str, begin: bytes, limit: str, tell: Tell, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(f"proxy.web.connections.{limit}", CUT_SECONDS)
    async with watched() as (stack, audience):
        flood, begun = Meanwhile(audience), time.monotonic()
        async with opened(stack.service.port, CONNECTIONS, begin) as connections:
            ends = [asyncio.create_task(cut(reader)) for reader, _ in connections]
            while not all(end.done() for end in ends):
                for _, writer in connections:
                    if not writer.is_closing():
                        writer.write(b"a")
                await asyncio.sleep(0.25)
        held = max(end.result() for end in ends) - begun
        tell(
            f"{CONNECTIONS} connections send a {what} byte by byte: {flood};"
            f" all cut off within {held:.1f} s, where {CUT_SECONDS} s are allowed"
        )


async def test_who_takes_all_places_and_reads_nothing_leaves_some_for_who_plays(
    tell: Tell, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("proxy.web.connections.SEND_SECONDS", CUT_SECONDS)
    places, readers = 128, 300  # the last eighth is enough for all who play, at once
    async with watched(6, listen={"max_in_flight": places}) as (stack, audience):
        stack.origin.answers["/open/endless.ts"] = endless
        flood, begun = Meanwhile(audience), time.monotonic()

        async def first_line(reader: asyncio.StreamReader) -> int:
            return int((await reader.readline())[9:12])

        async def there_is_room() -> bool:
            metrics = (await stack.operate("/metrics")).text
            found = re.search(r"^playgate_in_flight_requests (\S+)$", metrics, re.MULTILINE)
            assert found
            return float(found[1]) < places // 4

        async with opened(stack.service.port, readers, UNREAD) as connections:
            told = Counter(await asyncio.gather(*(first_line(reader) for reader, _ in connections)))
            assert set(told) == {200, 503}
            await until(more(audience, 3), "all play on")
            figures = str(flood)
            await until(there_is_room, "who reads nothing is cut off")
            held = time.monotonic() - begun
            assert (await stack.watch(START, "somebody-new")).status == 200
        tell(
            f"{readers} connections ask for what they do not read, of {places} places:"
            f" {told[503]} told 503; {figures}; new viewers again after {held:.1f} s,"
            f" where {CUT_SECONDS} s are allowed"
        )


# --- Who does nothing ---------------------------------------------------------------------------

IDLE = 10_000


@pytest.fixture
def many_files() -> Iterator[int]:
    """Give how many connections a process may have; as many as can be."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    enough = IDLE + 500
    many = enough if hard == resource.RLIM_INFINITY else min(enough, hard)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, many), hard))
    yield many - 500
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def memory(pids: list[int]) -> int:
    """Give what processes have in memory (bytes)."""
    pages = [int(Path(f"/proc/{pid}/statm").read_text().split()[1]) for pid in pids]
    return sum(pages) * os.sysconf("SC_PAGE_SIZE")


def processor(pids: list[int]) -> float:
    """Give how long processes have computed (seconds)."""
    stats = [Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split() for pid in pids]
    return sum(int(stat[11]) + int(stat[12]) for stat in stats) / os.sysconf("SC_CLK_TCK")


async def test_ten_thousand_that_ask_nothing_cost_memory_and_no_time(
    many_files: int, redis: Redis, redis_server: RedisServer, tmp_path: Path, tell: Tell
) -> None:
    del redis  # empties the server and looks for keys without a TTL
    async with TestOrigin() as origin:
        serve_channels(origin, "one")
        fleet = Fleet(tmp_path, origin.url, redis_server.url)
        async with fleet.running(), aiohttp.ClientSession(fleet.url) as client:
            pids = fleet.pids
            statuses, seconds = Counter[int](), list[float]()

            async def play() -> None:
                async with client.get(f"{ENTRY}?token={fleet.token('alice')}") as answer:
                    text = await answer.text()
                low = next(line for line in text.splitlines() if not line.startswith("#"))
                while True:
                    begun = time.monotonic()
                    async with client.get(f"/live/one/{low}") as answer:
                        await answer.read()
                        statuses[answer.status] += 1
                    seconds.append(time.monotonic() - begun)
                    await asyncio.sleep(0.05)

            async def observed() -> tuple[float, float]:
                """Give what of a processor it takes, and how long who plays waits at most."""
                before, since, begun = processor(pids), len(seconds), time.monotonic()

                async def played() -> bool:
                    return len(seconds) >= since + 100

                await until(played, "somebody plays")
                share = (processor(pids) - before) / (time.monotonic() - begun)
                took = sorted(seconds[since:])
                return 100 * share, 1000 * took[len(took) * 99 // 100]

            players = [asyncio.create_task(play()) for _ in range(4)]
            await observed()
            alone, alone_ms = await observed()
            used = memory(pids)
            idle = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "tests.outages.idle_clients"),
                *(str(fleet.port), str(many_files)),
                stdout=asyncio.subprocess.PIPE,
            )
            assert idle.stdout is not None
            assert await idle.stdout.readline() == b"open\n"

            async def accepted() -> bool:
                return sum(map(descriptors, pids)) > many_files

            await until(accepted, "all are accepted")
            each = (memory(pids) - used) / many_files / 1024
            crowded, crowded_ms = await observed()
            assert set(statuses) == {200}
            for player in players:
                player.cancel()
            await asyncio.gather(*players, return_exceptions=True)
            begun = time.monotonic()
            fleet.tell(signal.SIGTERM)
            assert await idle.stdout.readline() == b"closed\n"
            closed = time.monotonic() - begun
            await idle.wait()
        tell(
            f"{many_files} connections on which nobody asks anything: {each:.1f} KiB each;"
            f" {statuses.total()} refreshes, 0 failed; 99 % within {crowded_ms:.0f} ms,"
            f" {alone_ms:.0f} without them; {crowded:.0f} % of a processor, {alone:.0f} without"
            f" them; a drain closes all of them within {closed:.1f} s"
        )


# --- Who asks as fast as can be -----------------------------------------------------------------

STORM_SECONDS = 1.0
PARALLEL = 16
# Of each connection at least, on however busy a machine: a few times what is looked at anew.
MANY = 40


async def storm(stack: Stack, request: Callable[[Wire, int], bytes]) -> tuple[Counter[int], float]:
    """Have connections ask one request after the other; give what they were told, and how often.

    That is in a second, of all of them.
    """
    told, begun = Counter[int](), time.monotonic()
    over = begun + STORM_SECONDS

    async def ask(number: int) -> None:
        async with Wire(stack) as wire:
            asked = 0
            while asked < MANY or time.monotonic() < over:
                wire.send(request(wire, number))
                told[status(await wire.reply())] += 1
                asked += 1

    await asyncio.gather(*map(ask, range(PARALLEL)))
    return told, told.total() / (time.monotonic() - begun)


def scripts_run(redis: Redis) -> Callable[[], Awaitable[int]]:
    async def run() -> int:
        stats = await redis.info("commandstats")
        return sum(stats.get(f"cmdstat_{name}", {}).get("calls", 0) for name in ("evalsha", "eval"))

    return run


@pytest.fixture
def store(redis: Redis, redis_server: RedisServer) -> dict[str, str]:
    del redis
    return {"url": redis_server.url, "timeout": "10s"}


@pytest.mark.parametrize("each_another", [True, False])
async def test_a_storm_of_bad_tokens_asks_nobody_and_leaves_nothing(
    store: dict[str, str], redis: Redis, tell: Tell, *, each_another: bool
) -> None:
    async with watched(store=store) as (stack, audience):
        good, numbers, scripts = stack.token(), count(), scripts_run(redis)

        def bad(wire: Wire, _: int) -> bytes:
            made_up = next(numbers) if each_another else 0
            return wire.request(f"{START}?token={good[:-8]}{made_up:08d}")

        await storm(stack, bad)
        flood, asked, used = Meanwhile(audience), await scripts(), memory([os.getpid()])
        entries = stack.origin.paths.count(START)
        told, often = await storm(stack, bad)
        assert set(told) == {401}
        assert stack.origin.paths.count(START) == entries
        # Who plays is asked about, answered or not by now; and now and then, what lapses and how
        # many there are.
        playing = flood.refreshes + len(audience.viewers)
        assert await scripts() - asked < playing + told.total() / 10
        grown = (memory([os.getpid()]) - used) / 1024
        which = "each another" if each_another else "all the same"
        tell(
            f"a storm of bad tokens, {which}: {often:.0f} a second, all 401,"
            f" none asked Redis or an origin, {max(0, grown):.0f} KiB more memory after"
            f" {told.total()}; {flood}"
        )


async def test_who_is_refused_and_asks_on_is_answered_from_memory(
    store: dict[str, str], tell: Tell, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Longer than a busy machine takes from one request of a connection to the next.
    monkeypatch.setattr("proxy.web.refusals.MEMORY_SECONDS", 60)
    async with watched(store=store) as (stack, audience):

        def again(wire: Wire, number: int) -> bytes:
            token = tokens[number]
            return wire.request(f"{START}?token={token}", f"X-Playback-Session-Id: {number}")

        tokens = [stack.token("viewer-0", limit=LIMIT, device=f"d{n}") for n in range(PARALLEL)]
        flood, before = Meanwhile(audience), decided(stack, "refused")
        told, often = await storm(stack, again)
        assert set(told) == {429}
        asked = decided(stack, "refused") - before
        assert asked < told.total() / 2
        tell(
            f"{PARALLEL} refused players hammer: {often:.0f} a second, all"
            f" 429, {100 * (1 - asked / told.total()):.1f} % from memory, {asked:.0f} asked Redis;"
            f" {flood}"
        )


def decided(stack: Stack, result: str) -> float:
    value = stack.service.metrics.registry.get_sample_value
    labels = {"route": "live", "result": result}
    return value("playgate_admissions_total", labels) or 0.0


async def test_one_account_that_starts_without_end_gets_its_limit_and_holds_nobody_up(
    store: dict[str, str], tell: Tell
) -> None:
    async with watched(store=store) as (stack, audience):
        token, numbers = stack.token("greedy", limit=LIMIT), count()

        def another(wire: Wire, _: int) -> bytes:
            session, channel = next(numbers), CHANNELS[0]
            path = f"/live/{channel}/master.m3u8?token={token}"
            return wire.request(path, f"X-Playback-Session-Id: {session}")

        flood = Meanwhile(audience)
        told, often = await storm(stack, another)
        assert told == {200: LIMIT, 429: told.total() - LIMIT}
        streams = await stack.operate("/admin/v1/accounts/greedy/streams")
        assert len(streams.json["streams"]) == LIMIT
        tell(
            f"one account starts {often:.0f} streams a second:"
            f" {LIMIT} play, all others 429; of other accounts {flood}"
        )
