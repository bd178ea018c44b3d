"""The configuration file as plain values that remember their lines.

Mappings, lists, texts, numbers, true, false and null; anchors, aliases and ``<<``; environment
variables put in. No tags, no key twice, and a bound on what aliases multiply. A value that cannot
be read is handed on as ``Unreadable``, which nothing accepts: whoever reads on finds the other
mistakes and leaves this one to its fault.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field

import yaml

from proxy.settings.environment import Shield, expand
from proxy.settings.nodes import (
    BOOL,
    FLOAT,
    FORMS,
    INT,
    MAX_DEPTH,
    NULL,
    STR,
    NotYaml,
    compose,
    line_of,
)

# A large configuration has some thousand lines and as many values; aliases of aliases make
# millions of a few. In characters, and in values with aliases followed.
MAX_LENGTH = 512 * 1024
MAX_VALUES = 50_000
MAP = "tag:yaml.org,2002:map"
SEQ = "tag:yaml.org,2002:seq"
NO_TAGS = "tags have no use here; a text that begins with '!' needs quotes"

# What a form's text stands for.
VALUES: Mapping[str, Callable[[str], object]] = {
    NULL: lambda _: None,
    BOOL: lambda text: text.lower() == "true",
    INT: int,
    FLOAT: float,
    STR: str,
}

KeyPath = tuple[str | int, ...]


class Unreadable:
    """Stands for a value whose fault is known; equal to nothing, accepted by nothing."""


@dataclass(frozen=True, slots=True)
class Fault:
    """What is wrong at a key."""

    at: KeyPath
    line: int
    message: str


@dataclass(slots=True)
class Source:
    """What a file holds: its root value, where each key stands, and what could not be read."""

    value: object = None
    lines: dict[KeyPath, int] = field(default_factory=dict)
    faults: list[Fault] = field(default_factory=list)
    unreadable: set[KeyPath] = field(default_factory=set)

    def line(self, at: KeyPath) -> int:
        """Give a key's line; for one that is not there, the line of what it is missing from."""
        while at and at not in self.lines:
            at = at[:-1]
        return self.lines.get(at, 1)


def read_source(text: str, environ: Mapping[str, str]) -> Source:
    """Read YAML with its environment variables put in; what is wrong is among the faults."""
    if len(text) > MAX_LENGTH:
        return _unusable(1, "the file is larger than any configuration")
    try:
        shield = Shield.over(text)
    except ValueError as error:
        return _unusable(1, str(error))
    try:
        node = compose(shield.text)
        reader = _Reader(shield, environ)
        reader.source.lines[()] = line_of(node)
        reader.source.value = reader.read(node, ())
    except NotYaml as error:
        return _unusable(error.line, error.message)
    return reader.source


def _unusable(line: int, message: str) -> Source:
    return Source(Unreadable(), faults=[Fault((), line, message)])


class _Reader:
    """Turns nodes into values, noting the line of each and the faults on the way."""

    def __init__(self, shield: Shield, environ: Mapping[str, str]) -> None:
        self.source = Source()
        self._shield = shield
        self._environ = environ
        self._values = 0

    def read(self, node: yaml.Node, at: KeyPath) -> object:
        """Give a node's value.

        Raises:
            NotYaml: with aliases followed it is larger or deeper than any configuration.
        """
        self._count(node, len(at))
        match node:
            case yaml.MappingNode(tag=tag) if tag == MAP:
                return self._mapping(node, at)
            case yaml.SequenceNode(tag=tag) if tag == SEQ:
                return self._sequence(node, at)
            case yaml.ScalarNode():
                return self._scalar(node, at)
        return self._unreadable(at, node, NO_TAGS)

    def _count(self, node: yaml.Node, depth: int) -> None:
        self._values += 1
        if self._values > MAX_VALUES or depth > MAX_DEPTH:
            raise NotYaml(line_of(node), "is more than any configuration holds, aliases followed")

    def _fault(self, at: KeyPath, node: yaml.Node, message: str) -> None:
        self.source.faults.append(Fault(at, line_of(node), message))

    def _unreadable(self, at: KeyPath, node: yaml.Node, message: str) -> Unreadable:
        self._fault(at, node, message)
        self.source.unreadable.add(at)
        return Unreadable()

    def _sequence(self, node: yaml.SequenceNode, at: KeyPath) -> list[object]:
        values = []
        for index, item in enumerate(node.value):
            self.source.lines[*at, index] = line_of(item)
            values.append(self.read(item, (*at, index)))
        return values

    def _mapping(self, node: yaml.MappingNode, at: KeyPath) -> dict[str, object]:
        values: dict[str, object] = {}
        for key, key_node, value in self._pairs(node, at, len(at)):
            self.source.lines[*at, key] = line_of(key_node)
            values[key] = self.read(value, (*at, key))
        return values

    def _pairs(
        self, node: yaml.MappingNode, at: KeyPath, depth: int
    ) -> Iterator[tuple[str, yaml.Node, yaml.Node]]:
        """Give a mapping's keys, its own before those that ``<<`` adds, each key once."""
        seen: dict[str, int] = {}
        merged: list[yaml.Node] = []
        for key, value in node.value:
            self._count(key, depth)
            name = self._shield.lift(key.value) if isinstance(key, yaml.ScalarNode) else None
            if name is None or not _is_unicode(name):
                self._fault(at, key, "a key must be a plain text")
            elif name == "<<" and key.style is None:
                merged += value.value if isinstance(value, yaml.SequenceNode) else [value]
            elif name in seen:
                self._fault((*at, name), key, f"is given twice; first on line {seen[name]}")
            else:
                seen[name] = line_of(key)
                yield name, key, value
        for other in merged:
            if not isinstance(other, yaml.MappingNode):
                self._fault(at, other, "'<<' takes a mapping or a list of mappings")
                continue
            for name, key, value in self._pairs(other, at, depth + 1):
                if name not in seen:
                    seen[name] = line_of(key)
                    yield name, key, value

    def _scalar(self, node: yaml.ScalarNode, at: KeyPath) -> object:
        """Give a text, or what its form says; a variable's text is a text for the schema to read.

        A plain ``${NAME}`` that comes to nothing or ``null`` is null, as if that stood there.
        """
        written = self._shield.lift(node.value)
        try:
            text = expand(written, self._environ)
        except ValueError as error:
            return self._unreadable(at, node, str(error))
        if not _is_unicode(text):
            return self._unreadable(at, node, "holds what is no Unicode text")
        tag = node.tag
        if tag == STR and node.style is None and text != written and FORMS[NULL].fullmatch(text):
            tag = NULL
        if tag != STR and (tag not in FORMS or not FORMS[tag].fullmatch(text)):
            return self._unreadable(at, node, NO_TAGS)
        return VALUES[tag](text)


def _is_unicode(text: str) -> bool:
    """Tell texts from half characters: lone escapes in the file, odd bytes in a variable."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
