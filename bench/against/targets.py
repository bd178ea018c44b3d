"""What Playgate is held to: a ratio within one run, or a bound; and what was found.

Ratios compare processor time for each request, so that 2.0 means half of the peer's.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from bench.against.half_load import HalfLoad
from bench.against.measure import Sample
from bench.against.memory import Memory
from bench.against.scale import Scale

OURS = "playgate"
# Of fewer, the median is whatever happened to one.
RUNS = 3


@dataclass(frozen=True, slots=True)
class Figure:
    """What was found, and in how many runs."""

    value: float
    runs: int


@dataclass(frozen=True, slots=True)
class Findings:
    """Medians by workload and peer, and what was measured of Playgate alone; None: it was not.

    ``samples`` says of how many each median is, ``runs`` of how many what is of Playgate alone.
    """

    medians: Mapping[tuple[str, str], Sample]
    samples: Mapping[tuple[str, str], int]
    runs: int
    half_load: HalfLoad | None = None
    memory: Memory | None = None
    scale: Sequence[Scale] = ()

    @property
    def is_empty(self) -> bool:
        return not (self.medians or self.half_load or self.memory or self.scale)

    def ratio(self, workload: str, peer: str) -> Figure | None:
        """Give how much more a peer takes for a request than Playgate."""
        return self._ratio((workload, peer), (workload, OURS))

    def own_ratio(self, workload: str) -> Figure | None:
        """Give how much of its refresh rate Playgate reaches in a workload, by processor time."""
        return self._ratio(("refresh", OURS), (workload, OURS))

    def _ratio(self, one: tuple[str, str], other: tuple[str, str]) -> Figure | None:
        if one not in self.medians or other not in self.medians:
            return None
        value = self.medians[one].cpu_us / self.medians[other].cpu_us
        return Figure(value, min(self.samples[one], self.samples[other]))


@dataclass(frozen=True, slots=True)
class Verdict:
    """A target, what was found, and whether that meets it; None: nothing or too little was."""

    target: str
    found: str
    met: bool | None
    few_runs: bool = False


def verdicts(findings: Findings) -> list[Verdict]:
    storm, half_load = findings.medians.get(("storm", OURS)), findings.half_load
    calls = Figure(storm.redis_calls, findings.samples["storm", OURS]) if storm else None
    added = Figure(half_load.added_ms, findings.runs) if half_load else None
    taken = findings.memory or (findings.scale[-1].many.memory if findings.scale else None)
    # Of thousands of streams at once, which is as good as many runs.
    process = Figure(taken.process, RUNS) if taken else None
    redis = Figure(taken.redis, RUNS) if taken else None
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
        _at_most(0.01, "Redis calls for a refusal in the storm", calls),
        _at_most(400, "bytes of Redis for an active stream", redis),
        _at_most(
            1_024,
            "bytes of the process for an active stream",
            process,
        ),
        *(
            _at_most(1.2, f"cost with {streams:,} streams, against 1,000", ratio)
            for streams, ratio in _sizes(findings)
        ),
        _at_most(2.0, "ms of p99 added at half load", added),
    ]


def _sizes(findings: Findings) -> list[tuple[int, Figure | None]]:
    if not findings.scale:
        return [(1_000_000, None)]
    return [
        (scale.many.memory.streams, Figure(scale.ratio, findings.runs)) for scale in findings.scale
    ]


def _at_least(bound: float, what: str, found: Figure | None) -> Verdict:
    return _verdict(f"{what}: ≥ {bound:g}", found, met=found is not None and found.value >= bound)


def _at_most(bound: float, what: str, found: Figure | None) -> Verdict:
    return _verdict(f"{what}: ≤ {bound:g}", found, met=found is not None and found.value <= bound)


def _verdict(target: str, found: Figure | None, *, met: bool) -> Verdict:
    if found is None:
        return Verdict(target, "not measured", None)
    few = found.runs < RUNS
    return Verdict(target, f"{found.value:,.4g}", None if few else met, few_runs=few)
