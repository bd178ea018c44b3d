"""Dashboards, rules and documentation name what the code has, all of it, by our conventions."""

import json
import re
from itertools import combinations

import pytest

from proxy.errors import PlaygateError
from tests.dashboards import boards, names, promql, rules
from tests.dashboards.boards import BOARDS, PANELS, Board, Panel
from tests.dashboards.names import ROOT
from tests.dashboards.rules import ADDRESS, ALERTS, RECORDS, RUNBOOK, Alert

pytestmark = pytest.mark.deploy

# What an alert says where the address of the runbook goes.
ASKED = '{{ with query "playgate:runbook:address" }}{{ . | first | label "url" }}{{ end }}'
FILLED = boards.values(rate_interval="5m", span="3h")
# Spans that the time shown has no say in: what a promise is made for, who was there lately.
FIXED = {"30d", "1d"}
# These are coloured by their thresholds and by nothing else.
COLOURED = {"stat", "bargauge", "state-timeline"}
# What viewers' requests lead to, counted without their route.
OF_VIEWERS = {
    *("playgate_account_streams", "playgate_requested_streams", "playgate_streams_ended_total"),
    *("playgate_phase_seconds", "playgate_manifest_cache_total"),
    "playgate_keepalive_entries_total",
}
ALL_RULES = {**RECORDS, **{f"{one.name} {one.labels}": one.expression for one in ALERTS}}


def expressions() -> dict[str, str]:
    """Give every query there is."""
    of_panels = {
        f"{panel} {query.letter}": query.filled(FILLED)
        for panel in PANELS
        for query in panel.queries
    }
    of_notes = {
        f"{board.file.name} {note['name']}": note["expr"]
        for board in BOARDS
        for note in board.json["annotations"]["list"]
    }
    return {**ALL_RULES, **of_panels, **of_notes}


@pytest.mark.parametrize(("name", "expression"), expressions().items(), ids=list(expressions()))
def test_a_query_names_series_that_exist_and_labels_that_they_have(
    name: str, expression: str
) -> None:
    facts = promql.facts(expression)
    for selector in facts.selectors:
        assert selector.name in names.series(), name
        assert selector.labels <= names.series()[selector.name], (name, selector)
    of_all = set().union(*(names.series()[each] for each in facts.names))
    assert facts.grouped <= of_all, name


def test_every_metric_is_in_the_documents_table_with_its_labels_and_its_dashboards() -> None:
    rows = re.findall(r"^\| `(\w+)` \| (.*?) \| .+ \| (.*?) \|$", page("metrics.md"), re.MULTILINE)
    documented = {name: frozenset(re.findall(r"`(\w+)`", labels)) for name, labels, _ in rows}
    assert documented == names.metrics()
    shown = {
        board.json["title"].removeprefix("Playgate: "): {
            metric
            for panel in board.panels
            for query in panel.queries
            for metric in names.metrics_of(query.filled(FILLED))
        }
        for board in BOARDS
    }
    for name, _, where in rows:
        on = {title for title, metrics in shown.items() if name in metrics}
        assert set(re.findall(r"[A-Z]\w+", where)) == on, name


def test_every_metric_of_playgate_is_on_a_dashboard() -> None:
    used = {metric for text in expressions().values() for metric in names.metrics_of(text)}
    assert {name for name in names.metrics() if name.startswith("playgate_")} <= used


def test_the_documentation_names_no_metric_that_is_not_there() -> None:
    for file in (ROOT / "docs").glob("*.md"):
        for name in re.findall(r"\bplaygate_[a-z_]+\b", file.read_text()):
            assert name in names.series(), (file.name, name)


def test_every_outcome_that_is_our_failure_counts_as_one_and_no_other() -> None:
    failures = {error.outcome for error in errors(PlaygateError) if error.status >= 500}
    for name, text in expressions().items():
        for outcomes in re.findall(r'outcome=~"(.+?)"', text):
            assert set(outcomes.split("|")) == failures, name


def errors(base: type[PlaygateError]) -> list[type[PlaygateError]]:
    """Give all kinds of an error that always have the same status."""
    kinds = [kind for child in base.__subclasses__() for kind in errors(child)]
    return kinds or ([base] if hasattr(base, "status") else [])


@pytest.mark.parametrize("panel", PANELS, ids=str)
def test_a_panel_answers_a_question_in_a_unit_and_leads_to_the_runbook(panel: Panel) -> None:
    question, _, answer = panel.json["description"].partition("? ")
    assert "." not in question, "the question comes first"
    assert answer.endswith("."), "and what is to be seen after it"
    assert panel.defaults["unit"]
    assert panel.json["datasource"]["uid"] == "${datasource}"
    (link,) = panel.json["links"]
    page, _, anchor = link["url"].partition("#")
    assert page == "${runbook:raw}"
    assert anchor in names.anchors("runbook.md")
    if panel.type in COLOURED:
        assert panel.defaults["thresholds"]["steps"]


