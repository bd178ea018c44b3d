"""Events in a stream of Redis, for as many readers as there are.

An event is put into a queue, and nobody waits; one task sends what is queued, on a connection of
its own. What does not fit the queue is dropped and counted. While Redis is away events wait, and
are sent in their order when it is back. A batch whose answer was lost is sent again: readers may
find an event twice.

Refusals come as fast as clients ask, the starts and ends of streams only as fast as somebody is
let in. So refusals may fill half of the queue, and never keep an end out.
"""

import asyncio
from collections import deque
from collections.abc import Callable
from itertools import islice
from typing import Any

import structlog
from redis.asyncio import Redis
from redis.exceptions import RedisError

from proxy.background import Repeated
from proxy.redis_client import closed, trouble
from proxy.telemetry.events import LESSER, Event

BATCH = 256
# How long one batch may take, until what is left at the end of the process must be sent (all that
# is done then takes a second), and before a batch that failed is sent again (seconds).
SEND_SECONDS = 5.0
CLOSE_SECONDS = 0.75
PAUSE_SECONDS = 0.5
# For how long a stream lives that gets no events: a reader's group lives as long, and no reader is
# away for a month.
TTL_MS = 30 * 86_400_000

log = structlog.get_logger("playgate")


class EventStream:
    """Sends events to the stream ``key``, which keeps about ``max_length`` of them.

    ``queue`` is how many may wait. ``dropped`` is told how many were lost.
    """

    def __init__(
        self,
        redis: Redis,
        key: str,
        *,
        max_length: int,
        queue: int,
        dropped: Callable[[int], None],
    ) -> None:
        self._redis = redis
        self._key = key
        self._max_length = max_length
        self._room = queue
        self._dropped = dropped
        self._queue: deque[Event] = deque()
        self._filled = asyncio.Event()
        self._emptied = asyncio.Event()
        self._emptied.set()
        self._away = False
        self._sending = Repeated("events", self._turn)

    def put(self, event: Event) -> None:
        """Queue an event, or drop it where there is no room."""
        room = self._room // 2 if event.event in LESSER else self._room
        if len(self._queue) < room:
            self._queue.append(event)
            self._filled.set()
            self._emptied.clear()
        else:
            self._dropped(1)

    async def start(self) -> None:
        """Begin to send."""
        await self._sending.start()

    async def close(self) -> None:
        """Let what is queued be sent, if that can be done soon, and let go."""
        try:
            async with asyncio.timeout(CLOSE_SECONDS):
                await self._emptied.wait()
        except TimeoutError:
            log.warning("events were not sent", number=len(self._queue))
        await self._sending.close()
        self._dropped(len(self._queue))
        await closed(self._redis)

    async def _turn(self) -> None:
        await self._filled.wait()
        try:
            await self._send()
        except (RedisError, OSError) as error:
            self._note(error)
            await asyncio.sleep(PAUSE_SECONDS)
        else:
            self._note(None)

    async def _send(self) -> None:
        """Send the first of the queue; each leaves it once Redis has it.

        Raises:
            RedisError, OSError: Redis did not take all of them, or did not say so.
        """
        batch = tuple(islice(self._queue, BATCH))
        async with asyncio.timeout(SEND_SECONDS), self._redis.pipeline(transaction=False) as pipe:
            for event in batch:
                entry: Any = event.fields()  # redis-py asks for a mapping of all it could take
                pipe.xadd(self._key, entry, maxlen=self._max_length)
            pipe.pexpire(self._key, TTL_MS)
            answers = await pipe.execute(raise_on_error=False)
        # A Redis that is nearly full takes some, and must not be sent those again.
        errors = [answer for answer in answers if isinstance(answer, RedisError)]
        for _ in batch:
            self._queue.popleft()
        self._queue.extendleft(
            event
            for event, answer in reversed(tuple(zip(batch, answers, strict=False)))
            if isinstance(answer, RedisError)
        )
        if errors:
            raise errors[0]
        if not self._queue:
            self._filled.clear()
            self._emptied.set()

    def _note(self, error: Exception | None) -> None:
        """Say once that events cannot be sent, and once that they can again."""
        if (error is not None) is self._away:
            return
        self._away = error is not None
        if error is None:
            log.info("events are sent again")
        else:
            log.warning("events cannot be sent", cause=trouble(error, self._redis))
