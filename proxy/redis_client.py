"""Ways to the Redis that ``store.url`` names, and what is said of it when it cannot be reached."""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import Any

from redis.asyncio import Redis
from redis.asyncio.connection import AbstractConnection, ConnectionPool
from redis.crc import key_slot
from redis.exceptions import RedisError

from proxy.errors import StoreUnavailable
from proxy.redis_directory import Directory
from proxy.redis_place import Address, Place, Way, parse
from proxy.redis_primary import OfPrimary, OfPrimaryTls, Primaries, of_primary, sentinels_say

# What was not sent yet, to a Redis that hangs, is waited for no longer than this (seconds);
# connections are closed all the same.
CLOSE_SECONDS = 0.25

# Gives a connection, not made yet.
Dial = Callable[[], AbstractConnection]


def dial(place: Place) -> Dial:
    """Give what connects to the one Redis of a place, or to whom its sentinels call primary."""
    if place.way is Way.SENTINEL:
        return partial(of_primary, place, partial(sentinels_say, place))
    return partial(place.kind, **place.options)


def dial_node(place: Place, address: Address) -> Dial:
    """Give what connects to one node of a cluster."""
    return partial(place.node, address)


def client(url: str, *, timeout: float, connections: int, key: str = "") -> Redis:
    """Give a client with connections of its own, none of them opened yet.

    In a cluster it can ask about ``key`` alone, and is connected to whoever has it. ``timeout`` in
    seconds bounds how long a connection may take to be made; how long an answer may take is the
    caller's to bound. Texts are sent and got as bytes of UTF-8.

    Raises:
        ValueError: the URL cannot be used. The message does not quote it: it may hold a password.
    """
    place = parse(url, timeout)
    # RESP2: a connection on which something unread waits is never used again. (redis-py takes it
    # for a push message where the protocol has these.)
    options: dict[str, Any] = {**place.options, "protocol": 2, "max_connections": connections}
    kind = place.kind
    if place.way is not Way.ONE:
        kind = OfPrimaryTls if place.is_tls else OfPrimary
        options["primaries"] = _primaries(place, key)
    pool = Pool(connection_class=kind, **options)
    pool.secrets = place.secrets
    return Redis.from_pool(pool)


def _primaries(place: Place, key: str) -> Primaries:
    if place.way is Way.SENTINEL:
        return partial(sentinels_say, place)
    return partial(Directory(place).primary, key_slot(key.encode()))


class Pool(ConnectionPool):
    """Connections of a client, and what no message of it may hold."""

    secrets: tuple[str, ...] = ()


async def closed(redis: Redis) -> None:
    """Close a client's connections, whatever they say to it, in bounded time."""
    with suppress(RedisError, OSError):
        async with asyncio.timeout(CLOSE_SECONDS):
            await redis.aclose()


def cause(failure: StoreUnavailable, url: str) -> str:
    """Say what lies behind a failure, to operators: its class and text, without the password."""
    return _worded(failure.__cause__ or failure, parse(url, CLOSE_SECONDS).secrets)


def trouble(error: Exception, redis: Redis) -> str:
    """Say what a client met, to operators: its class and text, without the password."""
    behind = error.__cause__ if isinstance(error, StoreUnavailable) else None
    pool = redis.connection_pool
    return _worded(behind or error, pool.secrets if isinstance(pool, Pool) else ())


def _worded(error: BaseException, secrets: tuple[str, ...]) -> str:
    # Redis quotes the arguments of a command that it does not know, and AUTH may be one.
    text = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
    for secret in secrets:
        text = text.replace(secret, "[redacted]")
    return text
