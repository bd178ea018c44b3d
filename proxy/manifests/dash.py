"""DASH manifests (ISO/IEC 23009-1) compiled to templates, by edits to the origin's own bytes.

    BaseURL, segments        as ``dash_bases`` and ``dash_segments`` say
    Location                 a manifest. In a dynamic MPD there is exactly one, our own path with
                             the ticket: players refresh there, and each refresh is a beat
    PatchLocation            of a dynamic MPD, a manifest like its Location; taken out if it leads
                             to where nobody counts. What is found there: ``dash_patch``
    minimumUpdatePeriod      of a dynamic MPD: 15 s where it is longer or absent; zero stays, as
                             players take it for "often"
    ContentSteering          put into a static MPD, as ``dash_steering`` says: nobody asks for
                             that again

UTCTiming, and ContentSteering in a dynamic MPD, are only ever rid of an origin's address. Left
alone: xlink:href (a remote element's own links could not be rewritten), events, and whatever is
not in the root's namespace, except that an origin's host is replaced by ours.
"""

from proxy.manifests.addresses import hider
from proxy.manifests.dash_patch import compile_patch, link_patches
from proxy.manifests.dash_segments import NAMES, Segments
from proxy.manifests.dash_steering import end_of, keep_alive, steers
from proxy.manifests.durations import parse_duration
from proxy.manifests.edits import Edits
from proxy.manifests.linker import Linker
from proxy.manifests.links import Base, Links, Role
from proxy.manifests.markup import BLANKS, Element, broken, read
from proxy.manifests.paths import directory
from proxy.manifests.template import Template
from proxy.streams import Pace

CONTENT_TYPE = "application/dash+xml"

# A beat at least this often (seconds), or slots would have to outlive their viewers for long.
MAX_UPDATE_PERIOD = 15

ON_TOP = frozenset(
    {
        "ProgramInformation",
        "Location",
        "PatchLocation",
        "ServiceDescription",
        "ContentSteering",
        "UTCTiming",
    }
)


def compile_dash(body: bytes, links: Links) -> Template:
    """Compile an MPD, or a patch of one.

    Raises:
        OriginInvalid: it is neither, or an MPD that no player could read.
    """
    mpd = read(body, NAMES | ON_TOP)
    if mpd.name == "Patch":
        return compile_patch(body, links)
    if mpd.name != "MPD":
        raise broken(mpd.line, "its root is no MPD")
    if not any(mpd.named("Period")):
        raise broken(mpd.line, "it has no Period")
    return _Compiler(mpd, body, links).compile()


class _Compiler:
    """One walk over one MPD."""

    def __init__(self, mpd: Element, body: bytes, links: Links) -> None:
        self._mpd = mpd
        self._links = links
        self._edits = Edits(body, hider(links))
        self._linker = Linker(links)

    def compile(self) -> Template:
        segments = Segments(self._mpd, self._edits, self._linker)
        segments.visit(self._mpd, (Base(directory(self._links.base)),))
        self._hide_clocks()
        is_live = self._mpd.attributes.get("type") == "dynamic"
        if is_live:
            segments.bases.write()
            pace = self._live()
        else:
            keep_alive(self._mpd, segments.bases, self._edits, self._linker, self._links)
            pace = self._on_demand()
        return Template(
            self._edits.chunks(),
            pace,
            CONTENT_TYPE,
            media_playlist=False,
            refreshes_by_location=is_live,
        )

    def _hide_clocks(self) -> None:
        for child in self._mpd.named("UTCTiming"):
            parts = self._linker.link(child.attributes.get("value", "").strip(BLANKS), Role.ADDRESS)
            if parts is not None:
                self._edits.set_attribute(child, "value", parts)

    def _link_text(self, element: Element, role: Role) -> None:
        parts = self._linker.link(element.text.strip(BLANKS), role)
        if parts is not None:
            self._edits.set_text(element, parts)

    def _live(self) -> Pace:
        """See to it that players come back: here, with their ticket, and soon enough."""
        for child in steers(self._mpd):
            self._link_text(child, Role.ADDRESS)
        gone = list(self._mpd.named("Location"))
        patches = list(self._mpd.named("PatchLocation"))
        if not link_patches(patches, self._edits, self._linker):
            gone += patches
        for child in gone:
            self._edits.remove(child)
        at = end_of(self._mpd, "ProgramInformation", "BaseURL")
        self._edits.insert(self._mpd, "Location", self._linker.refresh(), at)
        period = _duration(self._mpd, "minimumUpdatePeriod")
        if period is None or period > MAX_UPDATE_PERIOD:
            period = float(MAX_UPDATE_PERIOD)
            shown = (f"PT{MAX_UPDATE_PERIOD}S",)
            self._edits.set_attribute(self._mpd, "minimumUpdatePeriod", shown)
        return Pace(live=True, interval=period)

    def _on_demand(self) -> Pace:
        for child in self._mpd.named("Location"):
            self._link_text(child, Role.MANIFEST)
        total = _duration(self._mpd, "mediaPresentationDuration")
        if total is None:
            total = 0.0
            for period in self._mpd.named("Period"):
                start = _duration(period, "start")
                begin = total if start is None else start
                total = begin + (_duration(period, "duration") or 0.0)
        return Pace(live=False, duration=total)


def _duration(element: Element, name: str) -> float | None:
    """Give an attribute's duration in seconds; None where it is absent."""
    if name not in element.attributes:
        return None
    try:
        return parse_duration(element.attributes[name])
    except ValueError as error:
        raise broken(element.line, f"{name} is no duration") from error
