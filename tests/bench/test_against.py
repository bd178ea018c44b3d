import os
import shutil
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, nullcontext
from dataclasses import replace
from pathlib import Path
from unittest.mock import Mock

import jwt
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from bench.against import world
from bench.against.__main__ import main
from bench.against.client import Unexpected, carried, start_all
from bench.against.measure import Sample
from bench.against.memory import Memory
from bench.against.options import read_options
from bench.against.processes import Process
from bench.against.proof import Unfit, try_limits
from bench.against.report import Account, markdown, medians
from bench.against.scale import Cost, Scale, Size
from bench.against.targets import Findings, verdicts

SAMPLE = Sample(
    *("refresh", "playgate"), *(1e4, 20.0, 12.0, 5.0, 1.0, 2.0, 1.0, 15.0, 0.2, 0.9, 0.0, 0.9, 1.0)
)


def found(runs: int = 3, **costs: float) -> Findings:
    samples = [replace(SAMPLE, peer=peer, cpu_us=cost) for peer, cost in costs.items()]
    return Findings(medians(samples), {("refresh", peer): runs for peer in costs}, runs)


def page(findings: Findings) -> str:
    return markdown(Account({}, [], [], {}, {}, {}, [], findings))


def verdict(findings: Findings, start: str) -> bool | None:
    return next(each.met for each in verdicts(findings) if each.target.startswith(start))


def test_a_target_is_met_where_the_peer_takes_that_much_more() -> None:
    target = "refresh, fastify"
    assert verdict(found(playgate=20, fastify=160), target) is True
    assert verdict(found(playgate=20, fastify=159), target) is False
    assert verdict(found(playgate=20), target) is None


def test_no_verdict_is_given_on_fewer_than_three_runs() -> None:
    one, other = found(runs=2, playgate=20, fastify=160), found(runs=3, playgate=20, fastify=160)
    assert verdict(one, "refresh, fastify") is None
    assert "| refresh, fastify + ioredis: ≥ 8 | 8 | no verdict on fewer than 3 runs |" in page(one)
    assert "| refresh, fastify + ioredis: ≥ 8 | 8 | yes |" in page(other)


def test_a_table_tells_what_each_number_of_streams_costs_beside_a_thousand() -> None:
    few = Size(Cost(20, 10), Memory(1_000, 900, 350))
    sizes = [
        Scale(few, Size(Cost(cost, 11), Memory(streams, 901, 351)))
        for streams, cost in ((2_000, 22), (10_000, 30))
    ]
    findings = replace(found(), scale=sizes)
    told = page(findings)
    assert "| 1,000 | 20.0 |  | 10.0 | 900 | 350 |\n| 2,000 | 22.0 | 1.10 | 11.0 |" in told
    assert verdict(findings, "cost with 2,000") is True
    assert verdict(findings, "cost with 10,000") is False


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ("--runs 0", "not a whole number from 1 on: 0"),
        ("--seconds 0", "not a whole number from 1 on: 0"),
        ("--seconds x", "not a whole number from 1 on: x"),
        ("--streams 0", "not a whole number from 1,001 on: 0"),
        ("--streams 10", "not a whole number from 1,001 on: 10"),
        ("--streams 2000,", "not a whole number from 1,001 on: "),
        ("--server-core 4096", "no core 4096: there are "),
        ("--load-core -1", "argument --load-core"),
        ("--peers nobody", "not known: nobody"),
    ],
)
def test_an_option_that_makes_no_sense_is_told(
    given: str, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        read_options(given.split(" "))
    assert ended.value.code == 2
    assert said in capsys.readouterr().err


def test_several_numbers_of_streams_are_measured_from_few_to_many() -> None:
    assert read_options(["--streams", "20000,2000"]).streams == [2_000, 20_000]
    assert read_options(["--streams", "2000"]).streams == [2_000]


def run(monkeypatch: pytest.MonkeyPatch, folder: Path, given: str) -> int | str | None:
    """Run the bench, and give what it ends with."""
    monkeypatch.setattr("sys.argv", ["bench", *given.split(), "--out", str(folder / "page")])
    core = str(min(os.sched_getaffinity(0)))
    monkeypatch.setattr("sys.argv", [*sys.argv, "--server-core", core, "--load-core", core])
    monkeypatch.setattr("shutil.which", str)
    monkeypatch.setattr("os.sched_setaffinity", lambda *_: None)
    monkeypatch.setattr("signal.signal", lambda *_: None)
    monkeypatch.setattr("bench.against.machine.describe", dict)
    monkeypatch.setattr("bench.against.__main__.staged", nullcontext)
    monkeypatch.setattr("bench.against.plot.draw", lambda *_: None)
    try:
        main()
    except SystemExit as ended:
        return ended.code
    return 0


@pytest.mark.parametrize(
    ("measured", "ends"),
    [(SAMPLE, 0), (Unexpected("500 for all"), "not all could be measured")],
)
def test_the_bench_fails_where_a_measurement_does(
    measured: Sample | Unexpected, ends: int | str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    asked = Mock(side_effect=[measured])
    monkeypatch.setattr("bench.against.__main__.measure", asked)
    given = "--only refresh --peers playgate --no-proof --runs 1"
    assert run(monkeypatch, tmp_path, given) == ends


def test_the_bench_fails_where_all_peers_are_absent(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("bench.against.peers.haproxy.HAProxy.missing", lambda _: "no HAProxy")
    given = "--only refresh --peers haproxy --no-proof"
    assert run(monkeypatch, tmp_path, given) == "nothing was measured"
    assert "absent: no HAProxy" in (tmp_path / "page.md").read_text()


def test_a_part_of_playgate_alone_that_fails_is_told(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    failing = Mock(side_effect=Unexpected("500 for all"))
    monkeypatch.setattr("bench.against.__main__.measure_memory", failing)
    assert run(monkeypatch, tmp_path, "--only memory --no-proof") == "not all could be measured"
    assert "- memory failed: 500 for all" in (tmp_path / "page.md").read_text()


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
