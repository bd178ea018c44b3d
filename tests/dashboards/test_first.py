"""What happens once, right after a start, is on the dashboards; and so is which request it was."""

import time
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import yaml

from tests.dashboards import boards, names, rules
from tests.dashboards.boards import PANELS, Panel
from tests.dashboards.monitoring import Prometheus, monitoring
from tests.dashboards.names import ROOT
from tests.support.playlists import serve_channels
from tests.support.poll import until
from tests.support.stack import Stack

# Seconds: longer than a busy machine takes between two scrapes, and for all of it.
RATE, SHOWN = 60, 600.0
VALUES = boards.values(rate_interval=f"{RATE}s", span=f"{SHOWN:.0f}s")
# How a single refusal is to be seen: where, and what its line is called.
REFUSED = [
    ("Refusals by reason", {"code": "stream_limit"}),
    ("Refused in the time shown", {"code": "stream_limit", "route": "live", "rule": "default"}),
    ("Refused a minute, by limit or rule", {"route": "live", "rule": "default"}),
    ("Bad credentials by route", {"route": "live", "code": "token_invalid"}),
]


def panel(title: str) -> Panel:
    (found,) = [one for one in PANELS if one.title == title]
    return found


async def was_seen(prometheus: Prometheus, title: str, labels: dict[str, str]) -> bool:
    """Tell whether a line of a panel was above 0 in the time shown."""
    (query,) = panel(title).queries
    found = await prometheus.of_panel(query, VALUES, SHOWN, 1)
    return any(value > 0 for known, points in found if known == labels for _, value in points)


@pytest.mark.deploy
async def test_the_first_refusal_after_a_start_is_shown_and_the_slowest_request_named(
    tmp_path: Path,
) -> None:
    async with Stack(limits={"default": 1}) as stack:
        serve_channels(stack.origin, "one", "two")
        target = f"127.0.0.1:{stack.service.admin_port}"
        async with monitoring(tmp_path, {"proxy:9090": target}) as watching:
            prometheus = watching.prometheus

            async def is_scraped() -> bool:
                return bool(await prometheus.instant("playgate_build_info"))

            await until(is_scraped, "the proxy is scraped once")
            entry = await stack.watch("/live/one/master.m3u8")
            await exemplars_lead_to_requests(prometheus, entry.headers["X-Request-Id"])
            assert (await stack.watch("/live/two/master.m3u8")).code == "stream_limit"
            assert (await stack.ask("/live/two/master.m3u8?token=x")).code == "token_invalid"
            for title, labels in REFUSED:

                async def is_shown(title: str = title, labels: dict[str, str] = labels) -> bool:
                    return await was_seen(prometheus, title, labels)

                await until(is_shown, f"{title} shows it")


async def exemplars_lead_to_requests(prometheus: Prometheus, known: str) -> None:
    """See that each query that is to have exemplars gives some, with the id of a request.

    ``known`` is the id of an entry, after which none has come that could be shown in its place.
    """
    (source,) = yaml.safe_load(
        (ROOT / "config/grafana/provisioning/datasources/prometheus.yaml").read_text()
    )["datasources"]
    (destination,) = source["jsonData"]["exemplarTraceIdDestinations"]
    assert destination["url"].startswith(f"{rules.RUNBOOK}#")
    assert urlsplit(destination["url"]).fragment in names.anchors("runbook.md")
    for title in ("Time to the first manifest", "Slowest of each kind", "Where the time goes"):
        (target,) = [one for one in panel(title).json["targets"] if one.get("exemplar")]
        (query,) = [one for one in panel(title).queries if one.letter == target["refId"]]
        wanted = {known} if title == "Time to the first manifest" else set()

        async def are_there(asked: str = query.filled(VALUES), wanted: set[str] = wanted) -> bool:
            now = time.time()
            found = await prometheus.ask(
                "query_exemplars", query=asked, start=str(now - SHOWN), end=str(now)
            )
            each = (one for series in found for one in series["exemplars"])
            ids = {one["labels"][destination["name"]] for one in each}
            return bool(ids) and wanted <= ids

        await until(are_there, f"{title} has exemplars")
