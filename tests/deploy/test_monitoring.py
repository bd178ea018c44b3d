"""Kubernetes is given the alerts and dashboards that everybody else is."""

import re
import subprocess

import pytest
import yaml

from tests.deploy.rendered import ROOT, render

pytestmark = pytest.mark.deploy

DASHBOARDS = ROOT / "dashboards"


def test_the_dashboards_are_a_configmap_that_grafana_looks_for() -> None:
    (found,) = render(DASHBOARDS)
    assert found["kind"] == "ConfigMap"
    assert found["metadata"]["labels"] == {"grafana_dashboard": "1"}
    assert found["data"] == {file.name: file.read_text() for file in DASHBOARDS.glob("*.json")}


def test_the_documented_commands_make_rules_for_the_operator_of_all_there_are() -> None:
    page = (ROOT / "docs/kubernetes.md").read_text()
    (block,) = re.findall(r"^```\n(for file in .+?)^```", page, re.MULTILINE | re.DOTALL)
    # Show what would be applied.
    shown = f"kubectl() {{ [[ $* == *-f* ]] && cat; true; }}\n{block}"
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", shown],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    made = [found for found in yaml.safe_load_all(done.stdout) if found]
    assert {found["kind"] for found in made} == {"PrometheusRule"}
    assert {found["metadata"]["name"]: found["spec"] for found in made} == {
        f"playgate-{file.stem}": yaml.safe_load(file.read_text())
        for file in (DASHBOARDS / "rules").glob("*.yaml")
    }
