"""Waiting on behalf of a stream that must be heard of meanwhile.

An origin may hold a request for as long as a slot lives. The player that waits is there all the
time, so its stream is kept by the proxy: it neither lapses nor is taken for one whose beat is
overdue, and if it is ended while it waits, its player is told so instead of being served.

A short wait costs nothing: the request itself was a beat, and a beat may be late by a quarter of
its interval before anything follows (``Slot.overdue_at``). So who waits no longer than that, as
for each part of a low-latency playlist, makes one call to the store and not two.
"""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, TypeVar

T = TypeVar("T")

FORGIVEN = 0.25  # of the interval between two beats


def drop(_: object) -> None:
    """Let go of something that needs no closing."""


async def attended(
    work: Coroutine[Any, Any, T],
    beat: Callable[[], Awaitable[object]],
    *,
    every: float,
    discard: Callable[[T], object] = drop,
) -> T:
    """Give what ``work`` gives, and ``beat`` every so many seconds until it is there.

    Beats once more at the end, unless the last time was a moment ago.

    Raises:
        Whatever ``work`` or ``beat`` raises. ``work`` is called off where ``beat`` fails or the
        caller is cancelled; should it be done all the same, ``discard`` gets what it gave.
    """
    loop = asyncio.get_running_loop()
    task = loop.create_task(work)
    heard = loop.time()
    try:
        while not task.done():
            await asyncio.wait((task,), timeout=every)
            if loop.time() - heard >= every * FORGIVEN:
                await beat()
                heard = loop.time()
        return task.result()
    except BaseException:
        task.cancel()  # does nothing to a task that is done
        task.add_done_callback(lambda done: _dispose(done, discard))
        raise


def _dispose(task: "asyncio.Task[T]", discard: Callable[[T], object]) -> None:
    """Look at what nobody waits for any more, or asyncio would log a failure as overlooked."""
    if not task.cancelled() and task.exception() is None:
        discard(task.result())
