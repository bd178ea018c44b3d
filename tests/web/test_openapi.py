"""Each port's description against the port that runs, in both directions."""

import asyncio
import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest
import yaml

import proxy.web
from proxy.errors import PlaygateError
from proxy.web.console.site import ConsolePage
from proxy.web.description import document
from proxy.web.viewer_api import PREFIX
from tests.support.playlists import serve_channels
from tests.support.redis_server import free_port
from tests.support.stack import ADMIN_TOKEN, Stack

METHODS = {"get", "head", "post", "put", "patch", "delete", "options", "trace"}
NAMES = ("viewer", "admin")
SOURCES = Path(proxy.web.__file__).parent / "openapi"
DOCS = Path(__file__).parents[2] / "docs"
# Every check there is, the same requests each time; a busy machine may take its time (seconds).
RULES = """
request-timeout = 60
[generation]
deterministic = true
max-examples = 10
"""


def described(name: str) -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads(document(name))
    return loaded


def operations(name: str) -> set[tuple[str, str]]:
    return {
        (method.upper(), path)
        for path, item in described(name)["paths"].items()
        for method in METHODS & item.keys()
    }


async def conforms(url: str, rules: str, tmp_path: Path, count: int) -> None:
    """Have Schemathesis find out whether a port does what it says of itself."""
    config = tmp_path / "schemathesis.toml"
    config.write_text(RULES + rules)
    command = ("-m", "schemathesis.cli", "--config-file", str(config), "run", url)
    options = ("--checks", "all", "--warnings", "off", "--no-color")
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, *command, *options),
        cwd=tmp_path,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    output, _ = await process.communicate()
    assert process.returncode == 0, output.decode()
    # All but the document itself.
    assert f"Tested: {count - 1}\n" in output.decode(), output.decode()


async def test_the_players_port_does_what_its_description_says(tmp_path: Path) -> None:
    # Longer than Schemathesis takes to start.
    async with Stack(limits={"default": 5}, streams={"ttl": "1h"}) as stack:
        serve_channels(stack.origin, "one", "two")
        await stack.watch("/live/one/master.m3u8", agent="a/1")
        entry = await stack.watch("/live/two/master.m3u8", agent="b/1")
        rules = f"""
[auth.openapi.token]
bearer = "{stack.token()}"
[[operations]]
include-path = ["/_playgate/heartbeat", "/_playgate/release"]
parameters = {{ "query.stream" = "{entry.headers["Playgate-Stream"]}" }}
[[operations]]
include-path = "/_playgate/steering"
parameters = {{ "query._sid" = "{entry.ticket()}" }}
"""
        url = f"http://127.0.0.1:{stack.service.port}/_playgate/openapi.json"
        await conforms(url, rules, tmp_path, len(operations("viewer")))


async def test_the_operators_port_does_what_its_description_says(tmp_path: Path) -> None:
    async with Stack(folder=tmp_path) as stack:
        serve_channels(stack.origin, "one")
        await stack.watch("/live/one/master.m3u8")
        # Which instants can be meant depends on the clock.
        rules = f"""
[auth.openapi.admin]
bearer = "{ADMIN_TOKEN}"
[[operations]]
include-path = "/admin/v1/accounts/{{account}}/revoke"
checks.positive_data_acceptance.expected-statuses = ["204", "400"]
"""
        url = f"http://127.0.0.1:{stack.service.admin_port}/openapi.json"
        await conforms(url, rules, tmp_path, len(operations("admin")))


async def test_every_handler_of_the_players_port_is_described_and_nothing_else() -> None:
    async with Stack() as stack:
        handlers = stack.service._inner.players._api._handlers
    registered = {
        (method, PREFIX + name + ("{stream}" if name.endswith("/") else ""))
        for name, methods in handlers.items()
        for method in (*methods, "OPTIONS")
    }
    assert registered == operations("viewer")


