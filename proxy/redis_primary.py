"""Connections to whoever is primary: asked of those who know, each time one is made.

A primary that became a replica is left at once: what it says to a write ends the connection, and
the next one is made to whoever is primary then. So a failover is noticed without a restart, and by
every connection for itself.
"""

import asyncio
from collections import Counter
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from typing import Any

from redis.asyncio.connection import AbstractConnection, Connection, SSLConnection
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import NoPermissionError, RedisError, ResponseError

from proxy.redis_place import Address, Place

# How long one who is asked may take to answer (seconds), TLS and a password included. All are asked
# at once, so this is waited for only where nobody answers.
ASK_SECONDS = 1.0
# How long one who is said to be primary may take to let us in (seconds): another may be by then.
TRY_SECONDS = 2.0
# What is said by a Redis that is not, or no longer, the one to ask.
ELSEWHERE = ("READONLY", "MASTERDOWN", "LOADING", "MOVED", "ASK", "CLUSTERDOWN", "TRYAGAIN")

# Gives those who may be primary, the likeliest first.
Primaries = Callable[[], AsyncGenerator[Address, None]]


class OfPrimary(Connection):
    """A connection to the first of ``primaries`` that is one."""

    def __init__(self, *, primaries: Primaries, **options: Any) -> None:
        super().__init__(**options)
        self._primaries = primaries

    async def connect_check_health(
        self,
        check_health: bool = True,  # noqa: FBT001, FBT002  # as redis-py has it
        retry_socket_connect: bool = True,  # noqa: FBT001, FBT002  # the same
    ) -> None:
        """Make the connection, unless it is made.

        Raises:
            redis.exceptions.ConnectionError: there is no primary, as far as can be told.
        """
        if self.is_connected:
            return
        failure: Exception | None = None
        tried: set[Address] = set()
        async with aclosing(self._primaries()) as primaries:
            async for address in primaries:
                if address in tried:
                    continue
                tried.add(address)
                try:
                    self.host, self.port = address
                    async with asyncio.timeout(TRY_SECONDS):
                        await super().connect_check_health(check_health, retry_socket_connect)
                        await self._insist()
                except (RedisError, OSError) as error:
                    failure = error
                    await self.disconnect(nowait=True)
                else:
                    return
        raise RedisConnectionError(f"no primary can be reached: {failure}") from failure

    async def _insist(self) -> None:
        """Return if the other end is a primary.

        Raises:
            redis.exceptions.ConnectionError: it is a replica.
        """
        try:
            await self.send_command("ROLE", check_health=False)
            role: Any = await self.read_response()
        except NoPermissionError:
            return  # what it says to a write will tell
        if role[0] != b"master":
            raise RedisConnectionError(f"{self.host}:{self.port} is no primary")

    async def read_response(self, *args: Any, **options: Any) -> Any:
        """Read an answer; one that sends elsewhere is the end of the connection."""
        try:
            return await super().read_response(*args, **options)
        except ResponseError as error:
            if error.status_code not in ELSEWHERE:
                raise
            await self.disconnect(nowait=True)
            raise RedisConnectionError(f"not the primary: {error.status_code}") from error


class OfPrimaryTls(OfPrimary, SSLConnection):
    """The same over TLS."""


def of_primary(place: Place, primaries: Primaries) -> AbstractConnection:
    """Give a connection to whoever is primary, not made yet."""
    kind = OfPrimaryTls if place.is_tls else OfPrimary
    return kind(primaries=primaries, **place.options)


async def sentinels_say(place: Place) -> AsyncGenerator[Address, None]:
    """Give those whom sentinels name as primary, as they answer.

    Raises:
        redis.exceptions.ConnectionError: none names any.
    """
    asking = [asyncio.create_task(_named(place, sentinel)) for sentinel in place.nodes]
    failure: Exception | None = None
    found = False
    try:
        for one in asyncio.as_completed(asking):
            try:
                address = await one
            except (RedisError, OSError) as error:
                failure = error
            else:
                if address is not None:
                    found = True
                    yield address
    finally:
        for task in asking:
            task.cancel()
        await asyncio.gather(*asking, return_exceptions=True)
    if not found:
        why = f": {type(failure).__name__}: {failure}" if failure else ""
        raise RedisConnectionError(f"no sentinel names a primary of {place.name}{why}") from failure


async def agreed(place: Place) -> Address | None:
    """Give whom most of the sentinels name as primary; None where they do not agree.

    A primary that was replaced by hand takes writes for some ten seconds more, all of which are
    lost: who is connected to it hears of that from sentinels alone.
    """
    asked = (_named(place, sentinel) for sentinel in place.nodes)
    told = await asyncio.gather(*asked, return_exceptions=True)
    named = Counter(one for one in told if isinstance(one, tuple))
    for address, times in named.most_common(1):
        if times > len(place.nodes) // 2:
            return address
    return None


async def _named(place: Place, sentinel: Address) -> Address | None:
    command = ("SENTINEL", "GET-MASTER-ADDR-BY-NAME", place.name)
    told = await answer(place.sentinel(sentinel), *command)
    return None if told is None else (told[0].decode(), int(told[1]))


async def answer(connection: AbstractConnection, *command: str) -> Any:
    """Ask one question on a connection of its own.

    Raises:
        redis.exceptions.RedisError, OSError: there is no answer, or none in time.
    """
    try:
        async with asyncio.timeout(ASK_SECONDS):
            await connection.connect()  # type: ignore[no-untyped-call]  # redis-py has no types here
            await connection.send_command(*command)
            return await connection.read_response()
    finally:
        await connection.disconnect(nowait=True)
