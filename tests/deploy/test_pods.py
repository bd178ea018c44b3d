"""A proxy's pod from its start to its end, and what every pod may do."""

import re
import shutil
import tomllib
from pathlib import Path

import pytest
import yaml
from typer.testing import CliRunner

from proxy.cli import app
from proxy.settings.load import load
from proxy.settings.schema import Settings
from proxy.telemetry.metrics import Metrics
from tests.containers.files import services
from tests.deploy.rendered import (
    FOLDERS,
    MANIFESTS,
    ROOT,
    SCALED,
    STAGES,
    configuration,
    container,
    of_kind,
    one,
    ports_of,
    proxies,
    render,
    templates,
)
from tests.support.good_secrets import secret

pytestmark = [pytest.mark.deploy, pytest.mark.xdist_group("manifests")]

PROBES = {"startup": "/healthz", "liveness": "/healthz", "readiness": "/readyz"}
# Time for a process to close what it has open once the last player's request is answered.
CLOSING_SECONDS = 5

every_stage = pytest.mark.parametrize("stage", STAGES)
every_folder = pytest.mark.parametrize("folder", FOLDERS)


def secret_names() -> set[str]:
    """The keys of the Secret, as the documentation has them."""
    examples = re.findall(
        r"```yaml\n(.*?)```", (ROOT / "docs/kubernetes.md").read_text(), re.DOTALL
    )
    (found,) = (e for e in map(yaml.safe_load, examples) if e.get("kind") == "Secret")
    assert found["metadata"]["name"] == "playgate"
    return set(found["stringData"])


def settings(stage: str, tmp_path: Path) -> Settings:
    """Load a stage's configuration with what the Secret gives it."""
    values = {name: secret(name, 64) for name in secret_names()}
    values["PLAYGATE_REDIS_URL"] = "rediss://playgate:secret@redis.internal.example:6380/0"
    file = tmp_path / "playgate.yaml"
    file.write_text(configuration(stage))
    return load(file, values)


# --- a pod, and its end --------------------------------------------------------------------------


@every_stage
def test_probes_ask_the_operators_port_for_what_it_answers(stage: str) -> None:
    admin = dict(ports_of(stage, proxies(stage)["spec"]["selector"]["matchLabels"]))["admin"]
    assert admin == 9090
    asked = {name: container(stage)[f"{name}Probe"]["httpGet"] for name in PROBES}
    assert {get["port"] for get in asked.values()} == {"admin"}
    assert {name: get["path"] for name, get in asked.items()} == PROBES


@every_stage
def test_a_pod_is_given_the_time_to_be_forgotten_and_then_to_drain(
    stage: str, tmp_path: Path
) -> None:
    spec = proxies(stage)["spec"]["template"]["spec"]
    forgotten = container(stage)["lifecycle"]["preStop"]["sleep"]["seconds"]
    unready = container(stage)["readinessProbe"]
    # Whoever asks /readyz has noticed by then, too.
    assert forgotten >= unready["periodSeconds"] * unready["failureThreshold"] + 5
    drain = settings(stage, tmp_path).listen.drain_timeout
    assert spec["terminationGracePeriodSeconds"] >= forgotten + drain + CLOSING_SECONDS


@every_stage
def test_a_roll_takes_no_proxy_away_before_another_is_ready(stage: str) -> None:
    strategy = proxies(stage)["spec"]["strategy"]
    assert strategy["type"] == "RollingUpdate"
    assert strategy["rollingUpdate"]["maxUnavailable"] == 0
    assert strategy["rollingUpdate"]["maxSurge"] == "25%"
    assert proxies(stage)["spec"]["minReadySeconds"] > 0


@pytest.mark.parametrize("stage", SCALED)
def test_emptied_nodes_leave_proxies_running(stage: str) -> None:
    budget = one(stage, "PodDisruptionBudget")["spec"]
    scaler = one(stage, "HorizontalPodAutoscaler")["spec"]
    assert 0 < budget["maxUnavailable"] < scaler["minReplicas"] < scaler["maxReplicas"]
    assert "replicas" not in proxies(stage)["spec"], "each apply would undo what the scaler did"


@pytest.mark.parametrize("stage", ["overlays/nft", "overlays/review"])
def test_what_is_not_scaled_says_how_many(stage: str) -> None:
    assert not of_kind(stage, "HorizontalPodAutoscaler")
    budget = sum(b["spec"]["maxUnavailable"] for b in of_kind(stage, "PodDisruptionBudget"))
    assert proxies(stage)["spec"]["replicas"] > budget


@pytest.mark.parametrize("stage", SCALED)
def test_the_autoscaler_looks_at_a_metric_there_is_and_adds_proxies_before_any_is_full(
    stage: str, tmp_path: Path
) -> None:
    pods, cpu = one(stage, "HorizontalPodAutoscaler")["spec"]["metrics"]
    exposed, _ = Metrics("1", []).exposition("")
    assert f"\n{pods['pods']['metric']['name']} 0.0\n" in exposed.decode()
    most = settings(stage, tmp_path).listen.max_in_flight
    assert int(pods["pods"]["target"]["averageValue"]) * 2 <= most
    assert cpu["resource"]["name"] == "cpu"
    assert container(stage)["resources"]["requests"]["cpu"]


