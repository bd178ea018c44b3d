"""What the schemas of Kubernetes cannot say: that the parts of a stage choose each other."""

import copy
import re

import pytest
import yaml

from tests.deploy.rendered import (
    DOORS,
    FOLDERS,
    JOBS,
    MANIFESTS,
    PRODUCTION,
    SCALED,
    STAGES,
    Object,
    chooses,
    objects,
    of_kind,
    one,
    pods_of,
    ports_of,
    proxies,
)

# Together, so that each folder is rendered once.
pytestmark = [pytest.mark.deploy, pytest.mark.xdist_group("manifests")]


def test_no_folder_is_forgotten() -> None:
    applied = {
        str(file.parent.relative_to(MANIFESTS))
        for file in MANIFESTS.glob("**/kustomization.yaml")
        if re.search(r"^namespace: ", file.read_text(), re.MULTILINE)
    }
    assert applied | {"admin"} == set(FOLDERS)


# --- what chooses what --------------------------------------------------------------------------


@pytest.mark.parametrize("folder", [*STAGES, *DOORS])
def test_services_lead_to_ports_of_pods_that_are_there(folder: str) -> None:
    for service in of_kind(folder, "Service"):
        ports = ports_of(folder, service["spec"]["selector"])
        assert ports, f"{service['metadata']['name']} leads to no pod"
        for port in service["spec"]["ports"]:
            assert port["targetPort"] in {name for name, _ in ports}


@pytest.mark.parametrize("folder", [*STAGES, *DOORS])
def test_ingresses_lead_to_a_port_of_players_and_to_none_of_operators(folder: str) -> None:
    for ingress in of_kind(folder, "Ingress"):
        (rule,) = ingress["spec"]["rules"]
        (path,) = rule["http"]["paths"]
        backend = path["backend"]["service"]
        (service,) = (
            s for s in of_kind(folder, "Service") if s["metadata"]["name"] == backend["name"]
        )
        (port,) = service["spec"]["ports"]
        assert port["name"] == backend["port"]["name"]
        assert port["targetPort"] == "players"
        assert ingress["spec"]["tls"][0]["hosts"] == [rule["host"]]


@pytest.mark.parametrize("stage", STAGES)
def test_what_is_said_of_proxies_is_said_of_these_pods(stage: str) -> None:
    deployment = proxies(stage)
    labels = deployment["spec"]["template"]["metadata"]["labels"]
    spec = deployment["spec"]["template"]["spec"]
    (affine,) = spec["affinity"]["podAntiAffinity"][
        "preferredDuringSchedulingIgnoredDuringExecution"
    ]
    selectors = [
        deployment["spec"]["selector"],
        affine["podAffinityTerm"]["labelSelector"],
        *(spread["labelSelector"] for spread in spec["topologySpreadConstraints"]),
        *(budget["spec"]["selector"] for budget in of_kind(stage, "PodDisruptionBudget")),
    ]
    for selector in selectors:
        chosen = [pod for pod in pods_of(stage) if chooses(selector, pod)]
        assert chosen == [labels]
    for scaler in of_kind(stage, "HorizontalPodAutoscaler"):
        assert scaler["spec"]["scaleTargetRef"]["name"] == deployment["metadata"]["name"]


@pytest.mark.parametrize("stage", [*SCALED, "overlays/nft"])
def test_the_monitor_scrapes_each_proxy_once(stage: str) -> None:
    monitor = one(stage, "ServiceMonitor")
    (endpoint,) = monitor["spec"]["endpoints"]
    # In production's namespace there are the other slot's and the door's Services as well.
    (service,) = (
        s
        for folder in {stage, *PRODUCTION, DOORS[0]}
        for s in of_kind(folder, "Service")
        if s["metadata"]["namespace"] == monitor["metadata"]["namespace"]
        and chooses(monitor["spec"]["selector"], s["metadata"]["labels"])
    )
    assert service in objects(stage)
    assert endpoint["port"] in {port["name"] for port in service["spec"]["ports"]}
    assert endpoint["path"] == "/metrics"


