"""The container files as data: services, Dockerfiles, and what a name in them stands for."""

import json
import re
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from tests.support.good_secrets import secret

ROOT = Path(__file__).parents[2]
SECRETS = {"PLAYGATE_TICKET_SECRET": secret("t"), "PLAYGATE_ADMIN_TOKEN": "admin-token-canary"}
DOCKERFILES = (ROOT / "Dockerfile", *sorted((ROOT / "config/compose").glob("*/Dockerfile")))


@cache
def compose() -> dict[str, Any]:
    """Give docker-compose.yml, with nothing filled in."""
    return dict(yaml.safe_load((ROOT / "docker-compose.yml").read_text()))


def services() -> dict[str, Any]:
    """Give the services by their names."""
    return dict(compose()["services"])


def filled(text: str) -> str:
    """Put in the variables that somebody has set, as compose does."""
    text = re.sub(r"\$\{(\w+):\?[^}]*\}", lambda name: SECRETS[name[1]], text)
    return text.replace("$$", "$")


def dockerfile(service: dict[str, Any]) -> Path | None:
    """Give what a service's image is built from; None where it is somebody else's."""
    for other in services().values():
        build = other.get("build")
        if build and other["image"] == service["image"]:
            context = str(build["context"] if isinstance(build, dict) else build)
            return ROOT / context / "Dockerfile"
    return None


def instruction(file: Path, name: str) -> list[str]:
    """Give the list that an instruction of a Dockerfile ends with, the last of them; or nothing."""
    text = file.read_text().replace("\\\n", " ")
    found = re.findall(rf"^{name}\b[^\[\n]*(\[.*\])$", text, re.MULTILINE)
    return [str(part) for part in json.loads(found[-1])] if found else []


def healthcheck(service: dict[str, Any]) -> list[str]:
    """Give the command that tells whether a service is well, its own or its image's; or nothing."""
    if own := service.get("healthcheck"):
        if own.get("disable"):
            return []
        kind, *command = own["test"]
        assert kind == "CMD", "a shell would have to be in the image"
        return [str(part) for part in command]
    file = dockerfile(service)
    return instruction(file, "HEALTHCHECK") if file else []


def attached(service: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Give the networks that a service is on, and what is said of it there."""
    networks = service.get("networks", {})
    told = networks if isinstance(networks, dict) else dict.fromkeys(networks)
    return {name: options or {} for name, options in told.items()}


def is_lasting(service: dict[str, Any]) -> bool:
    """Tell a service from what runs once."""
    return bool(service["restart"] != "no")
