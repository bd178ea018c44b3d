"""What the bench is told on the command line."""

import argparse
import os
from collections.abc import Callable, Sequence
from pathlib import Path

from bench.against.peers import ALL
from bench.against.report import HALF_LOAD, MEMORY, SCALE
from bench.against.scale import FEW
from bench.against.workloads import WORKLOADS

RESULTS = Path(__file__).parents[1] / "results"
# Scale takes minutes for each hundred thousand streams, so it is measured only where it is named.
USUAL = [*(workload.name for workload in WORKLOADS), HALF_LOAD, MEMORY]


def read_options(given: Sequence[str] | None = None) -> argparse.Namespace:
    """Give what is to be measured and how; what makes no sense ends the program, told why."""
    parser = argparse.ArgumentParser(
        prog="make bench", description="Playgate beside others that do the same job."
    )
    names = [peer.name for peer in ALL]
    parser.add_argument(
        "--only", type=_names(*USUAL, SCALE), default=USUAL, help=",".join((*USUAL, SCALE))
    )
    parser.add_argument("--peers", type=_names(*names), default=names, help=",".join(names))
    parser.add_argument("--runs", type=_at_least(1), default=3, help="rounds (3)")
    parser.add_argument("--seconds", type=_at_least(1), default=4, help="of each measurement (4)")
    parser.add_argument(
        "--streams",
        type=_sizes,
        default=[1_000_000],
        help="with scale: a number, or several with commas between (1000000)",
    )
    parser.add_argument(
        "--no-proof", dest="proof", action="store_false", help="do not try the limits first"
    )
    parser.add_argument("--server-core", type=_core, default=0)
    parser.add_argument("--load-core", type=_core, default=1)
    parser.add_argument(
        "--out",
        type=Path,
        help="files to write to; bench/results/against, or raw/ there for a part",
    )
    options = parser.parse_args(given)
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


def _at_least(least: int) -> Callable[[str], int]:
    def read(text: str) -> int:
        if not text.isdecimal() or int(text) < least:
            raise argparse.ArgumentTypeError(f"not a whole number from {least:,} on: {text}")
        return int(text)

    return read


def _sizes(text: str) -> list[int]:
    return sorted({_at_least(FEW + 1)(each) for each in text.split(",")})


def _core(text: str) -> int:
    number, here = _at_least(0)(text), sorted(os.sched_getaffinity(0))
    if number not in here:
        raise argparse.ArgumentTypeError(f"no core {number}: there are {here}")
    return number
