import re
from pathlib import Path

import pytest
import yaml

from proxy.settings.effective import effective_mapping, json_schema
from proxy.settings.load import ConfigError, from_mapping, load
from tests.settings.samples import minimal
from tests.support.good_secrets import secret

EXAMPLE = Path(__file__).parents[2] / "config/playgate.example.yaml"
ENVIRON = {"PLAYGATE_JWT_SECRET": secret("j"), "PLAYGATE_TICKET_SECRET": secret("t")}


def test_the_example_loads_with_its_two_secrets_alone() -> None:
    assert load(EXAMPLE, ENVIRON).routes[0].origins == ("http://127.0.0.1:8000",)
    with pytest.raises(ConfigError) as caught:
        load(EXAMPLE, {})
    assert [problem.message for problem in caught.value.problems] == [
        f"environment variable not set: {name}" for name in ENVIRON
    ]


def test_the_example_shows_every_default() -> None:
    example, default = (
        effective_mapping(load(EXAMPLE, ENVIRON)),
        effective_mapping(from_mapping(minimal())),
    )
    for required in ("keys",):
        assert example["auth"].pop(required)
        assert default["auth"].pop(required)
    (route,), (default_route,) = example.pop("routes"), default.pop("routes")
    assert {**route, "origins": default_route["origins"]} == default_route
    assert example == default


def test_the_example_has_every_key() -> None:
    text = EXAMPLE.read_text(encoding="utf-8")
    schema = json_schema()
    named = {
        name for part in (schema, *schema["$defs"].values()) for name in part.get("properties", {})
    }
    written = set(re.findall(r"^[ #-]*([a-z_]+):(?: |$)", text, re.MULTILINE))
    assert named - written == set()


def test_the_example_has_every_key_where_it_belongs() -> None:
    written = yaml.safe_load(EXAMPLE.read_text(encoding="utf-8"))
    everything = effective_mapping(from_mapping(minimal()))
    for section, keys in everything.items():
        if isinstance(keys, dict):
            assert list(written[section]) == list(keys)
    assert list(written["routes"][0]) == list(everything["routes"][0])
    assert list(written) == list(everything)


def test_every_key_of_the_example_is_explained() -> None:
    """A comment stands above each key, or above the first of a group that it explains together."""
    lines = EXAMPLE.read_text(encoding="utf-8").splitlines()
    sections = [index for index, line in enumerate(lines) if re.match(r"[a-z]+:", line)]
    assert len(sections) == 15
    assert all(lines[index - 1].startswith("# ") for index in sections)
