"""Runs the bench: python -m bench.against --help"""

import argparse
import os
import shutil
import sys

from bench.against import report
from bench.against.measure import Sample, measure
from bench.against.peers import ALL
from bench.against.stage import Cores, Stage, staged
from bench.against.workloads import WORKLOADS


def run(options: argparse.Namespace, stage: Stage) -> list[Sample]:
    """Measure each peer in each workload, in rounds, so that what else happens meets all alike."""
    peers = {peer.name: peer for peer in ALL if peer.name in options.peers}
    for name, peer in list(peers.items()):
        if lacks := peer.missing():
            print(f"absent: {name}: {lacks}")
            del peers[name]
    samples = []
    for number in range(options.runs):
        for workload in WORKLOADS:
            if workload.name not in options.only:
                continue
            names = [name for name in workload.peers if name in peers]
            for name in reversed(names) if number % 2 else names:
                sample = measure(peers[name], workload, stage, options.seconds)
                samples.append(sample)
                print(
                    f"{number + 1}/{options.runs} {workload.name:8} {name:12}"
                    f" {sample.cpu_us:8.1f} µs {sample.rate:8,.0f} req/s"
                    f"  core {sample.server_share:.0%}, others {sample.others_share:.0%},"
                    f" load core {sample.load_core_share:.0%}",
                    flush=True,
                )
    return samples


def names(text: str) -> list[str]:
    return text.split(",")


def main() -> None:
    parser = argparse.ArgumentParser(prog="bench", description="Playgate beside its peers.")
    parser.add_argument("--only", type=names, default=[each.name for each in WORKLOADS])
    parser.add_argument("--peers", type=names, default=[each.name for each in ALL])
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=5)
    parser.add_argument("--server-core", type=int, default=0)
    parser.add_argument("--load-core", type=int, default=1)
    options = parser.parse_args()
    absent = [program for program in ("wrk", "nginx", "taskset") if not shutil.which(program)]
    if absent:
        sys.exit(f"apt-get install {' '.join(absent)}: the load and the origin need it")
    cores = Cores(options.server_core, options.load_core)
    os.sched_setaffinity(0, {cores.load})
    with staged(cores) as stage:
        samples = run(options, stage)
    found = report.medians(samples)
    titles = {peer.name: peer.title for peer in ALL}
    for workload in WORKLOADS:
        if workload.name in options.only:
            print(f"\n{workload.name}: {workload.title}\n")
            print(report.table(found, workload.name, titles))


if __name__ == "__main__":
    main()
