"""Tells what was measured: medians of the runs, as a table, and the samples as JSON."""

import statistics
from collections.abc import Iterable, Sequence
from dataclasses import fields

from bench.against.measure import Sample

OURS = "playgate"


def median(samples: Sequence[Sample]) -> Sample:
    """Give the sample of medians, each figure by itself."""
    first = samples[0]
    figures = {
        field.name: statistics.median(getattr(each, field.name) for each in samples)
        for field in fields(Sample)
        if field.name not in ("workload", "peer")
    }
    return Sample(first.workload, first.peer, **figures)


def medians(samples: Iterable[Sample]) -> dict[tuple[str, str], Sample]:
    """Give the medians by workload and peer, in the order of their first run."""
    grouped: dict[tuple[str, str], list[Sample]] = {}
    for sample in samples:
        grouped.setdefault((sample.workload, sample.peer), []).append(sample)
    return {key: median(group) for key, group in grouped.items()}


HEAD = (
    "| server | CPU µs | against Playgate | req/s | p50 / p99 ms | Redis calls, its µs "
    "| core: server, others |\n|---|---|---|---|---|---|---|\n"
)


def table(found: dict[tuple[str, str], Sample], workload: str, titles: dict[str, str]) -> str:
    """Give the rows of a workload; above 1.00, Playgate takes less processor time."""
    rows = [sample for (name, _), sample in found.items() if name == workload]
    ours = found.get((workload, OURS))
    text = HEAD
    for row in sorted(rows, key=lambda row: row.cpu_us):
        times = f"{row.cpu_us / ours.cpu_us:.2f}" if ours and row.peer != OURS else ""
        text += (
            f"| {titles[row.peer]} | {row.cpu_us:.1f} | {times} | {row.rate:,.0f} "
            f"| {row.p50_ms:.1f} / {row.p99_ms:.1f} "
            f"| {row.redis_calls:.2f}, {row.redis_cpu_us:.1f} "
            f"| {row.server_share:.0%}, {row.others_share:.0%} |\n"
        )
    return text
