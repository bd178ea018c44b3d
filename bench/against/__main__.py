"""Runs the bench: make bench BENCH="--help" """

import argparse
import os
import shutil
import signal
import statistics
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields
from pathlib import Path

from bench.against import machine, plot, report
from bench.against.client import Unexpected
from bench.against.half_load import HalfLoad, measure_half_load
from bench.against.measure import Sample, measure
from bench.against.memory import measure_memory
from bench.against.peers import ALL, PLAYGATE, Peer
from bench.against.proof import prove_all
from bench.against.scale import measure_scale
from bench.against.stage import Cores, Stage, staged
from bench.against.targets import Findings
from bench.against.workloads import WORKLOADS, Workload

RESULTS = Path(__file__).parents[1] / "results"
HALF_LOAD, MEMORY, SCALE = "half-load", "memory", "scale"
# Scale takes minutes for each hundred thousand streams, so it is measured only where it is named.
USUAL = [*(workload.name for workload in WORKLOADS), HALF_LOAD, MEMORY]


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
            _half_load(stage, options) if HALF_LOAD in options.only else None,
            measure_memory(PLAYGATE, stage) if MEMORY in options.only else None,
            measure_scale(PLAYGATE, cores, options.streams, options.runs, options.seconds)
            if SCALE in options.only
            else None,
        )
    account = report.Account(
        described, wanted, workloads, proofs, absent, failed, samples, findings
    )
    report.write(account, options.out)
    if samples:
        plot.draw(account, options.out)
    print(f"\n{report.markdown(account)}\n{options.out}.md .json .png .svg")


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


def _half_load(stage: Stage, options: argparse.Namespace) -> HalfLoad:
    found = [measure_half_load(PLAYGATE, stage, options.seconds) for _ in range(options.runs)]
    return HalfLoad(
        *(
            statistics.median(getattr(each, field.name) for each in found)
            for field in fields(HalfLoad)
        )
    )


def read_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="make bench", description="Playgate beside others that do the same job."
    )
    names = [peer.name for peer in ALL]
    parser.add_argument(
        "--only", type=_names(*USUAL, SCALE), default=USUAL, help=",".join((*USUAL, SCALE))
    )
    parser.add_argument("--peers", type=_names(*names), default=names, help=",".join(names))
    parser.add_argument("--runs", type=int, default=3, help="rounds (3)")
    parser.add_argument("--seconds", type=int, default=4, help="of each measurement (4)")
    parser.add_argument("--streams", type=int, default=1_000_000, help="with scale (1000000)")
    parser.add_argument(
        "--no-proof", dest="proof", action="store_false", help="do not try the limits first"
    )
    parser.add_argument("--server-core", type=int, default=0)
    parser.add_argument("--load-core", type=int, default=1)
    parser.add_argument(
        "--out",
        type=Path,
        help="files to write to; bench/results/against, or raw/ there for a part",
    )
    options = parser.parse_args()
    whole = (
        options.only == USUAL
        and options.peers == names
        and options.runs >= parser.get_default("runs")
    )
    options.out = options.out or RESULTS / ("against" if whole else "raw/against")
    return options


def _names(*known: str) -> Callable[[str], list[str]]:
    def read(text: str) -> list[str]:
        given = text.split(",")
        if unknown := [name for name in given if name not in known]:
            raise argparse.ArgumentTypeError(f"not known: {', '.join(unknown)}")
        return given

    return read


if __name__ == "__main__":
    main()
