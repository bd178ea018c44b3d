"""The metrics of all workers of a proxy, whichever of them is asked.

Each worker counts in files of its own, in a folder that they share: prometheus_client's
multiprocess mode, which sums counters and histograms over all files there are. What it leaves open
is done here.

What a worker counted that has died is folded into one file, so that nothing ever falls and the
folder does not grow; its gauges go with it. While that is done nobody reads, or would see what it
counted twice, or not at all. Whoever folds never waits for who reads: what cannot be folded now is
folded later.
"""

import fcntl
import os
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from math import isfinite
from pathlib import Path

from prometheus_client import CollectorRegistry, Metric, values
from prometheus_client.mmap_dict import MmapedDict
from prometheus_client.multiprocess import MultiProcessCollector
from prometheus_client.registry import Collector
from prometheus_client.samples import Sample

VARIABLE = "PROMETHEUS_MULTIPROC_DIR"
# What stands in the place of a pid for those that have died.
PAST = "past"
ACTIVE, DEGRADED = "playgate_active_streams", "playgate_degraded"


class SharedMetrics(Collector):
    """The metrics in one folder. ``registry`` has nothing but them."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._lock = folder / "lock"
        if not self._lock.exists():
            self._lock.touch()
        # Since when is counted, in seconds since the epoch.
        self.began = self._lock.stat().st_mtime
        self.registry = CollectorRegistry()
        self.registry.register(self)

    @contextmanager
    def joined(self) -> Iterator[None]:
        """Have what this process measures from here on counted in the folder.

        Nobody reads meanwhile: of metrics that are only being made, each is 0 for a moment.
        """
        os.environ[VARIABLE] = str(self._folder)
        values.ValueClass = values.get_value_class()
        with self._locked(fcntl.LOCK_EX):
            yield

    def describe(self) -> Iterable[Metric]:
        """Name nothing beforehand; what there is, the files say."""
        return ()

    def collect(self) -> Iterable[Metric]:
        """Give what all workers have measured, summed up."""
        with self._locked(fcntl.LOCK_SH):
            files = [str(file) for file in self._folder.glob("*.db") if file.stat().st_size]
            merged = MultiProcessCollector.merge(files, accumulate=True)
        found = {family.name: family for family in merged}
        for family in found.values():
            if family.type == "gauge":
                family.samples = [one for one in family.samples if isfinite(one.value)]
        degraded = found[DEGRADED].samples if DEGRADED in found else []
        if ACTIVE in found:
            found[ACTIVE].samples = _active(found[ACTIVE].samples, degraded)
        if degraded:
            worst = max(sample.value for sample in degraded)
            found[DEGRADED].samples = [Sample(DEGRADED, {}, worst)]
        return found.values()

    def fold(self) -> None:
        """Keep what processes counted that are gone, and let go of the rest of theirs."""
        gone = [file for file in self._folder.glob("*.db") if _is_gone(file)]
        if not gone:
            return
        try:
            with self._locked(fcntl.LOCK_EX | fcntl.LOCK_NB):
                self._fold(gone)
        except BlockingIOError:
            pass  # somebody reads

    def _fold(self, gone: Iterable[Path]) -> None:
        for kind in ("counter", "histogram"):
            files = [file for file in gone if file.name.startswith(f"{kind}_")]
            if files:
                past = self._folder / f"{kind}_{PAST}.db"
                _write(past, _sums([past, *files] if past.exists() else files))
        for file in gone:
            file.unlink(missing_ok=True)

    @contextmanager
    def _locked(self, how: int) -> Iterator[None]:
        with self._lock.open("rb") as file:
            fcntl.flock(file, how)
            yield


def _is_gone(file: Path) -> bool:
    pid = file.stem.rpartition("_")[2]
    if pid == PAST:
        return False
    try:
        os.kill(int(pid), 0)
    except ProcessLookupError:
        return True
    except PermissionError:
        return False  # the pid is somebody else's by now; it will be gone one day, too
    return False


def _sums(files: Iterable[Path]) -> Mapping[str, float]:
    sums: dict[str, float] = defaultdict(float)
    for file in files:
        if file.stat().st_size:
            for key, value, _, _ in MmapedDict.read_all_values_from_file(str(file)):
                sums[key] += value
    return sums


def _write(file: Path, numbers: Mapping[str, float]) -> None:
    """Write a file of prometheus_client's in one step."""
    new = file.with_suffix(".new")
    new.unlink(missing_ok=True)
    written = MmapedDict(str(new))
    for key, value in numbers.items():
        written.write_value(key, value, 0.0)
    written.close()
    new.rename(file)


def _active(samples: Iterable[Sample], degraded: Iterable[Sample]) -> list[Sample]:
    """Give the active streams of each route.

    Who has the store shows those of all proxies, the same as all others. Who has not, those that
    play through itself: only where nobody has it, these add up.
    """
    without = {sample.labels["pid"] for sample in degraded if sample.value}
    well: dict[str, list[float]] = defaultdict(list)
    alone: dict[str, list[float]] = defaultdict(list)
    for sample in samples:
        side = alone if sample.labels["pid"] in without else well
        side[sample.labels["route"]].append(sample.value)
    shown = {route: max(numbers) for route, numbers in well.items()} or {
        route: sum(numbers) for route, numbers in alone.items()
    }
    return [Sample(ACTIVE, {"route": route}, number) for route, number in shown.items()]