@pytest.mark.parametrize("panel", PANELS, ids=str)
def test_a_panel_shows_the_routes_proxies_and_time_that_are_chosen(panel: Panel) -> None:
    for query in panel.queries:
        facts = promql.facts(query.filled({**FILLED, "route": "$route", "instance": "$instance"}))
        for selector in facts.selectors:
            if selector.name in RECORDS or selector.name == "ALERTS":
                continue  # they are about all proxies together
            wanted = {'instance=~"$instance"'}
            if "route" in names.series()[selector.name]:
                wanted.add('route=~"$route"')
            assert wanted <= selector.matchers, query.expression
        spans = set(re.findall(r"\[([$\w]+)\]", query.expression))
        assert spans <= {"$__rate_interval", "$__range"} | FIXED
        if "$__range" in spans - set(re.findall(r"\[([$\w]+)\] @ end\(\)", query.expression)):
            assert query.is_instant, "a total of the time shown is one number"


@pytest.mark.parametrize("panel", PANELS, ids=str)
def test_a_panel_says_that_it_takes_no_notice_of_the_route_that_is_chosen(panel: Panel) -> None:
    """Where a viewer's requests are counted without one; nobody expects it of a process."""
    for query in panel.queries:
        for selector in promql.facts(query.filled(FILLED)).selectors:
            if selector.name in RECORDS or names.metric(selector.name) in OF_VIEWERS:
                assert "of all routes" in panel.json["description"].lower()


def test_what_viewers_do_is_counted_by_route_but_for_what_is_known() -> None:
    unrouted = {name for name, labels in names.metrics().items() if "route" not in labels}
    assert unrouted >= OF_VIEWERS


@pytest.mark.parametrize("panel", PANELS, ids=str)
def test_what_a_legend_names_is_what_a_query_gives(panel: Panel) -> None:
    for query in panel.queries:
        facts = promql.facts(query.filled(FILLED))
        given = set().union(*(names.series()[each] for each in facts.names))
        named = set(re.findall(r"\{\{(\w+)\}\}", query.legend))
        assert named <= (facts.grouped & given or given), query.legend
        if query.form == "time_series" and len(panel.queries) > 1:
            assert query.legend


@pytest.mark.parametrize("board", BOARDS, ids=lambda board: board.file.stem)
def test_a_dashboard_is_laid_out_and_written_so_that_its_changes_can_be_read(board: Board) -> None:
    panels = board.json["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels)
    for one, other in combinations([panel["gridPos"] for panel in panels], 2):
        beside = one["x"] + one["w"] <= other["x"] or other["x"] + other["w"] <= one["x"]
        below = one["y"] + one["h"] <= other["y"] or other["y"] + other["h"] <= one["y"]
        assert beside or below
    assert all(panel["gridPos"]["x"] + panel["gridPos"]["w"] <= 24 for panel in panels)
    assert board.json["uid"] == f"playgate-{board.file.stem}"
    variables = {each["name"]: each for each in board.json["templating"]["list"]}
    assert list(variables) == ["datasource", "route", "instance", "runbook"]
    assert variables["runbook"]["query"]["query"] == f"label_values({ADDRESS}, url)"
    links = [link["url"] for link in board.json["links"] if link["type"] == "link"]
    assert links == ["${runbook:raw}"]
    for name in boards.EVERYTHING:
        assert variables[name]["allValue"] == boards.EVERYTHING[name]
    assert board.file.read_text() == json.dumps(board.json, indent=2, ensure_ascii=False) + "\n"


@pytest.mark.parametrize("alert", ALERTS, ids=lambda alert: f"{alert.name} {alert.labels}")
def test_an_alert_says_what_it_is_how_bad_it_is_and_where_to_read_on(alert: Alert) -> None:
    assert alert.name.startswith("Playgate")
    assert alert.labels["severity"] in ("critical", "warning")
    assert set(alert.annotations) == {"summary", "description", "runbook_url"}
    assert alert.annotations["runbook_url"] == f"{ASKED}#{alert.name.lower()}"
    section = names.anchors("runbook.md")[alert.name.lower()]
    parts = re.findall(r"^\*\*(.+?)\*\*", section, re.MULTILINE)
    assert parts == ["What it means.", "How to see.", "What to do."]


def test_the_address_of_the_runbook_stands_in_one_place() -> None:
    files = (*rules.FOLDER.rglob("*.yaml"), *rules.FOLDER.glob("*.json"))
    written = [path.name for path in files if RUNBOOK in path.read_text()]
    expected = [path.name for path in rules.FOLDER.glob("tests/*.yaml")]
    assert sorted(written) == sorted([*expected, "runbook.yaml"])
    named = [path.name for path in files if "playgate.example" in path.read_text()]
    assert not named


def test_the_runbook_explains_no_alert_that_is_not_there() -> None:
    headings = re.findall(r"^#+ (Playgate\w+)$", page("runbook.md"), re.MULTILINE)
    assert set(headings) == {alert.name for alert in ALERTS}


def test_what_is_recorded_is_looked_at_and_named_by_what_it_is() -> None:
    looked_at = {name for text in expressions().values() for name in promql.facts(text).names}
    for name in RECORDS:
        assert re.fullmatch(r"playgate:\w+:(ratio_)?rate\d+[mhd]", name)
        assert name in looked_at


def page(name: str) -> str:
    return (ROOT / "docs" / name).read_text()
