"""Charts' edges, axes and marks as SVG."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from html import escape
from itertools import pairwise

from tests.dashboards import units

INK, FAINT, GRID = "#24292e", "#6b7280", "#e5e7eb"
RIGHT, TOP, BOTTOM = 6, 6, 20  # pixels around a chart


@dataclass(frozen=True)
class Box:
    """Where a chart is inside of its panel, and what its edges stand for."""

    width: float
    height: float
    since: float
    until: float
    low: float = 0.0
    high: float = 1.0
    left: float = 58

    @property
    def floor(self) -> float:
        """Where the time axis is."""
        return self.height - BOTTOM

    def x(self, at: float) -> float:
        """Give the place of a time."""
        share = (at - self.since) / (self.until - self.since)
        return self.left + share * (self.width - self.left - RIGHT)

    def y(self, value: float) -> float:
        """Give the place of a value."""
        share = (value - self.low) / ((self.high - self.low) or 1)
        return TOP + (1 - share) * (self.floor - TOP)


def picture(box: Box, parts: Sequence[str]) -> str:
    """Put a chart together."""
    return f'<svg width="{box.width:.0f}" height="{box.height:.0f}">{"".join(parts)}</svg>'


def across(box: Box, value: float, tone: str, *, dashed: bool = False) -> str:
    """Draw a line at a value through all of the time."""
    at, dash = box.y(value), ' stroke-dasharray="6 4"' if dashed else ""
    ends = f'x1="{box.left}" x2="{box.width - RIGHT}" y1="{at:.1f}" y2="{at:.1f}"'
    return f'<line {ends} stroke="{tone}"{dash}/>'


def rect(
    x: float, y: float, width: float, height: float, tone: str, *, opacity: float = 1.0
) -> str:
    """Draw a rectangle."""
    place = f'x="{x:.1f}" y="{y:.1f}" width="{max(0.0, width):.1f}" height="{height:.1f}"'
    return f'<rect {place} fill="{tone}" fill-opacity="{opacity:.2f}"/>'


def label(x: float, y: float, text: str, anchor: str) -> str:
    """Write something small."""
    place = f'x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}"'
    return f'<text {place} fill="{FAINT}">{escape(text)}</text>'


def axes(box: Box, marks: Sequence[float], unit: str) -> list[str]:
    """Draw the values' axis and the times'."""
    parts = [across(box, mark, GRID) for mark in marks]
    parts += [label(box.left - 5, box.y(mark) + 4, units.text(mark, unit), "end") for mark in marks]
    return parts + times(box)


def times(box: Box) -> list[str]:
    """Write the time at a few places."""
    parts = []
    places = (0.1, 0.37, 0.63, 0.9) if box.width - box.left > 240 else (0.2, 0.8)
    for share in places:
        at = box.since + share * (box.until - box.since)
        parts.append(
            label(
                box.x(at), box.height - 4, f"{datetime.fromtimestamp(at, UTC):%H:%M:%S}", "middle"
            )
        )
    return parts


def step(points: Sequence[tuple[float, float]]) -> float:
    """Give the time between two points of a series, where none is missing (seconds)."""
    return min((later - sooner for (sooner, _), (later, _) in pairwise(points)), default=1.0)
