"""Exemplars: which request it was, beside the count of those that took as long."""

import asyncio
from collections.abc import Iterator

import pytest
from prometheus_client import CollectorRegistry, Histogram
from prometheus_client.openmetrics.exposition import generate_latest
from prometheus_client.openmetrics.parser import text_string_to_metric_families as openmetrics
from prometheus_client.parser import text_string_to_metric_families as prometheus
from prometheus_client.samples import Exemplar

from proxy.telemetry.exemplars import EVERY_S, Exemplified
from proxy.telemetry.metrics import Metrics
from proxy.telemetry.notes import CURRENT, Notes
from proxy.telemetry.tallies import Tallies
from proxy.trace import MAX_REQUEST_ID, Trace, TraceContext
from tests.support.playlists import serve_channels
from tests.support.stack import Stack

ENTRY = "/live/one/master.m3u8"
OPENMETRICS = "application/openmetrics-text;version=1.0.0,text/plain;version=0.0.4;q=0.5"
TRACE, SPAN = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
RECORDED, UNRECORDED = (TraceContext(TRACE, SPAN, flags) for flags in (1, 0))


def exemplars(text: str, metric: str) -> list[Exemplar]:
    """Give the exemplars that an OpenMetrics text has of a histogram."""
    return [
        sample.exemplar
        for family in openmetrics(text)  # type: ignore[no-untyped-call]  # has no hints
        for sample in family.samples
        if sample.name == f"{metric}_bucket" and sample.exemplar is not None
    ]


class Told:
    """A histogram with one bucket up to a second, and one beyond."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        histogram = Histogram("times", "Some times.", buckets=(1,), registry=self.registry)
        self.times = Exemplified(Tallies(self.registry).times(histogram, (1,)))

    def ids(self) -> list[str]:
        text = generate_latest(self.registry).decode()  # type: ignore[no-untyped-call]  # has no hints
        return [exemplar.labels["request_id"] for exemplar in exemplars(text, "times")]


async def test_who_asks_for_openmetrics_finds_the_request_beside_its_bucket() -> None:
    async with Stack() as stack:
        serve_channels(stack.origin, "one")
        answer = await stack.watch(ENTRY)
        async with stack.admin.get("/metrics", headers={"Accept": OPENMETRICS}) as response:
            assert response.content_type == "application/openmetrics-text"
            text = await response.text()
        (plain,) = exemplars(text, "playgate_request_seconds")
        assert plain.labels == {"request_id": answer.headers["X-Request-Id"]}
        assert plain.value > 0
        phases = exemplars(text, "playgate_phase_seconds")
        assert {exemplar.labels["request_id"] for exemplar in phases} == {
            answer.headers["X-Request-Id"]
        }
        async with stack.admin.get("/metrics", headers={"Accept": "text/plain"}) as response:
            text = await response.text()
        assert answer.headers["X-Request-Id"] not in text
        assert any(family.name == "playgate_request_seconds" for family in prometheus(text))


def test_a_bucket_has_one_exemplar_a_second_and_each_has_its_own() -> None:
    told = Told()
    told.times.observe(0.1, 100.0, Trace("first"))
    told.times.observe(0.2, 100.0 + EVERY_S / 2, Trace("too-soon"))
    told.times.observe(1.5, 100.0 + EVERY_S / 2, Trace("slow"))
    assert told.ids() == ["first", "slow"]
    told.times.observe(0.2, 100.0 + EVERY_S, Trace("next"))
    assert told.ids() == ["next", "slow"]


def test_a_value_on_a_buckets_bound_is_in_that_bucket() -> None:
    told = Told()
    told.times.observe(1.0, 100.0, Trace("on-the-bound"))
    told.times.observe(0.5, 100.0, Trace("too-soon"))
    told.times.observe(1.1, 100.0, Trace("beyond"))
    assert told.ids() == ["on-the-bound", "beyond"]


def test_what_leads_to_no_trace_takes_no_place_from_what_does() -> None:
    told = Told()
    told.times.observe(0.1, 100.0, None)
    told.times.observe(0.1, 100.0, Trace("unrecorded", UNRECORDED))
    told.times.observe(0.1, 100.0, Trace("recorded", RECORDED))
    told.times.observe(0.1, 200.0, Trace("unrecorded", UNRECORDED))
    assert told.ids() == ["recorded"]


def test_the_longest_id_and_a_trace_fit_an_exemplar() -> None:
    metrics = Metrics("0", ())
    metrics.request(Notes(Trace("i" * MAX_REQUEST_ID, RECORDED)), 0.0, 0.1)
    text = metrics.exposition(OPENMETRICS)[0].decode()
    (exemplar,) = exemplars(text, "playgate_request_seconds")
    assert exemplar.labels == {"request_id": "i" * MAX_REQUEST_ID, "trace_id": TRACE}


@pytest.fixture
def request_in_progress() -> Iterator[None]:
    before = CURRENT.set(Trace("mine"))
    yield
    CURRENT.reset(before)


@pytest.mark.usefixtures("request_in_progress")
async def test_a_phase_of_what_was_begun_for_a_request_is_that_requests() -> None:
    metrics = Metrics("0", ())

    async def load() -> None:
        with metrics.phase("origin"):
            await asyncio.sleep(0)

    await asyncio.create_task(load())
    text = metrics.exposition(OPENMETRICS)[0].decode()
    (exemplar,) = exemplars(text, "playgate_phase_seconds")
    assert exemplar.labels == {"request_id": "mine"}


def test_a_phase_beside_the_requests_is_nobodys() -> None:
    metrics = Metrics("0", ())
    with metrics.phase("store"):
        pass
    text = metrics.exposition(OPENMETRICS)[0].decode()
    assert 'playgate_phase_seconds_count{phase="store"} 1.0' in text
    assert exemplars(text, "playgate_phase_seconds") == []
