"""Waiting for something to become true: a bounded poll, never a sleep and a hope."""

import asyncio
import time
from collections.abc import Awaitable, Callable


async def until(condition: Callable[[], Awaitable[bool]], what: str, seconds: float = 120) -> None:
    """Wait until a condition holds.

    Raises:
        AssertionError: it never did.
    """
    give_up = time.monotonic() + seconds
    while not await condition():
        assert time.monotonic() < give_up, f"never: {what}"
        await asyncio.sleep(0.02)
