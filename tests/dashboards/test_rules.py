"""What Prometheus and Alertmanager are given is what they understand, and does what it says."""

import asyncio
import os
import re
import signal
import subprocess
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import aiohttp
import pytest
import yaml

from proxy.settings.load import load
from tests.containers.files import SECRETS, services
from tests.dashboards import boards, names, rules
from tests.dashboards.names import ROOT
from tests.dashboards.rules import ALERTS
from tests.support import needs
from tests.support.poll import until
from tests.support.redis_server import free_port

pytestmark = pytest.mark.deploy

TESTS = tuple(sorted((ROOT / "dashboards" / "tests").glob("*.yaml")))


def promtool(*arguments: str | Path) -> None:
    program = needs.program("promtool", install="apt-get install prometheus")
    done = subprocess.run([program, *arguments], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("file", TESTS, ids=lambda file: file.stem)
def test_alerts_are_silent_fire_and_resolve(file: Path, tmp_path: Path) -> None:
    scenarios = yaml.safe_load(file.read_text())["tests"]
    alerts = {moment["alertname"] for one in scenarios for moment in one["alert_rule_test"]}
    rules.copied(tmp_path, alerts)
    (tmp_path / "tests").mkdir()
    (tmp_path / "tests" / file.name).write_text(file.read_text())
    promtool("test", "rules", tmp_path / "tests" / file.name)


def moments() -> dict[str, list[list[Any]]]:
    """Give what is expected of each alert at one moment after the other, scenario by scenario."""
    found: dict[str, list[list[Any]]] = {}
    for file in TESTS:
        for scenario in yaml.safe_load(file.read_text())["tests"]:
            of_scenario: dict[str, list[Any]] = {}
            for moment in scenario["alert_rule_test"]:
                of_scenario.setdefault(moment["alertname"], []).append(moment["exp_alerts"])
            for name, expected in of_scenario.items():
                found.setdefault(name, []).append(expected)
    return found


@pytest.mark.parametrize("name", sorted({alert.name for alert in ALERTS}))
def test_each_alert_is_tried_out_well_before_its_time_firing_and_over(name: str) -> None:
    courses = moments()[name]
    shapes = ["".join("!" if expected else "." for expected in course) for course in courses]
    assert any(re.match(r"\.\.+!+.*\.$", shape) for shape in shapes), shapes
    told = {
        tuple(sorted(one["exp_labels"].items()))
        for course in courses
        for expected in course
        for one in expected
    }
    for alert in ALERTS:
        if alert.name == name:
            assert any(set(alert.labels.items()) <= set(labels) for labels in told), alert.labels


def labels_of(text: str) -> dict[str, str]:
    return dict(re.findall(r'(\w+)="(.*?)"', text))


def until_the_last_is_told(scenario: dict[str, Any]) -> list[dict[str, Any]]:
    """Give the moments of a scenario before the last of its alerts is told; the rest takes time."""
    told: set[str] = set()
    before: list[dict[str, Any]] = []
    passed: list[dict[str, Any]] = []
    for moment in sorted(scenario["alert_rule_test"], key=lambda m: rules.seconds(m["eval_time"])):
        labels = {str(one["exp_labels"]) for one in moment["exp_alerts"]}
        if labels - told:
            told |= labels
            before = list(passed)
        passed.append(moment)
    return before if told else passed


def test_each_alert_is_tried_out_before_its_for_has_passed(tmp_path: Path) -> None:
    """Without ``for`` each would be told, window by window, at a moment when none is expected."""
    program = needs.program("promtool", install="apt-get install prometheus")
    found = ""
    for file in TESTS:
        whole = yaml.safe_load(file.read_text())
        tests = [{**one, "alert_rule_test": until_the_last_is_told(one)} for one in whole["tests"]]
        alerts = {moment["alertname"] for one in tests for moment in one["alert_rule_test"]}
        folder = tmp_path / file.stem
        (folder / "tests").mkdir(parents=True)
        rules.copied(folder, alerts, hold=False)
        shorter = {**whole, "tests": [one for one in tests if one["alert_rule_test"]]}
        (folder / "tests" / file.name).write_text(yaml.safe_dump(shorter))
        command = (program, "test", "rules", folder / "tests" / file.name)
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        found += done.stdout + done.stderr
    too_soon = []
    for moment in re.split(r"^ +name: ", found, flags=re.MULTILINE)[1:]:
        expected, told = (re.findall(r"Labels:\{(.*?)\}\n", part) for part in moment.split("got:["))
        too_soon += [labels_of(each) for each in told if each not in expected]
    for alert in ALERTS:
        wanted = {"alertname": alert.name, **alert.labels}.items()
        assert any(wanted <= labels.items() for labels in too_soon), (alert.name, alert.labels)


def test_what_alerts_are_tried_out_on_is_what_a_proxy_shows() -> None:
    for file in TESTS:
        for scenario in yaml.safe_load(file.read_text())["tests"]:
            for each in scenario["input_series"]:
                name, labels = each["series"].rstrip("}").split("{")
                given = set(re.findall(r"(\w+)=\"", labels))
                assert given == names.series()[name], each["series"]


def test_time_runs_faster_in_a_copy_and_nothing_else_changes() -> None:
    text = 'a:b:rate5m\n  expr: x[1h:5m] offset 10m > 14.4 # 5m\n  for: 2m\n  le="0.25"'
    assert rules.faster(text, 60) == (
        'a:b:rate5m\n  expr: x[60s:5s] offset 10s > 14.4 # 5m\n  for: 2s\n  le="0.25"'
    )
    text = "".join(file.read_text() for file in rules.FILES)
    assert all(f"{age}{limit}" in text for age, limit in rules.AGES.items())
    faster = rules.faster(text, 60)
    assert not re.search(r"(\[|:|offset |for: )\d+[mhd]", faster)
    assert not any(f"{age}{limit}" in faster for age, limit in rules.AGES.items())


def test_prometheus_takes_its_configuration_finds_the_rules_and_scrapes_the_admin_port() -> None:
    file = ROOT / "config/prometheus/prometheus.yml"
    promtool("check", "config", file)
    config = yaml.safe_load(file.read_text())
    found = {path.resolve() for each in config["rule_files"] for path in file.parent.glob(each)}
    assert found == set(rules.FILES)
    (job,) = config["scrape_configs"]
    (static,) = job["static_configs"]
    settings = load(ROOT / "config/compose/playgate.yaml", SECRETS)
    proxies = [name for name in services() if name.startswith("proxy")]
    assert static["targets"] == [f"{name}:{settings.admin.port}" for name in proxies]


def test_compose_puts_the_examples_where_they_look_for_each_other() -> None:
    of_prometheus = mounts("prometheus")
    config = ROOT / "config/prometheus/prometheus.yml"
    (argument,) = [one for one in services()["prometheus"]["command"] if "config.file" in one]
    there = Path(argument.partition("=")[2])
    assert of_prometheus[there.parent] == config.parent
    for each in yaml.safe_load(config.read_text())["rule_files"]:
        folder = Path(os.path.normpath(there.parent / each)).parent
        assert of_prometheus[folder.parent] / folder.name == rules.FOLDER / "rules"
    of_grafana = mounts("grafana")
    provisioning = of_grafana[Path("/etc/grafana/provisioning")]
    (provider,) = yaml.safe_load((provisioning / "dashboards/playgate.yaml").read_text())[
        "providers"
    ]
    assert of_grafana[Path(provider["options"]["path"])] == boards.FOLDER
    (source,) = yaml.safe_load((provisioning / "datasources/prometheus.yaml").read_text())[
        "datasources"
    ]
    assert urlsplit(source["url"]).hostname == "prometheus"
    assert set(mounts("alertmanager").values()) == {ROOT / "config/alertmanager/alertmanager.yml"}


async def test_compose_serves_the_runbook_where_alerts_and_dashboards_lead(
    tmp_path: Path,
) -> None:
    address = urlsplit(rules.RUNBOOK)
    assert f"127.0.0.1:{address.port}:{address.port}" in services()["docs"]["ports"]
    served = mounts("docs")
    (served_from,) = [there for there, here in served.items() if here == ROOT / "docs"]
    (config,) = [here for there, here in served.items() if here.suffix == ".conf"]
    text = config.read_text()
    assert f"listen {address.port};" in text
    assert f"root {served_from};" in text
    port = free_port()
    text = text.replace(f"listen {address.port}", f"listen 127.0.0.1:{port}")
    # In this order: the repository may lie there, too.
    text = text.replace("/tmp/", f"{tmp_path}/").replace(str(served_from), str(ROOT / "docs"))
    (tmp_path / "docs.conf").write_text(text)
    nginx = needs.program("nginx", install="apt-get install nginx")
    process = await asyncio.create_subprocess_exec(
        *(nginx, "-c", str(tmp_path / "docs.conf"), "-g", "daemon off;")
    )
    try:
        async with aiohttp.ClientSession(f"http://127.0.0.1:{port}") as session:

            async def is_there() -> bool:
                try:
                    async with session.get(address.path) as answer:
                        return answer.status == 200
                except aiohttp.ClientConnectionError:
                    return False

            await until(is_there, "the runbook is served")
            async with session.get(address.path) as answer:
                assert answer.headers["Content-Type"] == "text/plain; charset=utf-8"
                assert await answer.text() == (ROOT / "docs/runbook.md").read_text()
    finally:
        process.send_signal(signal.SIGQUIT)
        await process.wait()


def mounts(service: str) -> dict[Path, Path]:
    """Give what a service is given of the repository, by where it finds it."""
    volumes = [volume.split(":") for volume in services()[service]["volumes"]]
    found = {Path(there): (ROOT / here).resolve() for here, there, *_ in volumes if here[0] == "."}
    assert all(path.exists() for path in found.values())
    return found


def test_alertmanager_takes_its_configuration_and_tells_somebody_of_every_alert() -> None:
    file = ROOT / "config/alertmanager/alertmanager.yml"
    amtool = needs.program("amtool", install="apt-get install prometheus-alertmanager")
    for severity in {alert.labels["severity"] for alert in ALERTS}:
        route = [
            amtool,
            "config",
            "routes",
            "test",
            f"--config.file={file}",
            f"severity={severity}",
        ]
        told = subprocess.run(route, capture_output=True, text=True, check=True).stdout.split()
        assert told == [{"critical": "now", "warning": "today"}[severity]]
    inhibited = " ".join(re.findall(r'alertname =~? "(.+?)"', file.read_text()))
    assert set(re.findall(r"\w+", inhibited)) <= {alert.name for alert in ALERTS}
