"""The alert and recording rules, and the same with time running faster."""

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from tests.dashboards import promql

FOLDER = Path(__file__).parents[2] / "dashboards"
FILES = tuple(sorted((FOLDER / "rules").glob("*.yaml")))
SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400}
DURATION = re.compile(r"(\d+)([smhd])")


@dataclass(frozen=True)
class Alert:
    """An alerting rule."""

    name: str
    expression: str
    hold: str
    labels: Mapping[str, str]
    annotations: Mapping[str, str]


def _rules() -> list[Mapping[str, Any]]:
    groups = [group for file in FILES for group in yaml.safe_load(file.read_text())["groups"]]
    return [rule for group in groups for rule in group["rules"]]


# What says where the runbook is, and is no record of what was measured.
ADDRESS = "playgate:runbook:address"
RECORDS = {
    rule["record"]: rule["expr"] for rule in _rules() if rule.get("record") not in (None, ADDRESS)
}
(_address,) = [rule for rule in _rules() if rule.get("record") == ADDRESS]
RUNBOOK: str = _address["labels"]["url"]
ALERTS = tuple(
    Alert(rule["alert"], rule["expr"], rule["for"], rule["labels"], rule["annotations"])
    for rule in _rules()
    if "alert" in rule
)


def seconds(duration: str) -> int:
    """Give a duration such as ``5m`` or ``1d30m`` in seconds."""
    return sum(int(number) * SECONDS[unit] for number, unit in DURATION.findall(duration))


def needed(alerts: Collection[str]) -> set[str]:
    """Give the names of these alerts, and of all records that they are made of."""
    texts = [one.expression for one in ALERTS if one.name in alerts]
    found = {*alerts, ADDRESS}
    while texts:
        for name in promql.facts(texts.pop()).names & RECORDS.keys() - found:
            found.add(name)
            texts.append(RECORDS[name])
    return found


def copied(into: Path, alerts: Collection[str], *, hold: bool = True) -> None:
    """Write the rules that these alerts need, into a folder like that of all rules.

    Without ``hold`` none waits for its ``for``. To evaluate the others takes most of the time.
    """
    wanted = needed(alerts)
    (into / "rules").mkdir(exist_ok=True)
    for file in FILES:
        groups = yaml.safe_load(file.read_text())["groups"]
        for group in groups:
            kept = [one for one in group["rules"] if {one.get("record"), one.get("alert")} & wanted]
            group["rules"] = [
                {key: value for key, value in one.items() if hold or key != "for"} for one in kept
            ]
        (into / "rules" / file.name).write_text(yaml.safe_dump({"groups": groups}))


# Where a span of time stands: what a query looks at and how closely, and how long a rule or
# Alertmanager waits.
SPAN = re.compile(r"(\[|:|offset )(\d+[smhd])\b")
WAIT = re.compile(r"((?:for|group_wait|group_interval|repeat_interval): )(\d+[smhd])\b")
# What is compared with a number of seconds.
AGES = {"playgate_keys_refresh_seconds + ": 1200}


def faster(text: str, pace: int, least: int = 5) -> str:
    """Give a file in which all spans of time are shorter, as if time ran faster.

    A query looks at ``least`` seconds at any rate, so that a few scrapes fit in, and not more often
    than each second. Names, shares and rates stay as they are.
    """

    def span(found: re.Match[str]) -> str:
        bound = 1 if found[1] == ":" else least
        return f"{found[1]}{max(bound, seconds(found[2]) // pace)}s"

    text = SPAN.sub(span, text)
    text = WAIT.sub(lambda found: f"{found[1]}{max(1, seconds(found[2]) // pace)}s", text)
    for age, limit in AGES.items():
        text = text.replace(f"{age}{limit}", f"{age}{limit // pace}")
    return text
