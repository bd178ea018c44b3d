"""Links of Markdown pages: which there are, where they lead, and which places pages have.

Pages are read as forges read them: places are those of GitHub's headings, and what stands in code
is no link. Nothing here looks at a network.
"""

import posixpath
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass

# A block of code, from its fence to the same fence, or the end.
FENCED = re.compile(r"^( *)(`{3,}|~{3,}).*?(?:^ *\2`*~* *$|\Z)", re.MULTILINE | re.DOTALL)
# In a line, or over lines of one paragraph.
CODE = re.compile(r"(?<!`)(`+)(?!`)(?:(?!\n\n).)+?(?<!`)\1(?!`)", re.DOTALL)
COMMENT = re.compile(r"<!--.*?-->", re.DOTALL)
# [text](target), ![text](target), also with one pair of brackets in the target.
INLINE = re.compile(r"\]\(\s*<?(?P<target>[^\s()<>]+(?:\([^\s()]*\)[^\s()<>]*)*)>?\s*\)")
AUTOMATIC = re.compile(r"<(?P<target>https?://[^\s<>]+)>")
HEADING = re.compile(r"^#{1,6} +(.+?)(?: +#+)? *$", re.MULTILINE)
SCHEME = re.compile(r"[a-z][a-z0-9+.-]*:")


@dataclass(frozen=True, slots=True)
class Link:
    """A link: where it leads, as it is written, and its line, counted from 1."""

    target: str
    line: int

    @property
    def is_external(self) -> bool:
        """Whether it leads out of the repository."""
        return SCHEME.match(self.target) is not None

    @property
    def path(self) -> str:
        """The file or folder it names, empty for the page itself."""
        return self.target.partition("#")[0]

    @property
    def anchor(self) -> str:
        """The place on the page; empty where it names none."""
        return self.target.partition("#")[2]


def links(text: str) -> Iterator[Link]:
    """Give a page's links, pictures included."""
    bare = without_code(text)
    for pattern in (INLINE, AUTOMATIC):
        for match in pattern.finditer(bare):
            yield Link(match["target"], bare.count("\n", 0, match.start()) + 1)


def anchors(text: str) -> frozenset[str]:
    """Give the places that links to a page may name: its headings, as a forge calls them."""
    seen: dict[str, int] = {}
    found = set()
    blocks_out = FENCED.sub(_blank, text)
    for match in HEADING.finditer(blocks_out):
        name = slug(match[1])
        again = seen.get(name, 0)
        seen[name] = again + 1
        found.add(f"{name}-{again}" if again else name)
    return frozenset(found)


def slug(heading: str) -> str:
    """Give what a forge calls a heading in links."""
    words = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading)
    return re.sub(r"[^\w -]", "", words.strip().lower()).replace(" ", "-")


def leads_to(page: str, link: Link) -> str:
    """Give the path, from the repository's root, of what a link of a page names."""
    if not link.path:
        return page
    return posixpath.normpath(posixpath.join(posixpath.dirname(page), link.path))


def relinked(text: str, place: Callable[[Link], str]) -> str:
    """Write a page's inline links anew, each with the target that ``place`` gives."""
    bare = without_code(text)
    pieces: list[str] = []
    done = 0
    for match in INLINE.finditer(bare):
        begin, end = match.span("target")
        pieces += text[done:begin], place(Link(match["target"], 0))
        done = end
    return "".join((*pieces, text[done:]))


def without_code(text: str) -> str:
    """Blank out blocks of code, code in lines, and comments; all else stays where it is."""
    for pattern in (FENCED, COMMENT, CODE):
        text = pattern.sub(_blank, text)
    return text


def _blank(match: re.Match[str]) -> str:
    return re.sub(r"[^\n]", " ", match[0])
