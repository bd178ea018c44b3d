"""The matrix as a table in ``docs/players.md``, and what was measured along the way.

    python -m tests.e2e.table            print the figures of the last run
    python -m tests.e2e.table --write    and write the table anew

Each row of a run leaves its findings in ``build/players``. A run asserts its own marks; the words
beside them (how many requests, after how many seconds) differ from run to run, and are written only
when somebody asks for it.
"""

import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from statistics import median
from typing import Any

from tests.e2e.cast import ROWS
from tests.e2e.matrix import Column, Row
from tests.e2e.player import Form
from tests.e2e.shortcomings import SHORTCOMINGS, reasons
from tests.e2e.stage import BEAT, TTL

TOP = Path(__file__).parents[2]
RESULTS = TOP / "build" / "players"
DOCUMENT = TOP / "docs" / "players.md"
BEGIN, END = "<!-- matrix: written by `make players` -->\n", "<!-- end of the matrix -->\n"
FORMS = {
    Form.HLS_VOD: "HLS on demand",
    Form.HLS_LIVE: "HLS live",
    Form.LL_HLS: "low-latency HLS",
    Form.DASH_VOD: "DASH on demand",
    Form.DASH_LIVE: "DASH live",
    Form.DASH_NUMBERED: "DASH live, numbered",
}


def save(row: Row) -> None:
    """Leave a row for the table."""
    RESULTS.mkdir(parents=True, exist_ok=True)
    (RESULTS / f"{row.player}-{row.form}.json").write_text(json.dumps(row.as_json(), indent=1))


def load() -> list[dict[str, Any]]:
    """Read the rows of the last run.

    Raises:
        SystemExit: one is missing.
    """
    files = [RESULTS / f"{player.name}-{form}.json" for player, form in ROWS]
    missing = [file.stem for file in files if not file.exists()]
    if missing:
        raise SystemExit(f"not in {RESULTS}: {', '.join(missing)}; run `make e2e`")
    return [json.loads(file.read_text()) for file in files]


# --- The table ---------------------------------------------------------------------------------


def table(rows: list[dict[str, Any]]) -> str:
    """Write the table and its footnotes in Markdown."""
    lines = [f"| player | form | {' | '.join(Column)} |", "|---" * (2 + len(Column)) + "|"]
    for row in rows:
        cells = [_cell(row, column) for column in Column]
        lines.append(f"| {row['player']} | {FORMS[Form(row['form'])]} | {' | '.join(cells)} |")
    notes = [
        f"[^{number}]: {known.reason} ([source]({known.source}))"
        for number, known in enumerate(SHORTCOMINGS, 1)
    ]
    return "\n".join([*lines, "", *notes, ""])


def _cell(row: dict[str, Any], column: Column) -> str:
    finding = row["findings"][column]
    known = reasons(row["player"], Form(row["form"]), column)
    marks = "".join(f"[^{SHORTCOMINGS.index(reason) + 1}]" for reason in known)
    return " ".join(filter(None, ["✓" if finding["good"] else f"✗{marks}", finding["seen"]]))


def marks(document: str) -> Iterator[tuple[str, str, list[str]]]:
    """Read a written table: each row's player and form, and its cells' marks with footnotes."""
    written = document.partition(BEGIN)[2].partition(END)[0]
    for line in written.splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if len(cells) == 2 + len(Column) and cells[2][0] in "✓✗":
            yield cells[0], cells[1], [cell.partition(" ")[0] for cell in cells[2:]]


# --- The figures -------------------------------------------------------------------------------


def figures(rows: list[dict[str, Any]]) -> str:
    """Say what was measured, in Markdown."""
    live = _crashes(rows, live=True)
    on_demand = _crashes(rows, live=False)
    beats = {
        live: [
            row["figures"]["steering_per_minute"]
            for row in rows
            if row["figures"]["steering_per_minute"] > 0 and Form(row["form"]).live == live
        ]
        for live in (True, False)
    }
    replies = sorted(reply for row in rows for reply in row["figures"]["steering_replies"])
    over = sum(row["figures"]["over_counts"] for row in rows)
    under = sum(row["figures"]["under_counts"] for row in rows)
    return (
        f"- Streams counted too often: {over}; too seldom: {under}; in {len(rows)} rows.\n"
        f"- From `kill -9` to a free slot, with a TTL of {TTL} s: live {_span(live)}, "
        f"on demand, where the player reports, {_span(on_demand)}.\n"
        f"- Keep-alive costs {_span(beats[False], '')} requests per viewer-minute on demand and "
        f"{_span(beats[True], '')} live at a `keepalive_interval` of {BEAT} s: one per interval, "
        "live half as many. At the default of 30 s that is 2, and 1.\n"
        f"- Of {len(replies)} steering replies, 99 % took {_p99(replies) * 1000:.0f} ms at most, "
        "a dozen players and the proxy sharing two cores.\n"
    )


def _crashes(rows: list[dict[str, Any]], *, live: bool) -> list[float]:
    found = [row["figures"]["crash_to_free"] for row in rows if Form(row["form"]).live == live]
    return [seconds for seconds in found if seconds is not None]


def _span(values: list[float], unit: str = " s") -> str:
    if not values:
        return "not seen"
    return f"{median(values):.1f}{unit} (median; {max(values):.1f}{unit} at most)"


def _p99(values: list[float]) -> float:
    return values[min(int(len(values) * 0.99), len(values) - 1)] if values else 0.0


# --- The document ------------------------------------------------------------------------------


def main() -> None:
    """Print the figures; with ``--write`` put them and the table into the document."""
    rows = load()
    sys.stdout.write(figures(rows))
    if "--write" in sys.argv[1:]:
        text = DOCUMENT.read_text()
        new = f"{BEGIN}\n{table(rows)}\n{figures(rows)}\n{END}"
        written, count = re.subn(
            re.escape(BEGIN) + ".*?" + re.escape(END), lambda _: new, text, flags=re.DOTALL
        )
        assert count == 1, f"{DOCUMENT} has no place for the matrix"
        DOCUMENT.write_text(written)


if __name__ == "__main__":
    main()
