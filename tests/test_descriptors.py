"""A proxy takes as many descriptors as it may have, and says where they are too few."""

import asyncio
import resource
import sys
from contextlib import ExitStack
from itertools import count
from pathlib import Path
from typing import Any

import pytest
import structlog

from proxy.descriptors import AGAIN_SECONDS, Shortage
from tests.processes.fleet import LISTENING, Fleet
from tests.support.poll import until

# Enough to start with, and far less than the default of listen.max_in_flight takes.
FEW = 128
TOO_FEW = "fewer files may be open than listen.max_in_flight takes"
NONE_LEFT = "no connection can be accepted"


class Limited(Fleet):
    """One process with limits of its own, a soft one and a hard one."""

    limits = (FEW, FEW)

    def mapping(self) -> dict[str, Any]:
        """Give what it is configured by: it counts by itself."""
        return {**super().mapping(), "store": {}}

    async def start(self, *options: str) -> asyncio.subprocess.Process:
        """Start it by a program that lowers its own limits first."""
        self.write()
        program = (
            "import os, resource, sys;"
            f"resource.setrlimit(resource.RLIMIT_NOFILE, {self.limits});"
            "os.execv(sys.executable, [sys.executable, *sys.argv[1:]])"
        )
        self.process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-c", program, "-m", "proxy", "serve"),
            *("--config", str(self.file), *options),
            env=self.environ,
            stderr=asyncio.subprocess.PIPE,
        )
        self.master = self.process.pid
        self._reading = asyncio.create_task(self._read())
        return self.process

    async def end(self) -> None:
        if self.process.returncode is None:
            self.process.kill()
        await self.process.wait()
        await self._reading


@pytest.fixture
def limited(tmp_path: Path) -> Limited:
    return Limited(tmp_path, "http://127.0.0.1:1", "memory://")


async def test_the_limit_is_raised_as_far_as_it_may_be(limited: Limited) -> None:
    limited.limits = (FEW, FEW * 8)
    limited.settings = {"listen": {"max_in_flight": FEW}}
    await limited.start()
    try:
        await limited.logged(LISTENING)
        assert (await limited.metrics())["process_max_fds"] == {(): FEW * 8}
        assert not limited.said(TOO_FEW)
    finally:
        await limited.end()


async def test_too_low_a_limit_is_told_at_the_start_and_when_it_is_reached(
    limited: Limited,
) -> None:
    await limited.start()
    try:
        await limited.logged(LISTENING)
        assert limited.said(TOO_FEW) == 1
        writers = []
        for _ in range(FEW):
            _, writer = await asyncio.open_connection("127.0.0.1", limited.port)
            writers.append(writer)
        await limited.logged(NONE_LEFT)
        for writer in writers:
            writer.close()

        async def is_well() -> bool:
            return (await limited.operate("/readyz"))[0] == 200

        await until(is_well, "it serves again")
        assert limited.said(NONE_LEFT) == 1
    finally:
        await limited.end()


def test_a_shortage_is_told_once_in_a_minute() -> None:
    times = count(0, AGAIN_SECONDS / 4)
    shortage = Shortage(lambda: float(next(times)))
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with ExitStack() as restored, structlog.testing.capture_logs() as logs:
        restored.callback(resource.setrlimit, resource.RLIMIT_NOFILE, (soft, hard))
        resource.setrlimit(resource.RLIMIT_NOFILE, (0, hard))
        for _ in range(8):
            shortage.look()
    assert [entry["event"] for entry in logs] == [NONE_LEFT] * 2
