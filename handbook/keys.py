"""Every key of the configuration, as it is told to people: read off the settings themselves.

Names, meanings, defaults, bounds and what needs a restart come from ``proxy.settings``, so that
none of it is written twice. What kind of value a key takes is put into words here; a kind that has
none is an error, so that no key is ever told without.
"""

import inspect
import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, get_args

from pydantic import AfterValidator, SecretStr
from pydantic.fields import FieldInfo

from proxy.settings import patterns, store_url, types
from proxy.settings.effective import schema_of_values
from proxy.settings.files import LoadedFile
from proxy.settings.key_sets import MARKERS
from proxy.settings.problems import sections_of
from proxy.settings.reload import BOUND
from proxy.settings.schema import Settings
from proxy.settings.section import Section

NO, YES = "no", "yes"
# What `reload.BOUND` says is bound needs a restart; these need one for some changes.
AT_TIMES = {
    "store.url": "yes, with all of `store`",
    "store.timeout": "no; with another `store.url`, yes",
    "store.on_outage": "no; with another `store.url`, yes",
    "listen.tls.cert": "to begin or end with TLS",
    "listen.tls.key": "to begin or end with TLS",
    "tickets.secret": "yes, for another secret",
    "tickets.secret_file": "yes, for another secret",
}
DURATION = f"^{types.DURATION.pattern}$"
SIZE = f"^{types.SIZE.pattern}$"
WORDS_OF_JSON: Mapping[str, str] = {
    "string": "text",
    "integer": "whole number",
    "number": "number",
    "boolean": "`true` or `false`",
}
# Texts that are more than that, by the type that the code works with ...
WORDS_OF_TYPES: Mapping[type, str] = {
    LoadedFile: "path of a file",
    SecretStr: "secret",
    store_url.StoreUrl: "URL",
    patterns.PathPattern: "path pattern",
}
# ... or by what they are read with.
WORDS_OF_READERS: Mapping[str, str] = {
    "parse_origin": "`http(s)://HOST[:PORT]`",
    "parse_base": "`http(s)` URL",
    "parse_document": "`https` URL",
    "parse_web_origin": "`scheme://host[:port]`, or `*`",
    "parse_host": "host, with a port or without",
    "parse_bind_host": "address or host name",
    "_prefix": "path without wildcards",
    "_network": "address or network",
}
# What a text has to match says it in a sentence that begins so.
DEMAND = "must be a "


@dataclass(frozen=True, slots=True)
class Key:
    """One key: ``value`` and ``bounds`` in words, ``default`` as YAML; None where it is required.

    ``of`` are the kinds of entry that have it, where a list has several kinds.
    """

    name: str
    value: str
    bounds: str
    default: str | None
    meaning: str
    restart: str
    of: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Group:
    """The keys that stand together; ``name`` is empty for those that stand by themselves."""

    name: str
    meaning: str
    keys: tuple[Key, ...]


def groups() -> tuple[Group, ...]:
    """Give all keys, in the order of the file; a list's entries are ``name[]``."""
    return tuple(_groups("", "", (Settings,), schema_of_values()))


def _groups(
    at: str, meaning: str, sections: tuple[type[Section], ...], schema: Mapping[str, Any]
) -> Iterator[Group]:
    """Give a group of keys, and those of the sections in it."""
    keys: dict[str, Key] = {}
    inner: list[Group] = []
    for section in sections:
        whole = section is Settings
        properties = (schema if whole else schema["$defs"][section.__name__])["properties"]
        for name, field in section.model_fields.items():
            full = f"{at}.{name}" if at else name
            below = tuple(dict.fromkeys(sections_of(field.annotation)))
            if below:
                entries = "[]" if "items" in properties[name] else ""
                told = str(field.description)
                inner += _groups(f"{full}{entries}", told, below, schema)
            elif full not in keys:
                having = [each for each in sections if name in each.model_fields]
                of = tuple(map(_kind_of, having)) if len(having) < len(sections) else ()
                keys[full] = _key(full, field, properties[name], of)
    # A section's own keys come before the sections in it; those of the file itself, last.
    own = [Group(at, meaning, tuple(keys.values()))] if keys else []
    yield from (*own, *inner) if at else (*inner, *own)


