"""Which pathway the variants of a multivariant playlist are in (RFC 8216bis §4.4.6.2, §7).

A pathway is one of several places that have the same renditions. Most playlists know nothing of
them and have one. Some have *redundant* variants instead, which players take for each other's
substitutes when one fails; such a playlist must not be told to have one pathway, for Media3 fails
on two variants that differ in nothing but their place and share one.
"""

from collections.abc import Iterator, Mapping

from proxy.manifests.attributes import read_attributes

TAG = b"#EXT-X-STREAM-INF:"
# The pathway of a variant that names none.
UNNAMED = b"."
NAME = b"PATHWAY-ID"
STABLE_ID = b"STABLE-VARIANT-ID"
# Attributes that say where a rendition is to be had, rather than which one it is.
PLACING = frozenset({NAME, b"AUDIO", b"VIDEO", b"SUBTITLES", b"CLOSED-CAPTIONS", b"NAME"})


def common_pathway(body: bytes) -> bytes | None:
    """Give the name of the one pathway; None where there are several, or redundant variants."""
    try:
        variants = list(_variants(body))
    except ValueError:
        return None
    pathways = {attributes.get(NAME, UNNAMED) for attributes, _ in variants}
    if len(pathways) != 1 or any(b"{$" in pathway for pathway in pathways):
        return None
    places: dict[object, bytes] = {}
    for attributes, uri in variants:
        alike = frozenset(item for item in attributes.items() if item[0] not in PLACING)
        # An id of its own names a rendition, whatever else is said of it.
        rendition = attributes.get(STABLE_ID, alike)
        if places.setdefault(rendition, uri) != uri:
            return None
    return pathways.pop()


def _variants(body: bytes) -> Iterator[tuple[Mapping[bytes, bytes], bytes]]:
    """Give each variant's attributes, and its URI."""
    awaiting: Mapping[bytes, bytes] | None = None
    for line in map(bytes.strip, body.split(b"\n")):
        if line.startswith(TAG):
            listed = read_attributes(line.removeprefix(TAG))
            awaiting = {name: text for name, text, _ in listed}
        elif awaiting is not None and line and not line.startswith(b"#"):
            yield awaiting, line
            awaiting = None
