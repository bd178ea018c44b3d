"""The pipeline's files: what zizmor and GitHub's schema, which lint them, cannot know."""

import os
import re
import sys
from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import pytest
import yaml
from ship import arguments

from tests.deploy.rendered import MANIFESTS, ROOT, one

pytestmark = pytest.mark.deploy

WORKFLOWS = ROOT / ".github/workflows"
NAMES = sorted(file.name for file in WORKFLOWS.glob("*.yml"))
SHIP = "./.github/actions/ship"
# What GitHub puts in where we write an expression.
EVENT = {
    "github.event.number": "120",
    "needs.production-offline.outputs.slot": "green",
    "inputs.slot": "blue",
}


def jobs(name: str) -> dict[str, Any]:
    return dict(yaml.safe_load((WORKFLOWS / name).read_text())["jobs"])


def steps() -> Iterator[tuple[str, dict[str, Any]]]:
    """Each step of each job, and of our action, with where it is."""
    for name in NAMES:
        for job, described in jobs(name).items():
            yield from ((f"{name}: {job}", step) for step in described.get("steps", [described]))
    action = yaml.safe_load((ROOT / SHIP / "action.yml").read_text())
    yield from ((SHIP, step) for step in action["runs"]["steps"])


def filled(text: str) -> str:
    return re.sub(r"\$\{\{ ([\w.-]+) \}\}", lambda found: EVENT[found[1]], text)


def test_actions_are_of_one_commit_which_their_version_is_written_beside() -> None:
    for file in WORKFLOWS.glob("*.yml"):
        for used in re.findall(r"uses: (.*)", file.read_text()):
            if used.startswith("./"):
                assert (ROOT / used).exists()
            else:
                assert re.fullmatch(r"[\w/-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+", used), used


@pytest.mark.parametrize("name", NAMES)
def test_a_job_may_read_the_tree_and_the_image_be_written_and_no_more(name: str) -> None:
    assert yaml.safe_load((WORKFLOWS / name).read_text())["permissions"] == {}
    for job in jobs(name).values():
        makes_images = name == "image.yml" or job.get("uses", "").endswith("/image.yml")
        may = {"contents": "read"} | ({"packages": "write"} if makes_images else {})
        assert job["permissions"] == may


def test_each_environments_cluster_is_reached_with_its_own_secret_and_no_other() -> None:
    for place, step in steps():
        assert set(re.findall(r"secrets\.(\w+)", str(step))) <= {"KUBECONFIG"}, place
    for name in NAMES:
        for job in jobs(name).values():
            if "secrets." in str(job):
                assert "environment" in job


def test_what_is_shipped_can_be_shipped(monkeypatch: pytest.MonkeyPatch) -> None:
    shipped = []
    for place, step in steps():
        if step.get("uses") == SHIP:
            written = filled(step["with"]["arguments"])
            monkeypatch.setattr(sys, "argv", ["ship.py", *written.split(), "--image", ""])
            options = arguments()
            if options.command in ("roll", "job"):
                assert (MANIFESTS / "overlays" / options.overlay / "kustomization.yaml").exists()
            shipped.append((place, written))
    assert shipped == [
        ("release.yml: stage", "roll stage"),
        ("release.yml: nft", "roll nft"),
        ("release.yml: nft", "job nft/crowd"),
        ("release.yml: production-offline", "offline"),
        ("release.yml: production", "swap green"),
        ("review.yml: deploy", "review 120"),
        ("review.yml: remove", "review 120 --end"),
        ("swap.yml: production", "swap blue"),
    ]


def test_nothing_comes_to_a_stage_that_did_not_pass_the_one_before() -> None:
    release = jobs("release.yml")
    order = ["test", "image", "stage", "nft", "production-offline", "production"]
    assert list(release) == order
    for before, stage in pairwise(order):
        needs = release[stage]["needs"]
        assert before in ([needs] if isinstance(needs, str) else needs)
    for stage in order[2:]:
        assert release[stage]["environment"] == stage
        assert all(
            step["with"]["image"] == "${{ needs.image.outputs.image }}"
            for step in release[stage]["steps"]
            if step["uses"] == SHIP
        )


def test_no_two_touch_production_at_once() -> None:
    touching = [
        jobs("release.yml")["production-offline"],
        jobs("release.yml")["production"],
        jobs("swap.yml")["production"],
    ]
    assert {job["concurrency"] for job in touching} == {"production"}


def test_a_review_is_found_at_the_address_that_is_shown_for_it() -> None:
    shown = filled(jobs("review.yml")["deploy"]["environment"]["url"])
    (rule,) = one("overlays/review", "Ingress")["spec"]["rules"]
    assert shown == f"https://{rule['host'].replace('-0.', '-120.')}"


def test_forks_get_neither_secrets_nor_a_place_in_the_registry() -> None:
    review = jobs("review.yml")
    ours = "github.event.pull_request.head.repo.full_name == github.repository"
    assert ours in review["image"]["if"]
    assert review["deploy"]["needs"] == "image"
    assert ours in review["remove"]["if"]


def test_every_environment_is_documented() -> None:
    documented = (ROOT / "docs/pipeline.md").read_text()
    for name in NAMES:
        for job in jobs(name).values():
            environment = job.get("environment")
            if environment:
                title = environment if isinstance(environment, str) else environment["name"]
                assert f"| `{title}` |" in documented
        assert name in documented


def test_what_the_workflows_run_can_be_run() -> None:
    for place, step in steps():
        for script in re.findall(r"(?m)^(\.ci/[\w.]+)", step.get("run", "")):
            assert os.access(ROOT / script, os.X_OK), place
