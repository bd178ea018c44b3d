"""The services fit together: what one names, another is, and they reach each other."""

import re
import tomllib
from urllib.parse import urlsplit

import pytest
from typer.testing import CliRunner

from issuer.settings import Settings as IssuerSettings
from proxy.cli import app
from proxy.settings.key_sets import KeySetUrl
from proxy.settings.load import load
from proxy.settings.schema import Settings
from tests.containers.files import (
    DOCKERFILES,
    ROOT,
    SECRETS,
    attached,
    compose,
    dockerfile,
    healthcheck,
    instruction,
    is_lasting,
    services,
)

CONFIG = ROOT / "config/compose/playgate.yaml"
ISSUER = ROOT / "config/compose/issuer"
NGINX = (ROOT / "config/nginx/nginx.conf").read_text()
PROXIES = ("proxy-a", "proxy-b")

pytestmark = pytest.mark.deploy

every_service = pytest.mark.parametrize("name", services())


def settings() -> Settings:
    return load(CONFIG, SECRETS)


def networks(name: str) -> set[str]:
    return set(attached(services()[name]))


def hosts_of(name: str) -> set[str]:
    """Give what a service is called on the networks it is on."""
    told = attached(services()[name]).values()
    return {name}.union(*(network.get("aliases", []) for network in told))


def reached(user: str, host: str) -> list[str]:
    """Give the services that a name leads a service to."""
    return [n for n in services() if host in hosts_of(n) and networks(n) & networks(user)]


@every_service
def test_a_service_is_held_to_what_it_needs(name: str) -> None:
    service = services()[name]
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert "privileged" not in service
    assert "cap_add" not in service
    assert service["mem_limit"]
    assert service["pids_limit"]
    assert service["logging"]["options"]["max-size"]


@every_service
def test_a_service_is_published_on_this_machine_alone(name: str) -> None:
    assert all(port.startswith("127.0.0.1:") for port in services()[name].get("ports", []))


def test_an_image_is_built_for_one_service_and_pulled_for_none_of_those_that_share_it() -> None:
    """Two services that build one tag at a time are in each other's way: "already exists"."""
    built = [service["image"] for service in services().values() if "build" in service]
    assert len(built) == len(set(built))
    for service in services().values():
        if dockerfile(service) and "build" not in service:
            assert service["pull_policy"] == "never"


@every_service
def test_an_image_is_of_a_version(name: str) -> None:
    image = services()[name]["image"]
    assert re.search(r":v?\d+\.\d+\.\d+(-[a-z]+)?$", image), image
    version = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    if dockerfile(services()[name]):
        assert image.endswith(f":{version}")


@every_service
def test_a_service_that_lasts_is_looked_after(name: str) -> None:
    service = services()[name]
    if is_lasting(service):
        assert service["restart"] == "unless-stopped"
        assert healthcheck(service)
    else:
        assert service["network_mode"] == "none"


@every_service
def test_who_depends_on_a_service_waits_until_it_is_well_or_done(name: str) -> None:
    for other, wanted in services()[name].get("depends_on", {}).items():
        lasts = is_lasting(services()[other])
        condition = "service_healthy" if lasts else "service_completed_successfully"
        assert wanted == {"condition": condition}


@every_service
def test_what_is_mounted_from_the_repository_is_there_and_is_not_written(name: str) -> None:
    for volume in services()[name].get("volumes", []):
        source, _, *options = volume.split(":")
        if source.startswith("."):
            assert (ROOT / source).exists()
            assert options == ["ro"]
        else:
            assert source in compose()["volumes"]


def test_the_configuration_is_checked_before_a_proxy_starts() -> None:
    check = services()["check"]
    done = CliRunner().invoke(app, ["check", "--config", str(CONFIG)], env=SECRETS)
    assert done.exit_code == 0, done.output
    assert check["command"][0] == "check"
    for proxy in PROXIES:
        assert services()[proxy]["volumes"] == check["volumes"]
        assert services()[proxy]["environment"] == check["environment"]
        assert services()[proxy]["image"] == check["image"]
        assert "check" in services()[proxy]["depends_on"]


def test_a_proxy_gets_every_secret_and_finds_its_file() -> None:
    for proxy in PROXIES:
        service = services()[proxy]
        assert set(service["environment"]) == set(SECRETS)
        (mounted,) = service["volumes"]
        source, target, _ = mounted.split(":")
        assert (ROOT / source).samefile(CONFIG)
        assert instruction(ROOT / "Dockerfile", "CMD")[-1] == target
        assert f":{settings().admin.port}/" in healthcheck(service)[-1]
        assert service["ports"][0].endswith(f":{settings().admin.port}")
        assert settings().admin.host == "0.0.0.0", "the published port would lead nowhere"


