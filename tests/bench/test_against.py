import os
import shutil
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import jwt
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from bench.against import world
from bench.against.client import Unexpected, carried, start_all
from bench.against.measure import Sample
from bench.against.processes import Process
from bench.against.proof import Unfit, try_limits
from bench.against.report import medians
from bench.against.targets import Findings, verdicts

SAMPLE = Sample(
    *("refresh", "playgate"), *(1e4, 20.0, 12.0, 5.0, 1.0, 2.0, 1.0, 15.0, 0.2, 0.9, 0.0, 0.9, 1.0)
)


def found(**costs: float) -> Findings:
    samples = (replace(SAMPLE, peer=peer, cpu_us=cost) for peer, cost in costs.items())
    return Findings(medians(samples))


def verdict(findings: Findings, start: str) -> bool | None:
    return next(each.met for each in verdicts(findings) if each.target.startswith(start))


def test_a_target_is_met_where_the_peer_takes_that_much_more() -> None:
    target = "refresh, fastify"
    assert verdict(found(playgate=20, fastify=160), target) is True
    assert verdict(found(playgate=20, fastify=159), target) is False
    assert verdict(found(playgate=20), target) is None


def test_medians_are_of_each_figure_by_itself() -> None:
    samples = [replace(SAMPLE, rate=rate, cpu_us=cost) for rate, cost in ((1, 9), (2, 7), (3, 8))]
    (median,) = medians(samples).values()
    assert (median.rate, median.cpu_us) == (2, 8)


@pytest.mark.skipif(not shutil.which("taskset"), reason="taskset: apt-get install util-linux")
def test_processor_time_of_a_process_counts_children_that_are_gone(tmp_path: Path) -> None:
    burn = "import time\nwhile time.process_time() < 0.4: pass"
    parent = f"import subprocess, sys, time\nsubprocess.run([sys.executable, '-c', {burn!r}])\n"
    parent += "print('done', flush=True)\ntime.sleep(600)"
    core = min(os.sched_getaffinity(0))
    with Process(sys.executable, "-c", parent, core=core, log=tmp_path / "log") as process:
        give_up = time.monotonic() + 120
        while "done" not in process.said() and time.monotonic() < give_up:
            time.sleep(0.02)  # the pause of a bounded poll
        # Its parts are told in hundredths, each without what is left over.
        assert process.cpu() >= 0.35
        assert process.memory() > 1_000_000


TTL = 30.0


class Clock:
    """A clock that stands still but for pauses, which take no time."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now

    async def pause(self, seconds: float) -> None:
        self.now += seconds


@pytest.fixture
def clock() -> Clock:
    return Clock()


def household(
    clock: Clock, *, renews: bool = True, frees: bool = True, verifies: bool = True
) -> web.Application:
    """Give a server that limits one account's streams, or does some of it wrongly."""
    lapses: dict[str, float] = {}

    async def answer(request: web.Request) -> web.Response:
        now = clock()
        for stream in [each for each, moment in lapses.items() if frees and moment < now]:
            del lapses[stream]
        stream = request.query.get("_sid", "")
        if request.path.endswith("master.m3u8"):
            try:
                token = request.query.get("token", "")
                claims = jwt.decode(
                    token, world.JWT_SECRET, ["HS256"], options={"verify_signature": verifies}
                )
            except jwt.InvalidTokenError:
                return web.Response(status=401)
            stream = claims["device_id"]
            if stream not in lapses and len(lapses) >= world.LIMIT:
                return web.Response(status=429)
            lapses[stream] = now + TTL
            return web.Response(text=f"#EXTM3U\n720/index.m3u8?_sid={stream}\n")
        if not stream.startswith("device"):
            return web.Response(status=401)
        if renews:
            lapses[stream] = now + TTL
        return web.Response(text="#EXTM3U\n#EXTINF:1,\n1.ts\n")

    app = web.Application()
    app.router.add_get("/live/{rest:.*}", answer)
    return app


@asynccontextmanager
async def served(app: web.Application) -> AsyncIterator[int]:
    async with TestServer(app) as server:
        assert server.port
        yield server.port


async def test_a_server_that_limits_streams_is_fit(clock: Clock) -> None:
    async with served(household(clock)) as port:
        await try_limits(port, "alice", TTL, clock=clock, pause=clock.pause)


@pytest.mark.parametrize(
    ("failing", "said"),
    [
        ("renews", "admits a fourth stream beside three that renew"),
        ("frees", "never frees"),
        ("verifies", "without a good credential"),
    ],
)
async def test_a_server_that_does_not_is_found_out(clock: Clock, failing: str, said: str) -> None:
    async with served(household(clock, **{failing: False})) as port:
        with pytest.raises(Unfit, match=said):
            await try_limits(port, "alice", TTL, clock=clock, pause=clock.pause)


async def test_streams_are_started_once_each_and_their_children_carry_tickets(
    clock: Clock,
) -> None:
    entries = [stream.entry() for stream in world.viewers(2)]
    async with served(household(clock)) as port:
        children = await start_all(port, entries)
    assert sorted(path.rpartition("/")[2] for path in children) == [
        f"index.m3u8?_sid=device-{device}" for device in ("0-0", "1-0", "1-1")
    ]


async def test_an_answer_that_a_workload_cannot_use_stops_the_bench(clock: Clock) -> None:
    async with served(household(clock)) as port:
        with pytest.raises(Unexpected, match="401"):
            await start_all(port, ["/live/c0/master.m3u8?token=forged"])


def test_a_child_without_a_ticket_is_asked_for_with_the_token() -> None:
    assert carried("/live/a/master.m3u8?token=x", "1/i.m3u8") == "/live/a/1/i.m3u8?token=x"
    assert carried("/live/a/master.m3u8?token=x", "1/i.m3u8?_sid=y") == "/live/a/1/i.m3u8?_sid=y"
