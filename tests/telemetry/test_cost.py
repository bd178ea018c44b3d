"""What counting costs a request: nothing is looked up; tells what it takes."""

from time import perf_counter, process_time

import pytest
from prometheus_client.metrics import MetricWrapperBase

from proxy.model import Kind
from proxy.streams import Decision, Outcome
from proxy.telemetry.metrics import Metrics
from proxy.telemetry.notes import Notes
from proxy.trace import Trace
from tests.conftest import Tell
from tests.support.playlists import serve_channels
from tests.support.stack import Stack
from tests.telemetry.test_beat_tally import Beat

ONE = "/live/one/master.m3u8"
TIMES = 20_000
TRACE = Trace("0" * 32)
RENEWED = Decision(Outcome.RENEWED, "a" * 24, 1, 1, 3, "default", 1, 1)


async def test_a_beat_looks_up_no_label(monkeypatch: pytest.MonkeyPatch) -> None:
    looked_up: list[object] = []
    labels = MetricWrapperBase.labels

    def noted(self: MetricWrapperBase, *values: object, **named: object) -> MetricWrapperBase:
        looked_up.append((self, values))
        return labels(self, *values, **named)

    async with Stack() as stack:
        serve_channels(stack.origin, "one")
        entry = await stack.watch(ONE)
        low = f"/live/one/{entry.uris()[0]}"
        await stack.ask(low)
        monkeypatch.setattr(MetricWrapperBase, "labels", noted)
        for _ in range(3):
            assert (await stack.ask(low)).decision == ("renewed", "1/3")
    assert looked_up == []


def test_what_a_beat_counts_is_told(tell: Tell) -> None:
    metrics = Metrics("0", ())
    notes = Notes(TRACE, route="live", kind=Kind.CHILD)

    def usual() -> None:
        now = perf_counter()
        metrics.beat("live", Kind.CHILD).note(Beat(now - 0.004, now - 0.003, now - 0.001), now)

    def walked() -> None:
        for phase in ("auth", "store", "rewrite"):
            with metrics.phase(phase):
                metrics.cache_lookup("hit")
        metrics.store.call("decide", 0.001, ok=True)
        metrics.streams.decision("live", RENEWED)
        now = perf_counter()
        metrics.request(notes, now - 0.004, now)

    took = []
    for number, count in enumerate((usual, walked), 1):
        begun = process_time()
        for _ in range(TIMES):
            count()
        metrics.settle()
        took.append(1_000_000 * (process_time() - begun) / TIMES)
        counted = metrics.totals()
        assert counted.requests == {notes.outcome: TIMES * number}
        assert counted.admissions == {Outcome.RENEWED: TIMES * number}
    tell(
        f"metrics: counting a beat takes {took[0]:.1f} µs of processor time,"
        f" and {took[1]:.1f} on the usual path"
    )
