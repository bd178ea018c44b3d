"""Every series there is: the code's metrics, what Prometheus adds, and what rules record."""

import asyncio
import re
from functools import cache
from pathlib import Path

from prometheus_client import CollectorRegistry

from handbook.links import slug
from proxy.serve import Service
from proxy.settings.load import from_mapping
from tests.dashboards import promql
from tests.dashboards.rules import ADDRESS, RECORDS
from tests.support.good_secrets import secret

ROOT = Path(__file__).parents[2]
SETTINGS = {
    "auth": {"keys": [{"algorithm": "HS256", "secret": secret("j")}]},
    "tickets": {"secret": secret("t")},
    "routes": [{"name": "live", "path": "/**", "origins": ["http://origin"]}],
}
# What Prometheus adds to whatever it scrapes, and what it makes itself.
TARGET = frozenset({"job", "instance"})
PROMETHEUS = {"up": TARGET, "ALERTS": TARGET | {"alertname", "alertstate", "severity", "window"}}
SUFFIXES = {"counter": ("_total",), "info": ("_info",), "histogram": ("_bucket", "_count", "_sum")}


@cache
def metrics() -> dict[str, frozenset[str]]:
    """Give the labels of each metric of the code, by its documented name."""
    registry = asyncio.run(_registry())
    found = {}
    for collector in registry._collector_to_names:
        for family in collector.collect():
            suffix = SUFFIXES.get(family.type, ("",))
            labels = {label for sample in family.samples for label in sample.labels} - {"le"}
            name = family.name + (suffix[0] if len(suffix) == 1 else "")
            found[name] = frozenset(labels | set(getattr(collector, "_labelnames", ())))
    return found


async def _registry() -> CollectorRegistry:
    return Service(from_mapping(SETTINGS, ROOT)).metrics.registry


@cache
def series() -> dict[str, frozenset[str]]:
    """Give the labels of each series that a query may name."""
    found = dict(PROMETHEUS) | dict.fromkeys(RECORDS, frozenset({"job"}))
    found[ADDRESS] = frozenset({"url"})
    for name, labels in metrics().items():
        found[name] = labels | TARGET
        for suffix in SUFFIXES["histogram"]:
            found[name + suffix] = labels | TARGET | ({"le"} if suffix == "_bucket" else set())
    return found


def metric(name: str) -> str:
    """Give the metric that a series belongs to."""
    return name if name in metrics() else re.sub("_(bucket|count|sum)$", "", name)


def metrics_of(expression: str) -> set[str]:
    """Give the code's metrics that an expression looks at, also through what rules record."""
    found = set()
    for name in promql.facts(expression).names:
        if name in RECORDS:
            found |= metrics_of(RECORDS[name])
        elif metric(name) in metrics():
            found.add(metric(name))
    return found


def anchors(page: str) -> dict[str, str]:
    """Give the sections of a page under ``docs/``, by the anchors of their headings."""
    parts = re.split(r"^#+ (.+)$", (ROOT / "docs" / page).read_text(), flags=re.MULTILINE)
    headings = zip(parts[1::2], parts[2::2], strict=True)
    return {slug(title): text for title, text in headings}
