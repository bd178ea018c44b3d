"""The manifests as kubectl renders them: every folder that is applied as a whole."""

import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from tests.support.needs import program

ROOT = Path(__file__).parents[2]
MANIFESTS = ROOT / "deploy/kubernetes"

PRODUCTION = ("overlays/production-offline/blue", "overlays/production-offline/green")
# With proxies in them.
STAGES = (
    "overlays/review",
    "overlays/stage",
    "overlays/nft",
    *PRODUCTION,
)
SCALED = ("overlays/stage", *PRODUCTION)
DOORS = ("overlays/production/blue", "overlays/production/green")
JOBS = (
    "overlays/review/check",
    "overlays/stage/check",
    "overlays/nft/crowd",
    "overlays/production-offline/blue/check",
    "overlays/production-offline/green/check",
)
FOLDERS = (*STAGES, *DOORS, *JOBS, "admin")

Object = dict[str, Any]
# Ten times as fast, where PyYAML was built with it.
LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


def kubectl() -> str:
    """Find kubectl: the one that came with the test extra, else that on PATH."""
    beside = Path(sys.executable).with_name("kubectl")
    return str(beside) if beside.exists() else program("kubectl", install="make test")


def render(folder: Path) -> list[Object]:
    """Render a folder."""
    command = [kubectl(), "kustomize", str(folder)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        rendered, _ = process.communicate()
    assert process.returncode == 0, f"{folder} cannot be rendered"
    return [dict(found) for found in yaml.load_all(rendered, Loader=LOADER)]


@cache
def objects(folder: str) -> tuple[Object, ...]:
    """Give the objects of one of our folders; not to be changed."""
    return tuple(render(MANIFESTS / folder))


def of_kind(folder: str, *kinds: str) -> list[Object]:
    """Give a folder's objects of these kinds."""
    return [found for found in objects(folder) if found["kind"] in kinds]


def one(folder: str, kind: str, name: str = "") -> Object:
    """Give the one object of a kind, or of that name before hash and suffix."""
    (found,) = (
        found for found in of_kind(folder, kind) if found["metadata"]["name"].startswith(name)
    )
    return found


def proxies(folder: str) -> Object:
    """Give the Deployment of a stage's proxies."""
    return one(folder, "Deployment", "playgate")


def container(folder: str) -> Object:
    """Give the proxies' container."""
    (found,) = proxies(folder)["spec"]["template"]["spec"]["containers"]
    return dict(found)


def configuration(folder: str) -> str:
    """Give the text of a stage's playgate.yaml."""
    return str(one(folder, "ConfigMap", "playgate")["data"]["playgate.yaml"])


def templates(folder: str) -> Iterator[Object]:
    """Give the template of each pod of a folder."""
    for found in of_kind(folder, "Deployment", "Job"):
        yield found["spec"]["template"]


def chooses(selector: dict[str, Any], labels: dict[str, str]) -> bool:
    """Tell whether a label selector, or a Service's plain one, chooses what has these labels."""
    if not {"matchLabels", "matchExpressions"} & selector.keys():
        return selector.items() <= labels.items()
    expressions = selector.get("matchExpressions", [])
    assert all(expression["operator"] == "In" for expression in expressions)
    return selector.get("matchLabels", {}).items() <= labels.items() and all(
        labels.get(expression["key"]) in expression["values"] for expression in expressions
    )


def pods_of(folder: str) -> list[dict[str, str]]:
    """The labels of the pods that a folder's objects may choose: a door leads to its slot."""
    folder = folder.replace("production/", "production-offline/")
    return [template["metadata"]["labels"] for template in templates(folder)]


def ports_of(folder: str, selector: dict[str, str]) -> set[tuple[str, int]]:
    """Name and number of each port of the pods that a Service chooses."""
    folder = folder.replace("production/", "production-offline/")
    return {
        (port["name"], port["containerPort"])
        for template in templates(folder)
        if chooses(selector, template["metadata"]["labels"])
        for inside in template["spec"]["containers"]
        for port in inside.get("ports", [])
    }