async def test_every_route_of_the_operators_api_is_described_and_nothing_else() -> None:
    async with Stack() as stack:
        routes = list(stack.service._admin.application().router.routes())
    registered = {
        (route.method, route.resource.canonical)
        for route in routes
        if route.resource is not None and route.method != "HEAD"  # there with every GET
    }
    pages = {(route.method, route.path) for route in ConsolePage().routes()}
    assert pages < registered
    assert registered - pages == operations("admin")


def all_errors(base: type[PlaygateError] = PlaygateError) -> Iterator[type[PlaygateError]]:
    for error in base.__subclasses__():
        yield error
        yield from all_errors(error)


def test_every_error_code_is_described() -> None:
    codes = {error.code for error in all_errors() if hasattr(error, "code")}
    texts = "".join(document(name).decode() for name in NAMES)
    assert {code for code in codes if code not in texts} == {"internal_error"}


def content_schema(name: str, response: str) -> dict[str, Any]:
    """Give the schema of a described refusal, able to be resolved by itself."""
    components = described(name)["components"]
    content = components["responses"][response]["content"]["application/problem+json"]
    return {**content["schema"], "components": components}


@pytest.mark.parametrize("name", NAMES)
def test_every_example_is_one(name: str) -> None:
    for response, item in described(name)["components"]["responses"].items():
        for content in item.get("content", {}).values():
            jsonschema_rs.validate(content_schema(name, response), content["example"])


async def test_refusals_that_take_some_doing_are_as_described() -> None:
    async with Stack(limits={"default": 1}, admin={"token": None}) as stack:
        serve_channels(stack.origin, "one")
        entry = await stack.watch("/live/one/master.m3u8", agent="a/1")
        limit = await stack.watch("/live/one/master.m3u8", agent="b/1")
        mine = f"/_playgate/streams/{entry.headers['Playgate-Stream']}?token={stack.token()}"
        await stack.ask(mine, method="DELETE")
        ended = await stack.ask(f"/_playgate/heartbeat?_sid={entry.ticket()}", method="POST")
        closed = await stack.operate("/admin/v1/stats")
    away = {"url": f"redis://127.0.0.1:{free_port()}", "on_outage": "closed"}
    async with Stack(store=away) as stack:
        viewers = await stack.ask(f"/_playgate/streams?token={stack.token()}")
        operators = await stack.operate("/admin/v1/accounts/alice/streams", "DELETE")
    for name, response, answer, status in (
        ("viewer", "Limit", limit, 429),
        ("viewer", "Ended", ended, 409),
        ("viewer", "Unavailable", viewers, 503),
        ("admin", "Unavailable", operators, 503),
        ("admin", "Forbidden", closed, 403),
    ):
        assert answer.status == status
        jsonschema_rs.validate(content_schema(name, response), answer.json)


def test_what_both_descriptions_define_they_define_alike() -> None:
    one, other = (described(name)["components"]["schemas"] for name in NAMES)
    shared = one.keys() & other.keys()
    assert {"Stream", "Problem"} <= shared
    for name in shared:
        assert one[name] == other[name], name


async def test_the_documentation_has_the_descriptions_that_are_served() -> None:
    async with Stack() as stack:
        served = {
            "viewer.yaml": await stack.ask("/_playgate/openapi.json"),
            "admin.yaml": await stack.operate("/openapi.json", token=None),
        }
    linked = re.findall(r"\]\(([^)]+\.yaml)\)", (DOCS / "http.md").read_text())
    documented = [*(DOCS / "openapi").iterdir(), *(DOCS / name for name in linked)]
    assert sorted(path.name for path in documented) == sorted([*served] * 2)
    for path in documented:
        assert yaml.safe_load(path.read_text()) == served[path.name].json


def test_each_description_is_there_once() -> None:
    for path in (DOCS / "openapi").iterdir():
        assert path.samefile(SOURCES / path.name)
    # Were the folder the link, what builds the package would pass each folder once, and by "docs"
    # first: the package would lack it.
    assert not (DOCS / "openapi").is_symlink()
