"""What signals do to a proxy at any moment, be it one process or several."""

import asyncio
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from tests.processes.fleet import LISTENING, Fleet, alive
from tests.support.poll import until

ONE_AND_SEVERAL = pytest.mark.parametrize("workers", [1, 2])


def holds_back(pid: int, name: signal.Signals) -> bool:
    """Whether a process has a signal wait (proc(5))."""
    status = Path(f"/proc/{pid}/status").read_text()
    blocked = next(line for line in status.splitlines() if line.startswith("SigBlk"))
    return bool(int(blocked.split()[1], 16) >> (name - 1) & 1)


@asynccontextmanager
async def starting(fleet: Fleet) -> AsyncIterator[asyncio.subprocess.Process]:
    """Start it; gives the process as soon as its own code runs."""
    process = await fleet.start()
    fleet.master = process.pid

    async def has_begun() -> bool:
        return holds_back(process.pid, signal.SIGHUP)

    try:
        await until(has_begun, "the proxy holds signals back")
        yield process
    finally:
        fleet._kill_all()
        await process.wait()
        await fleet._reading


@ONE_AND_SEVERAL
async def test_a_reload_that_is_asked_for_during_a_start_is_done_after_it(
    stopped: Fleet, workers: int
) -> None:
    stopped.workers = workers
    async with starting(stopped) as process:
        stopped.tell(signal.SIGHUP)
        assert not stopped.said(LISTENING)
        await stopped.logged("the configuration is as it was", times=workers)
        assert stopped.said(LISTENING) == workers
        stopped.tell(signal.SIGTERM)
        assert await process.wait() == 0


@ONE_AND_SEVERAL
@pytest.mark.parametrize("name", [signal.SIGTERM, signal.SIGINT])
async def test_a_stop_during_a_start_ends_it_as_it_ends_a_proxy(
    stopped: Fleet, workers: int, name: signal.Signals
) -> None:
    stopped.workers = workers
    async with starting(stopped) as process:
        stopped.tell(name)
        assert await process.wait() == 0
    assert stopped.log == []


async def test_what_is_for_a_master_does_nothing_to_one_process_and_is_explained(
    stopped: Fleet,
) -> None:
    stopped.workers = 1
    async with starting(stopped):
        await stopped.logged(LISTENING)
        stopped.tell(signal.SIGUSR1)
        await stopped.logged("logs that are files")
        stopped.tell(signal.SIGUSR2)
        await stopped.logged("the master of several --workers")
        assert stopped.said("this signal does nothing here") == 2
        assert (await stopped.operate("/readyz"))[0] == 200
        assert alive(stopped.master)
