"""Draws a dashboard as a picture, without Grafana: from its JSON and a Prometheus.

    python -m tests.dashboards.render dashboards/overview.json http://localhost:9090 overview.png

Under each panel's title stands the question it answers, which Grafana shows when one points at it.
"""

import argparse
import asyncio
import time
from html import escape
from pathlib import Path

import aiohttp
from playwright.async_api import async_playwright

from tests.dashboards import boards
from tests.dashboards.boards import Board, Panel
from tests.dashboards.drawing import draw
from tests.dashboards.monitoring import Prometheus
from tests.dashboards.svg import FAINT, INK
from tests.e2e.chromium import chromium

WIDTH = 1280  # pixels, of 24 columns
UNIT = 31  # pixels, of a row's height in the JSON
GAP = 6
HEAD = 42  # title and question; of a narrow panel, in two lines
NARROW, NARROW_HEAD = 4, 54
STYLE = f"""
body {{ margin: 0; font: 12px "DejaVu Sans", sans-serif; color: {INK}; background: #f4f5f7 }}
h1 {{ font-size: 18px; margin: 12px 12px 4px }} h1 small {{ color: {FAINT}; font-weight: normal }}
main {{ position: relative; width: {WIDTH}px }}
section, h2 {{ position: absolute; box-sizing: border-box; margin: 0 }}
section {{ background: #fff; border: 1px solid #dcdfe4; border-radius: 3px; overflow: hidden }}
h2 {{ font-size: 14px; padding: 9px 10px 0 }}
h3 {{ font-size: 12px; margin: 5px 8px 0; white-space: nowrap }}
h3 + p {{ color: {FAINT}; font-size: 10px; line-height: 13px; margin: 1px 8px 2px }}
.wide h3 + p {{ height: 14px; white-space: nowrap }}
.narrow h3 + p {{ height: 26px; overflow: hidden }}
.narrow .stats {{ height: calc(100% - 53px) }}
svg text {{ font-size: 10px }} polyline {{ stroke-width: 1.5 }}
.legend {{ font-size: 10px; height: 16px; overflow: hidden; padding: 0 8px }}
.legend {{ text-align: center; white-space: nowrap }}
.legend span {{ margin-right: 10px }}
.legend i {{ display: inline-block; width: 12px; height: 3px; margin: 0 4px 3px 0 }}
.stats {{ display: flex; height: calc(100% - 41px) }}
.stat {{ flex: 1; display: flex; flex-direction: column; font-size: 26px }}
.stat {{ align-items: center; justify-content: center }}
.stat small {{ font-size: 11px; opacity: .8 }}
.bars {{ padding: 2px 10px }}
.bar {{ display: flex; align-items: center; margin: 4px 0; height: 19px }}
.bar b {{ width: 60px; font-weight: normal }}
.bar span {{ flex: 1; background: #eef0f3; height: 100% }}
.bar i {{ display: block; height: 100% }}
.bar em {{ width: 64px; text-align: right; font-style: normal }}
table {{ border-collapse: collapse; width: 100% }}
td, th {{ text-align: left; padding: 4px 10px; border-bottom: 1px solid #eceef1 }}
"""


async def render(board: Board, prometheus: Prometheus, picture: Path, minutes: float) -> None:
    """Draw the last minutes of a dashboard."""
    html = await page(board, prometheus, minutes * 60)
    async with async_playwright() as playwright, chromium(playwright) as browser:
        await browser.page.set_viewport_size({"width": WIDTH, "height": 600})
        await browser.page.set_content(html)
        await browser.page.screenshot(path=picture, full_page=True)


async def page(board: Board, prometheus: Prometheus, seconds: float) -> str:
    """Give a dashboard of the last seconds as a page."""
    now = time.time()
    parts = [
        f"<h1>{escape(board.json['title'])} <small>{escape(board.json['description'])}</small></h1>"
    ]
    places = [panel["gridPos"] for panel in board.json["panels"]]
    height = max(place["y"] + place["h"] for place in places) * UNIT
    parts.append(f'<main style="height:{height + GAP}px">')
    parts += [
        f'<h2 style="top:{row["gridPos"]["y"] * UNIT}px">{escape(row["title"])}</h2>'
        for row in board.json["panels"]
        if row["type"] == "row"
    ]
    for panel in board.panels:
        parts.append(await _panel(panel, prometheus, (now - seconds, now)))
    return f"<!DOCTYPE html><style>{STYLE}</style>{''.join(parts)}</main>"


async def _panel(panel: Panel, prometheus: Prometheus, span: tuple[float, float]) -> str:
    seconds = span[1] - span[0]
    step = max(1, round(seconds / 200))
    values = boards.values(rate_interval=f"{max(15, 4 * step)}s", span=f"{seconds:.0f}s")
    answers = [
        (query, await prometheus.of_panel(query, values, seconds, step)) for query in panel.queries
    ]
    place = panel.json["gridPos"]
    width = place["w"] * WIDTH / 24 - GAP
    height = place["h"] * UNIT - GAP
    narrow = place["w"] <= NARROW
    inside = draw(panel, answers, width - 2, height - (NARROW_HEAD if narrow else HEAD), span)
    question = panel.json["description"].split("? ")[0] + "?"
    left = place["x"] * WIDTH / 24 + GAP / 2
    return (
        f'<section class="{"narrow" if narrow else "wide"}" style="left:{left:.0f}px;'
        f'top:{place["y"] * UNIT}px;width:{width:.0f}px;height:{height}px">'
        f"<h3>{escape(panel.title)}</h3><p>{escape(question)}</p>{inside}</section>"
    )


async def _main() -> None:
    parser = argparse.ArgumentParser(description="Draw a dashboard.")
    parser.add_argument("dashboard", type=Path)
    parser.add_argument("prometheus", help="its URL")
    parser.add_argument("picture", type=Path)
    parser.add_argument("--minutes", type=float, default=60, help="how many of the last are shown")
    chosen = parser.parse_args()
    async with aiohttp.ClientSession() as session:
        prometheus = Prometheus(chosen.prometheus.rstrip("/"), session)
        await render(boards.load(chosen.dashboard), prometheus, chosen.picture, chosen.minutes)


if __name__ == "__main__":
    asyncio.run(_main())
