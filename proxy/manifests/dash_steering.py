"""Keep-alive for on-demand DASH: an MPD that makes its players poll our steering server.

dash.js asks whatever server an MPD names. Shaka does, too, but then takes each BaseURL that has a
service location for a place of its own, under the id of the element it stands on. VHS gives up
after one answer unless its playlists have service locations; it hands one down from a BaseURL to
those below that are relative. So the whole MPD becomes one service location where all three agree
on what that means, and stays as it is where they might not:

    several BaseURLs on one level        alternatives: whom to ask for them is not ours to say
    a service location below the MPD     Shaka would look for it under ids that repeat
    an absolute BaseURL below the MPD    is named, too; not if its element's id is not its own
    no BaseURL on the MPD                is given one that leads nowhere else; not where one below
                                         is rooted: yt-dlp joins them by putting them together

Where the origin steers already, our server stands in front of its own. Not where it names a proxy
for that: it would be told the ticket.
"""

from collections import Counter
from collections.abc import Sequence

from proxy.manifests.dash_bases import SERVICE_LOCATION, BaseUrls, Served
from proxy.manifests.edits import Edits
from proxy.manifests.linker import Linker
from proxy.manifests.links import Links, Role
from proxy.manifests.markup import BLANKS, Element
from proxy.manifests.steering import PATHWAY, steering_link

# "Here": every player resolves it to where an MPD without a BaseURL leads. It needs neither our
# scheme nor our path, which may be others outside.
HERE = ("./",)
DEFAULT = "defaultServiceLocation"


def keep_alive(mpd: Element, bases: BaseUrls, edits: Edits, linker: Linker, links: Links) -> None:
    """Name our steering server in an on-demand MPD, if that changes nothing else about it."""
    if own := steers(mpd):
        for child in own:
            _wrap(child, edits, linker, links)
        bases.write()
        return
    location = service_location(bases.served)
    link = None if location is None else steering_link(links, linker, pathway=location)
    if location is None or link is None:
        bases.write()
        return
    bases.write(location)
    if not any(base.owner is mpd for base in bases.served):
        at = end_of(mpd, "ProgramInformation")
        edits.insert(mpd, "BaseURL", HERE, at, {SERVICE_LOCATION: location})
    at = end_of(mpd, "ProgramInformation", "BaseURL", "Location", "PatchLocation")
    attributes = {DEFAULT: location, "queryBeforeStart": "false"}
    edits.insert(mpd, "ContentSteering", link, at, attributes)


def steers(mpd: Element) -> list[Element]:
    """Give the origin's own ContentSteering elements."""
    return [
        child
        for parent in (mpd, *mpd.named("ServiceDescription"))
        for child in parent.named("ContentSteering")
    ]


def service_location(served: Sequence[Served]) -> str | None:
    """Name the one service location that the MPD can be as a whole; None where it cannot."""
    levels = Counter(base.owner.start for base in served)
    if any(count > 1 for count in levels.values()):
        return None
    top = [base for base in served if base.owner.name == "MPD"]
    below = [base for base in served if base.owner.name != "MPD"]
    if any(base.element and SERVICE_LOCATION in base.element.attributes for base in below):
        return None
    ids = [base.owner.attributes.get("id") for base in below if base.is_absolute]
    if None in ids or len(set(ids)) < len(ids):
        return None
    if not top and any(base.text[0].startswith("/") for base in below):
        return None
    given = [base.element.attributes.get(SERVICE_LOCATION) for base in top if base.element]
    return next(filter(None, given), PATHWAY)


def end_of(mpd: Element, *names: str) -> int:
    """Give the position behind the last child of these names, or where the first one would be."""
    return max((child.end for child in mpd.named(*names)), default=mpd.inside)


def _wrap(steering: Element, edits: Edits, linker: Linker, links: Links) -> None:
    """Put our server in front of the origin's."""
    server = steering.text.strip(BLANKS)
    if not server:
        # It names no server: read as a reference, "" would be the MPD itself.
        return
    first = next(iter(steering.attributes.get(DEFAULT, "").split()), PATHWAY)
    link = None
    if "proxyServerURL" not in steering.attributes:
        link = steering_link(links, linker, server=server, pathway=first)
    parts = link or linker.link(server, Role.ADDRESS)
    if parts is not None:
        edits.set_text(steering, parts)
