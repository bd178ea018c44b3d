"""Numbers, bars and rows of the pictures are what Prometheus gave, as Grafana would show it."""

import math
from typing import Any

import pytest

from tests.dashboards import drawing, frames, units
from tests.dashboards.boards import PANELS, Panel, Query
from tests.dashboards.frames import Line
from tests.dashboards.svg import Box

pytestmark = pytest.mark.deploy

GREEN_TO_RED: list[dict[str, Any]] = [
    {"color": "green", "value": None},
    {"color": "red", "value": 1},
]


def panel(title: str) -> Panel:
    return next(panel for panel in PANELS if panel.title == title)


def query(letter: str, form: str = "table") -> Query:
    return Query(letter, "", "{{route}}", is_instant=True, form=form)


@pytest.mark.parametrize(
    ("value", "unit", "decimals", "written"),
    [
        (0.123456, "percentunit", 1, "12.3%"),
        (0.0004, "s", None, "400 µs"),
        (0.25, "s", None, "250 ms"),
        (5400, "s", None, "1.5 h"),
        (0, "s", None, "0 s"),
        (3 * 1024**2, "bytes", None, "3 MiB"),
        (1234, "reqps", None, "1.23 K req/s"),
        (14.4, "suffix:x", None, "14.4x"),
        (0, "dateTimeAsIso", None, "1970-01-01 00:00:00"),
        (math.nan, "none", None, "-"),
    ],
)
def test_a_number_is_written_with_its_unit(
    value: float, unit: str, decimals: int | None, written: str
) -> None:
    assert units.text(value, unit, decimals) == written


def test_an_axis_has_round_marks_and_reaches_all_values() -> None:
    assert units.ticks(0, 0.7, "none") == pytest.approx([0, 0.2, 0.4, 0.6, 0.8])
    assert units.ticks(0, 0, "none")[-1] == 1
    assert units.ticks(0, 110 * 1024**2, "bytes") == [mark * 1024**2 for mark in (0, 50, 100, 150)]


def test_a_bucket_has_what_smaller_ones_have_not() -> None:
    series = [({"le": "+Inf"}, [(0.0, 9.0)]), ({"le": "2.0"}, [(0.0, 7.0)])]
    bars = frames.buckets([*series, ({"le": "1.0"}, [(0.0, 3.0)])])
    assert [(bar.name, bar.last) for bar in bars] == [("1.0", 3), ("2.0", 4), ("+Inf", 2)]


def test_tables_are_joined_their_columns_hidden_named_and_put_in_order() -> None:
    columns, rows = frames.rows(
        panel("Proxies"),
        [
            (query("A"), [({"instance": "a", "version": "1.0"}, [(0.0, 1.0)])]),
            (query("B"), [({"instance": "a"}, [(0.0, 5.0)])]),
            (query("C"), [({"instance": "a"}, [(0.0, 6.0)])]),
        ],
    )
    assert columns == ["Proxy", "Version", "Process since", "Configuration since"]
    assert list(rows[0].values()) == ["a", "1.0", 5.0, 6.0]


def test_a_value_has_the_colour_of_the_last_threshold_it_reached() -> None:
    shown = [drawing.colour(GREEN_TO_RED, value) for value in (0, 0.9, 1, 7)]
    assert shown == [drawing.GREEN, drawing.GREEN, drawing.RED, drawing.RED]


def test_lines_are_stacked_and_broken_where_there_is_no_value() -> None:
    one = Line("one", [(0.0, 1.0), (1.0, 1.0)])
    other = Line("other", [(0.0, 2.0), (1.0, math.nan)])
    (_, (top, floor)) = drawing._stacked([one, other])
    assert (top, floor) == ([(0.0, 3.0)], {0.0: 1.0, 1.0: 1.0})
    gap = [(0.0, 1.0), (1.0, 1.0), (2.0, math.nan), (3.0, 1.0)]
    assert drawing._pieces(gap) == [[(0.0, 1.0), (1.0, 1.0)], [(3.0, 1.0)]]


def test_a_state_is_shown_by_its_name() -> None:
    up = frames.lines([(query("A", "time_series"), [({"route": "store"}, [(0.0, 1.0)])])])
    assert ">up</div>" in drawing._stat(panel("Store"), up)


def test_what_has_no_number_is_said_in_words_and_is_no_alarm() -> None:
    nothing = Line("limit 1", [(0.0, math.nan)])
    assert f'"color:{drawing.BLUE}">no entries<' in drawing._stat(panel("Within 250 ms"), [nothing])
    assert f'"color:{drawing.BLUE}">no entries<' in drawing._stat(panel("Within 250 ms"), [])
    assert ">no starts</em>" in drawing._bars(panel("What if the limit were N?"), [nothing])
    slowest = panel("Slowest of each kind")
    assert ">no requests<" in drawing._timeseries(slowest, [nothing], Box(400, 200, 0, 1))


def test_an_axis_reaches_its_soft_maximum_and_beyond_it() -> None:
    failed = panel("Failed requests by route")
    for value, mark in ((0.0, "1%"), (0.07, "8%")):
        drawn = drawing._timeseries(failed, [Line("live", [(0.0, value)])], Box(400, 200, 0, 1))
        assert f">{mark}</text>" in drawn
