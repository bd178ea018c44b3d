"""What comes out of Prometheus in the shape in which a panel shows it: series, bars, rows."""

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tests.dashboards.boards import Panel, Query
from tests.dashboards.monitoring import Series

Answers = Sequence[tuple[Query, list[Series]]]
Row = dict[str, str | float]


@dataclass(frozen=True)
class Line:
    """A series with the name it has in the legend."""

    name: str
    points: Sequence[tuple[float, float]]

    @property
    def last(self) -> float:
        return self.points[-1][1] if self.points else math.nan


def lines(answers: Answers) -> list[Line]:
    """Give all series of a panel by their names."""
    found = []
    for query, series in answers:
        if query.form == "heatmap":
            found += buckets(series)
        else:
            found += [Line(_name(query, labels), points) for labels, points in series]
    return found


def _name(query: Query, labels: Mapping[str, str]) -> str:
    return re.sub(r"\{\{(\w+)\}\}", lambda name: labels.get(name[1], ""), query.legend).strip()


def buckets(series: Sequence[Series]) -> list[Line]:
    """Give each bucket of a histogram what it has and the smaller ones have not."""
    ordered = sorted(series, key=lambda one: float(one[0]["le"]))
    found: list[Line] = []
    before: dict[float, float] = {}
    for labels, points in ordered:
        own = [(at, max(0.0, value - before.get(at, 0.0))) for at, value in points]
        found.append(Line(labels["le"], own))
        before = dict(points)
    return found


def rows(panel: Panel, answers: Answers) -> tuple[list[str], list[Row]]:
    """Give the columns and rows of a table, its transformations done."""
    tables: list[list[Row]] = []
    for query, series in answers:
        value = "Value" if len(answers) == 1 else f"Value #{query.letter}"
        tables.append([{**labels, value: points[-1][1]} for labels, points in series])
    table: list[Row] = [dict(row) for row in tables[0]]
    order: Mapping[str, int] = {}
    names: Mapping[str, str] = {}
    hidden: set[str] = set()
    for step in panel.json.get("transformations", ()):
        options: dict[str, Any] = step["options"]
        match step["id"]:
            case "joinByField":
                table = _joined(tables, options["byField"])
            case "organize":
                order, names = options["indexByName"], options["renameByName"]
                hidden = {name for name, is_hidden in options["excludeByName"].items() if is_hidden}
            case other:
                raise ValueError(f"nobody has drawn this yet: {other}")
    columns = sorted(
        {name for row in table for name in row} - hidden, key=lambda n: order.get(n, 99)
    )
    shown = [{names.get(name, name): row.get(name, "") for name in columns} for row in table]
    return [names.get(name, name) for name in columns], shown


def _joined(tables: Sequence[Sequence[Mapping[str, Any]]], field: str) -> list[Row]:
    joined: dict[Any, Row] = {}
    for table in tables:
        for row in table:
            joined.setdefault(row[field], {}).update(row)
    return list(joined.values())
