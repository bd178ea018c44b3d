"""A configuration as an editor sees it: as it is written, held against the schema."""

from functools import cache

import jsonschema_rs

from proxy.settings.effective import json_schema
from proxy.settings.source import read_source


def as_an_editor_reads(text: str) -> object:
    """Give what a file says, with variables as they are written."""
    source = read_source(text.replace("${", "$${"), {})
    assert source.faults == []
    return source.value


def complaints(value: object) -> list[str]:
    """Give what the schema has against a configuration, each with its place."""
    return [f"{error.instance_path}: {error.message}" for error in _validator().iter_errors(value)]


@cache
def _validator() -> jsonschema_rs.Validator:
    return jsonschema_rs.validator_for(json_schema())