def _kind_of(section: type[Section]) -> str:
    marked = (f"`{marker}`" for marker, kind in MARKERS.items() if kind is section)
    return next(marked, "one key")


def _key(name: str, field: FieldInfo, schema: Mapping[str, Any], of: tuple[str, ...]) -> Key:
    meaning = field.description
    if not meaning:
        raise ValueError(f"{name} has no description")
    return Key(
        name=name,
        value=_value(schema, field),
        bounds=_bounds(schema, field),
        default=None if field.is_required() else json.dumps(schema["default"]),
        meaning=meaning,
        restart=AT_TIMES.get(name, YES if tuple(name.split(".")) in BOUND else NO),
        of=of,
    )


def _value(schema: Mapping[str, Any], field: FieldInfo) -> str:
    """Say in words what a key's value is."""
    if "anyOf" in schema and not _is_size(schema):
        kinds = [each for each in schema["anyOf"] if each.get("type") != "null"]
        words = [_value(each, field) for each in kinds]
        if len(kinds) == 2 and kinds[1].get("items") == kinds[0]:
            return f"{words[0]}, or a list of such"
        return " or ".join(words)
    if "enum" in schema or "const" in schema:
        choices = schema.get("enum") or [schema["const"]]
        return ", ".join(f"`{choice}`" for choice in choices)
    return "size" if _is_size(schema) else _of_type(schema, field)


def _of_type(schema: Mapping[str, Any], field: FieldInfo) -> str:
    match schema["type"]:
        case "array":
            items = _value(schema["items"], field)
            one_is_enough = types.one_or_many in _made_of(field)
            return f"{items}, or a list of such" if one_is_enough else f"list of: {items}"
        case "object":
            return f"names, each with: {_value(schema['additionalProperties'], field)}"
        case "string":
            return "duration" if schema.get("pattern") == DURATION else _text(field)
        case [*kinds]:
            return ", ".join(WORDS_OF_JSON[kind] for kind in kinds)
        case kind:
            return WORDS_OF_JSON[kind]


def _is_size(schema: Mapping[str, Any]) -> bool:
    return any(each.get("pattern") == SIZE for each in schema.get("anyOf", ()))


def _text(field: FieldInfo) -> str:
    for part in _made_of(field):
        if isinstance(part, type) and part in WORDS_OF_TYPES:
            return WORDS_OF_TYPES[part]
        if isinstance(part, AfterValidator):
            reader: Callable[..., Any] = part.func
            if reader.__name__ in WORDS_OF_READERS:
                return WORDS_OF_READERS[reader.__name__]
            demand = str(_inside(reader).get("message", ""))
            if demand.startswith(DEMAND):
                return demand.removeprefix(DEMAND)
    return "text"


def _made_of(field: FieldInfo) -> tuple[object, ...]:
    """Give a field's type, what that is made of, and all validators."""
    return (*_parts(field.annotation), *field.metadata)


def _parts(annotation: object) -> Iterator[object]:
    """Give a type, what it is made of, and what it is annotated with."""
    yield annotation
    for part in get_args(annotation):
        yield from _parts(part)


def _inside(function: Callable[..., Any]) -> Mapping[str, Any]:
    """Give what a function that another made was made with."""
    return inspect.getclosurevars(function).nonlocals if inspect.isfunction(function) else {}


def _bounds(schema: Mapping[str, Any], field: FieldInfo) -> str:
    """Say in words how little and how much it may be."""
    whole = [schema, *schema.get("anyOf", ()), schema.get("additionalProperties", {})]
    whole += [each for part in whole for each in part.get("anyOf", ())]
    found: dict[str, Any] = {key: value for part in whole for key, value in part.items()}
    made_with = [_inside(part.func) for part in field.metadata if isinstance(part, AfterValidator)]
    # The last one counts: a bound that is put on top of a type's own is the narrower one.
    given = {key: value for each in made_with for key, value in each.items()}
    least = given.get("least", _number(found.get("minimum")))
    most = given.get("most", _number(found.get("maximum")))
    if least and most:
        return f"{least} to {most}"
    if least or most:
        return f"at least {least}" if least else f"at most {most}"
    if "maxItems" in found:
        return f"at most {found['maxItems']} of them"
    return "at least one" if types.not_empty in _made_of(field) else ""


def _number(value: float | None) -> str | None:
    return None if value is None else f"{value:,.0f}"
