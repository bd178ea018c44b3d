"""Panels as SVG and HTML, much as Grafana draws them: for pictures, and for eyes to judge by."""

import math
from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

from tests.dashboards import frames, svg, units
from tests.dashboards.boards import Panel
from tests.dashboards.frames import Answers, Line
from tests.dashboards.svg import Box

GREEN, AMBER, BLUE, ORANGE, RED = "#3d8b40", "#e0a500", "#3274d9", "#e8730c", "#d0273a"
PALETTE = (GREEN, AMBER, BLUE, ORANGE, RED, "#8f3bb8", "#1f9e9e", "#7a6a00", "#5794f2", "#555c66")
COLOURS = {"green": GREEN, "red": RED, "orange": ORANGE, "yellow": AMBER, "blue": BLUE}
LEGEND = 22  # pixels
# How high a row of a timeline is at most.
ROW = 44

Stack = tuple[Sequence[tuple[float, float]], Mapping[float, float]]


def draw(
    panel: Panel, answers: Answers, width: float, height: float, span: tuple[float, float]
) -> str:
    """Give the inside of a panel of this size, in which time goes from the one to the other.

    Raises:
        ValueError: it is of a kind that nobody has drawn yet.
    """
    if panel.type == "table":
        return _table(panel, *frames.rows(panel, answers))
    shown = frames.lines(answers)
    match panel.type:
        case "stat":
            return _stat(panel, shown)
        case "bargauge":
            return _bars(panel, shown)
        case "timeseries":
            return _timeseries(panel, shown, Box(width, height - LEGEND, *span))
        case "heatmap":
            return _heatmap(shown, Box(width, height, *span))
        case "state-timeline":
            return _timeline(panel, shown, Box(width, height, *span, left=130))
    raise ValueError(panel.type)


def colour(steps: Sequence[Mapping[str, Any]], value: float) -> str:
    """Give the colour of the last threshold that a value has reached."""
    reached = [step for step in steps if step["value"] is None or value >= step["value"]]
    return COLOURS[reached[-1]["color"]]


def _shown(panel: Panel, value: float) -> str:
    if math.isnan(value) and panel.without_number:
        return panel.without_number["text"]
    for mapping in panel.defaults.get("mappings", ()):
        if f"{value:g}" in mapping["options"]:
            return str(mapping["options"][f"{value:g}"]["text"])
    return units.text(value, panel.defaults["unit"], panel.defaults.get("decimals"))


def _steps(panel: Panel, name: str = "") -> Sequence[Mapping[str, Any]]:
    found = panel.defaults["thresholds"]
    for override in panel.json["fieldConfig"]["overrides"]:
        if override["matcher"]["options"] == name:
            (found,) = [each["value"] for each in override["properties"]]
    return list(found["steps"])


def _tone(panel: Panel, value: float, name: str = "") -> str:
    if math.isnan(value) and panel.without_number:
        return COLOURS[panel.without_number["color"]]
    return colour(_steps(panel, name), value)


def _stat(panel: Panel, shown: Sequence[Line]) -> str:
    solid = panel.json["options"]["colorMode"].startswith("background")
    parts = []
    for line in shown or [Line("", ())]:
        tone = _tone(panel, line.last, line.name)
        style = f"background:{tone};color:#fff" if solid else f"color:{tone}"
        name = f"<small>{escape(line.name)}</small>" if len(shown) > 1 else ""
        value = escape(_shown(panel, line.last))
        parts.append(f'<div class="stat" style="{style}">{name}{value}</div>')
    return f'<div class="stats">{"".join(parts)}</div>'


def _timeseries(panel: Panel, shown: Sequence[Line], box: Box) -> str:
    custom = panel.defaults["custom"]
    stacked = "stacking" in custom
    layers = _stacked(shown) if stacked else [(line.points, {}) for line in shown]
    values = [v for points, _ in layers for _, v in points if math.isfinite(v)]
    if not values and "noValue" in panel.defaults:
        return (
            f'<div class="stats"><div class="stat">{escape(panel.defaults["noValue"])}</div></div>'
        )
    values = values or [0.0]
    low = panel.defaults.get("min", min(values))
    high = panel.defaults.get("max", max(*values, custom.get("axisSoftMax", low)))
    marks = units.ticks(low, high, panel.defaults["unit"])
    box = Box(box.width, box.height, box.since, box.until, low, marks[-1])
    parts = svg.axes(box, marks, panel.defaults["unit"])
    for index, (points, floor) in enumerate(layers):
        tone = PALETTE[index % len(PALETTE)]
        for piece in _pieces(points):
            line = _path(box, piece)
            if stacked:
                back = _path(box, [(at, floor.get(at, 0.0)) for at, _ in reversed(piece)])
                parts.append(f'<polygon points="{line} {back}" fill="{tone}" fill-opacity=".35"/>')
            parts.append(f'<polyline points="{line}" fill="none" stroke="{tone}"/>')
    if "thresholdsStyle" in custom:
        parts += [
            svg.across(box, step["value"], COLOURS[step["color"]], dashed=True)
            for step in _steps(panel)[1:]
            if step["value"] <= box.high
        ]
    return svg.picture(box, parts) + _legend([line.name for line in shown])


