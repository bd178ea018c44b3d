"""Waiting on behalf of a viewer, who may be heard of meanwhile, and may go away.

An origin may hold a request for as long as a slot lives. The player that waits is there all the
time, so its stream is kept by the proxy: it neither lapses nor is taken for one whose beat is
overdue, and if it is ended while it waits, its player is told so instead of being served.

A short wait costs nothing: the request itself was a beat, and a beat may be late by a quarter of
its interval before anything follows (``Slot.overdue_at``). So who waits no longer than that, as
for each part of a low-latency playlist, makes one call to the store and not two.

Who takes a body for longer than a moment is asked about now and then in the same way, or one long
file could be watched to its end by a stream that was ended at its beginning (``Attended``).

A request is cheap to make and dear to keep: a place at the port, a connection to the origin, a
beat now and then; for a minute where an origin holds it, and where its client is slow to take the
answer, for as long as that likes. So nobody has more of them than a viewer can use (``Holds``).
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from dataclasses import dataclass
from typing import Any, Self, TypeVar

from proxy.streams import Decision

T = TypeVar("T")

FORGIVEN = 0.25  # of the interval between two beats
# Between two beats of a body under way (seconds): longer than most segments take, and far shorter
# than what a player has loaded ahead.
BODY_INTERVAL = 5.0
# Requests of one stream that may be under way at once. A player has six at most: for video, audio
# and subtitles the next playlist and the next part, or as many ranges of a file as a browser opens
# connections. Four like devices in one home may be one stream. The rest is for what was given up by
# a seek, and not yet by a proxy in front.
HELD_PER_STREAM = 32


class Holds:
    """How many requests each account holds a place with at the moment, and the bound on it.

    Counted by account: streams are given back and begun anew at will, by any number of names,
    while what they asked for is still under way. Each proxy counts for itself, as with all that is
    in flight at it.
    """

    def __init__(self) -> None:
        self._held: dict[str, int] = {}  # a Counter does some of this in Python

    def are_taken(self, account: str, limit: int) -> bool:
        """Tell whether an account that may have ``limit`` streams has no place left."""
        return self._held.get(account, 0) >= HELD_PER_STREAM * max(limit, 1)

    def take(self, account: str) -> None:
        """Count a request of an account, until it is given back."""
        self._held[account] = self._held.get(account, 0) + 1

    def may_take(self, account: str, limit: int) -> bool:
        """Count a request of an account that has a place left; False where it has none."""
        held = self._held.get(account, 0)
        if held and held >= HELD_PER_STREAM * max(limit, 1):
            return False
        self._held[account] = held + 1
        return True

    def give_back(self, account: str) -> None:
        """Count it no more."""
        left = self._held[account] - 1
        if left:
            self._held[account] = left
        else:
            del self._held[account]


class UntilSent:
    """What a request holds until its reply is sent. An ExitStack costs several times as much."""

    __slots__ = ("_held",)

    def __init__(self) -> None:
        self._held: list[Callable[[], object]] = []

    def hold(self, give_up: Callable[[], object]) -> None:
        """Hold something more, which ``give_up`` gives up."""
        self._held.append(give_up)

    def close(self) -> None:
        """Give up all, the last first, whatever goes wrong with one of them."""
        held = self._held
        try:
            while held:
                held.pop()()
        finally:
            if held:
                self.close()


@dataclass(slots=True)
class Held:
    """What a request was given when it came, and whether it was kept since."""

    decision: Decision
    kept: bool = False


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


class Attended(AsyncIterator[bytes]):
    """Gives the parts of a body, with a beat before one that comes long after the last beat.

    Iterating raises whatever the parts or ``beat`` raise: the body goes no further then.
    """

    def __init__(self, parts: AsyncIterator[bytes], beat: Callable[[], Awaitable[object]]) -> None:
        self._parts = parts
        self._beat = beat
        self._time = asyncio.get_running_loop().time
        self._heard = self._time()

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> bytes:
        part = await anext(self._parts)
        if self._time() - self._heard >= BODY_INTERVAL:
            await self._beat()
            self._heard = self._time()
        return part


async def finished(work: Coroutine[Any, Any, T], undo: Callable[[T], Awaitable[object]]) -> T:
    """Give what ``work`` gives; it is done to its end, whether or not anyone waits for it.

    Raises:
        Whatever ``work`` raises. CancelledError, where the caller is cancelled: once ``work`` is
        done, and what it gave is undone.
    """
    task = asyncio.get_running_loop().create_task(work)
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        await asyncio.wait((task,))
        if not task.cancelled() and task.exception() is None:
            await undo(task.result())
        raise


def _dispose(task: "asyncio.Task[T]", discard: Callable[[T], object]) -> None:
    """Look at what nobody waits for any more, or asyncio would log a failure as overlooked."""
    if not task.cancelled() and task.exception() is None:
        discard(task.result())
