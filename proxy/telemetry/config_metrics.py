"""What is measured of the configuration: when it was loaded, and how its reloads went.

And until when its certificate is good, which nobody might look at before players refuse it.
"""

from collections.abc import Mapping
from math import inf

from prometheus_client import CollectorRegistry, Counter, Gauge

from proxy.telemetry.named_gauge import NamedGauge

# How a reload can go. Unchanged: the file is good, and what it says is in force already or needs a
# restart. Failed: it is not good, and what was in force stays so.
RELOADED, UNCHANGED, FAILED = RESULTS = ("reloaded", "unchanged", "failed")


class ConfigMetrics:
    """Counts in a registry of the process."""

    def __init__(self, registry: CollectorRegistry, *, shared: bool = False) -> None:
        self._loaded = Gauge(
            "playgate_config_loaded_timestamp_seconds",
            "When the running configuration was loaded, or last found to be as it is.",
            registry=registry,
            multiprocess_mode="livemin",
        )
        if shared:
            self._loaded.set(inf)  # of no worker that is starting
        self._successful = Gauge(
            "playgate_config_last_reload_successful",
            "Whether the file was good when it was last read (1) or not (0).",
            registry=registry,
            multiprocess_mode="livemin",
        )
        self._successful.set(1)  # what runs was read
        self._reloads = Counter(
            "playgate_config_reloads_total",
            "Reloads of the configuration, by how they went.",
            ["result"],
            registry=registry,
        )
        for result in RESULTS:
            self._reloads.labels(result)

        self._expiry = NamedGauge(
            "playgate_tls_certificate_expiry_timestamp_seconds",
            "When the certificate of the player port expires.",
            "file",
            registry,
            mode="livemin",
            shared=shared,
        )
        self._certificates: Mapping[str, float] = {}

    def loaded(self, timestamp: float) -> None:
        """Note when the running configuration was loaded (seconds since the epoch)."""
        self._loaded.set(timestamp)

    def certificates(self, expiries: Mapping[str, float]) -> None:
        """Show when these expire, by their files (seconds since the epoch), and no others."""
        for gone in self._certificates.keys() - expiries.keys():
            self._expiry.drop(gone)
        for file, expiry in expiries.items():
            self._expiry.set(file, expiry)
        self._certificates = dict(expiries)

    def reload(self, result: str) -> None:
        """Count a reload; ``result`` is one of ``RESULTS``."""
        self._reloads.labels(result).inc()
        self._successful.set(result != FAILED)
