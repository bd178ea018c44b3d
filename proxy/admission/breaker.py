"""Leaves a store alone that does not answer, so that an outage costs little.

While it answers, everybody asks it. When it has failed, nobody does for a moment; then one at a
time tries again, until it is back.
"""

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Protocol, TypeVar

from proxy.errors import StoreUnavailable
from proxy.model import Clock

# Seconds between two tries of a store that is away: a restart is noticed at once, and one request
# a second that waits for a timeout is nothing.
BACKOFF = 1.0

Answer = TypeVar("Answer")

OnChange = Callable[[StoreUnavailable | None], None]


class OnPart(Protocol):
    """Hears of a part of a store that goes away, or is back."""

    def __call__(self, part: int, *, answers: bool) -> None:
        """Take it in."""


def untold(_failure: StoreUnavailable | None, /) -> None:
    """Tell nobody."""


class Breaker:
    """Knows whether a store answers. ``clock`` is in seconds.

    ``is_closed`` says whether it did when it was last asked. ``on_change`` is called with the
    failure when it stops to, and with None when it does again.
    """

    def __init__(self, clock: Clock, on_change: OnChange = untold) -> None:
        self._clock = clock
        self._on_change = on_change
        self._failed_at: float | None = None
        self._probing = False
        self.is_closed = True
        self.cause: BaseException | None = None

    async def ask(self, call: Callable[[], Awaitable[Answer]], *, reads: bool = False) -> Answer:
        """Ask the store, unless it is better left alone just now.

        That it can be read does not end an outage: a replica can, and a store that is full.

        Raises:
            StoreUnavailable: it does not answer, or did not a moment ago.
        """
        probing = self._failed_at is not None
        if probing and (self._probing or self._is_fresh_failure()):
            raise StoreUnavailable from self.cause
        self._probing = probing
        try:
            answer = await call()
        except StoreUnavailable as failure:
            self.note(failure)
            raise
        finally:
            if probing:
                self._probing = False
        if self._failed_at is not None and not reads:
            self.note(None)
        return answer

    def note(self, failure: StoreUnavailable | None) -> None:
        """Take in how a call went; None: it was answered."""
        if failure is None and self._failed_at is None:
            return
        was_closed, self.is_closed = self.is_closed, failure is None
        self._failed_at = None if failure is None else self._clock()
        self.cause = None if failure is None else failure.__cause__
        if self.is_closed != was_closed:
            self._on_change(failure)

    def _is_fresh_failure(self) -> bool:
        if self._failed_at is None:
            return False
        # A clock that was set back must not keep us away for longer.
        return 0 <= self._clock() - self._failed_at < BACKOFF


class Breakers:
    """A breaker for each part of a store: ``each``, by their numbers.

    ``on_change`` is called with the failure when the first part goes away, and with None when the
    last is back; ``on_part`` with each part that does, and whether it answers.
    """

    def __init__(self, parts: int, clock: Clock, on_change: OnChange, on_part: OnPart) -> None:
        self._on_change = on_change
        self._on_part = on_part
        self.each = tuple(Breaker(clock, partial(self._note, part)) for part in range(parts))

    def away(self) -> set[int]:
        """Give the parts that did not answer when they were last asked."""
        return {part for part, one in enumerate(self.each) if not one.is_closed}

    async def ask_each(self, call: Callable[[int], Awaitable[None]]) -> None:
        """Ask all parts that are not better left alone just now.

        Raises:
            StoreUnavailable: one of them does not answer, or did not a moment ago.
        """
        calls = (one.ask(partial(call, part)) for part, one in enumerate(self.each))
        for told in await asyncio.gather(*calls, return_exceptions=True):
            if told is not None:
                raise told

    def _note(self, part: int, failure: StoreUnavailable | None) -> None:
        self._on_part(part, answers=failure is None)
        if len(self.away()) == (failure is not None):
            self._on_change(failure)
