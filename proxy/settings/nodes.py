"""YAML as a tree of nodes that know their lines.

PyYAML parses; here its choices are narrowed to what a configuration needs: the plain forms of
YAML 1.2's core schema (so ``on`` and ``12:30`` are texts), one document, bounded depth.
Every way in which a text can fail to be YAML ends in ``NotYaml``, whose message never repeats more
than one character of the text: a secret may stand unquoted where it breaks the syntax.

PyYAML has two scanners that do not agree on odd texts. The one in C is three times as fast, and
reads what is plain enough for both to read the same; whatever it refuses, or is anything but plain,
the other one reads, so that what is YAML does not depend on how PyYAML was built.
"""

import re
from typing import Any

import yaml
from yaml.composer import Composer
from yaml.resolver import BaseResolver

# The deepest key of a configuration is five levels down.
MAX_DEPTH = 24

NULL, BOOL, INT, FLOAT, STR = (
    f"tag:yaml.org,2002:{name}" for name in ("null", "bool", "int", "float", "str")
)
# Each form is one that PyYAML's own writer puts in quotes when it is meant as a text, so that
# what it writes is read back as it was.
FORMS = {
    NULL: re.compile(r"~|null|Null|NULL|"),
    BOOL: re.compile(r"true|True|TRUE|false|False|FALSE"),
    INT: re.compile(r"[-+]?(?:0|[1-9][0-9]{0,17})"),
    FLOAT: re.compile(r"[-+]?[0-9]{1,18}\.[0-9]{1,18}"),
}


# What looks like a space, as pages and word processors have it.
ODD_INDENT = re.compile(r"[ \t]*[\u00a0\u1680\u2000-\u200b\u202f\u205f\u3000]")
# What PyYAML's words mean to who wrote the file; the first that is found.
MEANINGS = {
    "alias": "an alias of nothing; a text that begins with '*' needs quotes",
    "anchor": "an anchor that cannot be; a text that begins with '&' needs quotes",
    "tag|directive": "a tag or directive; a text that begins with '!' or '%' needs quotes",
    r"'\\t'": "a tab where only spaces can indent",
    "'(.)' that cannot start any token": "a text that begins with '{}' needs quotes",
    "expected <block end>": "indented otherwise than the lines it belongs to",
    "mapping values are not allowed here": (
        "a ':' where no key can be; look at the indentation, or put the text in quotes"
    ),
    "could not find expected ':'": "neither 'key: value' nor '- item'",
    "unexpected end of stream": "a quote that is never closed",
}


class NotYaml(Exception):
    """The text as a whole cannot be read; ``line`` counts from 1."""

    def __init__(self, line: int, message: str) -> None:
        super().__init__(message)
        self.line = line
        self.message = message


class _Bounded(Composer, BaseResolver):
    """Makes nodes of what a scanner finds, to a bounded depth."""

    depth = 0

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        self.depth += 1
        if self.depth > MAX_DEPTH:
            scanner: Any = self
            mark = scanner.peek_event().start_mark
            raise yaml.MarkedYAMLError(problem="nested too deeply", problem_mark=mark)
        node: yaml.Node | None = super().compose_node(parent, index)
        self.depth -= 1
        return node


for _tag, _form in FORMS.items():
    _Bounded.add_implicit_resolver(_tag, re.compile(rf"(?:{_form.pattern})\Z"), None)


class _Loader(_Bounded, yaml.BaseLoader):
    """The one in Python, which all texts can be read by."""


def _fast_loader() -> Any:
    """Give the loader whose scanner is in C, where PyYAML was built with it."""
    if not yaml.__with_libyaml__:
        return None

    class _FastLoader(_Bounded, yaml.CBaseLoader):
        def __init__(self, text: str) -> None:
            yaml.CBaseLoader.__init__(self, text)
            Composer.__init__(self)

        def compose_scalar_node(self, anchor: dict[Any, yaml.Node]) -> yaml.ScalarNode:
            node = super().compose_scalar_node(anchor)
            node.style = node.style or None  # plain, as the other one says it
            return node

    return _FastLoader


FAST_LOADER = _fast_loader()
# What is read the same by both has none of this: tabs and odd line ends, characters of which one
# takes fewer than the other, tags, directives, block texts, keys after '?', marks of documents.
NOT_PLAIN = re.compile(
    r"[^\n -~\ue000\xa0-\u2027\u202a-\ud7ff\U00010000-\U0010ffff]|[!?|>%]|^(?:---|\.\.\.)",
    re.MULTILINE,
)


def line_of(node: yaml.Node) -> int:
    """Give the line a node begins on, counted from 1."""
    return int(node.start_mark.line) + 1


def compose(text: str) -> yaml.MappingNode:
    """Parse a text that holds one mapping.

    Raises:
        NotYaml: it is not YAML, not one mapping, or beyond the bounds.
    """
    node = _compose(text)
    if node is None:
        raise NotYaml(1, "the file is empty")
    if not isinstance(node, yaml.MappingNode):
        raise NotYaml(line_of(node), "must be a mapping of keys to values")
    return node


def _compose(text: str) -> yaml.Node | None:
    if FAST_LOADER is not None and not NOT_PLAIN.search(text):
        try:
            fast: yaml.Node | None = FAST_LOADER(text).get_single_node()
        except (yaml.YAMLError, ValueError, OverflowError):
            pass  # the other one says why, in words that are known here
        else:
            return fast
    return _compose_slowly(text)


def _compose_slowly(text: str) -> yaml.Node | None:
    try:
        loader = _Loader(text)
    except yaml.reader.ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        raise NotYaml(line, "not YAML: a character that cannot be printed") from None
    try:
        node: yaml.Node | None = loader.get_single_node()
    except yaml.MarkedYAMLError as error:
        line = _line(error)
        raise _odd_space(text, line) or NotYaml(line, _explain(error)) from None
    except (ValueError, OverflowError):
        # From the numbers in escapes and directives, such as "\UFFFFFFFF" or %YAML 1.99(...)9.
        raise NotYaml(loader.line + 1, "not YAML: a number that is too large") from None
    return node


def _line(error: yaml.MarkedYAMLError) -> int:
    """Give the line to look at: where an unfinished thing began, else where parsing stopped."""
    unfinished = (error.context or "").startswith("while scanning")
    marks = (error.context_mark, error.problem_mark)
    mark = next(filter(None, marks if unfinished else marks[::-1]), None)
    return mark.line + 1 if mark else 1


def _odd_space(text: str, line: int) -> NotYaml | None:
    """Find what looks like indentation and is none, on the line of an error or before it."""
    for number, written in list(enumerate(text.split("\n"), 1))[max(0, line - 2) : line]:
        if ODD_INDENT.match(written):
            return NotYaml(
                number, "not YAML: a no-break space, or the like, where a space can indent"
            )
    return None


def _explain(error: yaml.MarkedYAMLError) -> str:
    problem, context = error.problem or "", error.context or ""
    if "single document" in context:
        return "holds more than one document"
    for sign, meaning in MEANINGS.items():
        if found := re.search(sign, f"{context} {problem}"):
            return f"not YAML: {meaning.format(*found.groups())}"
    return f"not YAML: {problem}"
