"""The segments an MPD names (ISO/IEC 23009-1 §5.3.9), level by level.

They are in the attributes media, initialization, index, bitstreamSwitching and sourceURL. One may
stand for many representations, each with its own BaseURL: its seal is for the tree that holds them
all.
"""

import re
from collections.abc import Iterator, Sequence

from proxy.manifests.dash_bases import HOLDERS, BaseUrls
from proxy.manifests.edits import Edits
from proxy.manifests.linker import SAMPLE, Linker
from proxy.manifests.links import Base, Holes, Role
from proxy.manifests.markup import BLANKS, Element
from proxy.manifests.paths import directory

# Where BaseURLs stand, from the outside in, each with what may hold it next.
LEVELS = {"MPD": "Period", "Period": "AdaptationSet", "AdaptationSet": "Representation"}
SEGMENT_ATTRIBUTES = {
    "SegmentTemplate": ("media", "initialization", "index", "bitstreamSwitching"),
    "SegmentURL": ("media", "index"),
    "Initialization": ("sourceURL",),
    "RepresentationIndex": ("sourceURL",),
    "BitstreamSwitching": ("sourceURL",),
}
# What is to be read of an MPD for all this.
NAMES = frozenset({*LEVELS.values(), *SEGMENT_ATTRIBUTES, *HOLDERS, "BaseURL", "SubRepresentation"})
# ISO/IEC 23009-1 §5.3.9.4.4; "$$" is a dollar sign, which is as good a hole as any.
IDENTIFIER = re.compile(
    r"\$(?:RepresentationID|Number|Bandwidth|Time|SubNumber)?(?:%0?[0-9]*[diuxXo])?\$"
)
# A URI that needs no base, or only its host.
ABSOLUTE = re.compile(r"/|[A-Za-z][A-Za-z0-9+.-]*:")
# An id that, put at the front of a template, could make it absolute or foreign, does not match.
TAME_ID = re.compile(r"[^\s:/\\][^\s:\\]*")


class Segments:
    """Edits the segments of one MPD, and its BaseURLs on the way; those are left in ``bases``."""

    def __init__(self, mpd: Element, edits: Edits, linker: Linker) -> None:
        ids = list(_ids(mpd))
        self._holes = Holes(
            IDENTIFIER,
            tame=all(TAME_ID.fullmatch(text) for text in ids),
            flat=not any("/" in text for text in ids),
        )
        self.bases = BaseUrls(edits, linker, self._holes)
        self._edits = edits
        self._linker = linker

    def visit(self, element: Element, parents: Sequence[Base], sample: str = "") -> list[Base]:
        """Edit one level and all below it; give what segments named on it are resolved against.

        ``sample`` is a relative URI of some segment that is named further out, "" while there is
        none: it tells which route the bases lead to.
        """
        segments = _segments(element)
        uris = (owner.attributes[name].strip(BLANKS) for owner, name in segments)
        sample = next((uri for uri in uris if not ABSOLUTE.match(uri)), sample)
        bases = self.bases.enter(element, parents, sample)
        below = [
            base
            for child in element.named(LEVELS.get(element.name, ""))
            for base in self.visit(child, bases, sample)
        ]
        folders = (
            Base(base.path and directory(base.path), moved=base.moved) for base in below or bases
        )
        used = list(dict.fromkeys(folders))
        for owner, name in segments:
            uri = owner.attributes[name].strip(BLANKS)
            parts = self._linker.link(uri, Role.SEGMENT, used, self._holes)
            if parts is not None:
                self._edits.set_attribute(owner, name, parts)
        return used


def _segments(element: Element) -> list[tuple[Element, str]]:
    """Give where segments are named on one level: elements, and their attributes."""
    holders = list(element.named(*HOLDERS))
    inner = [child for holder in holders for child in holder.children]
    return [
        (owner, name)
        for owner in (*holders, *inner)
        for name in SEGMENT_ATTRIBUTES.get(owner.name, ())
        if name in owner.attributes
    ]


def _ids(element: Element) -> Iterator[str]:
    """Give each representation's id: what else stands for an identifier is a number."""
    if element.name == "Representation":
        yield element.attributes.get("id", SAMPLE)
    for child in element.named(LEVELS.get(element.name, "")):
        yield from _ids(child)
