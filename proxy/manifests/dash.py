"""DASH manifests (ISO/IEC 23009-1) compiled to templates, by edits to the origin's own bytes.

    BaseURL of a folder      left, but for an origin's address; queries are not inherited
    BaseURL of a file        a segment
    media, initialization, index, bitstreamSwitching, sourceURL
                             segments. One may stand for many representations, each with its own
                             BaseURL: its seal is for the tree that holds them all
    Location                 a manifest. In a dynamic MPD there is exactly one, our own path with
                             the ticket: players refresh there, and each refresh is a beat
    PatchLocation            taken out of a dynamic MPD: who patches asks no more for the MPD
    minimumUpdatePeriod      of a dynamic MPD: 15 s where it is longer or absent; zero stays, as
                             players take it for "often"

Where a route's segments are ``direct``, each representation is given an absolute BaseURL; that
alone holds for templates it shares with others. BaseURLs on foreign hosts beside ours are taken
out where ours need tickets or are direct, since one URI cannot carry a ticket for some of its
alternatives only. UTCTiming and ContentSteering are only ever rid of an origin's address. Left
alone: xlink:href (a remote element's own links could not be rewritten), events, and whatever is
not in the root's namespace, except that an origin's host is replaced by ours.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import TypeAlias

from proxy.manifests.addresses import hider
from proxy.manifests.durations import parse_duration
from proxy.manifests.edits import Edits
from proxy.manifests.linker import SAMPLE, Linker
from proxy.manifests.links import Base, Holes, Links, Place, Role
from proxy.manifests.markup import Element, broken, read
from proxy.manifests.paths import directory
from proxy.manifests.template import Template
from proxy.model import Pace

CONTENT_TYPE = "application/dash+xml"

# A beat at least this often (seconds), or slots would have to outlive their viewers for long.
MAX_UPDATE_PERIOD = 15

# Where BaseURLs stand, from the outside in, each with what may hold it next.
LEVELS = {"MPD": "Period", "Period": "AdaptationSet", "AdaptationSet": "Representation"}
SEGMENT_ATTRIBUTES = {
    "SegmentTemplate": ("media", "initialization", "index", "bitstreamSwitching"),
    "SegmentURL": ("media", "index"),
    "Initialization": ("sourceURL",),
    "RepresentationIndex": ("sourceURL",),
    "BitstreamSwitching": ("sourceURL",),
}
HOLDERS = ("SegmentTemplate", "SegmentList", "SegmentBase")
NAMES = frozenset(
    {
        *LEVELS.values(),
        *SEGMENT_ATTRIBUTES,
        *HOLDERS,
        "BaseURL",
        "Location",
        "PatchLocation",
        "ProgramInformation",
        "SubRepresentation",
        "UTCTiming",
        "ContentSteering",
    }
)
# Modes in which a segment on a host of ours must not be taken for one on a foreign host.
GUARDED = ("signed", "direct")
# ISO/IEC 23009-1 §5.3.9.4.4; "$$" is a dollar sign, which is as good a hole as any.
IDENTIFIER = re.compile(
    r"\$(?:RepresentationID|Number|Bandwidth|Time|SubNumber)?(?:%0?[0-9]*[diuxXo])?\$"
)
# A URI that needs no base, or only its host.
ABSOLUTE = re.compile(r"/|[A-Za-z][A-Za-z0-9+.-]*:")
# An id that, put at the front of a template, could make it absolute or foreign, does not match.
TAME_ID = re.compile(r"[^\s:/\\][^\s:\\]*")
BLANKS = " \t\r\n"

Resolved: TypeAlias = list[tuple[Element, tuple[Base, ...]]]


def compile_dash(body: bytes, links: Links) -> Template:
    """Compile an MPD.

    Raises:
        OriginInvalid: it is no MPD, or one that no player could read.
    """
    return _Compiler(body, links).compile()


class _Compiler:
    """One walk over one MPD."""

    def __init__(self, body: bytes, links: Links) -> None:
        self._body = body
        self._edits = Edits(body, hider(links))
        self._linker = Linker(links)
        self._home = Base(directory(links.base))
        self._holes = Holes(IDENTIFIER, tame=True, flat=True)

    def compile(self) -> Template:
        mpd = read(self._body, NAMES)
        if mpd.name != "MPD":
            raise broken(mpd.line, "its root is no MPD")
        if not any(mpd.named("Period")):
            raise broken(mpd.line, "it has no Period")
        ids = list(_ids(mpd))
        is_tame = all(TAME_ID.fullmatch(text) for text in ids)
        is_flat = not any("/" in text for text in ids)
        self._holes = Holes(IDENTIFIER, tame=is_tame, flat=is_flat)
        self._visit(mpd, (self._home,), "")
        self._hide_addresses(mpd)
        is_live = mpd.attributes.get("type") == "dynamic"
        pace = self._live(mpd) if is_live else self._on_demand(mpd)
        return Template(
            self._edits.chunks(),
            pace,
            CONTENT_TYPE,
            media_playlist=False,
            refreshes_by_location=is_live,
        )

    # --- Segments ------------------------------------------------------------------------------

    def _visit(self, element: Element, parents: Sequence[Base], sample: str) -> list[Base]:
        """Edit one level and all below it; give what segments named on it are resolved against.

        ``sample`` is a relative URI of some segment that is named further out, "" while there is
        none: it tells which route the bases lead to.
        """
        segments = _segments(element)
        uris = (owner.attributes[name].strip(BLANKS) for owner, name in segments)
        sample = next((uri for uri in uris if not ABSOLUTE.match(uri)), sample)
        bases = self._enter(element, parents, sample)
        below = [
            base
            for child in element.named(LEVELS.get(element.name, ""))
            for base in self._visit(child, bases, sample)
        ]
        folders = (
            Base(base.path and directory(base.path), moved=base.moved) for base in below or bases
        )
        used = list(dict.fromkeys(folders))
        for owner, name in segments:
            self._link_attribute(owner, name, Role.SEGMENT, used)
        return used

    def _enter(self, element: Element, parents: Sequence[Base], sample: str) -> Sequence[Base]:
        """Edit the BaseURLs of one level; give the bases that hold on it."""
        found = self._without_foreign(
            [
                (child, self._linker.bases(child.text.strip(BLANKS), parents))
                for child in element.named("BaseURL")
            ]
        )
        bases: list[Base] = []
        for child, own in found:
            bases += self._place_base(element, child, parents, own, sample)
        if not found:
            bases += self._lend_base(element, parents, sample)
        return list(dict.fromkeys(bases))

    def _place_base(
        self,
        element: Element,
        child: Element,
        parents: Sequence[Base],
        own: Sequence[Base],
        sample: str,
    ) -> Sequence[Base]:
        """Edit one BaseURL; give the bases that players make of it.

        Where it may stand under several, its direct form is that under the first: what serves
        segments directly serves them all.
        """
        place = self._direct_place(element, own[0], sample)
        if place is not None:
            self._edits.set_text(child, (self._linker.absolute(place, own[0]),))
            return [replace(own[0], moved=True)]
        role = Role.SEGMENT if self._is_file(own) else Role.ADDRESS
        self._link_text(child, role, parents)
        return own

    def _lend_base(self, element: Element, parents: Sequence[Base], sample: str) -> Sequence[Base]:
        """Give a representation without a BaseURL one, where it needs one to be direct."""
        place = self._direct_place(element, parents[0], sample)
        if place is None:
            return parents
        holders = element.named("SubRepresentation", *HOLDERS)
        at = next((holder.start for holder in holders), element.inside_end)
        self._edits.insert(element, "BaseURL", (self._linker.absolute(place, parents[0]),), at)
        return [replace(parents[0], moved=True)]

    def _direct_place(self, element: Element, base: Base, sample: str) -> Place | None:
        """Give what serves a representation's segments, if that is elsewhere."""
        if element.name != "Representation":
            return None
        place = self._linker.place(sample, base, self._holes)
        return place if place is not None and place.segments == "direct" else None

    def _without_foreign(self, found: Resolved) -> Resolved:
        """Take foreign BaseURLs out where they stand beside some of ours that are guarded."""
        ours = [(child, bases) for child, bases in found if any(base.path for base in bases)]
        places = (self._linker.place("", base) for _, bases in ours for base in bases)
        if not any(place is not None and place.segments in GUARDED for place in places):
            return found
        for child, bases in found:
            if all(base.path is None for base in bases):
                self._edits.remove(child)
        return ours

    def _is_file(self, bases: Sequence[Base]) -> bool:
        """Tell whether a BaseURL is a file that viewers get from here; others may need a base."""
        places = (self._linker.place("", base) for base in bases)
        return all(base.path and not base.path.endswith("/") for base in bases) and not any(
            place is not None and place.segments == "direct" for place in places
        )

    def _hide_addresses(self, mpd: Element) -> None:
        for child in mpd.named("UTCTiming"):
            if "value" in child.attributes:
                self._link_attribute(child, "value", Role.ADDRESS)
        for child in mpd.named("ContentSteering"):
            self._link_text(child, Role.ADDRESS)

    def _link_attribute(
        self, element: Element, name: str, role: Role, bases: Sequence[Base] = ()
    ) -> None:
        uri = element.attributes[name].strip(BLANKS)
        parts = self._linker.link(uri, role, bases, self._holes)
        if parts is not None:
            self._edits.set_attribute(element, name, parts)

    def _link_text(self, element: Element, role: Role, bases: Sequence[Base] = ()) -> None:
        parts = self._linker.link(element.text.strip(BLANKS), role, bases)
        if parts is not None:
            self._edits.set_text(element, parts)

    # --- Tempo ---------------------------------------------------------------------------------

    def _live(self, mpd: Element) -> Pace:
        """See to it that players come back: here, with their ticket, and soon enough."""
        for child in mpd.named("Location", "PatchLocation"):
            self._edits.remove(child)
        before = list(mpd.named("ProgramInformation", "BaseURL"))
        at = before[-1].end if before else mpd.inside
        self._edits.insert(mpd, "Location", self._linker.refresh(), at)
        period = _duration(mpd, "minimumUpdatePeriod")
        if period is None or period > MAX_UPDATE_PERIOD:
            period = float(MAX_UPDATE_PERIOD)
            self._edits.set_attribute(mpd, "minimumUpdatePeriod", (f"PT{MAX_UPDATE_PERIOD}S",))
        return Pace(live=True, interval=period)

    def _on_demand(self, mpd: Element) -> Pace:
        for child in mpd.named("Location"):
            self._link_text(child, Role.MANIFEST)
        total = _duration(mpd, "mediaPresentationDuration")
        if total is None:
            total = 0.0
            for period in mpd.named("Period"):
                start = _duration(period, "start")
                begin = total if start is None else start
                total = begin + (_duration(period, "duration") or 0.0)
        return Pace(live=False, duration=total)


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


def _duration(element: Element, name: str) -> float | None:
    """Give an attribute's duration in seconds; None where it is absent."""
    if name not in element.attributes:
        return None
    try:
        return parse_duration(element.attributes[name])
    except ValueError as error:
        raise broken(element.line, f"{name} is no duration") from error
