"""A client under observation, origins that end with their test, the promise that nothing leaks."""

import asyncio
import gc
import socket
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AsyncExitStack

import pytest

from proxy.origin.client import OriginClient
from tests.origin.support import Behaviour, Observed, RawOrigin, until

Serve = Callable[[Behaviour], Awaitable[RawOrigin]]


@pytest.fixture
async def nothing_left() -> AsyncIterator[None]:
    """Fail a test that leaves a task running; an unclosed socket warns, and warnings are errors."""
    before = asyncio.all_tasks()
    yield
    await until(lambda: asyncio.all_tasks() <= before | {asyncio.current_task()})
    gc.collect(1)  # what one test leaves is young; a full collection each time would take long


@pytest.fixture
def observed() -> Observed:
    return Observed()


@pytest.fixture
async def serve(
    nothing_left: None,  # noqa: ARG001  # it looks when the origins have stopped
) -> AsyncIterator[Serve]:
    """Give what starts a raw origin."""
    async with AsyncExitStack() as stack:

        async def start(behave: Behaviour) -> RawOrigin:
            return await stack.enter_async_context(RawOrigin(behave))

        yield start


@pytest.fixture
async def client(
    serve: Serve,  # noqa: ARG001  # origins stop when the client is closed
    observed: Observed,
) -> AsyncIterator[OriginClient]:
    async with OriginClient(observed, clock=time.monotonic) as client:
        yield client


@pytest.fixture
def refusing() -> Iterator[str]:
    """Give an origin whose port nobody listens on, and nobody else can take meanwhile."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        yield f"http://127.0.0.1:{taken.getsockname()[1]}"
