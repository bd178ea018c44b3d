"""The schema that editors check a configuration with: what is good for Playgate is good for it."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest
import yaml

from proxy.settings.effective import json_schema
from proxy.settings.schema import Settings
from tests.settings.conftest import Loader
from tests.settings.editors import as_an_editor_reads, complaints
from tests.settings.samples import MINIMAL, minimal
from tests.settings.test_effective import full
from tests.support.stack import merged

ROOT = Path(__file__).parents[2]
SHIPPED = sorted(
    path
    for folder in ("config", "deploy", "docs/examples")
    for path in (ROOT / folder).rglob("*.yaml")
    if re.search(r"^tickets:", path.read_text(encoding="utf-8"), re.MULTILINE)
)


def test_the_schema_is_one() -> None:
    assert jsonschema_rs.meta.is_valid(json_schema())


@pytest.mark.parametrize("path", SHIPPED, ids=[str(path.relative_to(ROOT)) for path in SHIPPED])
def test_an_editor_finds_nothing_wrong_with_what_is_shipped(path: Path) -> None:
    assert complaints(as_an_editor_reads(path.read_text(encoding="utf-8"))) == []


def test_all_that_is_shipped_is_found() -> None:
    found = {str(path.relative_to(ROOT)) for path in SHIPPED}
    assert {"config/playgate.example.yaml", "config/compose/playgate.yaml"} < found
    assert any(name.startswith("deploy/kubernetes/overlays/") for name in found)


@pytest.mark.parametrize("mapping", [minimal(), full()], ids=["minimal", "full"])
def test_an_editor_finds_nothing_wrong_with_values(mapping: dict[str, object]) -> None:
    assert complaints(mapping) == []


def scalars(value: object, *at: str | int) -> Iterator[tuple[tuple[str | int, ...], object]]:
    """Give every scalar of a configuration with where it stands."""
    match value:
        case dict():
            for key, inner in value.items():
                yield from scalars(inner, *at, key)
        case list():
            for index, inner in enumerate(value):
                yield from scalars(inner, *at, index)
        case _:
            yield at, value


def replaced(value: Any, new: object, *at: str | int) -> Any:
    """Give a configuration with another value in one place."""
    if not at:
        return new
    first, *rest = at
    inner = replaced(value[first], new, *rest)
    if isinstance(value, list):
        return [inner if index == first else item for index, item in enumerate(value)]
    return {**value, first: inner}


def without_braces() -> dict[str, Any]:
    """The fullest configuration, without texts that only look like variables, or null."""
    over = {
        "auth": {"issuer": "https://id.example", "audience": ["yes", "tv"]},
        "limits": {"plans": {"gold": 9}},
    }
    return merged(full(), over)


SCALARS = [(at, value) for at, value in scalars(without_braces()) if value is not None]


@pytest.mark.parametrize(
    ("at", "value"), SCALARS, ids=[".".join(map(str, at)) for at, _ in SCALARS]
)
def test_a_variable_or_its_text_may_stand_for_any_scalar(
    at: tuple[str | int, ...], value: object, load_text: Loader
) -> None:
    plain = load_text(yaml.safe_dump(without_braces()))
    spelled = str(value).lower() if isinstance(value, bool) else str(value)
    for written in ("${NAME}", "${NAME:-unused}", spelled):
        mapping = replaced(without_braces(), written, *at)
        assert load_text(yaml.safe_dump(mapping), NAME=spelled) == plain
        assert complaints(mapping) == []


@pytest.mark.parametrize(
    "section", sorted(Settings.model_fields.keys() - {"auth", "tickets", "routes", "watch"})
)
def test_a_section_may_be_left_empty(section: str, load_text: Loader) -> None:
    text = f"{MINIMAL}{section}:\n"
    assert load_text(text) == load_text(MINIMAL)
    assert complaints(as_an_editor_reads(text)) == []


@pytest.mark.parametrize(
    ("section", "written"),
    [
        ("listen", {"port": "eighty"}),
        ("listen", {"port": 65_536}),
        ("listen", {"prot": 80}),
        ("streams", {"ttl": 30}),
        ("streams", {"ttl": "30"}),
        ("streams", {"ttl": "$TTL"}),
        ("streams", {"keepalive": "on"}),
        ("limits", {"mode": "watch"}),
        ("limits", {"rules": [None]}),
        ("log", {"access_sample": "half"}),
        ("tickets", ["secret"]),
        ("watch", 1),
        ("auth", None),
        ("routes", None),
    ],
)
def test_an_editor_finds_what_is_wrong(section: str, written: object) -> None:
    assert complaints({**minimal(), section: written}) != []


@pytest.mark.parametrize("one", ["https://id.example", "${ISSUER}"])
def test_one_of_several_may_stand_alone(one: str) -> None:
    mapping = minimal()
    auth: Any = mapping["auth"]
    auth |= {"issuer": one, "audience": one}
    auth["keys"][0]["issuer"] = one
    assert complaints(mapping) == []
    auth["issuer"] = {"is": one}
    assert complaints(mapping) != []
