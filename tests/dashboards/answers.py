"""What panels show of a Prometheus, as numbers, and as Grafana writes and colours them."""

import math
from collections.abc import Mapping, Sequence

from tests.dashboards import boards, units
from tests.dashboards.boards import Panel, Query
from tests.dashboards.monitoring import Prometheus
from tests.dashboards.two_proxies import DAY, END

# When there was nothing at all yet.
LONG_AGO = END - 60 * DAY
# What may be chosen above a dashboard, and when that is looked at: everything, one route on one
# proxy, a route of which nothing ever failed; everything, before there was anything.
CHOICES: tuple[tuple[dict[str, str], int], ...] = (
    ({}, END),
    ({"route": "live", "instance": "b:9090"}, END),
    ({"route": "vod", "instance": "a:9090"}, END),
    ({"route": "music"}, END),
    ({}, LONG_AGO),
)
Shown = dict[str, list[str]]


def title(panel: Panel) -> str:
    """Name a panel as no other is: some are there as a number and over time."""
    return f"{panel} ({panel.type})"


async def of(panel: Panel, prometheus: Prometheus) -> Shown:
    """Give what each line of a panel shows, by what is chosen; first its unit and its colours."""
    found: Shown = {"in": [_scale(panel)]}
    for query in panel.queries:
        for number, (choice, at) in enumerate(CHOICES):
            for name, value in await asked(panel, query, choice, at, prometheus):
                found.setdefault(name, ["-"] * len(CHOICES))[number] = value
    return found


def _scale(panel: Panel) -> str:
    first, *others = panel.defaults["thresholds"]["steps"]
    colours = [first["color"], *(f"{one['color']} from {one['value']:g}" for one in others)]
    return f"{panel.defaults['unit']}: {', '.join(colours)}"


async def asked(
    panel: Panel, query: Query, choice: Mapping[str, str], at: int, prometheus: Prometheus
) -> Sequence[tuple[str, str]]:
    """Give what a query answers: each line's name, and what it shows."""
    values = {**boards.values("5m", "1h"), **choice}
    data = await prometheus.ask("query", query=query.filled(values), time=str(at))
    return [
        (_name(query, one["metric"]), _written(panel, query, float(one["value"][1])))
        for one in data["result"]
    ]


def _name(query: Query, labels: Mapping[str, str]) -> str:
    """Name a line by its query, the letters of its legend, and all its labels."""
    told = (f"{name}={value}" for name, value in sorted(labels.items()) if name != "__name__")
    return " ".join(filter(None, (query.letter, query.legend.split("{{")[0].strip(), *told)))


def _written(panel: Panel, query: Query, value: float) -> str:
    """Write a value as Grafana does, and the colour of the last threshold it has reached."""
    if not math.isfinite(value):
        return panel.without_number.get("text", str(value))
    fields = dict(panel.defaults)
    for override in panel.json["fieldConfig"]["overrides"]:
        if override["matcher"] == {"id": "byName", "options": query.legend}:
            fields |= {each["id"]: each["value"] for each in override["properties"]}
    steps = fields["thresholds"]["steps"]
    colour = [step for step in steps if step["value"] is None or value >= step["value"]][-1][
        "color"
    ]
    text = units.text(value, fields["unit"], fields.get("decimals"))
    return f"{value:.6g} = {text}, {colour}"
