"""Beats are counted by one note each: it comes to what counting all of it would have come to."""

import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry, Counter, Histogram
from prometheus_client.openmetrics.exposition import generate_latest

from proxy.telemetry.beat_tally import BEGUN, DONE, HEARD, INSTANTS, MANY, BeatTally, Part
from proxy.telemetry.exemplars import EVERY_S, Exemplified
from proxy.telemetry.tallies import Tallies
from proxy.trace import Trace
from tests.telemetry.test_exemplars import exemplars

BOUNDS = (0.001, 0.01, 0.1)
# Instants of a beat, each some time after the one before.
spans = st.lists(st.sampled_from([0.0, 0.0005, 0.001, 0.005, 0.05, 5.0]), min_size=4, max_size=4)


@dataclass
class Beat:
    """One that took so long, in its parts."""

    begun: float
    asked: float
    heard: float
    trace: Trace = field(default_factory=lambda: Trace("a"))


class Told:
    """A counter and two histograms, and a tally of beats that count in all of them."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.tallies = Tallies(self.registry)
        counter = Counter("beats", "Beats.", registry=self.registry)
        self.count = self.tallies.count(counter)
        self.whole, self.rest = map(self.histogram, ("whole", "rest"))
        parts = [Part(self.whole, BEGUN, DONE), Part(self.rest, HEARD, DONE)]
        self.beats = BeatTally([self.count], parts, self.tallies.counted)

    def histogram(self, name: str) -> Exemplified:
        child = Histogram(name, "Some times.", buckets=BOUNDS, registry=self.registry)
        return Exemplified(self.tallies.times(child, BOUNDS))

    def shown(self) -> dict[tuple[str, str], float]:
        return {
            (sample.name, sample.labels.get("le", "")): sample.value
            for metric in self.registry.collect()
            for sample in metric.samples
            if not sample.name.endswith("_created")
        }

    def ids(self, histogram: str) -> list[str]:
        text = generate_latest(self.registry).decode()  # type: ignore[no-untyped-call]  # has no hints
        return [exemplar.labels["request_id"] for exemplar in exemplars(text, histogram)]


def instants(beats: list[list[float]]) -> Iterator[tuple[float, float, float, float]]:
    for number, (first, second, third, fourth) in enumerate(beats):
        begun = 100.0 * number + first
        yield begun, begun + second, begun + second + third, begun + second + third + fourth


@given(st.lists(spans, max_size=8), st.sets(st.integers(0, 8)))
def test_noted_beats_come_to_what_they_would_have_come_to_one_by_one(
    beats: list[list[float]], looked: set[int]
) -> None:
    noted, counted = Told(), Told()
    for number, (begun, asked, heard, done) in enumerate(instants(beats)):
        if number in looked:
            noted.shown()
        noted.beats.note(Beat(begun, asked, heard, Trace("a")), done)
        counted.count.inc()
        counted.whole.observe(done - begun, done, Trace("a"))
        counted.rest.observe(done - heard, done, Trace("a"))
    assert noted.shown() == pytest.approx(counted.shown())


def test_many_are_handed_on_before_anybody_looks() -> None:
    told = Told()
    for _ in range(MANY + 1):
        told.beats.note(Beat(0.0, 0.0, 0.0, Trace("a")), 0.0)
    assert len(told.beats._instants) == len(INSTANTS)
    assert told.shown()["beats_total", ""] == MANY + 1


def test_the_slowest_and_one_a_second_are_exemplars() -> None:
    told = Told()
    told.beats.note(Beat(0.0, 0.0, 0.0, Trace("first")), 0.0001)
    told.beats.note(Beat(0.0, 0.0, 0.0, Trace("alike")), 0.0001)
    told.beats.note(Beat(0.0, 0.0, 0.04, Trace("slow")), 0.05)
    told.beats.note(Beat(0.0, 0.0, 0.0, Trace("quick")), 0.0001)
    assert told.ids("whole") == ["first", "slow"]
    assert told.ids("rest") == ["first", "slow"]
    told.beats.note(Beat(EVERY_S, EVERY_S, EVERY_S, Trace("next")), EVERY_S + 0.05)
    assert told.ids("whole") == ["first", "next"]
    told.beats.note(Beat(EVERY_S + 0.05, 0.0, 0.0, Trace("quick")), EVERY_S + 0.0501)
    assert told.ids("whole") == ["first", "next"]


def test_what_must_not_be_lost_is_counted_at_once() -> None:
    told = Told()
    child = Counter("answers", "Answers.", registry=told.registry)
    seconds = Histogram("seconds", "Seconds.", buckets=BOUNDS, registry=told.registry)
    at_once = (
        child,
        Exemplified(Tallies(CollectorRegistry(), shared=True).times(seconds, BOUNDS, at_once=True)),
    )
    beats = BeatTally([told.count], [], told.tallies.counted, at_once=at_once)
    beats.note(Beat(0.0, 0.0, 0.0, Trace("a")), 0.05)
    assert child._value.get() == 1
    assert seconds._sum.get() == pytest.approx(0.05)


SHARED = """
import asyncio, sys
from pathlib import Path
from proxy.model import Kind
from proxy.telemetry.metrics import Metrics
from proxy.telemetry.shared_metrics import SharedMetrics
from proxy.telemetry.tallies import Tallies
from tests.telemetry.test_beat_tally import Beat

shared = SharedMetrics(Path(sys.argv[1]))
with shared.joined():
    metrics = Metrics("1.0", (), None, shared)
settled, settle = [], Tallies.settle
Tallies.settle = lambda tallies: (settled.append(tallies), settle(tallies))

async def beats():
    for _ in range(5):
        metrics.beat("live", Kind.CHILD).note(Beat(0.0, 0.001, 0.002), 0.003)
        for _ in range(5):
            await asyncio.sleep(0)

asyncio.run(beats())
labels = {"route": "live", "result": "renewed"}
print(len(settled), shared.registry.get_sample_value("playgate_admissions_total", labels))
"""


def test_where_it_is_shared_it_is_handed_on_after_its_turn_and_once(tmp_path: Path) -> None:
    told = subprocess.check_output([sys.executable, "-c", SHARED, str(tmp_path)], text=True)
    assert told.split() == ["5", "5.0"]
