"""The metrics in a few numbers, for who looks at one proxy and has no Prometheus at hand."""

from collections import Counter as Tally
from collections.abc import Mapping
from dataclasses import dataclass

from prometheus_client import Counter, Gauge


@dataclass(frozen=True, slots=True)
class Totals:
    """How things are now, and what was counted since the process began, by one label each."""

    in_flight: int
    active: Mapping[str, int]  # streams by route, on all proxies
    origins: Mapping[str, bool]  # whether it is believed well
    requests: Mapping[str, int]  # by outcome
    admissions: Mapping[str, int]  # by result
    refusals: Mapping[str, int]  # by code
    ended: Mapping[str, int]  # by reason


def sums(counter: Counter, label: str) -> dict[str, int]:
    """Sum a counter's children by one of its labels."""
    tally: Tally[str] = Tally()
    for metric in counter.collect():
        for sample in metric.samples:
            if sample.name.endswith("_total"):  # the others say when each child was made
                tally[sample.labels[label]] += int(sample.value)
    return dict(sorted(tally.items()))


def values(gauge: Gauge, label: str = "") -> dict[str, float]:
    """Give a gauge's values as they stand, by one of its labels ("" where it has none)."""
    return {
        sample.labels.get(label, ""): sample.value
        for metric in gauge.collect()
        for sample in metric.samples
    }
