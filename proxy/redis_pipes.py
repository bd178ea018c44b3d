"""The connection to Redis that all share (``redis_pipe``): made when needed, again when lost.

A connection may have died while it was idle, and a script may have been forgotten: who waits for an
answer finds out what to do about either here.
"""

import asyncio
from collections.abc import Callable, Sequence
from typing import Protocol

from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import NoScriptError

from proxy.redis_client import Dial
from proxy.redis_pipe import Argument, Pipe, packed
from proxy.redis_place import Address

# How long making a connection may take (seconds), whoever still waits for it: a name server, TLS
# and several answers are asked for, each of which may take as long as a call.
DIAL_SECONDS = 5.0


class Pipes:
    """A connection that is made when it is needed, and again when it was lost.

    ``dial`` knows where to. A call is waited for as long as ``timeout`` (seconds).
    """

    def __init__(self, dial: Dial, timeout: float) -> None:
        self._connection = dial
        self._timeout = timeout
        self._pipe: Pipe | None = None
        self._dialling: asyncio.Task[Pipe] | None = None

    async def ask(self, command: bytes, slot: int = 0) -> object:  # noqa: ARG002  # one has all
        """Send a command that may run twice, and give the answer.

        A connection may have died while it was idle (a restart, a firewall), so a call that meets
        the end of one is sent once more on a new one.

        Raises:
            TimeoutError: there was no answer in time.
            redis.exceptions.RedisError, OSError: Redis cannot be reached, or answered by an error.
        """
        pipe = self._pipe
        if pipe is None or pipe.lost:
            async with asyncio.timeout(self._timeout):
                return await (await self._dial()).ask(command)
        call = pipe.ask(command)
        try:
            return await call
        except RedisConnectionError:
            async with asyncio.timeout_at(call.asked_at + self._timeout):
                return await (await self._dial()).ask(command)

    async def ask_as_sent_on(self, asking: bytes, command: bytes) -> object:
        """Send a command right behind another that has it answered here, and give its answer.

        Raises:
            TimeoutError, redis.exceptions.RedisError, OSError: as ``ask``.
        """
        pipe = await self._dial()
        _, answer = await asyncio.gather(pipe.ask(asking), pipe.ask(command))
        return answer

    async def everywhere(self, *commands: bytes) -> None:
        """Send commands to all there are, which is one.

        Raises:
            TimeoutError, redis.exceptions.RedisError, OSError: as ``ask``.
        """
        for command in commands:
            await self.ask(command)

    def hear(self, command: bytes, heard: Callable[[object], None], slot: int = 0) -> bool:  # noqa: ARG002  # there is one
        """Send a command on the connection there is, once; False where there is none.

        ``heard`` is called with the answer, or with one of the errors of ``ask``.
        """
        pipe = self._pipe
        if pipe is None or pipe.lost:
            return False
        pipe.hear(command, heard)
        return True

    def keep_to(self, primary: Address) -> None:
        """Leave a connection that is to somebody else."""
        if self._pipe is not None and self._pipe.address != primary:
            self._pipe.end("another Redis is primary")

    @property
    def is_busy(self) -> bool:
        """Whether somebody waits for an answer, or for the connection."""
        dials = self._dialling is not None and not self._dialling.done()
        return dials or (self._pipe is not None and self._pipe.is_busy)

    async def close(self) -> None:
        """Close the connection; who waits on it is told so."""
        if self._dialling is not None:
            self._dialling.cancel()
            await asyncio.wait((self._dialling,))
        self.end()

    def end(self) -> None:
        """Close the connection there is."""
        if self._pipe is not None:
            self._pipe.end("the connection was closed")

    def wait_for(self, timeout: float) -> None:
        """Let calls take another time (seconds) from now on."""
        self._timeout = timeout
        if self._pipe is not None:
            self._pipe.wait_for(timeout)

    async def _dial(self) -> Pipe:
        """Give the connection there is, or make one: one attempt for all who want it."""
        if self._pipe is not None and not self._pipe.lost:
            return self._pipe
        if self._dialling is None or self._dialling.done():
            self._dialling = asyncio.create_task(self._connected())
            # If all have gone away, nobody wants to hear why it failed.
            self._dialling.add_done_callback(lambda task: task.cancelled() or task.exception())
        # Whoever goes away leaves the others their attempt.
        return await asyncio.shield(self._dialling)

    async def _connected(self) -> Pipe:
        connection = self._connection()
        try:
            async with asyncio.timeout(DIAL_SECONDS):
                await connection.connect()  # type: ignore[no-untyped-call]  # redis-py has no types here
                pipe = Pipe(connection, DIAL_SECONDS)
                # Who is not let in hears so now; to a long script Redis would say something else.
                await pipe.ask(packed("PING"))
        except BaseException:
            await connection.disconnect(nowait=True)
            raise
        pipe.wait_for(self._timeout)
        self._pipe = pipe
        return pipe


class Calls(Protocol):
    """Connections to a store that may be several Redis; a hash slot says which is asked."""

    async def ask(self, command: bytes, slot: int = 0) -> object:
        """Send a command that may run twice to whoever has a slot, and give the answer."""

    def hear(self, command: bytes, heard: Callable[[object], None], slot: int = 0) -> bool:
        """Send a command on the connection there is, once; False where there is none."""

    async def everywhere(self, *commands: bytes) -> None:
        """Send commands to all primaries."""

    def keep_to(self, primary: Address) -> None:
        """Leave a connection to another than the primary that sentinels agree on."""

    def wait_for(self, timeout: float) -> None:
        """Let calls take another time (seconds) from now on."""

    async def close(self) -> None:
        """Close the connections."""


async def run(
    calls: Calls, text: str, digest: str, arguments: Sequence[Argument], slot: int = 0
) -> object:
    """Call a script by its digest; where Redis does not know it (any more), send it.

    Raises:
        TimeoutError, redis.exceptions.RedisError, OSError: as ``Pipes.ask``.
    """
    try:
        return await calls.ask(packed("EVALSHA", digest, *arguments), slot)
    except NoScriptError:
        # EVAL runs it and leaves it known by its digest.
        return await calls.ask(packed("EVAL", text, *arguments), slot)
