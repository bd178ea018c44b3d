"""The BaseURLs of an MPD (ISO/IEC 23009-1 §5.6): what the URIs on each level are resolved against.

    of a folder      left, but for an origin's address; queries are not inherited
    of a file        a segment

Where a route's segments are ``direct``, each representation is given an absolute BaseURL; that
alone holds for templates it shares with others. BaseURLs on foreign hosts beside ours are taken
out where ours need tickets or are direct, since one URI cannot carry a ticket for some of its
alternatives only.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TypeAlias

from proxy.manifests.edits import Edits
from proxy.manifests.linker import Linker, Parts
from proxy.manifests.links import Base, Holes, Place, Role
from proxy.manifests.markup import BLANKS, Element

HOLDERS = ("SegmentTemplate", "SegmentList", "SegmentBase")
# Modes in which a segment on a host of ours must not be taken for one on a foreign host.
GUARDED = ("signed", "direct")

SERVICE_LOCATION = "serviceLocation"
SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:")

Resolved: TypeAlias = list[tuple[Element, tuple[Base, ...]]]


@dataclass(frozen=True, slots=True)
class Served:
    """A BaseURL as players get it: on which level, with what text.

    ``element`` is the origin's own; None where it had none and this one is put there.
    """

    owner: Element
    text: Parts
    element: Element | None = None

    @property
    def is_absolute(self) -> bool:
        """Whether it names a scheme: to players, what is above it does not matter."""
        return SCHEME.match("".join(self.text)) is not None


class BaseUrls:
    """Edits the BaseURLs of one MPD, level by level; ``served`` collects what comes of them."""

    def __init__(self, edits: Edits, linker: Linker, holes: Holes) -> None:
        self.served: list[Served] = []
        self._edits = edits
        self._linker = linker
        self._holes = holes

    def enter(self, element: Element, parents: Sequence[Base], sample: str) -> Sequence[Base]:
        """Edit the BaseURLs of one level; give the bases that hold on it.

        ``sample`` is a relative URI of some segment on that level, which tells what route the
        bases lead to.
        """
        found = self._without_foreign(
            [
                (child, self._linker.bases(child.text.strip(BLANKS), parents))
                for child in element.named("BaseURL")
            ]
        )
        bases: list[Base] = []
        for child, own in found:
            bases += self._place(element, child, parents, own, sample)
        if not found:
            bases += self._lend(element, parents, sample)
        return list(dict.fromkeys(bases))

    def write(self, location: str | None = None) -> None:
        """Put in those that the origin had none of.

        ``location`` is the one service location of all the MPD, None where it has none of ours. It
        is named by the MPD's own BaseURL, and by each absolute one; the others inherit it.
        """
        for base in self.served:
            is_named = base.owner.name == "MPD" or base.is_absolute
            attributes = {SERVICE_LOCATION: location} if location and is_named else {}
            if base.element is None:
                holders = base.owner.named("SubRepresentation", *HOLDERS)
                at = next((holder.start for holder in holders), base.owner.inside_end)
                self._edits.insert(base.owner, "BaseURL", base.text, at, attributes)
                continue
            for name, value in attributes.items():
                self._edits.set_attribute(base.element, name, (value,))

    def _place(
        self,
        owner: Element,
        child: Element,
        parents: Sequence[Base],
        own: Sequence[Base],
        sample: str,
    ) -> Sequence[Base]:
        """Edit one BaseURL; give the bases that players make of it.

        Where it may stand under several, its direct form is that under the first: what serves
        segments directly serves them all.
        """
        place = self._direct_place(owner, own[0], sample)
        text: Parts | None
        if place is not None:
            text = (self._linker.absolute(place, own[0]),)
            own = [replace(own[0], moved=True)]
        else:
            role = Role.SEGMENT if self._is_file(own) else Role.ADDRESS
            text = self._linker.link(child.text.strip(BLANKS), role, parents)
        if text is not None:
            self._edits.set_text(child, text)
        self.served.append(Served(owner, text or (child.text.strip(BLANKS),), child))
        return own

    def _lend(self, owner: Element, parents: Sequence[Base], sample: str) -> Sequence[Base]:
        """Give a representation without a BaseURL one, where it needs one to be direct."""
        place = self._direct_place(owner, parents[0], sample)
        if place is None:
            return parents
        self.served.append(Served(owner, (self._linker.absolute(place, parents[0]),)))
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
