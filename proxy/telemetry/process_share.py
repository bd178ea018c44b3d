"""What one of several workers takes of the machine, as metrics that can be added up.

prometheus_client reads them of the process that is asked. Here each worker reads its own, every
few seconds, and leaves them where the others find them: also its processor time, which a worker
that dies has taken all the same, so that the sum never falls.
"""

from prometheus_client import CollectorRegistry, Counter, Gauge
from prometheus_client.process_collector import ProcessCollector


class ProcessShare:
    """The metrics ``process_*`` of one worker."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._process = ProcessCollector(registry=None)
        self._cpu = Counter(
            "process_cpu_seconds_total",
            "User and system CPU time spent by the workers, in seconds.",
            registry=registry,
        )
        self._counted = 0.0

        def gauge(name: str, documentation: str) -> Gauge:
            return Gauge(name, documentation, registry=registry, multiprocess_mode="livesum")

        self._gauges = {
            "process_virtual_memory_bytes": gauge(
                "process_virtual_memory_bytes", "Virtual memory of the workers in bytes."
            ),
            "process_resident_memory_bytes": gauge(
                "process_resident_memory_bytes",
                "Resident memory of the workers in bytes; what they share counts for each.",
            ),
            "process_open_fds": gauge("process_open_fds", "Open file descriptors of the workers."),
            "process_max_fds": gauge(
                "process_max_fds", "File descriptors that all workers together may have open."
            ),
            "process_start_time_seconds": Gauge(
                "process_start_time_seconds",
                "When the youngest worker began, in seconds since the epoch.",
                registry=registry,
                multiprocess_mode="livemax",
            ),
        }

    def look(self) -> None:
        """Note what the process takes now."""
        for family in self._process.collect():
            value = family.samples[0].value
            if family.name == "process_cpu_seconds":
                self._cpu.inc(max(0.0, value - self._counted))
                self._counted = value
            else:
                self._gauges[family.name].set(value)
