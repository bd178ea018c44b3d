"""The metrics as they are shown."""

import asyncio
from collections import Counter

import pytest

from proxy.telemetry.metrics import Metrics


@pytest.mark.parametrize("accept", ["text/plain", "application/openmetrics-text;version=1.0.0"])
def test_no_series_is_shown_twice(accept: str) -> None:
    metrics = Metrics("0", ("http://origin:8000",))
    with metrics.phase("auth"):
        pass
    text = metrics.exposition(accept)[0].decode()
    series = Counter(line.split("} ")[0] for line in text.splitlines() if "phase_seconds" in line)
    assert 'playgate_phase_seconds_bucket{le="1.0",phase="auth"' in series
    assert series.most_common(1)[0][1] == 1


async def test_who_reads_in_a_thread_hands_nothing_on_in_the_middle_of_a_count() -> None:
    metrics = Metrics("0", ())
    metrics.cache_lookup("hit")
    hit = ("playgate_manifest_cache_total", {"result": "hit"})
    seen = await asyncio.to_thread(metrics.registry.get_sample_value, *hit)
    assert not seen
    assert await metrics.ask(lambda: metrics.registry.get_sample_value(*hit)) == 1
