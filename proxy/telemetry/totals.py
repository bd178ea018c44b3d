"""The metrics in a few numbers, for who looks at one proxy and has no Prometheus at hand."""

from collections import Counter as Tally
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from prometheus_client import Metric


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


def totals(families: Iterable[Metric]) -> Totals:
    """Sum up all that is measured."""
    found = {family.name: family for family in families}
    active = _values(found.get("playgate_active_streams"), "route")
    origins = _values(found.get("playgate_origin_up"), "origin")
    return Totals(
        in_flight=int(_values(found.get("playgate_in_flight_requests")).get("", 0)),
        active={route: int(number) for route, number in active.items()},
        origins={name: up == 1 for name, up in origins.items()},
        requests=_sums(found.get("playgate_requests"), "outcome"),
        admissions=_sums(found.get("playgate_admissions"), "result"),
        refusals=_sums(found.get("playgate_refusals"), "code"),
        ended=_sums(found.get("playgate_streams_ended"), "reason"),
    )


def _sums(counter: Metric | None, label: str) -> dict[str, int]:
    """Sum a counter's children by one of its labels; those that have not counted are left out."""
    tally: Tally[str] = Tally()
    for sample in counter.samples if counter else ():
        if sample.value:
            tally[sample.labels[label]] += int(sample.value)
    return dict(sorted(tally.items()))


def _values(gauge: Metric | None, label: str = "") -> dict[str, float]:
    """Give a gauge's values as they stand, by one of its labels ("" where it has none)."""
    samples = gauge.samples if gauge else ()
    return {sample.labels.get(label, ""): sample.value for sample in samples}
