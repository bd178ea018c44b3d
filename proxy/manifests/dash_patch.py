"""Patches of dynamic MPDs (ISO/IEC 23009-1 §5.15) compiled to templates.

A player that was given a PatchLocation asks there instead of for the MPD: each patch is a beat, and
must bring the link to the next one with its ticket. What else it changes is applied to the MPD that
the player has, the one we made. So it is passed on only if it means there what the origin meant:

    segments of a timeline, events, attributes    nothing we touch: as they are
    removals                                      likewise
    PatchLocation                                 the next link
    what brings URIs (Periods, BaseURLs, ...)     what it is resolved against, and who serves it, is
                                                  in the MPD alone
    Location, BaseURL, minimumUpdatePeriod        ours are not the origin's, nor as many
    MPD@type                                      the end of live: players are kept alive otherwise

In place of any other it gets one that fits no MPD: then it fetches the MPD in full, at its Location
(dash.js at once, Shaka at its next update). So does a viewer whose ticket is to be renewed, since a
patch cannot reach all links that have it.
"""

import re
from dataclasses import replace

from proxy.manifests.addresses import hider
from proxy.manifests.edits import Edits
from proxy.manifests.kinds import is_manifest_path
from proxy.manifests.linker import Linker, Parts
from proxy.manifests.links import Links, Role
from proxy.manifests.markup import BLANKS, Element, read
from proxy.manifests.template import Template

CONTENT_TYPE = "application/dash-patch+xml"
OPERATIONS = frozenset({"add", "replace", "remove"})
# Elements that have URIs, or hold some that have.
BRINGING = frozenset(
    {
        *("MPD", "Period", "AdaptationSet", "Representation", "BaseURL", "Location"),
        *("SegmentTemplate", "SegmentList", "SegmentBase", "SegmentURL", "Initialization"),
        *("RepresentationIndex", "BitstreamSwitching", "ContentSteering", "ServiceDescription"),
    }
)
# Elements of which the MPD that players have may hold others than the origin's.
OURS = frozenset({"Location", "BaseURL", "ContentSteering"})
# Attributes that are URIs, or that we set, or by which we tell live from on demand.
GUARDED = frozenset(
    {
        *("media", "initialization", "index", "bitstreamSwitching", "sourceURL", "href"),
        *("minimumUpdatePeriod", "type", "serviceLocation"),
    }
)
# Reading a selector takes up to the square of its length; those of packagers have some 100
# characters.
MAX_SELECTOR = 1024
# A selector that is a plain path (RFC 5261 §4.1), once its predicates are taken out.
PREDICATE = re.compile(r"\[(?:[^\[\]'\"]|'[^']*'|\"[^\"]*\")*\]")
PATH = re.compile(r"/MPD(?:/[\w.-]+)*(?:/@[\w.-]+|/text\(\))?")
UNFIT = (
    '<?xml version="1.0" encoding="UTF-8"?>\n'
    '<Patch xmlns="urn:mpeg:dash:schema:mpd-patch:2020" mpdId="to be fetched in full"'
    ' originalPublishTime="1970-01-01T00:00:00Z" publishTime="1970-01-01T00:00:00Z">'
    '<replace sel="/MPD/@publishTime">1970-01-01T00:00:00Z</replace></Patch>\n'
)
# Fits no MPD, so that its player fetches its own in full.
UNFIT_PATCH = Template((UNFIT.encode(),), None, CONTENT_TYPE, media_playlist=False)


def compile_patch(body: bytes, links: Links) -> Template:
    """Compile a patch, or give one in its place that fits no MPD.

    Raises:
        OriginInvalid: it cannot be read.
    """
    patch = read(body, OPERATIONS | BRINGING | {"PatchLocation"}, any_namespace=True)
    edits = Edits(body, hider(links))
    linker = Linker(links)
    if not all(_apply(operation, edits, linker) for operation in patch.children):
        return UNFIT_PATCH
    return replace(
        UNFIT_PATCH, chunks=edits.chunks(), refreshes_by_location=True, in_full=UNFIT_PATCH
    )


def link_patches(elements: list[Element], edits: Edits, linker: Linker) -> bool:
    """Put the ticket on PatchLocations, on all or on none; tell whether it could be done."""
    linked = [_linked(element.text.strip(BLANKS), linker) for element in elements]
    whole = [parts for parts in linked if parts is not None]
    if len(whole) < len(elements):
        return False
    for element, parts in zip(elements, whole, strict=True):
        edits.set_text(element, parts)
    return True


def _linked(uri: str, linker: Linker) -> Parts | None:
    """Link a patch; None where it would not be counted, or not be let in."""
    path = uri.partition("#")[0].partition("?")[0]
    if path and not is_manifest_path(path):
        return None
    parts = linker.link(uri, Role.MANIFEST)
    return parts if parts is not None and len(parts) > 1 else None


def _apply(operation: Element, edits: Edits, linker: Linker) -> bool:
    """Link what an operation brings; tell whether it may be passed on."""
    if operation.name not in OPERATIONS or not _is_harmless(operation):
        return False
    brought = operation.children
    return all(child.name == "PatchLocation" for child in brought) and link_patches(
        brought, edits, linker
    )


def _is_harmless(operation: Element) -> bool:
    """Tell whether what an operation changes is the origin's own, and no URI."""
    selector = operation.attributes.get("sel", "").strip(BLANKS)
    path = PREDICATE.sub("", selector) if len(selector) <= MAX_SELECTOR else ""
    if PATH.fullmatch(path) is None:
        return False
    steps = path.split("/")[1:]
    if OURS.intersection(steps) or steps[-2:] == ["PatchLocation", "text()"]:
        return False
    named = {step.removeprefix("@") for step in steps if step.startswith("@")}
    # An attribute that is added is named apart from its element (RFC 5261 §4.3).
    named.add(operation.attributes.get("type", "").removeprefix("@"))
    return not named & GUARDED
