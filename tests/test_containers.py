"""The container files, as far as they can be tried without an engine: what they name is there."""

import subprocess
import sys
import urllib.request
from pathlib import Path
from typing import Any

import yaml

from proxy.settings.load import load
from tests.support.redis_server import free_port

ROOT = Path(__file__).parents[1]
SECRETS = {
    "PLAYGATE_JWT_SECRET": "j" * 32,
    "PLAYGATE_TICKET_SECRET": "t" * 32,
    "PLAYGATE_ADMIN_TOKEN": "admin-token",
}


def services() -> dict[str, Any]:
    loaded: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
    return dict(loaded["services"])


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
