"""Runs the bench: make bench BENCH="--help" """

import argparse
import os
import shutil
import signal
import statistics
import sys
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields
from functools import partial
from typing import TypeVar

from bench.against import machine, plot, report
from bench.against.client import Unexpected
from bench.against.half_load import HalfLoad, measure_half_load
from bench.against.measure import Sample, measure
from bench.against.memory import Memory, measure_memory
from bench.against.options import read_options
from bench.against.peers import ALL, PLAYGATE, Peer
from bench.against.proof import prove_all
from bench.against.report import HALF_LOAD, MEMORY, SCALE
from bench.against.scale import Scale, measure_scale
from bench.against.stage import Cores, Stage, staged
from bench.against.targets import Findings
from bench.against.workloads import WORKLOADS, Workload

T = TypeVar("T")


def main() -> None:
    options = read_options()
    # Told to end, as by Ctrl-C, it ends what it has started as well.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    if lacking := [each for each in ("wrk", "nginx", "taskset") if not shutil.which(each)]:
        sys.exit(f"not here, and needed for load and origin: {', '.join(lacking)}")
    cores = Cores(options.server_core, options.load_core)
    os.sched_setaffinity(0, {cores.load})
    described = machine.describe()
    wanted = [peer for peer in ALL if peer.name in options.peers]
    absent = {peer.name: lack for peer in wanted if (lack := peer.missing())}
    present = [peer for peer in wanted if peer.name not in absent]
    workloads = [workload for workload in WORKLOADS if workload.name in options.only]
    with staged(cores) as stage:
        proofs = prove_all(present, stage) if options.proof and workloads else {}
        for name, failure in {**proofs, **absent}.items():
            print(f"{name}: {failure or 'does the job'}")
        samples, failed = measure_all(present, workloads, stage, options)
        findings = Findings(
            report.medians(samples),
            Counter((sample.workload, sample.peer) for sample in samples),
            options.runs,
            *measure_alone(stage, options, failed),
        )
    account = report.Account(
        described, wanted, workloads, proofs, absent, failed, samples, findings
    )
    report.write(account, options.out)
    if samples:
        plot.draw(account, options.out)
    print(f"\n{report.markdown(account)}\n{options.out}.md .json .png .svg")
    if failed:
        sys.exit("not all could be measured")
    if findings.is_empty:
        sys.exit("nothing was measured")


def measure_all(
    peers: Sequence[Peer],
    workloads: Sequence[Workload],
    stage: Stage,
    options: argparse.Namespace,
) -> tuple[list[Sample], dict[tuple[str, str], str]]:
    """Measure in rounds, each the other way round, so that what else happens meets all alike.

    Beside the samples, what went wrong, by workload and peer.
    """
    samples: list[Sample] = []
    failed: dict[tuple[str, str], str] = {}
    by_name: Mapping[str, Peer] = {peer.name: peer for peer in peers}
    for number in range(options.runs):
        for workload in workloads:
            names = [name for name in workload.peers if name in by_name]
            for name in reversed(names) if number % 2 else names:
                try:
                    sample = measure(by_name[name], workload, stage, options.seconds)
                except (Unexpected, ConnectionError) as error:
                    failed[workload.name, name] = str(error)
                    print(f"{number + 1}/{options.runs} {workload.name:8} {name:13} {error}")
                    continue
                samples.append(sample)
                print(
                    f"{number + 1}/{options.runs} {workload.name:8} {name:13}"
                    f" {sample.cpu_us:8.1f} µs {sample.rate:8,.0f} req/s, its core"
                    f" {sample.server_share:.0%}, others there {sample.others_share:.0%},"
                    f" load's core {sample.load_core_share:.0%}",
                    flush=True,
                )
    return samples, failed


def measure_alone(
    stage: Stage, options: argparse.Namespace, failed: dict[tuple[str, str], str]
) -> tuple[HalfLoad | None, Memory | None, list[Scale]]:
    """Measure what is of Playgate alone; what goes wrong is added to what failed."""

    def tried(name: str, measured: Callable[[], T]) -> T | None:
        if name not in options.only:
            return None
        try:
            return measured()
        except (Unexpected, ConnectionError) as error:
            failed[name, PLAYGATE.name] = str(error)
            print(f"{name}: {error}")
            return None

    def scale(streams: int) -> Scale:
        return measure_scale(PLAYGATE, stage.cores, streams, options.runs, options.seconds)

    return (
        tried(HALF_LOAD, lambda: _half_load(stage, options)),
        tried(MEMORY, lambda: measure_memory(PLAYGATE, stage)),
        [found for streams in options.streams if (found := tried(SCALE, partial(scale, streams)))],
    )


def _half_load(stage: Stage, options: argparse.Namespace) -> HalfLoad:
    found = [measure_half_load(PLAYGATE, stage, options.seconds) for _ in range(options.runs)]
    return HalfLoad(
        *(
            statistics.median(getattr(each, field.name) for each in found)
            for field in fields(HalfLoad)
        )
    )


if __name__ == "__main__":
    main()