# --- the configuration ---------------------------------------------------------------------------


@every_stage
def test_the_configuration_is_good_with_the_secrets_that_are_documented(
    stage: str, tmp_path: Path
) -> None:
    loaded = settings(stage, tmp_path)
    ports = ports_of(stage, proxies(stage)["spec"]["selector"]["matchLabels"])
    assert ports == {("players", loaded.listen.port), ("admin", loaded.admin.port)}
    assert (loaded.listen.host, loaded.admin.host) == ("0.0.0.0", "0.0.0.0")
    store = loaded.store.url.get_secret_value()
    assert store.startswith(("redis://", "rediss://")), "proxies count together"
    for inside in (container(stage), *proxies(stage)["spec"]["template"]["spec"]["initContainers"]):
        assert inside["envFrom"] == [{"secretRef": {"name": "playgate"}}]


def test_a_bad_configuration_stops_a_pod_before_it_serves(tmp_path: Path) -> None:
    (check,) = proxies(STAGES[0])["spec"]["template"]["spec"]["initContainers"]
    (mount,) = check["volumeMounts"]
    bad = tmp_path / "playgate.yaml"
    bad.write_text(configuration(STAGES[0]).replace("listen:", "listne:"))
    arguments = [part.replace(mount["mountPath"], str(tmp_path)) for part in check["args"]]
    done = CliRunner().invoke(app, arguments)
    assert done.exit_code == 1
    assert "did you mean 'listen'" in done.stderr
    assert mount == container(STAGES[0])["volumeMounts"][0]


def test_the_neighbours_in_a_sandbox_are_those_that_the_configuration_names(tmp_path: Path) -> None:
    for stage in ("overlays/review", "overlays/stage", "overlays/nft"):
        loaded = settings(stage, tmp_path)
        named = {str(loaded.store.url), *(o for route in loaded.routes for o in route.origins)}
        there = {
            f"{service['metadata']['name']}:{port['port']}"
            for service in of_kind(stage, "Service")
            for port in service["spec"]["ports"]
        }
        assert {re.sub(r"^\w+://|/\d*$", "", url) for url in named} <= there


def test_a_changed_configuration_rolls_the_proxies(tmp_path: Path) -> None:
    copy = tmp_path / "kubernetes"
    shutil.copytree(MANIFESTS, copy)
    file = copy / "sandbox/playgate.yaml"
    file.write_text(file.read_text().replace("default: 3", "default: 4"))
    (changed,) = (
        found
        for found in render(copy / "overlays/stage")
        if found["kind"] == "Deployment" and found["metadata"]["name"] == "playgate"
    )
    before, after = (
        deployment["spec"]["template"]["spec"]["volumes"][0]["configMap"]["name"]
        for deployment in (proxies("overlays/stage"), changed)
    )
    assert before == one("overlays/stage", "ConfigMap")["metadata"]["name"]
    assert after != before


# --- images, rights ------------------------------------------------------------------------------


@every_folder
def test_images_are_of_a_version(folder: str) -> None:
    version = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    known = {f"registry.example/playgate:{version}", services()["redis"]["image"]}
    for template in templates(folder):
        spec = template["spec"]
        for inside in (*spec["containers"], *spec.get("initContainers", [])):
            assert inside["image"] in known


@every_folder
def test_pods_may_do_nothing_that_they_need_not(folder: str) -> None:
    for template in templates(folder):
        spec = template["spec"]
        assert spec["automountServiceAccountToken"] is False
        assert spec["enableServiceLinks"] is False, "a Service playgate would set PLAYGATE_PORT"
        assert spec["securityContext"]["runAsNonRoot"] is True
        assert spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
        assert not {"hostNetwork", "hostPID", "hostIPC"} & spec.keys()
        assert all("configMap" in volume for volume in spec.get("volumes", []))
        for inside in (*spec["containers"], *spec.get("initContainers", [])):
            assert inside["securityContext"] == {
                "allowPrivilegeEscalation": False,
                "readOnlyRootFilesystem": True,
                "capabilities": {"drop": ["ALL"]},
            }
            assert {"cpu", "memory"} <= inside["resources"]["requests"].keys()
            assert inside["resources"]["limits"].keys() == {"memory"}


@every_folder
def test_playgates_image_runs_as_the_user_that_it_has(folder: str) -> None:
    for template in templates(folder):
        (image,) = {inside["image"] for inside in template["spec"]["containers"]}
        user = template["spec"]["securityContext"]["runAsUser"]
        assert f"--uid {user} " in (ROOT / "Dockerfile").read_text() or "/playgate:" not in image


@every_folder
def test_nothing_secret_is_in_the_tree(folder: str) -> None:
    assert not of_kind(folder, "Secret")
