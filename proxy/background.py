"""Work that goes on beside the requests, for as long as the process serves."""

import asyncio
import contextlib
import threading
from collections.abc import Awaitable, Callable
from concurrent.futures import Future
from typing import Protocol, TypeVar

import structlog

T = TypeVar("T")

# After a failure that nobody thought of: seldom enough to be read in a log, soon enough to go on.
PAUSE_SECONDS = 1.0

log = structlog.get_logger("playgate")


class Background(Protocol):
    """Something that runs from the start of the process to its end."""

    async def start(self) -> None:
        """Begin. Never waits for another server."""

    async def close(self) -> None:
        """Come to an end, in bounded time. Never raises; harmless where it was never begun.

        From the call on, before it waits for anything, nothing new is begun or told.
        """


class Repeated:
    """Does one thing again and again, whatever becomes of a single time."""

    def __init__(self, name: str, turn: Callable[[], Awaitable[None]]) -> None:
        self._name = name
        self._turn = turn
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Begin."""
        self._task = asyncio.get_running_loop().create_task(self._run(), name=self._name)

    async def close(self) -> None:
        """Break off what is under way."""
        if self._task is None:
            return
        self._task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self._task

    async def _run(self) -> None:
        while True:
            try:
                await self._turn()
            except Exception:
                # The last line: a bug must be seen, and must not end what others rely on.
                log.exception("work in the background failed", work=self._name)
                await asyncio.sleep(PAUSE_SECONDS)


def in_thread(work: Callable[[], T]) -> Future[T]:
    """Begin work that may hang, such as reading a file of a network, in a thread of its own.

    Those of asyncio are waited for when the process ends; this one is not. Who waits for the result
    may stop waiting; that does not end the work.
    """
    result: Future[T] = Future()
    result.set_running_or_notify_cancel()

    def run() -> None:
        try:
            result.set_result(work())
        except BaseException as error:  # noqa: BLE001  # raised where it is waited for
            result.set_exception(error)

    threading.Thread(target=run, name="reading", daemon=True).start()
    return result
