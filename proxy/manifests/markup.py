"""An MPD read into the few elements that matter, each with its place in the bytes.

Read by expat rather than into a tree that would be written out again: expat tells where each
element begins, so edits can be made in the origin's own bytes and all else stays as it was. No
document type is accepted, and with it go entities of its own making, external or expanding ones.
Nothing is fetched. Nothing here knows what the elements mean.
"""

import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from typing import NoReturn
from xml.parsers import expat

from proxy.errors import OriginInvalid

# Between namespace and local name in what expat reports; no XML name holds one.
SEPARATOR = " "
# An MPD nests about ten deep, its extensions some more. Each level costs expat memory.
MAX_DEPTH = 64
# A day of segments of two seconds that are listed one by one is 43,200. Each costs a Python object,
# and 30 µs from here on to what is made of it.
MAX_ELEMENTS = 200_000
# What may stand around a text and is no part of it.
BLANKS = " \t\r\n"

START_TAG = re.compile(
    rb"<([^\s/>]+)(?:\s+[^\s=>/]+\s*=\s*(?:\"[^\"]*\"|'[^']*'))*\s*(/?)>",
)
ATTRIBUTE = re.compile(rb"\s([^\s=>/]+)\s*=\s*(\"[^\"]*\"|'[^']*')")


@dataclass(slots=True)
class Element:
    """An element, filled in as its end is read.

    ``start`` and ``end`` enclose it all, ``inside`` and ``inside_end`` what is between its tags.
    ``tag`` is its name as written, with its prefix.
    """

    name: str
    attributes: dict[str, str]
    line: int
    tag: bytes
    start: int
    inside: int
    is_empty: bool
    inside_end: int = 0
    end: int = 0
    text: str = ""
    children: list["Element"] = field(default_factory=list)

    def named(self, *names: str) -> Iterator["Element"]:
        """Give the children of these names, in their order."""
        return (child for child in self.children if child.name in names)

    @property
    def prefix(self) -> str:
        """The namespace prefix of its tag, with the colon; "" where there is none."""
        prefix, colon, _ = self.tag.rpartition(b":")
        return (prefix + colon).decode()

    def attribute_span(self, body: bytes, name: str) -> tuple[int, int] | None:
        """Give where an attribute's value stands, its quotes included; None if it is absent."""
        wanted = name.encode()
        for match in ATTRIBUTE.finditer(body, self.start + 1 + len(self.tag), self.inside):
            if match[1] == wanted:
                return match.span(2)
        return None


def read(body: bytes, names: Collection[str], *, any_namespace: bool = False) -> Element:
    """Read the root, and below it those elements of its namespace that have one of the names.

    With ``any_namespace``, those of others too. An element counts only if its parent does. The text
    is UTF-8, whatever the document says.

    Raises:
        OriginInvalid: it is no well-formed XML, declares a document type, nests too deep, or has
            more elements than can be read in a moment.
    """
    return _Reader(body, names, any_namespace=any_namespace).read()


class _Reader:
    def __init__(self, body: bytes, names: Collection[str], *, any_namespace: bool) -> None:
        self._body = body
        self._names = names
        self._any_namespace = any_namespace
        self._namespace = ""
        self._root: Element | None = None
        self._open: list[Element | None] = []
        self._elements = 0
        self._text: list[str] = []
        parser = self._parser = expat.ParserCreate("UTF-8", SEPARATOR)
        parser.buffer_text = True
        parser.StartDoctypeDeclHandler = self._refuse_doctype
        parser.StartElementHandler = self._start
        parser.EndElementHandler = self._end

    def read(self) -> Element:
        if b"\0" in self._body:
            # Expat would take it for UTF-16, whatever it was told.
            raise broken(1, "it is no UTF-8")
        try:
            self._parser.Parse(self._body, True)  # noqa: FBT003 - expat takes no keywords
        except expat.ExpatError as error:
            raise broken(error.lineno, "it is no well-formed XML") from error
        finally:
            # The handlers hold this reader, and it the parser: a cycle, with the body in it.
            self._parser.StartElementHandler = self._parser.EndElementHandler = None
            self._parser.StartDoctypeDeclHandler = self._parser.CharacterDataHandler = None
        if self._root is None:
            raise broken(1, "it has no element")
        return self._root

    def _start(self, qualified: str, attributes: dict[str, str]) -> None:
        if len(self._open) >= MAX_DEPTH:
            raise broken(self._parser.CurrentLineNumber, "it nests too deep")
        namespace, _, name = qualified.rpartition(SEPARATOR)
        if not self._open:
            self._namespace = namespace
            self._root = self._element(name, attributes)
            self._open.append(self._root)
            return
        parent = self._open[-1]
        is_meant = self._any_namespace or namespace == self._namespace
        if parent is None or name not in self._names or not is_meant:
            self._open.append(None)
            return
        element = self._element(name, attributes)
        parent.children.append(element)
        self._open.append(element)
        self._text = []
        self._parser.CharacterDataHandler = self._text.append

    def _element(self, name: str, attributes: dict[str, str]) -> Element:
        start = self._parser.CurrentByteIndex
        line = self._parser.CurrentLineNumber
        self._elements += 1
        if self._elements > MAX_ELEMENTS:
            raise broken(line, "it has more elements than any MPD")
        tag = START_TAG.match(self._body, start)
        if tag is None:
            raise broken(line, "a tag cannot be read")
        return Element(name, attributes, line, tag[1], start, tag.end(), is_empty=bool(tag[2]))

    def _end(self, _: str) -> None:
        self._parser.CharacterDataHandler = None
        element = self._open.pop()
        if element is None:
            return
        element.text = "".join(self._text)
        self._text = []
        if element.is_empty:
            element.inside_end = element.end = element.inside
        else:
            element.inside_end = self._parser.CurrentByteIndex
            element.end = self._body.index(b">", element.inside_end) + 1

    def _refuse_doctype(self, *_: object) -> NoReturn:
        raise broken(self._parser.CurrentLineNumber, "it declares a document type")


def broken(line: int, reason: str) -> OriginInvalid:
    """Give the error for an MPD that cannot be used, as the viewer may read it."""
    return OriginInvalid(f"The origin's MPD is broken at line {line}: {reason}.")
