"""Edits to the bytes of an MPD: attributes, texts and elements, escaped as XML wants it.

Collected in any order and applied from front to back. Whoever edits sees to it that no two edits
touch the same bytes; positions are those of the original.
"""

from collections.abc import Callable, Mapping, Sequence
from operator import itemgetter
from types import MappingProxyType
from xml.sax.saxutils import escape  # nosec B406  # it parses nothing

from proxy.manifests.markup import Element
from proxy.manifests.template import TemplateBuilder

XML_BLANKS = b" \t\r\n"
# Both, so that a value may go between either.
QUOTES = {'"': "&quot;", "'": "&apos;"}
NO_ATTRIBUTES: Mapping[str, str] = MappingProxyType({})


class Edits:
    """The edits to one body. Texts come in parts, with a ticket slot between each two."""

    def __init__(self, body: bytes, keep: Callable[[bytes], bytes] = bytes) -> None:
        self._body = body
        self._keep = keep
        self._edits: list[tuple[int, int, tuple[bytes, ...]]] = []

    def chunks(self) -> tuple[bytes, ...]:
        """Give the edited body, cut at its slots."""
        builder = TemplateBuilder(self._body, self._keep)
        # What is put in at one place stands in the order in which it was asked for.
        for start, end, parts in sorted(self._edits, key=itemgetter(0, 1)):
            builder.replace(start, end, *parts)
        return builder.chunks()

    def set_attribute(self, element: Element, name: str, parts: Sequence[str]) -> None:
        """Give an attribute another value, or the element one more attribute."""
        span = element.attribute_span(self._body, name)
        if span is not None:
            self._replace(span[0] + 1, span[1] - 1, "", parts, "")
        else:
            at = element.start + 1 + len(element.tag)
            self._replace(at, at, f' {name}="', parts, '"')

    def set_text(self, element: Element, parts: Sequence[str]) -> None:
        """Give an element another text; the blanks around the old one stay."""
        raw = self._body[element.inside : element.inside_end]
        text = raw.strip(XML_BLANKS)
        if element.is_empty:
            self._fill(element, "", parts, "")
        elif b"<" in text or not text:
            self._replace(element.inside, element.inside_end, "", parts, "")
        else:
            start = element.inside + raw.index(text)
            self._replace(start, start + len(text), "", parts, "")

    def insert(
        self,
        parent: Element,
        name: str,
        parts: Sequence[str],
        at: int,
        attributes: Mapping[str, str] = NO_ATTRIBUTES,
    ) -> None:
        """Put an element with a text between the parent's children, in the parent's namespace."""
        tag = parent.prefix + name
        named = "".join(f' {key}="{escape(text, QUOTES)}"' for key, text in attributes.items())
        if parent.is_empty:
            self._fill(parent, f"<{tag}{named}>", parts, f"</{tag}>")
        else:
            self._replace(at, at, f"<{tag}{named}>", parts, f"</{tag}>")

    def remove(self, element: Element) -> None:
        """Take an element out."""
        self._edits.append((element.start, element.end, (b"",)))

    def _fill(self, element: Element, before: str, parts: Sequence[str], after: str) -> None:
        """Open an empty element up, and close it behind its new content."""
        end_tag = f"</{element.tag.decode()}>"
        self._replace(
            element.inside - len("/>"), element.inside, ">" + before, parts, after + end_tag
        )

    def _replace(self, start: int, end: int, before: str, parts: Sequence[str], after: str) -> None:
        texts = [escape(part, QUOTES) for part in parts]
        texts[0] = before + texts[0]
        texts[-1] += after
        self._edits.append((start, end, tuple(text.encode() for text in texts)))
