"""The container files, as far as they can be tried without an engine: what they name is there."""

import subprocess
import sys
import tomllib
import urllib.request
from urllib.parse import urlsplit

from issuer.settings import Settings as IssuerSettings
from proxy.settings.key_sets import KeySetUrl
from proxy.settings.load import load
from tests.issuer.compose import ISSUER, ROOT, SECRETS, instruction, services
from tests.support.redis_server import free_port


def test_the_proxy_gets_a_good_configuration_and_every_secret_it_asks_for() -> None:
    proxy = services()["proxy"]
    assert set(proxy["environment"]) == set(SECRETS)
    source, target, _ = proxy["volumes"][0].split(":")
    settings = load(ROOT / source, SECRETS)
    assert target in (ROOT / "Dockerfile").read_text()
    assert f"{settings.listen.port}:{settings.listen.port}" in proxy["ports"]
    assert settings.admin.host != "127.0.0.1", "the published port would lead nowhere"


def test_the_routes_lead_to_services_that_are_there() -> None:
    settings = load(ROOT / "config/compose/playgate.yaml", SECRETS)
    hosts = {origin.split("/")[2].split(":")[0] for r in settings.routes for origin in r.origins}
    assert hosts <= set(services())


def test_the_origin_starts_by_its_command_and_passes_its_healthcheck() -> None:
    origin = services()["origin"]
    port = free_port()
    arguments = [*origin["entrypoint"], *origin["command"]]
    arguments[0] = sys.executable
    arguments[arguments.index("--host") + 1] = "127.0.0.1"
    arguments[arguments.index("--port") + 1] = str(port)
    process = subprocess.Popen(arguments, stdout=subprocess.PIPE)
    try:
        assert process.stdout is not None
        assert process.stdout.readline()
        check = origin["healthcheck"]["test"][-1].replace(":8000", f":{port}")
        assert subprocess.run([sys.executable, "-c", check], check=False).returncode == 0
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/vod/tidewater/master.m3u8") as film:
            assert film.read().startswith(b"#EXTM3U")
    finally:
        process.terminate()
        process.communicate()


def test_the_proxy_trusts_the_issuer_that_is_there_for_what_it_signs() -> None:
    settings = load(ROOT / "config/compose/playgate.yaml", SECRETS)
    (keys,) = settings.auth.keys
    assert isinstance(keys, KeySetUrl)
    assert keys.algorithms == ("ES256",)
    assert urlsplit(keys.jwks_url).hostname in services()
    issuer = IssuerSettings.of(services()["issuer"]["environment"])
    assert (settings.auth.issuer, settings.auth.audience) == ((issuer.url,), (issuer.audience,))
    assert urlsplit(issuer.playgate_admin_url).hostname in services()
    assert urlsplit(issuer.playgate_admin_url).port == settings.admin.port


def test_the_issuer_finds_its_files_and_is_published_on_this_machine_alone() -> None:
    issuer = services()["issuer"]
    settings = IssuerSettings.of(issuer["environment"])
    mounted = {target: source for source, target, *_ in (v.split(":") for v in issuer["volumes"])}
    assert (ROOT / mounted[str(settings.users)]).samefile(ISSUER / "users.yaml")
    # Kept through restarts, and where the image lets its user write.
    assert mounted[str(settings.keys)] == "issuer-keys"
    assert f"install -d -o issuer -m 0700 {settings.keys}" in (ISSUER / "Dockerfile").read_text()
    (published,) = issuer["ports"]
    port = instruction(ISSUER / "Dockerfile", "CMD")[-1]
    assert published == f"127.0.0.1:{urlsplit(settings.url).port}:{port}"
    assert f":{port}/" in instruction(ISSUER / "Dockerfile", "HEALTHCHECK")[-1]


def test_the_issuers_image_has_the_libraries_that_it_is_tested_with() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    wanted = (ISSUER / "requirements.txt").read_text().split()
    assert set(wanted) <= set(project["dependencies"])
