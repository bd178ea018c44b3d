"""Every panel shows of two proxies what is known of them: number, unit and colour.

``answers.yaml`` has what each line of each panel shows at the end of an hour that never was
(``two_proxies``): whatever is chosen, and long before. The numbers follow from
that hour by hand; so a query that is changed has to be thought through again.
"""

import math
from pathlib import Path

import pytest
import yaml

from tests.dashboards import answers, promql, rules, two_proxies
from tests.dashboards.boards import PANELS, Panel, values
from tests.dashboards.names import series

pytestmark = pytest.mark.deploy

QUERIES = tuple((panel, query) for panel in PANELS for query in panel.queries)
KNOWN = yaml.safe_load((Path(__file__).parent / "answers.yaml").read_text())


async def test_every_panel_shows_of_two_proxies_what_is_known_of_them(tmp_path: Path) -> None:
    assert len({answers.title(panel) for panel in PANELS}) == len(PANELS)
    async with two_proxies.remembered(tmp_path, two_proxies.world()) as prometheus:
        shown = {answers.title(panel): await answers.of(panel, prometheus) for panel in PANELS}
    assert shown == KNOWN


async def test_of_proxies_at_rest_every_panel_shows_a_number_or_says_why_there_is_none(
    tmp_path: Path,
) -> None:
    speechless = []
    async with two_proxies.remembered(tmp_path, two_proxies.at_rest()) as prometheus:
        for panel, query in QUERIES:
            asked = query.filled(values("5m", "1h"))
            data = await prometheus.ask("query", query=asked, time=str(two_proxies.END))
            numbers = [float(one["value"][1]) for one in data["result"]]
            if not ((numbers and all(map(math.isfinite, numbers))) or panel.without_number):
                speechless.append(f"{answers.title(panel)} {query.letter}")
    assert not speechless


@pytest.mark.parametrize("panel", PANELS, ids=answers.title)
def test_what_a_panel_says_without_a_number_is_one_thing_and_no_alarm(panel: Panel) -> None:
    """Grafana takes ``noValue`` where there is no line, and the mapping where one has no number."""
    assert panel.defaults.get("noValue") == panel.without_number.get("text")
    assert panel.without_number.get("color", "blue") == "blue"


async def test_a_line_called_none_is_there_where_there_is_no_other(tmp_path: Path) -> None:
    """Also when the others begin in the middle of the time shown."""
    tried = set()
    async with two_proxies.remembered(tmp_path, two_proxies.world()) as prometheus:
        for panel, query in QUERIES:
            if "label_replace(vector(0)" not in query.expression or query.is_instant:
                continue
            for end, is_there in ((two_proxies.END, True), (answers.LONG_AGO, False)):
                data = await prometheus.ask(
                    "query_range",
                    query=query.filled(values("5m", "2h")),
                    start=str(end - 7200),
                    end=str(end),
                    step="60",
                )
                lines = ["none" in one["metric"].values() for one in data["result"]]
                assert lines, panel.title
                assert lines == [False] * len(lines) if is_there else lines == [True], panel.title
            tried.add(panel.title)
    assert len(tried) == 9


def test_the_two_proxies_show_what_proxies_do() -> None:
    for name, labels, _ in two_proxies.world():
        given = {pair.partition("=")[0] for pair in labels.split(",")}
        assert given <= series()[name], name


def named(title: str, kind: str = "timeseries") -> Panel:
    (found,) = [one for one in PANELS if answers.title(one).endswith(f": {title} ({kind})")]
    return found


@pytest.mark.parametrize(
    ("panel", "alert", "limit"),
    [
        (named("Time to the first manifest"), "playgate:entries_slow:rate5m", "0.25"),
        (named("Availability: burn rate"), "PlaygateAvailabilityBurn", "14.4"),
        (named("Entries: burn rate"), "PlaygateEntriesBurn", "14.4"),
        (named("Latency: burn rate"), "PlaygateLatencyBurn", "14.4"),
        (named("Starts refused"), "PlaygateRefusalSpike", "0.2"),
        (named("Origins: answers that were no good"), "PlaygateOriginErrors", "0.05"),
        (named("Keys overdue", "stat"), "PlaygateKeysOld", "1200"),
        (named("Key sets: overdue by"), "PlaygateKeysOld", "1200"),
        (named("Event loop", "stat"), "PlaygateEventLoopLag", "0.1"),
        (named("Event loop lag"), "PlaygateEventLoopLag", "0.1"),
        (named("File descriptors", "stat"), "PlaygateFileDescriptors", "0.8"),
    ],
    ids=lambda each: each.title if isinstance(each, Panel) else None,
)
def test_a_panel_changes_its_colour_where_somebody_is_told(
    panel: Panel, alert: str, limit: str
) -> None:
    texts = [one.expression for one in rules.ALERTS if one.name == alert]
    texts += [text for name, text in rules.RECORDS.items() if name == alert]
    assert any(limit in text for text in texts)
    steps = panel.defaults["thresholds"]["steps"]
    assert float(limit) in [step["value"] for step in steps]


def test_latency_panels_have_exemplars_and_no_others() -> None:
    """Of histograms whose observations have them (``telemetry/exemplars.py``)."""
    exemplified = {"playgate_request_seconds_bucket", "playgate_phase_seconds_bucket"}
    for panel in PANELS:
        if panel.type != "timeseries":
            continue
        queries = [query.filled(values("5m", "1h")) for query in panel.queries]
        wanted = any(promql.facts(query).names & exemplified for query in queries)
        given = sum(target.get("exemplar", False) for target in panel.json["targets"])
        assert given == wanted, panel.title
