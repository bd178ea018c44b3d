"""What can become of a Redis: each is a time in which it is so, and is over when it is left."""

import asyncio
import signal
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from dataclasses import dataclass

from redis.asyncio import Redis
from redis.exceptions import RedisError

from tests.engines.audience import BEAT_SECONDS, TTL_SECONDS
from tests.outages.relay import Relay
from tests.support.redis_server import RedisServer
from tests.support.redis_team import ask, freeze

# What the proxy waits for an answer, unless told otherwise (``store.timeout``), in seconds.
TIMEOUT = 0.1
PASSWORD = "changed"


@dataclass
class Place:
    """A Redis, and the relay by which the proxy asks it."""

    server: RedisServer
    relay: Relay


Trouble = Callable[[Place], AbstractAsyncContextManager[None]]


@asynccontextmanager
async def killed(place: Place) -> AsyncIterator[None]:
    place.server.stop()
    yield
    await asyncio.to_thread(place.server.start)


@asynccontextmanager
async def killed_with_its_data(place: Place) -> AsyncIterator[None]:
    await ask(place.server, "SAVE")
    async with killed(place):
        yield


@asynccontextmanager
async def hung(place: Place) -> AsyncIterator[None]:
    freeze(place.server)
    yield
    assert place.server.process
    place.server.process.send_signal(signal.SIGCONT)


@asynccontextmanager
async def busy(place: Place) -> AsyncIterator[None]:
    """A script of somebody else's that does not end: Redis answers BUSY to all."""
    await ask(place.server, "CONFIG", "SET", "busy-reply-threshold", "50")
    task = asyncio.create_task(ask(place.server, "EVAL", "while true do end", "0"))
    yield
    await ask(place.server, "SCRIPT", "KILL")
    await task


def slow(delay: float) -> Trouble:
    @asynccontextmanager
    async def slowed(place: Place) -> AsyncIterator[None]:
        place.relay.delay = delay
        yield
        place.relay.delay = 0

    return slowed


@asynccontextmanager
async def cut(place: Place) -> AsyncIterator[None]:
    """Every connection is reset after some answers and a part of one."""
    place.relay.cut = 4_000
    place.relay.reset()
    yield
    place.relay.cut = 0
    place.relay.reset()


def told(*command: str, then: tuple[str, ...] = ()) -> Trouble:
    """What an operator tells Redis; and tells it ``then``, when it is to be over."""

    @asynccontextmanager
    async def so(place: Place) -> AsyncIterator[None]:
        assert await ask(place.server, *command)
        yield
        if then:
            assert await ask(place.server, *then) == "OK"

    return so


@asynccontextmanager
async def locked(place: Place) -> AsyncIterator[None]:
    """Another password than the one the proxy knows, and its connections closed."""
    assert await ask(place.server, "CONFIG", "SET", "requirepass", PASSWORD) == "OK"
    place.server.password = PASSWORD
    async with Redis(port=place.server.port, password=PASSWORD) as redis:
        with suppress(RedisError):
            await redis.client_kill_filter(_type="normal", skipme=True)
    yield
    assert await ask(place.server, "CONFIG", "SET", "requirepass", "") == "OK"
    place.server.password = None


replica = told("REPLICAOF", "127.0.0.1", "1", then=("REPLICAOF", "NO", "ONE"))
full = told("CONFIG", "SET", "maxmemory", "1", then=("CONFIG", "SET", "maxmemory", "0"))


@dataclass(frozen=True)
class Fault:
    """A trouble, in words, and what is to be expected of it.

    ``away``: whether the store cannot but be found away. ``forgets``: whether it forgets though it
    is there. ``by_relay``: whether it is the way to it that is in trouble. ``refreshes``: how many
    of each viewer it lasts at least.
    """

    name: str
    trouble: Trouble
    away: bool = True
    forgets: bool = False
    by_relay: bool = False
    refreshes: int = 8


# Refreshes in which a slot that nobody refreshes has lapsed.
LONG = round(1.25 * TTL_SECONDS / BEAT_SECONDS)

FAULTS = (
    Fault("is killed, and back empty", killed),
    Fault("is killed, and back with its data", killed_with_its_data),
    Fault("hangs (SIGSTOP)", hung),
    Fault("is busy with a script that does not end", busy),
    Fault("takes 50 ms for an answer", slow(TIMEOUT / 2), away=False, by_relay=True),
    # Far beyond what a busy machine is late by.
    Fault("takes a second for an answer", slow(10 * TIMEOUT), by_relay=True),
    Fault("forgets its scripts (SCRIPT FLUSH)", told("SCRIPT", "FLUSH"), away=False),
    Fault("forgets all (FLUSHALL)", told("FLUSHALL"), away=False, forgets=True),
    Fault("is out of memory for longer than slots live", full, refreshes=LONG),
    Fault("is a read-only replica", replica),
    Fault("wants another password", locked),
    Fault("is cut off in mid-answer, again and again", cut, away=False, by_relay=True),
)
