"""What came of it, for people to read."""

from collections import Counter
from collections.abc import Iterator

from tests.chaos.claims import HELD, INTERRUPTED, MISCOUNTED, OVER
from tests.chaos.faults import CALM, KINDS
from tests.chaos.journal import During
from tests.chaos.show import Outcome

HEAD = (
    *("fault", "times", "refreshes", "alone", "failed", "turned away"),
    *("p99 ms", "max ms", "dry s", "back after s"),
)


def table(outcome: Outcome) -> str:
    """Give all figures."""
    during = outcome.journal.during
    rows = [HEAD, *(_row(kind.name, during[kind.name]) for kind in KINDS), _row(CALM, during[CALM])]
    widths = [max(len(row[column]) for row in rows) for column in range(len(HEAD))]
    lines = [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    ]
    return "\n".join([*lines, "", *_sums(outcome), "", *_told(outcome)])


def _row(name: str, one: During) -> tuple[str, ...]:
    back = f"{min(one.back):.1f} to {max(one.back):.1f}" if one.back else ""
    return (
        *(name, f"{one.times}" if one.times else "", f"{one.refreshes}", f"{one.alone}"),
        *(f"{one.failed.total()}{_which(one.failed)}", f"{one.turned_away}"),
        *(f"{1000 * one.quantile(part):.0f}" for part in (0.99, 1)),
        *(f"{one.dry:.1f}", back),
    )


def _which(failed: Counter[str]) -> str:
    return f" ({', '.join(f'{number} x {what}' for what, number in failed.items())})" * bool(failed)


def _sums(outcome: Outcome) -> Iterator[str]:
    journal, verdict = outcome.journal, outcome.verdict
    starts = sum((one.starts_failed for one in journal.during.values()), Counter[str]())
    yield (
        f"{outcome.plan.viewers} viewers of {len(outcome.plan.accounts)} accounts, seed"
        f" {outcome.plan.seed}: {journal.requests} requests; {journal.starts} starts,"
        f" {len(journal.truth.refusals)} refusals, {starts.total()} starts that failed"
        f"{_which(starts)}; {journal.releases} releases, {journal.crashes} crashes"
    )
    for what, looked in ((OVER, "starts"), (INTERRUPTED, "refreshes"), (HELD, "refusals")):
        yield _line(outcome, what, f"{verdict.checked[what]} {looked}")
    yield _line(outcome, MISCOUNTED, f"{verdict.checked[MISCOUNTED]} looks at the counts")
    yield f"the store said to be away though nothing took it: {outcome.operators.hiccups} times"
    after = outcome.right_after
    yield (
        "counts right again "
        + ("never" if after is None else f"{after:.1f} s after the last fault")
        + f" (a slot lives for {outcome.plan.ttl:.0f} s), with {outcome.streams} streams"
    )


def _line(outcome: Outcome, what: str, of: str) -> str:
    broken = sum(one.startswith(f"{what}: ") for one in outcome.verdict.broken)
    unclaimed = outcome.verdict.unclaimed.get(what, 0)
    return f"{what}: {broken} of {of}; where nothing is claimed, {unclaimed}"


def _told(outcome: Outcome) -> Iterator[str]:
    if not outcome.verdict.broken:
        yield "every claim held"
    for one in outcome.verdict.broken[:20]:
        yield f"BROKEN: {one}"
