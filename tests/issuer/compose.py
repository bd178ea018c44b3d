"""The services of docker-compose.yml, as processes of this machine: same commands, same settings.

Only addresses differ. What an engine would do beside starting them (images, networks, volumes) is
not tried here.
"""

import json
import os
import re
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from tests.support.redis_server import free_port

ROOT = Path(__file__).parents[2]
ISSUER = ROOT / "config/compose/issuer"
SECRETS = {"PLAYGATE_TICKET_SECRET": "t" * 32, "PLAYGATE_ADMIN_TOKEN": "admin-token-canary"}


def services() -> dict[str, Any]:
    """Give the services by their names."""
    return dict(yaml.safe_load((ROOT / "docker-compose.yml").read_text())["services"])


def instruction(dockerfile: Path, name: str) -> list[str]:
    """Give the list that an instruction of a Dockerfile ends with."""
    found = re.findall(rf"^{name}\b[^\[]*(\[.*\])$", dockerfile.read_text(), re.MULTILINE)
    return [str(part) for part in json.loads(found[-1])]


@dataclass
class Compose:
    """Where the services are, as one reaches them from outside."""

    proxy: str
    issuer: str
    processes: dict[str, subprocess.Popen[bytes]]

    def rotate(self) -> None:
        """Do what ``docker compose kill -s HUP issuer`` does."""
        self.processes["issuer"].send_signal(signal.SIGHUP)


@contextmanager
def up(folder: Path, redis_url: str) -> Iterator[Compose]:
    """Run proxy, origin and issuer, with files of theirs in ``folder``."""
    ports = {name: free_port() for name in ("proxy", "admin", "origin", "issuer")}
    at = {name: f"http://127.0.0.1:{port}" for name, port in ports.items()}
    elsewhere = {
        "{host: 0.0.0.0, port: 8080}": f"{{host: 127.0.0.1, port: {ports['proxy']}}}",
        "{host: 0.0.0.0, port: 9090,": f"{{host: 127.0.0.1, port: {ports['admin']},",
        # A busy machine must not look like an outage.
        '{url: "redis://redis:6379/0"}': f'{{url: "{redis_url}", timeout: 10s}}',
        "http://issuer:8000": at["issuer"],
        "http://origin:8000": at["origin"],
        "http://proxy:9090": at["admin"],
        "/etc/issuer/users.yaml": str(ISSUER / "users.yaml"),
        "/var/lib/issuer": str(folder),
        "0.0.0.0": "127.0.0.1",
    }
    config = folder / "playgate.yaml"
    config.write_text(_moved((ROOT / "config/compose/playgate.yaml").read_text(), elsewhere))
    origin, issuer = services()["origin"], services()["issuer"]
    dockerfile = ISSUER / "Dockerfile"
    commands = {
        "origin": origin["entrypoint"] + origin["command"],
        "issuer": instruction(dockerfile, "ENTRYPOINT") + instruction(dockerfile, "CMD"),
        "proxy": ["python", "-m", "proxy", "serve", "--config", str(config)],
    }
    environ = {name: _moved(value, elsewhere) for name, value in issuer["environment"].items()}
    environ |= {**os.environ, **SECRETS, "PYTHONPATH": str(ISSUER.parent)}
    processes = {}
    with ExitStack() as stack:
        for name, command in commands.items():
            arguments = [_moved(part, elsewhere) for part in command[1:]]
            if "--port" in arguments:
                arguments[arguments.index("--port") + 1] = str(ports[name])
            process = subprocess.Popen([sys.executable, *arguments], env=environ, cwd=ROOT)
            stack.callback(_end, process)
            processes[name] = process
        _wait(f"{at['origin']}/_log", processes["origin"])
        _wait(f"{at['issuer']}/.well-known/jwks.json", processes["issuer"])
        _wait(f"{at['admin']}/readyz", processes["proxy"])
        yield Compose(at["proxy"], at["issuer"], processes)


def _moved(text: str, elsewhere: Mapping[str, str]) -> str:
    """Fill in the secrets that compose would, and put other addresses in."""
    text = re.sub(r"\$\{(\w+):\?[^}]*\}", lambda name: SECRETS[name[1]], text)
    for here, there in elsewhere.items():
        text = text.replace(here, there)
    return text


def _wait(url: str, process: subprocess.Popen[bytes]) -> None:
    """Wait until a process answers.

    Raises:
        RuntimeError: it never did, or ended.
    """
    give_up = time.monotonic() + 60
    while True:
        try:
            with urllib.request.urlopen(url, timeout=5):
                return
        except (urllib.error.URLError, OSError) as error:
            if time.monotonic() > give_up or process.poll() is not None:
                raise RuntimeError(f"{process.args!r} did not start") from error
        time.sleep(0.02)  # the pause of a bounded poll


def _end(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    process.wait()
