"""Tells what was found: targets, a table for each workload, what was measured on what."""

import json
import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path

from bench.against.measure import Sample
from bench.against.peers.terms import Peer
from bench.against.scale import Scale
from bench.against.targets import OURS, RUNS, Findings, verdicts
from bench.against.workloads import Workload

HEAD = (
    "| server | CPU µs, the kernel's | against Playgate | req/s | p50 / p99 ms "
    "| Redis calls, its µs | core: server, others |\n|---|---|---|---|---|---|---|\n"
)
# What is measured of Playgate alone.
HALF_LOAD, MEMORY, SCALE = ALONE = ("half-load", "memory", "scale")


@dataclass(frozen=True, slots=True)
class Account:
    """All there is to tell.

    `proofs` and `absent` say what each peer does wrong or lacks; `failed`, by workload and peer,
    what went wrong with a measurement.
    """

    machine: Mapping[str, str]
    peers: Sequence[Peer]
    workloads: Sequence[Workload]
    proofs: Mapping[str, str | None]
    absent: Mapping[str, str]
    failed: Mapping[tuple[str, str], str]
    samples: Sequence[Sample]
    findings: Findings


def medians(samples: Iterable[Sample]) -> dict[tuple[str, str], Sample]:
    """Give the medians by workload and peer, each figure by itself."""
    grouped: dict[tuple[str, str], list[Sample]] = {}
    for sample in samples:
        grouped.setdefault((sample.workload, sample.peer), []).append(sample)
    return {key: _median(group) for key, group in grouped.items()}


def _median(samples: Sequence[Sample]) -> Sample:
    first = samples[0]
    figures = {
        field.name: statistics.median(getattr(each, field.name) for each in samples)
        for field in fields(Sample)
        if field.name not in ("workload", "peer")
    }
    return Sample(first.workload, first.peer, **figures)


def markdown(account: Account) -> str:
    """Give the whole as a page."""
    titles = {peer.name: peer.title for peer in account.peers}
    tables = "".join(
        f"## {workload.name}: {workload.title}\n\n{_table(account, workload, titles)}\n"
        for workload in account.workloads
    )
    parts = (_targets(account), "\n", tables, _alone(account), _what(account))
    return f"# Playgate beside others\n\n{''.join(parts)}"


def _targets(account: Account) -> str:
    said = {True: "yes", False: "no", None: ""}
    few_runs = f"no verdict on fewer than {RUNS} runs"
    rows = "".join(
        f"| {verdict.target} | {verdict.found} "
        f"| {few_runs if verdict.few_runs else said[verdict.met]} |\n"
        for verdict in verdicts(account.findings)
    )
    return (
        "Ratios are processor time for each request, the peer's over Playgate's: 2 is half.\n\n"
        f"| target | found | met |\n|---|---|---|\n{rows}"
    )


def _table(account: Account, workload: Workload, titles: Mapping[str, str]) -> str:
    found = account.findings.medians
    ours = found.get((workload.name, OURS))
    text = HEAD
    rows = [found[workload.name, peer] for peer in workload.peers if (workload.name, peer) in found]
    for row in sorted(rows, key=lambda row: row.cpu_us):
        times = f"{row.cpu_us / ours.cpu_us:.2f}" if ours and row.peer != OURS else ""
        volume = f" ({row.gbit_per_core:.1f} Gbit/s a core)" if workload.volume else ""
        unfit = " (**fails the job**)" if account.proofs.get(row.peer) else ""
        text += (
            f"| {titles[row.peer]}{unfit} | {row.cpu_us:.1f}, {row.kernel_us:.0f} | {times} "
            f"| {row.rate:,.0f}{volume} | {row.p50_ms:.1f} / {row.p99_ms:.1f} "
            f"| {row.redis_calls:.2f}, {row.redis_cpu_us:.1f} "
            f"| {row.server_share:.0%}, {row.others_share:.0%} |\n"
        )
    for peer in workload.peers:
        if peer in account.absent:
            text += f"| {titles[peer]} | absent: {account.absent[peer]} | | | | | |\n"
        elif failure := account.failed.get((workload.name, peer)):
            text += f"| {titles[peer]} | failed: {failure.splitlines()[0]} | | | | | |\n"
    return text


def _alone(account: Account) -> str:
    """Tell what was measured of Playgate alone."""
    findings = account.findings
    lines = []
    if half := findings.half_load:
        lines.append(
            f"- At half load, {half.rate:,.0f} requests a second of {half.full:,.0f}: "
            f"p99 {half.through_p99_ms:.1f} ms, at the origin alone {half.origin_p99_ms:.1f} ms."
        )
    if memory := findings.memory:
        lines.append(
            f"- {memory.streams:,} streams more: {memory.process:,.0f} bytes of the process and "
            f"{memory.redis:,.0f} of Redis for each."
        )
    alone = {name: text for (name, _), text in account.failed.items() if name in ALONE}
    lines += [f"- {name} failed: {text.splitlines()[0]}" for name, text in alone.items()]
    told = "".join(f"{line}\n" for line in lines)
    parts = [part for part in (told, _scale(findings.scale)) if part]
    return "## Playgate alone\n\n" + "\n".join(parts) + "\n" if parts else ""


def _scale(scales: Sequence[Scale]) -> str:
    """Tell what a refresh costs with ever more streams, each beside a thousand in the same run."""
    if not scales:
        return ""
    rows = "".join(
        f"| {size.memory.streams:,} | {size.cost.cpu_us:.1f} | {ratio} | {size.cost.redis_us:.1f} "
        f"| {size.memory.process:,.0f} | {size.memory.redis:,.0f} |\n"
        for scale in scales
        for size, ratio in ((scale.few, ""), (scale.many, f"{scale.ratio:.2f}"))
    )
    return (
        "| streams | CPU µs of a refresh | against 1,000 | Redis µs | bytes of the process "
        f"| bytes of Redis |\n|---|---|---|---|---|---|\n{rows}"
    )


def _what(account: Account) -> str:
    text = "## What was measured on what\n\n"
    text += "".join(f"- {name}: {value}\n" for name, value in account.machine.items())
    if loads := [sample.load_average for sample in account.samples]:
        text += f"- load average: {min(loads):.1f} to {max(loads):.1f}\n"
    text += "\n| server | version | three streams play, the fourth does not |\n|---|---|---|\n"
    for peer in account.peers:
        if peer.name in account.absent:
            text += f"| {peer.title} | absent: {account.absent[peer.name]} | |\n"
        else:
            proof = account.proofs.get(peer.name)
            said = (
                f"**no**: {proof.splitlines()[0]}"
                if proof
                else "yes"
                if account.proofs
                else "not tried"
            )
            text += f"| {peer.title} | {peer.version()} | {said} |\n"
    return text


def write(account: Account, out: Path) -> None:
    """Write the page, and all samples as JSON."""
    out.parent.mkdir(parents=True, exist_ok=True)
    out.with_suffix(".md").write_text(markdown(account))
    findings = account.findings
    alone: dict[str, object] = {
        name: asdict(found)
        for name, found in (("half_load", findings.half_load), ("memory", findings.memory))
        if found
    }
    if findings.scale:
        alone["scale"] = [asdict(scale) for scale in findings.scale]
    everything = {
        "machine": account.machine,
        "proofs": account.proofs,
        "absent": account.absent,
        "failed": {f"{workload} {peer}": text for (workload, peer), text in account.failed.items()},
        "alone": alone,
        "samples": [asdict(sample) for sample in account.samples],
    }
    out.with_suffix(".json").write_text(json.dumps(everything, indent=1) + "\n")