def _path(box: Box, points: Sequence[tuple[float, float]]) -> str:
    return " ".join(f"{box.x(at):.1f},{box.y(value):.1f}" for at, value in points)


def _stacked(shown: Sequence[Line]) -> list[Stack]:
    """Put each line on top of those before it."""
    found: list[Stack] = []
    floor: dict[float, float] = {}
    for line in shown:
        points = [(at, value) for at, value in line.points if math.isfinite(value)]
        top = [(at, value + floor.get(at, 0.0)) for at, value in points]
        found.append((top, dict(floor)))
        floor |= dict(top)
    return found


def _pieces(points: Sequence[tuple[float, float]]) -> list[list[tuple[float, float]]]:
    """Break a line where there is no value."""
    step = svg.step(points)
    pieces: list[list[tuple[float, float]]] = []
    before = -math.inf
    for at, value in points:
        if not math.isfinite(value):
            continue
        if at - before > 1.5 * step:
            pieces.append([])
        pieces[-1].append((at, value))
        before = at
    return pieces


def _legend(names: Sequence[str]) -> str:
    keys = [
        f'<span><i style="background:{PALETTE[index % len(PALETTE)]}"></i>{escape(name)}</span>'
        for index, name in enumerate(names)
    ]
    return f'<div class="legend">{"".join(keys)}</div>'


def _bars(panel: Panel, shown: Sequence[Line]) -> str:
    most = panel.defaults.get("max", max((line.last for line in shown), default=1)) or 1
    rows = []
    for line in shown:
        value = line.last if math.isfinite(line.last) else 0.0
        tone = _tone(panel, line.last)
        bar = f'<i style="width:{100 * value / most:.2f}%;background:{tone}"></i>'
        number = f'<em style="color:{tone}">{escape(_shown(panel, line.last))}</em>'
        rows.append(f'<div class="bar"><b>{escape(line.name)}</b><span>{bar}</span>{number}</div>')
    return f'<div class="bars">{"".join(rows)}</div>'


def _heatmap(shown: Sequence[Line], box: Box) -> str:
    values = [v for line in shown for _, v in line.points if math.isfinite(v)]
    most = max(values, default=0.0) or 1.0
    high = (box.floor - svg.TOP) / max(1, len(shown))
    parts = svg.times(box)
    for index, line in enumerate(shown):
        top = box.floor - (index + 1) * high
        parts.append(svg.label(box.left - 5, top + high / 2 + 4, line.name, "end"))
        wide = box.x(box.since + svg.step(line.points)) - box.left
        for at, value in line.points:
            if value > 0:
                share = 0.15 + 0.85 * value / most
                parts.append(
                    svg.rect(box.x(at), top + 0.5, wide - 0.5, high - 1, BLUE, opacity=share)
                )
    return svg.picture(box, parts)


def _timeline(panel: Panel, shown: Sequence[Line], box: Box) -> str:
    high = min(ROW, (box.floor - svg.TOP) / max(1, len(shown)))
    parts = svg.times(box)
    for index, line in enumerate(shown):
        top = svg.TOP + index * high
        parts.append(svg.label(box.left - 5, top + high / 2, line.name[-22:], "end"))
        ends = [at for at, _ in line.points[1:]] + [box.until]
        for (at, value), end in zip(line.points, ends, strict=True):
            wide = box.x(end) - box.x(at) + 1  # no gap between two that are alike
            parts.append(svg.rect(box.x(at), top, wide, high - 5, colour(_steps(panel), value)))
    return svg.picture(box, parts)


def _table(panel: Panel, columns: Sequence[str], rows: Sequence[frames.Row]) -> str:
    head = "".join(f"<th>{escape(name)}</th>" for name in columns)
    body = "".join(
        f"<tr>{''.join(f'<td>{_cell(panel, row[name])}</td>' for name in columns)}</tr>"
        for row in rows
    )
    return f"<table><tr>{head}</tr>{body}</table>"


def _cell(panel: Panel, value: str | float) -> str:
    return escape(value if isinstance(value, str) else _shown(panel, value))
