"""The network policies allow what is needed, and nothing else."""

import pytest

from tests.deploy.reach import Outside, Pod, reaches
from tests.deploy.rendered import (
    FOLDERS,
    JOBS,
    PRODUCTION,
    STAGES,
    Object,
    of_kind,
    proxies,
    templates,
)

pytestmark = [pytest.mark.deploy, pytest.mark.xdist_group("manifests")]

PLAYERS, ADMIN, REDIS, ORIGIN = 8080, 9090, 6379, 8000
SANDBOXES = STAGES[:3]


DNS = Pod("kube-system", {"k8s-app": "kube-dns"})
CONTROLLER = Pod("ingress", {"app": "controller"})
PROMETHEUS = Pod("monitoring", {"app": "prometheus"})
OPERATOR = Pod("operations")
STRANGER = Pod("elsewhere", {"app.kubernetes.io/name": "playgate"})
INTERNET = Outside("8.8.8.8")

every_stage = pytest.mark.parametrize("stage", STAGES)


def policies(*folders: str) -> list[Object]:
    """All that is in force where these are applied."""
    return [policy for folder in folders for policy in of_kind(folder, "NetworkPolicy")]


def pod(folder: str, name: str) -> Pod:
    """A pod of a folder: proxy, redis, origin, check or crowd."""
    for found in of_kind(folder, "Deployment", "Job"):
        labels = found["spec"]["template"]["metadata"]["labels"]
        if name in (labels.get("app.kubernetes.io/component"), labels["app.kubernetes.io/name"]):
            return Pod(found["metadata"]["namespace"], labels)
    raise LookupError(name)


@pytest.mark.parametrize("folder", FOLDERS)
def test_every_pod_is_under_policies_in_both_directions(folder: str) -> None:
    for found in of_kind(folder, "Deployment", "Job"):
        labels = found["spec"]["template"]["metadata"]["labels"]
        here = Pod(found["metadata"]["namespace"], labels)
        assert not reaches(policies(folder), here, INTERNET, 443)
        assert not reaches(policies(folder), STRANGER, here, PLAYERS)


@every_stage
def test_players_come_by_the_ingress_alone_and_see_no_operators_port(stage: str) -> None:
    proxy, given = pod(stage, "proxy"), policies(stage)
    assert reaches(given, CONTROLLER, proxy, PLAYERS)
    for other in (PROMETHEUS, OPERATOR, STRANGER, INTERNET, Pod(proxy.namespace), proxy):
        assert not reaches(given, other, proxy, PLAYERS)
    assert not reaches(given, CONTROLLER, proxy, ADMIN)


@every_stage
def test_operators_and_prometheus_alone_reach_the_operators_port(stage: str) -> None:
    proxy, given = pod(stage, "proxy"), policies(stage)
    assert reaches(given, PROMETHEUS, proxy, ADMIN)
    assert reaches(given, OPERATOR, proxy, ADMIN)
    for other in (STRANGER, INTERNET, Pod(proxy.namespace), proxy):
        assert not reaches(given, other, proxy, ADMIN)


@every_stage
def test_proxies_find_names_and_nothing_else_of_the_cluster(stage: str) -> None:
    proxy, given = pod(stage, "proxy"), policies(stage)
    assert reaches(given, proxy, DNS, 53, "UDP")
    assert reaches(given, proxy, DNS, 53, "TCP")
    assert not reaches(given, proxy, DNS, 9153)
    assert not reaches(given, proxy, Pod("kube-system", {"k8s-app": "other"}), 53)
    assert not reaches(given, proxy, Pod(proxy.namespace, {"k8s-app": "kube-dns"}), 53)


@pytest.mark.parametrize("stage", SANDBOXES)
def test_in_a_sandbox_proxies_alone_reach_redis_and_the_origin(stage: str) -> None:
    given = policies(stage)
    proxy, redis, origin = (pod(stage, name) for name in ("proxy", "redis", "origin"))
    assert reaches(given, proxy, redis, REDIS)
    assert reaches(given, proxy, origin, ORIGIN)
    for other in (CONTROLLER, OPERATOR, Pod(proxy.namespace), INTERNET):
        assert not reaches(given, other, redis, REDIS)
        assert not reaches(given, other, origin, ORIGIN)
    for inside in (redis, origin):
        assert not reaches(given, inside, DNS, 53, "UDP")
        assert not reaches(given, inside, proxy, PLAYERS)


@pytest.mark.parametrize("stage", PRODUCTION)
def test_in_production_proxies_reach_their_neighbours_by_their_ports(stage: str) -> None:
    proxy, given = pod(stage, "proxy"), policies(*PRODUCTION)
    redis, origin, issuer = (Outside(a) for a in ("192.0.2.1", "198.51.100.7", "203.0.113.9"))
    assert reaches(given, proxy, redis, 6380)
    assert reaches(given, proxy, origin, 443)
    assert reaches(given, proxy, issuer, 443)
    for target, port in ((redis, 443), (redis, 6379), (origin, 80), (issuer, 6380)):
        assert not reaches(given, proxy, target, port)
    assert not reaches(given, proxy, Outside("192.0.2.16"), 6380)


@pytest.mark.parametrize("check", [job for job in JOBS if job.endswith("check")])
def test_a_check_reaches_both_ports_of_its_own_proxies(check: str) -> None:
    stage = check.removesuffix("/check")
    given = policies(check, stage, *PRODUCTION)
    looker = pod(check, "check")
    for port in (PLAYERS, ADMIN):
        assert reaches(given, looker, pod(stage, "proxy"), port)
    assert reaches(given, looker, DNS, 53, "UDP")
    if stage in PRODUCTION:
        (other,) = set(PRODUCTION) - {stage}
        assert not reaches(given, looker, pod(other, "proxy"), PLAYERS)
    else:
        assert not reaches(given, looker, pod(stage, "redis"), REDIS)


def test_the_crowd_comes_in_where_players_do_while_it_is_there() -> None:
    stage, load = "overlays/nft", "overlays/nft/crowd"
    crowd, proxy = pod(load, "crowd"), pod(stage, "proxy")
    assert reaches(policies(stage, load), crowd, proxy, PLAYERS)
    assert not reaches(policies(stage), crowd, proxy, PLAYERS)
    assert not reaches(policies(stage, load), crowd, proxy, ADMIN)
    assert not reaches(policies(stage, load), crowd, pod(stage, "redis"), REDIS)


def test_ports_of_policies_are_ports_of_pods() -> None:
    for stage in STAGES:
        opened = {
            port["containerPort"]
            for template in templates(stage)
            for inside in template["spec"]["containers"]
            for port in inside.get("ports", [])
        }
        assert opened <= {PLAYERS, ADMIN, REDIS, ORIGIN}
        named = {
            port["port"]
            for policy in policies(stage)
            for rule in policy["spec"].get("ingress", [])
            for port in rule["ports"]
        }
        assert named <= opened
        assert proxies(stage)
