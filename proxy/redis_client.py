"""Ways to the Redis that ``store.url`` names, and what is said of it when it cannot be reached."""

import asyncio
from contextlib import suppress
from typing import Any

from redis.asyncio import Redis
from redis.asyncio.connection import ConnectionPool, parse_url
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError

from proxy.errors import StoreUnavailable

# An idle connection may have died unnoticed (a restart, a firewall): one more try on a new one.
# Whoever sends commands here sends such as may run twice.
RETRIES = 1
# What was not sent yet, to a Redis that hangs, is waited for no longer than this (seconds);
# connections are closed all the same.
CLOSE_SECONDS = 0.25


def client(url: str, *, timeout: float, connections: int) -> Redis:
    """Give a client with connections of its own, none of them opened yet.

    ``timeout`` in seconds bounds how long a connection may take to be made; how long an answer may
    take is the caller's to bound. Texts are sent and got as bytes of UTF-8.

    Raises:
        ValueError: the URL cannot be used. The message does not quote it: it may hold a password.
    """
    fixed: dict[str, Any] = {
        "decode_responses": False,
        # What a viewer or a title is called is not always Unicode; that is no reason to refuse.
        "encoding": "utf-8",
        "encoding_errors": "replace",
        "max_connections": connections,
        # RESP2: a connection on which something unread waits is never used again. (redis-py takes
        # it for a push message where the protocol has these.)
        "protocol": 2,
        "retry": Retry(NoBackoff(), RETRIES),
        # Every call is bounded as a whole; this one bounds what redis-py does after a failure.
        "socket_connect_timeout": timeout,
        "socket_timeout": None,
    }
    try:
        options: dict[str, Any] = {**parse_url(url), **fixed}
    except ValueError:
        raise ValueError("the store's URL is not one of redis://, rediss://, unix://") from None
    pool = ConnectionPool(**options)
    try:
        pool.connection_class(**pool.connection_kwargs)
    except (RedisError, TypeError, ValueError):
        raise ValueError("the store's URL has an option that is not known") from None
    return Redis.from_pool(pool)


async def closed(redis: Redis) -> None:
    """Close a client's connections, whatever they say to it, in bounded time."""
    with suppress(RedisError, OSError):
        async with asyncio.timeout(CLOSE_SECONDS):
            await redis.aclose()


def cause(failure: StoreUnavailable, url: str) -> str:
    """Say what lies behind a failure, to operators: its class and text, without the password."""
    return _worded(failure.__cause__ or failure, parse_url(url).get("password"))


def trouble(error: Exception, redis: Redis) -> str:
    """Say what a client met, to operators: its class and text, without the password."""
    behind = error.__cause__ if isinstance(error, StoreUnavailable) else None
    return _worded(behind or error, redis.connection_pool.connection_kwargs.get("password"))


def _worded(error: BaseException, password: str | None) -> str:
    # Redis quotes the arguments of a command that it does not know, and AUTH may be one.
    text = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
    return text.replace(password, "[redacted]") if password else text
