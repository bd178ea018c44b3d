"""What is a manifest, and of which kind.

A *request* is for a manifest if its path looks like one: ``is_manifest_path`` decides before the
origin is asked, and whatever it does not know is counted and served as a segment. An *answer* is
recognised by its content type; only where that says nothing do body and extension decide. A type
that is certainly something else (an error page, a transport stream) is never guessed around.
"""

from enum import StrEnum
from urllib.parse import unquote

from proxy.errors import OriginInvalid

BYTE_ORDER_MARK = b"\xef\xbb\xbf"


class Format(StrEnum):
    """The kinds of manifest there are."""

    HLS = "hls"
    DASH = "dash"


# RFC 8216 §4 names the first and audio/mpegurl; the x- forms are what older packagers send.
HLS_TYPES = frozenset(
    {
        "application/vnd.apple.mpegurl",
        "application/x-mpegurl",
        "application/mpegurl",
        "audio/mpegurl",
        "audio/x-mpegurl",
    }
)
# ISO/IEC 23009-1 Annex C; the last is what some packagers sent before there was a registration.
DASH_TYPES = frozenset(
    {"application/dash+xml", "application/dash-patch+xml", "video/vnd.mpeg.dash.mpd"}
)
TYPES = HLS_TYPES | DASH_TYPES
# What servers send that were never told about manifests.
GENERIC_TYPES = frozenset(
    {
        "",
        "text/plain",
        "application/octet-stream",
        "binary/octet-stream",
        "application/xml",
        "text/xml",
    }
)
HLS_EXTENSIONS = (".m3u8", ".m3u")
PATCH_EXTENSION = ".mpp"
DASH_EXTENSIONS = (".mpd", PATCH_EXTENSION)
EXTENSIONS = (*HLS_EXTENSIONS, *DASH_EXTENSIONS)


def is_manifest_path(path: str) -> bool:
    """Tell whether a path names a manifest: ``.m3u8``, ``.mpd``, ``Manifest(format=...)``.

    Or a patch of one: ``.mpp``. Case, percent-encoding and path parameters (``master.m3u8;v=2``)
    hide nothing.
    """
    name = _name(path)
    return name.endswith(EXTENSIONS) or _is_smooth(name)


def is_patch_path(path: str) -> bool:
    """Tell whether a manifest's path names a patch."""
    return _name(path).endswith(PATCH_EXTENSION)


def is_manifest_type(content_type: str | None) -> bool:
    """Tell whether a content type is surely a manifest's, whatever name it came under."""
    return _essence(content_type) in TYPES


def recognise(content_type: str | None, path: str, body: bytes) -> Format:
    """Give the format of what the origin sent.

    Raises:
        OriginInvalid: it is no manifest.
    """
    essence = _essence(content_type)
    if essence in HLS_TYPES:
        return Format.HLS
    if essence in DASH_TYPES:
        return Format.DASH
    if essence in GENERIC_TYPES:
        found = _by_body(body) or _by_name(_name(path))
        if found is not None:
            return found
    raise OriginInvalid("The origin sent something that is no manifest.")


def _name(path: str) -> str:
    """Give the last segment of a path as a person reads it."""
    name = path.rpartition("/")[2]
    if "%" in name:
        name = unquote(name)
    return name.partition(";")[0].lower()


def _is_smooth(name: str) -> bool:
    """Tell whether a name is one that servers with roots in Smooth Streaming use."""
    return name == "manifest" or (name.startswith("manifest(") and name.endswith(")"))


def _essence(content_type: str | None) -> str:
    """Give the type without its parameters (RFC 9110 §8.3.1)."""
    return (content_type or "").partition(";")[0].strip().lower()


def _by_body(body: bytes) -> Format | None:
    start = body[:256].removeprefix(BYTE_ORDER_MARK).lstrip()
    if start.startswith(b"#EXTM3U"):
        return Format.HLS
    # Any XML: whether it is an MPD, or a patch, is told by the one who reads it.
    return Format.DASH if start.startswith(b"<") else None


def _by_name(name: str) -> Format | None:
    if name.endswith(HLS_EXTENSIONS) or "format=m3u8" in name:
        return Format.HLS
    if name.endswith(DASH_EXTENSIONS) or "format=mpd" in name:
        return Format.DASH
    return None
