"""ship.py: what it does to a cluster, and in which order."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from shipping import slots
from shipping.cluster import ShipError, component, tree
from shipping.rolls import end_review, job, review, roll
from shipping.slots import offline, swap

from tests.deploy.rendered import MANIFESTS
from tests.deploy.stand_in import Cluster

pytestmark = [pytest.mark.deploy, pytest.mark.xdist_group("manifests")]

OLD = "registry.example/playgate@sha256:" + "0" * 64
SOON = 0.01
NEW = "registry.example/playgate@sha256:" + "1" * 64


@pytest.fixture
def cluster(monkeypatch: pytest.MonkeyPatch) -> Cluster:
    stand_in = Cluster()
    monkeypatch.setattr("shipping.cluster.subprocess.run", stand_in.run)
    return stand_in


@pytest.fixture
def copy() -> Iterator[Path]:
    """The manifests with the new image."""
    with tree(NEW) as manifests:
        yield manifests


@pytest.fixture
def production(cluster: Cluster, copy: Path) -> Cluster:
    """Players are led to blue, which runs the old version on seven proxies; green has the new."""
    with tree(OLD) as before:
        assert offline(before, every=SOON) == "blue"
        go(before, "blue")
    cluster.objects["playgate", "HorizontalPodAutoscaler", "playgate-blue"]["spec"].update(
        minReplicas=7
    )
    assert offline(copy, every=SOON) == "green"
    cluster.done.clear()
    return cluster


def go(copy: Path, slot: str, image: str = "") -> None:
    swap(copy, slot, image, watch=0, every=SOON)


# --- rolls and Jobs ------------------------------------------------------------------------------


def test_a_roll_waits_for_each_deployment_and_is_checked_then(cluster: Cluster, copy: Path) -> None:
    roll(copy / "overlays/stage", every=SOON)
    assert cluster.done == [
        "door: -",
        *("rolled origin", "rolled playgate", "rolled redis"),
        *("delete check", "job check is running"),
    ]
    assert cluster.image("playgate-stage", "playgate") == NEW
    assert cluster.image("playgate-stage", "origin") == NEW
    assert cluster.image("playgate-stage", "redis").startswith("redis:")


def test_a_roll_that_does_not_come_up_shows_its_pods_and_is_not_checked(
    cluster: Cluster, copy: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    cluster.broken.add("playgate")
    with pytest.raises(ShipError, match="progress deadline"):
        roll(copy / "overlays/stage", every=SOON)
    assert "CrashLoopBackOff" in capsys.readouterr().err
    assert "job check is running" not in cluster.done


def test_a_job_that_fails_fails_what_waits_for_it_and_shows_its_log(
    cluster: Cluster, copy: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    cluster.broken.add("crowd")
    with pytest.raises(ShipError, match="job crowd: Failed"):
        job(copy / "overlays/nft/crowd", every=SOON)
    assert "what the Job said" in capsys.readouterr().err
    with pytest.raises(ShipError, match="no overlay"):
        job(copy / "overlays/nft/crowds", every=SOON)


# --- a pull request's own ------------------------------------------------------------------------


def test_a_review_has_a_namespace_a_host_and_secrets_of_its_own(
    cluster: Cluster, copy: Path
) -> None:
    review(copy, 120, every=SOON)
    namespace = "playgate-pr-120"
    assert {place for place, kind, _ in cluster.objects if kind != "Namespace"} == {namespace}
    ingress = cluster.objects[namespace, "Ingress", "playgate"]["spec"]
    assert ingress["rules"][0]["host"] == f"{namespace}.review.internal.example"
    labels = cluster.objects["", "Namespace", namespace]["metadata"]["labels"]
    assert labels["pod-security.kubernetes.io/enforce"] == "restricted"
    secret = cluster.objects[namespace, "Secret", "playgate"]
    assert len(set(secret["stringData"].values())) == 3
    with tree(NEW) as again:
        review(again, 120, every=SOON)
    assert cluster.objects[namespace, "Secret", "playgate"] is secret
    with tree() as last:
        end_review(last, 120)
    assert not cluster.objects


# --- production's slots --------------------------------------------------------------------------


def test_a_swap_leads_players_to_proxies_as_many_as_they_leave(
    production: Cluster, copy: Path
) -> None:
    go(copy, "green", NEW)
    assert production.slot() == "green"
    assert production.done == [
        *("rolled playgate-green", "playgate-green: at least 7"),
        *("door: green", "playgate-green: at least 3"),
    ]
    assert production.image("playgate", "playgate-green") == NEW
    assert production.image("playgate", "playgate-blue") == OLD


def test_the_way_back_is_another_swap(production: Cluster, copy: Path) -> None:
    go(copy, "green", NEW)
    go(copy, "blue")
    assert production.slot() == "blue"
    assert production.image("playgate", "playgate-blue") == OLD


def test_the_slot_that_players_left_is_rolled_next(production: Cluster, copy: Path) -> None:
    go(copy, "green", NEW)
    assert offline(copy, every=SOON) == "blue"
    assert production.slot() == "green"


def test_players_are_led_to_what_was_checked_and_nothing_else(
    production: Cluster, copy: Path
) -> None:
    with pytest.raises(ShipError, match="another version has come since"):
        go(copy, "green", OLD)
    assert production.done == []


def test_players_are_led_to_no_slot_that_does_not_run(cluster: Cluster, copy: Path) -> None:
    with pytest.raises(ShipError, match="does not run"):
        go(copy, "green")
    assert not cluster.objects


def test_players_stay_where_the_other_slot_cannot_be_made_as_large(
    production: Cluster, copy: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    production.room["playgate-green"] = 5
    monkeypatch.setattr(slots, "GROW_SECONDS", 0.05)
    with pytest.raises(ShipError, match="5 of 7 proxies"):
        go(copy, "green", NEW)
    assert production.done == [
        *("rolled playgate-green", "playgate-green: at least 7", "playgate-green: at least 3")
    ]


def test_players_are_led_back_from_proxies_that_fail(production: Cluster, copy: Path) -> None:
    production.failing_slot = "green"
    with pytest.raises(ShipError, match="led to blue again"):
        go(copy, "green", NEW)
    assert production.slot() == "blue"
    assert production.least("playgate-green") == 3


def test_a_swap_to_where_players_are_changes_nothing(production: Cluster, copy: Path) -> None:
    go(copy, "blue")
    assert production.done == []


# --- the command ---------------------------------------------------------------------------------


@pytest.mark.parametrize("image", ["playgate", "playgate@", ":1.0", "@sha256:0"])
def test_an_image_without_a_version_is_refused(image: str) -> None:
    with pytest.raises(ShipError, match="write NAME@sha256"):
        component(image)


def test_an_image_may_come_from_a_registry_with_a_port(copy: Path) -> None:
    assert '"newName": "registry.example:5000/playgate", "newTag": "1.0"' in component(
        "registry.example:5000/playgate:1.0"
    )
    assert copy != MANIFESTS


def test_the_command_says_in_a_line_why_it_did_nothing(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, MANIFESTS / "ship.py", "roll", "nowhere", "--image", ""],
        capture_output=True,
        text=True,
        check=False,
        cwd=tmp_path,
    )
    assert (done.returncode, done.stderr) == (1, "nowhere: no overlay with a namespace\n")
