"""The configuration written back: as it is in force, and as a schema for editors.

Secrets are masked, whatever form they were given in; everything else reads as it would be written
by hand, so that the output with its secrets filled in is a configuration again.
"""

import hashlib
import json
from typing import Any

import yaml
from pydantic.json_schema import GenerateJsonSchema

from proxy.settings.environment import VARIABLE
from proxy.settings.keys import AuthKey
from proxy.settings.problems import sections_of
from proxy.settings.schema import Settings
from proxy.settings.section import Section
from proxy.settings.types import FLAG, INTEGER, NUMBER

# Alternatives of which one is given: the others are left out rather than shown as null.
ALTERNATIVES = tuple(
    f"{name}{form}" for name in ("secret", "public_key", "private_key") for form in ("", "_file")
)
# The definition that stands in for every value a variable may come to.
ANY_VARIABLE = "EnvironmentVariable"
# The texts that are as good as the value they spell.
SPELLED = {"boolean": FLAG, "integer": INTEGER, "number": NUMBER}


def effective(settings: Settings) -> str:
    """Write the configuration in force as YAML, defaults included and secrets masked."""
    return yaml.safe_dump(_escaped(effective_mapping(settings)), sort_keys=False)


def effective_mapping(settings: Settings) -> dict[str, Any]:
    """Give the configuration in force as plain values, defaults included and secrets masked."""
    data: dict[str, Any] = settings.model_dump(mode="json")
    for holder in _holders(data):
        for key in ALTERNATIVES:
            # Key sets have none of them.
            if key in holder and holder[key] is None:
                del holder[key]
    return data


def fingerprint(settings: Settings) -> str:
    """Give 12 hexadecimal digits that tell what two proxies do apart.

    What is one proxy's own makes no difference: where it listens, and where its files are. Nor does
    a secret: made of what is shown, it says nothing of any. A public key counts, from wherever.
    """
    data = effective_mapping(settings)
    for port in (data["listen"], data["admin"]):
        del port["host"], port["port"]
    data["listen"]["tls"] = settings.listen.tls.cert is not None
    for holder in _holders(data):
        for key in (*ALTERNATIVES, "jwks_file"):
            holder.pop(key, None)
    for entry, shown in zip(settings.auth.keys, data["auth"]["keys"], strict=True):
        if isinstance(entry, AuthKey) and entry.public_pem:
            shown["public_key"] = entry.public_pem.strip()
    return hashlib.sha256(json.dumps(data, sort_keys=True).encode()).hexdigest()[:12]


def _holders(data: dict[str, Any]) -> tuple[dict[str, Any], ...]:
    """Give the parts of what is shown that have keys and secrets."""
    auth = data["auth"]
    return (data["tickets"], *auth["keys"], *auth["uri_signing"]["decryption_keys"])


def _escaped(value: Any) -> Any:
    """Keep texts from being taken for environment variables when they are read again."""
    match value:
        case str():
            return value.replace("${", "$${")
        case dict():
            return {key: _escaped(item) for key, item in value.items()}
        case list():
            return [_escaped(item) for item in value]
    return value


class _Schema(GenerateJsonSchema):
    """Leaves out the titles pydantic makes of field names: they repeat the names."""

    def field_title_should_be_set(self, schema: Any) -> bool:  # noqa: ARG002  # pydantic's signature
        return False


def json_schema() -> dict[str, Any]:
    """Give the JSON Schema (draft 2020-12) of the configuration file as it is written.

    It takes whatever form the file takes: a text with a variable in it for any value, one that
    spells a number, a section left empty.
    """
    schema = schema_of_values()
    for section in (schema, *schema["$defs"].values()):
        section["properties"] = {
            name: _as_written(value) for name, value in section["properties"].items()
        }
        if "required" not in section:
            section["type"] = [section["type"], "null"]
    schema["$defs"][ANY_VARIABLE] = {
        "description": "A text with an environment variable in it.",
        "type": "string",
        "pattern": VARIABLE.pattern,
    }
    return schema


def _as_written(value: dict[str, Any]) -> dict[str, Any]:
    """Take the texts as well that may stand in a value's place."""
    match value:
        case {"anyOf": kinds}:
            written = map(_as_written, kinds)
            flat = [each for kind in written for each in kind.get("anyOf", (kind,))]
            return {**value, "anyOf": [each for i, each in enumerate(flat) if each not in flat[:i]]}
        case {"type": "array", "items": items}:
            return {**value, "items": _as_written(items)}
        case {"type": "object", "additionalProperties": named}:
            return {**value, "additionalProperties": _as_written(named)}
        case {"type": "string"} if not {"enum", "pattern"} & value.keys():
            return value
        case {"type": str(kind)} if kind != "null":
            about: dict[str, Any] = {
                name: value[name] for name in ("description", "default") if name in value
            }
            kinds = [{name: each for name, each in value.items() if name not in about}]
            if kind in SPELLED:
                kinds.append({"type": "string", "pattern": f"^(?:{SPELLED[kind].pattern})$"})
            return {**about, "anyOf": [*kinds, {"$ref": f"#/$defs/{ANY_VARIABLE}"}]}
    return value


def schema_of_values() -> dict[str, Any]:
    """Give the JSON Schema of what the file comes to, with environment variables put in."""
    schema = Settings.model_json_schema(schema_generator=_Schema)
    definitions = schema["$defs"] | {Settings.__name__: schema}
    for section in _all_sections(Settings):
        _write_defaults(section, definitions[section.__name__]["properties"])
    return {
        "$schema": GenerateJsonSchema.schema_dialect,
        **schema,
        "title": "Playgate configuration",
    }


def _all_sections(section: type[Section]) -> set[type[Section]]:
    inner = {
        found
        for field in section.model_fields.values()
        for child in sections_of(field.annotation)
        for found in _all_sections(child)
    }
    return inner | {section}


def _write_defaults(section: type[Section], properties: dict[str, Any]) -> None:
    """Write defaults as they stand in a file: ``30s``, where pydantic has 30.0."""
    optional = {name for name, field in section.model_fields.items() if not field.is_required()}
    defaults = section.model_construct().model_dump(mode="json", include=optional)
    for name, default in defaults.items():
        properties[name]["default"] = default
