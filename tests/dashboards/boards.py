"""The dashboards as Grafana reads them: panels, their queries, and variables filled in."""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parents[2] / "dashboards"
# What Grafana puts in for the values of "All" (``allValue``).
EVERYTHING = {"route": ".*", "instance": ".*"}


@dataclass(frozen=True)
class Query:
    """One query of a panel. ``form`` is time_series, heatmap or table."""

    letter: str
    expression: str
    legend: str
    is_instant: bool
    form: str

    def filled(self, values: Mapping[str, str]) -> str:
        """Put values in for variables.

        Raises:
            KeyError: it uses one that has no value.
        """
        return re.sub(r"\$\{?(\w+)\}?", lambda name: values[name[1]], self.expression)


@dataclass(frozen=True)
class Panel:
    """A panel, and the JSON it was read from."""

    board: str
    json: Mapping[str, Any]
    queries: tuple[Query, ...]

    @property
    def title(self) -> str:
        return str(self.json["title"])

    @property
    def type(self) -> str:
        return str(self.json["type"])

    @property
    def defaults(self) -> Mapping[str, Any]:
        return dict(self.json["fieldConfig"]["defaults"])

    @property
    def without_number(self) -> Mapping[str, str]:
        """Give the ``text`` and ``color`` it shows for want of a number; nothing if it has none."""
        for mapping in self.defaults.get("mappings", ()):
            if mapping["type"] == "special" and mapping["options"]["match"] == "null+nan":
                return dict(mapping["options"]["result"])
        return {}

    def __str__(self) -> str:
        return f"{self.board}: {self.title}"


@dataclass(frozen=True)
class Board:
    """A dashboard; ``rows`` are its panels under the titles of their rows."""

    file: Path
    json: Mapping[str, Any]
    rows: tuple[tuple[str, tuple[Panel, ...]], ...]

    @property
    def panels(self) -> Iterator[Panel]:
        return (panel for _, panels in self.rows for panel in panels)


def values(rate_interval: str, span: str) -> dict[str, str]:
    """Give what Grafana would put in for the variables, with everything chosen."""
    return {**EVERYTHING, "__rate_interval": rate_interval, "__range": span}


def load(file: Path) -> Board:
    """Read a dashboard."""
    board = json.loads(file.read_text())
    rows: list[tuple[str, list[Panel]]] = []
    for panel in board["panels"]:
        if panel["type"] == "row":
            rows.append((panel["title"], []))
        else:
            queries = tuple(_query(target) for target in panel["targets"])
            rows[-1][1].append(Panel(file.stem, panel, queries))
    return Board(file, board, tuple((title, tuple(panels)) for title, panels in rows))


def _query(target: Mapping[str, Any]) -> Query:
    return Query(
        letter=target["refId"],
        expression=target["expr"],
        legend=target["legendFormat"],
        is_instant=target.get("instant", False),
        form=target.get("format", "time_series"),
    )


BOARDS = tuple(load(file) for file in sorted(FOLDER.glob("*.json")))
PANELS = tuple(panel for board in BOARDS for panel in board.panels)
