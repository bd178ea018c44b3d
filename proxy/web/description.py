"""Each port's API in its own words: OpenAPI 3.1 documents, kept beside this module.

They are written by hand and served as JSON. That they say what the code does, is tested.
"""

import json
from collections.abc import Iterable
from functools import cache
from importlib import resources

import yaml
from aiohttp import web

from proxy.model import Reply
from proxy.web.admin_api import sent


@cache
def document(name: str) -> bytes:
    """Give a port's document as JSON; ``name`` is ``viewer`` or ``admin``."""
    source = resources.files(__package__) / "openapi" / f"{name}.yaml"
    written: object = yaml.safe_load(source.read_text("utf-8"))
    return json.dumps(written).encode() + b"\n"


def described(name: str) -> Reply:
    """Give the reply to who asks for a port's document; it changes with the version that runs."""
    headers = (("Content-Type", "application/json"), ("Cache-Control", "no-cache"))
    return Reply(200, headers, document(name))


class AdminDescription:
    """Answers ``/openapi.json`` of the operators' port; no secret, and so without a token."""

    def __init__(self) -> None:
        self._description = described("admin")

    def routes(self) -> Iterable[web.RouteDef]:
        """Give what is answered here."""
        return (web.get("/openapi.json", self._described),)

    async def _described(self, _: web.Request) -> web.Response:
        return sent(self._description)
