"""What every test may ask for: a real Redis, and the promise that nothing is left behind in it."""

import logging
from collections.abc import AsyncIterator, Callable, Iterator

import pytest
import structlog
from hypothesis import settings
from redis.asyncio import Redis

from tests.support.loop_clock import LoopClock
from tests.support.redis_server import RedisServer

# How long one example takes says more of the machine than of the code.
settings.register_profile("unhurried", deadline=None)
settings.load_profile("unhurried")

FIGURE = "figure"


Tell = Callable[[str], None]


@pytest.fixture
def tell(record_property: Callable[[str, object], None]) -> Tell:
    """Give what tells a figure, printed when all is done, whichever process measured it."""
    return lambda figure: record_property(FIGURE, figure)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print the figures."""
    reports = (*terminalreporter.getreports("passed"), *terminalreporter.getreports("failed"))
    told = [
        str(value)
        for report in reports
        if report.when == "call"
        for name, value in report.user_properties
        if name == FIGURE
    ]
    if told:
        terminalreporter.section("figures")
        for figure in sorted(told):
            terminalreporter.write_line(figure)


@pytest.fixture(autouse=True)
def _logging_restored() -> Iterator[None]:
    """Log as pytest does: a command that was run in this process logs as a command does."""
    root = logging.getLogger()
    level = root.level
    yield
    if structlog.is_configured():
        structlog.reset_defaults()
        kept = structlog.stdlib.ProcessorFormatter
        root.handlers = [one for one in root.handlers if not isinstance(one.formatter, kept)]
        root.setLevel(level)


@pytest.fixture
async def loop_clock(monkeypatch: pytest.MonkeyPatch) -> LoopClock:
    """Give the clock that all waits of this test go by."""
    return LoopClock(monkeypatch)


@pytest.fixture(scope="session")
def redis_server() -> Iterator[RedisServer]:
    """A Redis of this test process's own, on a free port and a unix socket."""
    with RedisServer() as server:
        yield server


@pytest.fixture
async def redis(redis_server: RedisServer) -> AsyncIterator[Redis]:
    """A client of an emptied Redis; a test that leaves a key without a TTL fails."""
    # By itself it would give up after five seconds, and a busy machine may take longer.
    client = Redis.from_url(redis_server.url, socket_timeout=None)
    await client.flushall()
    try:
        yield client
        keys = [key async for key in client.scan_iter()]
        immortal = [key for key in keys if await client.pttl(key) == -1]
        assert not immortal, f"keys without a TTL: {immortal}"
    finally:
        await client.aclose()
