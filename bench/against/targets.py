"""What Playgate is held to: a ratio within one run, or a bound; and what was found.

Ratios compare processor time for each request, so that 2.0 means half of the peer's.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from bench.against.half_load import HalfLoad
from bench.against.measure import Sample
from bench.against.memory import Memory
from bench.against.scale import Scale

OURS = "playgate"


@dataclass(frozen=True, slots=True)
class Findings:
    """Medians by workload and peer, and what was measured of Playgate alone; None: it was not."""

    medians: Mapping[tuple[str, str], Sample]
    half_load: HalfLoad | None = None
    memory: Memory | None = None
    scale: Scale | None = None

    def ratio(self, workload: str, peer: str) -> float | None:
        """Give how much more a peer takes for a request than Playgate."""
        ours, theirs = self.medians.get((workload, OURS)), self.medians.get((workload, peer))
        return theirs.cpu_us / ours.cpu_us if ours and theirs else None

    def own_ratio(self, workload: str) -> float | None:
        """Give how much of its refresh rate Playgate reaches in a workload, by processor time."""
        refresh, other = self.medians.get(("refresh", OURS)), self.medians.get((workload, OURS))
        return refresh.cpu_us / other.cpu_us if refresh and other else None


@dataclass(frozen=True, slots=True)
class Verdict:
    """A target, what was found, and whether that meets it; None: not measured in this run."""

    target: str
    found: str
    met: bool | None


def verdicts(findings: Findings) -> list[Verdict]:
    storm = findings.medians.get(("storm", OURS))
    half_load, memory, scale = findings.half_load, findings.memory, findings.scale
    taken = memory or (scale.memory if scale else None)
    streams = f"{scale.streams:,}" if scale else "1,000,000"
    return [
        _at_least(
            2.0,
            "refresh, nginx + Lua + Redis + proxy_cache",
            findings.ratio("refresh", "nginx-cache"),
        ),
        _at_least(0.9, "refresh, nginx + Lua tuned", findings.ratio("refresh", "nginx-tuned")),
        _at_least(
            1.2, "entry, nginx + Lua + Redis + proxy_cache", findings.ratio("entry", "nginx-cache")
        ),
        _at_least(0.8, "through, nginx + Lua + Redis", findings.ratio("through", "nginx-plain")),
        _at_least(8, "refresh, fastify + ioredis", findings.ratio("refresh", "fastify")),
        _at_least(50, "refresh, FastAPI + httpx", findings.ratio("refresh", "fastapi")),
        _at_least(1 / 8, "kick-off, own refresh", findings.own_ratio("kick-off")),
        _at_least(0.8, "refusal storm, own refresh", findings.own_ratio("storm")),
        _at_most(
            0.01, "Redis calls for a refusal in the storm", storm.redis_calls if storm else None
        ),
        _at_most(400, "bytes of Redis for an active stream", taken.redis if taken else None),
        _at_most(
            1_024, "bytes of the process for an active stream", taken.process if taken else None
        ),
        _at_most(
            1.2, f"cost with {streams} streams, against 1,000", scale.ratio if scale else None
        ),
        _at_most(2.0, "ms of p99 added at half load", half_load.added_ms if half_load else None),
    ]


def _at_least(bound: float, what: str, found: float | None) -> Verdict:
    met = None if found is None else found >= bound
    return Verdict(f"{what}: ≥ {bound:g}", _figure(found), met)


def _at_most(bound: float, what: str, found: float | None) -> Verdict:
    met = None if found is None else found <= bound
    return Verdict(f"{what}: ≤ {bound:g}", _figure(found), met)


def _figure(found: float | None) -> str:
    return "not measured" if found is None else f"{found:,.4g}"
