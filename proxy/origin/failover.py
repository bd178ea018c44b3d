"""One request, asked of an origin, and of another where that one fails or is silent for long.

- An attempt whose connection failed before an answer began is made again, at another origin where
  there is one.
- An answer that is no good (the origin's own 5xx, what is no manifest, what broke off) is asked for
  once more where another origin is up; if that has none either, the first one's stands.
- Who is silent for long, or has turned out to be down, is given all of the time there is; but
  meanwhile another is asked as well, and whoever has a good answer first is heard. So a slow origin
  is no worse off than alone.

How often is bounded by ``retries`` for one request, and for all of a route by its budget. The
origin that another outdid has failed, as far as its health is concerned.
"""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, Generic, Protocol, TypeVar

from proxy.errors import OriginInvalid, OriginUnreachable
from proxy.origin.budget import Budget
from proxy.origin.exchange import Attempt
from proxy.origin.health import Health
from proxy.origin.upstream import Origin, Upstream

# The part of the timeout after which another origin is asked as well: many times longer than an
# origin takes that is well, and short enough that a player does not run dry.
SILENT = 1 / 4


class Answer(Protocol):
    """What is asked for: it has a status."""

    @property
    def status(self) -> int:
        """The origin's."""


T = TypeVar("T", bound=Answer)


class Question(Generic[T]):
    """One request, until it is answered.

    ``begin`` makes the attempt of that number at an origin, ``ask`` makes it come true and reports
    of it. ``discard`` gets each answer that is not used after all.
    """

    def __init__(
        self,
        upstream: Upstream,
        begin: Callable[[Origin, int], Attempt],
        ask: Callable[[Attempt], Coroutine[Any, Any, T]],
        *,
        health: Health,
        budget: Budget,
        discard: Callable[[T], object] = lambda _: None,
    ) -> None:
        self._upstream = upstream
        self._new_attempt = begin
        self._ask = ask
        self._health = health
        self._budget = budget
        self._discard = discard
        self._tried: list[Origin] = []
        self._under_way: dict[asyncio.Task[T], Attempt] = {}
        self._in_vain: dict[asyncio.Task[T], Attempt] = {}

    async def answer(self, hold: float) -> T:
        """Give the first good answer, or else the first that is one at all.

        An origin may hold the request for ``hold`` seconds; that is not silence.
        Raises what the first attempt raised that ended, where there is no answer.
        """
        several, time = len(self._upstream.origins) > 1, asyncio.get_running_loop().time
        look = self._upstream.config.timeout * SILENT
        self._budget.asked()
        self._begin()
        silent_at = time() + look + hold
        try:
            while self._under_way:
                done, _ = await asyncio.wait(
                    self._under_way,
                    timeout=look if several else None,
                    return_when=asyncio.FIRST_COMPLETED,
                )
                if not done and (time() >= silent_at or self._are_down()):
                    self._begin_elsewhere()
                for task in done:
                    if task.exception() is None and task.result().status < 500:
                        self._outdo(self._under_way.pop(task))
                        return task.result()
                    self._in_vain[task] = self._under_way.pop(task)
                    self._go_on(task.exception())
            return self._least_bad()
        finally:
            self._let_go()

    def _begin(self) -> None:
        origin = self._health.choose(self._upstream.origins, self._tried)
        attempt = self._new_attempt(origin, len(self._tried))
        self._tried.append(origin)
        self._under_way[asyncio.create_task(self._ask(attempt))] = attempt

    def _are_down(self) -> bool:
        """Tell whether all that are asked have turned out to be down."""
        return all(self._health.is_down(attempt.origin) for attempt in self._under_way.values())

    def _begin_elsewhere(self) -> None:
        """Ask another origin that is up, if there is one, and it may be."""
        others = (origin for origin in self._upstream.origins if origin not in self._tried)
        if any(not self._health.is_down(origin) for origin in others):
            self._begin_again()

    def _begin_again(self) -> None:
        if len(self._tried) <= self._upstream.config.retries and self._budget.spend():
            self._begin()

    def _go_on(self, error: BaseException | None) -> None:
        """Make another attempt after one that was in vain, where that makes sense."""
        if isinstance(error, OriginUnreachable):
            self._begin_again()
        elif error is None or isinstance(error, OriginInvalid):
            self._begin_elsewhere()

    def _outdo(self, winner: Attempt) -> None:
        """Say of all who had no good answer that another had one."""
        for task, attempt in self._in_vain.items():
            if task.exception() is None:
                self._discard(task.result())
            attempt.outdone()
        for attempt in self._under_way.values():
            if attempt.number < winner.number:  # silent for long, or there would be no winner
                attempt.outdone()

    def _least_bad(self) -> T:
        for task in self._in_vain:
            if task.exception() is None:
                del self._in_vain[task]
                return task.result()
        return next(iter(self._in_vain)).result()  # raises

    def _let_go(self) -> None:
        for task in (*self._in_vain, *self._under_way):
            task.cancel()  # does nothing to a task that is done
            task.add_done_callback(self._dispose)

    def _dispose(self, task: asyncio.Task[T]) -> None:
        if not task.cancelled() and task.exception() is None:
            self._discard(task.result())
