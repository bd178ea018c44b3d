"""What is wrong with a configuration, said so that one finds the place and knows what to write.

A problem is printed ``FILE:LINE: key: message``. Messages name what would be right and never
repeat a text that was given: it may be a secret on the wrong line.
"""

import typing
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from pydantic import ValidationError

from proxy.settings.section import CONFLICT, Section
from proxy.settings.source import KeyPath
from proxy.spelling import shown, unknown

# What pydantic finds by itself, in our words. {names} are filled from the error's context.
MESSAGES = {
    "missing": "is required",
    "greater_than_equal": "must be at least {ge}",
    "less_than_equal": "must be at most {le}",
    "string_too_long": "must have at most {max_length} characters",
    "string_too_short": "must not be empty",
    "string_type": "must be a text",
    "too_long": "must have at most {max_length} items",
    "too_short": "must not be empty",
}


@dataclass(frozen=True, slots=True)
class Problem:
    """One mistake: where it stands and what would be right.

    ``line`` counts from 1, and is None where there is no file.
    """

    file: str
    line: int | None
    key: str
    message: str

    def __str__(self) -> str:
        place = self.file if self.line is None else f"{self.file}:{self.line}"
        return f"{place}: {self.key}: {self.message}"


class ConfigError(Exception):
    """A configuration that cannot be used, with everything that is wrong with it."""

    def __init__(self, problems: tuple[Problem, ...]) -> None:
        super().__init__("\n".join(map(str, problems)))
        self.problems = problems


def dotted(at: KeyPath) -> str:
    """Write a key's path as ``routes[0].segments``; the whole file is ``(file)``."""
    parts: list[str] = []
    for part in at:
        if isinstance(part, int):
            parts.append(f"[{part}]")
        else:
            parts.append("." if parts else "")
            parts.append(shown(part))
    return "".join(parts) or "(file)"


def explain(error: ValidationError, root: type[Section]) -> Iterator[tuple[KeyPath, str]]:
    """Give each mistake pydantic found: its key's path and a message of ours."""
    for details in error.errors(include_url=False):
        # An error about a mapping's key is marked with "[key]" behind the key.
        at = tuple(part for part in details["loc"] if part != "[key]")
        context = {name: _plain(value) for name, value in details.get("ctx", {}).items()}
        match details["type"]:
            case "extra_forbidden":
                message = _unknown(at, root)
            case "literal_error":
                message = f"must be {context['expected']}".replace("'", "")
            case "value_error":
                message = str(context["error"])
            case kind if kind == CONFLICT:
                message = details["msg"]
            case "tuple_type":
                message = f"must be a list{_of_items(details['input'])}"
            case "model_type" | "dict_type":
                message = f"must be a mapping of keys to values{_of_pairs(details['input'])}"
            case "string_type" if isinstance(details["input"], bool | int | float):
                message = "must be a text; put it in quotes"
            case kind:
                message = MESSAGES.get(kind, "is not valid").format_map(context)
        yield at, message


def _of_items(given: object) -> str:
    """Say how a list is written, for what was given in its place."""
    if isinstance(given, Mapping):
        return "; each item begins with '- '"
    return "" if given is None else "; one alone stands in brackets, too: [one]"


def _of_pairs(given: object) -> str:
    """Say how a mapping is written, for what was given in its place."""
    if isinstance(given, list | tuple):
        return ", without '- ' or brackets"
    return ", as in 'key: value' with a space" if isinstance(given, str) else ""


def _plain(value: object) -> object:
    """Write a bound of a float setting as it would be written by hand: 1 rather than 1.0."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _unknown(at: KeyPath, root: type[Section]) -> str:
    known = {name for section in _sections(at[:-1], root) for name in section.model_fields}
    return unknown("key", str(at[-1]), known)


def _sections(at: KeyPath, root: type[Section]) -> list[type[Section]]:
    """Find the sections a path may lead to: several where a list has items of several kinds."""
    sections = [root]
    for part in at:
        if isinstance(part, str):
            fields = [field for each in sections if (field := each.model_fields.get(part))]
            sections = [found for field in fields for found in sections_of(field.annotation)]
    return sections


def sections_of(annotation: object) -> Iterator[type[Section]]:
    """Find the sections in a field's type, such as a list's items."""
    if isinstance(annotation, type) and issubclass(annotation, Section):
        yield annotation
    for part in typing.get_args(annotation):
        yield from sections_of(part)