def labelled(folder: str, pod: str) -> dict[str, str]:
    """Give the labels that a folder's monitor has Prometheus put on the metrics of a pod."""
    monitor = one(folder, "ServiceMonitor")
    (endpoint,) = monitor["spec"]["endpoints"]
    known = {
        "__meta_kubernetes_namespace": monitor["metadata"]["namespace"],
        "__meta_kubernetes_pod_name": pod,
    }
    return {
        each["targetLabel"]: each.get("replacement", "$1").replace(
            "$1", ";".join(known[label] for label in each["sourceLabels"])
        )
        for each in endpoint["relabelings"]
    }


@pytest.mark.parametrize("stage", [*SCALED, "overlays/nft"])
def test_a_job_is_the_proxies_of_a_namespace_each_by_the_name_of_its_pod(stage: str) -> None:
    namespace = proxies(stage)["metadata"]["namespace"]
    assert labelled(stage, "a-pod") == {"job": f"{namespace}/playgate", "instance": "a-pod"}


def test_both_slots_are_one_job_for_they_share_a_store_and_no_stages_are() -> None:
    jobs = [labelled(stage, "a-pod")["job"] for stage in (*PRODUCTION, *STAGES[1:3])]
    assert jobs[0] == jobs[1]
    assert len(set(jobs)) == len(jobs) - 1


# --- rights ------------------------------------------------------------------------------------


def test_the_deployer_may_handle_all_that_is_applied_and_read_no_secret() -> None:
    rules = one("admin", "ClusterRole")["rules"]
    may = {
        (group, resource)
        for rule in rules
        if "patch" in rule["verbs"]
        for group in rule["apiGroups"]
        for resource in rule["resources"]
    }
    # The namespace of a review is made by one who may.
    applied = {(f["apiVersion"], f["kind"]) for folder in FOLDERS[1:-1] for f in objects(folder)}
    for version, kind in applied - {("v1", "Namespace")}:
        plural = re.sub(r"ys$", "ies", re.sub(r"ss$", "sse", kind.lower()) + "s")
        assert (version.rpartition("/")[0], plural) in may
    assert "secrets" not in str(rules)
    namespaces = {f["metadata"]["name"] for f in of_kind("admin", "Namespace")}
    bound = {f["metadata"]["namespace"] for f in of_kind("admin", "RoleBinding")}
    used = {f["metadata"]["namespace"] for f in map(proxies, STAGES[1:])}
    assert namespaces == bound == used


# --- blue and green ------------------------------------------------------------------------------


def renamed(found: Object) -> str:
    """An object as it is in the other slot, but for the hashes of its ConfigMaps."""
    return re.sub(r"-[a-z0-9]{10}\b", "", yaml.safe_dump(found)).replace("green", "blue")


@pytest.mark.parametrize("folder", [PRODUCTION[0], JOBS[3], DOORS[0]])
def test_green_is_blue_by_another_name(folder: str) -> None:
    blue, green = objects(folder), objects(folder.replace("blue", "green"))
    assert sorted(map(renamed, blue)) == sorted(map(renamed, green))


def test_the_slots_have_no_object_in_common_and_the_door_none_with_them() -> None:
    names = [
        (found["kind"], found["metadata"]["name"])
        for folder in (*PRODUCTION, JOBS[3], JOBS[4], DOORS[0])
        for found in objects(folder)
    ]
    assert len(names) == len(set(names))


def test_a_swap_changes_which_slot_is_selected_and_nothing_else() -> None:
    blue, green = (copy.deepcopy(one(door, "Service")) for door in DOORS)
    for service, slot in ((blue, "blue"), (green, "green")):
        assert service["metadata"]["labels"].pop("slot") == slot
        assert service["spec"]["selector"].pop("slot") == slot
    assert blue == green
