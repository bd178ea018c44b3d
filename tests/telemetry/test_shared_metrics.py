"""Numbers of processes that have died, in a folder that several share."""

import subprocess
import sys
from pathlib import Path
from typing import Self

from proxy.telemetry.shared_metrics import SharedMetrics

# What a process does there: it counts, shows a gauge, and ends (or does not).
WORKER = """
import asyncio, os, sys
from pathlib import Path
from proxy.telemetry.shared_metrics import SharedMetrics
from proxy.telemetry.metrics import Metrics
from proxy.telemetry.notes import Notes
from proxy.trace import Trace

shared = SharedMetrics(Path(sys.argv[1]))

def work():
    with shared.joined():
        metrics = Metrics("1.0", ["http://a"], None, shared)
    metrics.store.available(int(sys.argv[3]))
    metrics.config.reload("reloaded" if int(sys.argv[3]) else "failed")
    metrics.streams.watch_routes(["live"])
    metrics.streams.active({"live": int(sys.argv[4])})
    asyncio.run(count(metrics))
    return metrics

async def count(metrics):
    for _ in range(3):
        metrics.request(Notes(Trace("id", None)), 0.0, 0.02)

for _ in range(int(sys.argv[2])):
    if (pid := os.fork()) == 0:
        work()
        os._exit(0)
    os.waitpid(pid, 0)
    shared.fold()
metrics = work()
print("ready", flush=True)
sys.stdin.read()
"""


class Process:
    """One that has made, and outlived, so many before it."""

    def __init__(self, folder: Path, died: int = 0, *, store: bool = True, active: int = 5) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-c", WORKER, str(folder), str(died), str(int(store)), str(active)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def __enter__(self) -> Self:
        assert self.process.stdout is not None
        assert self.process.stdout.readline() == "ready\n"
        return self

    def __exit__(self, *_: object) -> None:
        self.process.communicate("")


def sample(shared: SharedMetrics, name: str, **labels: str) -> float | None:
    return shared.registry.get_sample_value(name, labels)


def requests(shared: SharedMetrics) -> float | None:
    labels = {"route": "none", "kind": "api", "outcome": "ok"}
    found = sample(shared, "playgate_requests_total", **labels)
    del labels["outcome"]
    assert found == sample(shared, "playgate_request_seconds_count", **labels)
    assert found == sample(shared, "playgate_request_seconds_bucket", **labels, le="+Inf")
    return found


def test_the_dead_are_counted_and_leave_nothing_else_behind(tmp_path: Path) -> None:
    shared = SharedMetrics(tmp_path)
    with Process(tmp_path, died=300):
        assert requests(shared) == 3 * 301
        files = sorted(file.name.partition("_")[0] for file in tmp_path.iterdir())
        assert files == ["counter"] * 2 + ["gauge"] * 4 + ["histogram"] * 2 + ["lock"]
        assert sum(file.stat().st_size for file in tmp_path.iterdir()) <= 8 * 64 * 1024
        assert sample(shared, "playgate_build_info", version="1.0") == 1
    shared.fold()
    assert requests(shared) == 3 * 301
    assert sample(shared, "playgate_build_info", version="1.0") is None


def test_nothing_is_folded_while_somebody_reads(tmp_path: Path) -> None:
    shared = SharedMetrics(tmp_path)
    with Process(tmp_path):
        pass
    with shared._locked(1):  # LOCK_SH
        shared.fold()
        assert not list(tmp_path.glob("*_past.db"))
    shared.fold()
    assert len(list(tmp_path.glob("*_past.db"))) == 2
    assert requests(shared) == 3


def test_the_worst_is_shown_and_active_streams_are_of_who_has_the_store(tmp_path: Path) -> None:
    shared = SharedMetrics(tmp_path)
    with Process(tmp_path, active=9), Process(tmp_path, active=8):
        assert sample(shared, "playgate_active_streams", route="live") == 9
        assert sample(shared, "playgate_degraded") == 0
        with Process(tmp_path, active=20, store=False):
            assert sample(shared, "playgate_active_streams", route="live") == 9
            assert sample(shared, "playgate_degraded") == 1
            assert sample(shared, "playgate_store_up") == 0
            assert sample(shared, "playgate_config_last_reload_successful") == 0
            # One that has not loaded anything says nothing of when it did.
            assert sample(shared, "playgate_config_loaded_timestamp_seconds") is None
        shared.fold()
        assert sample(shared, "playgate_store_up") == 1
        assert sample(shared, "playgate_config_last_reload_successful") == 1
    shared.fold()
    with Process(tmp_path, active=4, store=False), Process(tmp_path, active=3, store=False):
        assert sample(shared, "playgate_active_streams", route="live") == 7
