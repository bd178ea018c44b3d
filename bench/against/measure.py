"""One measurement: a server started, its streams started, warmed up, and then watched under load.

What a request cost is processor time of the server's own processes over the window, divided by the
answers of that window. It hardly depends on what else the machine does; the rate and the
latencies do, so it is told beside them how busy the cores were with others.
"""

import os
from dataclasses import dataclass

import uvloop

from bench.against.client import Unexpected
from bench.against.load import Load, write_paths, wrk
from bench.against.peers.terms import Peer
from bench.against.processes import CoreTime, core_time
from bench.against.stage import Served, Stage, serving
from bench.against.workloads import Workload

WARM_UP_SECONDS = 1
# Each path is asked for so often before what it costs is measured: streams that go on.
WARM_UP_TIMES = 3
# Of all answers, so many may be other than those that are asked for: connections that break.
TOLERATED = 0.001


@dataclass(frozen=True, slots=True)
class Sample:
    """What one run gave. Shares are of a core, times in the unit of their name.

    `kernel_us` is what of `cpu_us` was the kernel's; `packets_us` is what that spent on packets on
    the server's core, beside processes.
    """

    workload: str
    peer: str
    rate: float
    cpu_us: float
    kernel_us: float
    packets_us: float
    p50_ms: float
    p99_ms: float
    redis_calls: float
    redis_cpu_us: float
    gbit_per_core: float
    server_share: float
    others_share: float
    load_core_share: float
    load_average: float


@dataclass(frozen=True, slots=True)
class Reading:
    """What had been used up to a moment: seconds, and calls that Redis ran."""

    server: float
    server_kernel: float
    redis: float
    server_core: CoreTime
    load_core: CoreTime
    calls: int


def read(served: Served) -> Reading:
    stage = served.stage
    with stage.client() as client:
        stats = client.info("commandstats")
    scripts = (stats.get(f"cmdstat_{name}", {}) for name in ("evalsha", "eval", "fcall"))
    return Reading(
        served.process.cpu(),
        served.process.kernel(),
        stage.redis.cpu(),
        core_time(stage.cores.server),
        core_time(stage.cores.load),
        sum(int(each.get("calls", 0)) for each in scripts),
    )


def measure(peer: Peer, workload: Workload, stage: Stage, seconds: float) -> Sample:
    """Start the peer, and give what the workload cost it.

    Raises:
        Unexpected: it gave other answers than those asked for.
    """
    stage.forget()
    with serving(peer, stage, cache=workload.cache) as served:
        paths = uvloop.run(workload.prepare(served.port))
        warm, asked = stage.folder / "warm-up", stage.folder / "paths"
        first = len(paths) // 5 if workload.once else 0
        write_paths(warm, paths[:first] or paths)
        write_paths(asked, paths[first:])
        first_second = wrk(served.port, warm, WARM_UP_SECONDS, core=stage.cores.load)
        if not workload.once:
            often = WARM_UP_TIMES * len(paths) / first_second.rate
            wrk(served.port, asked, often, core=stage.cores.load)
        before = read(served)
        load = wrk(served.port, asked, seconds, core=stage.cores.load)
        after = read(served)
        if workload.once and load.requests > len(paths) - first:
            raise Unexpected(f"{workload.name}: more than {len(paths) - first} paths are needed")
        wrong = load.requests - load.refused if workload.refusals else load.refused
        if wrong + load.broken > load.requests * TOLERATED:
            raise Unexpected(
                f"{peer.name}, {workload.name}: {load}\n{served.process.said()[-2000:]}"
            )
    return _sample(peer, workload, load, before, after)


def _sample(peer: Peer, workload: Workload, load: Load, before: Reading, after: Reading) -> Sample:
    cpu = after.server - before.server
    core, load_core = after.server_core, after.load_core
    on_core = core.processes - before.server_core.processes
    packets = core.interrupts - before.server_core.interrupts
    on_load_core = load_core.processes + load_core.interrupts
    on_load_core -= before.load_core.processes + before.load_core.interrupts
    return Sample(
        workload.name,
        peer.name,
        rate=load.rate,
        cpu_us=cpu / load.requests * 1e6,
        kernel_us=(after.server_kernel - before.server_kernel) / load.requests * 1e6,
        packets_us=packets / load.requests * 1e6,
        p50_ms=load.p50_ms,
        p99_ms=load.p99_ms,
        redis_calls=(after.calls - before.calls) / load.requests,
        redis_cpu_us=(after.redis - before.redis) / load.requests * 1e6,
        gbit_per_core=load.bytes * 8 / 1e9 / cpu,
        server_share=cpu / load.seconds,
        others_share=max(0.0, on_core - cpu) / load.seconds,
        load_core_share=on_load_core / load.seconds,
        load_average=os.getloadavg()[0],
    )