def test_a_proxy_has_time_to_finish() -> None:
    for proxy in PROXIES:
        grace = float(services()[proxy]["stop_grace_period"].removesuffix("s"))
        assert grace >= settings().listen.drain_timeout + 5


def test_proxies_reach_what_their_configuration_names() -> None:
    (keys,) = settings().auth.keys
    assert isinstance(keys, KeySetUrl)
    named = {settings().store.url.get_secret_value(), keys.jwks_url}.union(
        *(r.origins for r in settings().routes)
    )
    for proxy in PROXIES:
        for url in named:
            assert len(reached(proxy, str(urlsplit(url).hostname))) == 1, url


def test_nginx_reaches_both_proxies_and_the_issuer_by_the_names_it_has() -> None:
    named = re.findall(r"^\s+server ([\w-]+):(\d+) resolve", NGINX, re.MULTILINE)
    issuer_port = instruction(ISSUER / "Dockerfile", "CMD")[-1]
    players_port = str(settings().listen.port)
    assert named == [(p, players_port) for p in PROXIES] + [("issuer", issuer_port)]
    for host, _ in named:
        assert reached("nginx", host) == [host]


def test_nginx_is_whom_the_proxies_trust() -> None:
    address = services()["nginx"]["networks"]["door"]["ipv4_address"]
    assert settings().listen.trusted_proxies == (f"{address}/32",)


def test_nginx_listens_where_it_is_published_and_looked_at() -> None:
    listening = set(re.findall(r"^\s+listen (\S+)[ ;]", NGINX, re.MULTILINE))
    published = {port.rpartition(":")[2] for port in services()["nginx"]["ports"]}
    assert published <= listening
    (other,) = listening - published
    assert f"//{other}/" in healthcheck(services()["nginx"])[-1]


def test_only_proxies_reach_redis_and_the_origin() -> None:
    assert compose()["networks"]["inner"] == {"internal": True}
    for name in ("redis", "origin"):
        assert networks(name) == {"inner"}
    assert {n for n in services() if "inner" in networks(n)} == {"redis", "origin", *PROXIES}


def test_the_proxies_trust_the_issuer_that_is_there_for_what_it_signs() -> None:
    (keys,) = settings().auth.keys
    assert isinstance(keys, KeySetUrl)
    assert keys.algorithms == ("ES256",)
    issuer = IssuerSettings.of(services()["issuer"]["environment"])
    assert settings().auth.issuer == (issuer.url,)
    assert settings().auth.audience == (issuer.audience,)
    # One that is being replaced does not stand in a logout's way.
    there = urlsplit(issuer.playgate_admin_url)
    assert reached("issuer", str(there.hostname)) == list(PROXIES)
    assert there.port == settings().admin.port


def test_the_issuer_finds_its_files_and_is_where_it_says() -> None:
    issuer = services()["issuer"]
    wanted = IssuerSettings.of(issuer["environment"])
    mounted = {target: source for source, target, *_ in (v.split(":") for v in issuer["volumes"])}
    assert (ROOT / mounted[str(wanted.users)]).samefile(ISSUER / "users.yaml")
    # Kept through restarts, and where the image lets its user write.
    assert mounted[str(wanted.keys)] == "issuer-keys"
    assert f"-m 0700 {wanted.keys}" in (ISSUER / "Dockerfile").read_text()
    # By nginx alone: passwords are not sent in the clear.
    assert "ports" not in issuer
    for url in (wanted.url, wanted.watch_url):
        assert urlsplit(url).scheme == "https"
        port = f"127.0.0.1:{urlsplit(url).port}:{urlsplit(url).port}"
        assert port in services()["nginx"]["ports"]


def test_the_issuers_image_has_the_libraries_that_it_is_tested_with() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    wanted = (ISSUER / "requirements.txt").read_text().split()
    assert set(wanted) <= set(project["dependencies"])


def test_the_documentation_knows_what_is_published() -> None:
    documented = re.findall(
        r"<https?://localhost:(\d+)>", (ROOT / "docs/containers.md").read_text()
    )
    published = [port.split(":")[1] for s in services().values() for port in s.get("ports", [])]
    assert sorted(documented) == sorted(published)


def test_every_image_that_is_built_here_is_one_of_a_service() -> None:
    assert {dockerfile(s) for s in services().values()} - {None} == set(DOCKERFILES)


def test_grafana_asks_nobody_outside_and_keeps_nothing() -> None:
    grafana = services()["grafana"]
    assert grafana["environment"]["GF_PLUGINS_PREINSTALL_DISABLED"] == "true"
    assert grafana["environment"]["GF_ANALYTICS_REPORTING_ENABLED"] == "false"
    assert reached("grafana", "prometheus") == ["prometheus"]
    assert reached("prometheus", "alertmanager") == ["alertmanager"]
