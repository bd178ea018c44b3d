"""Paths found in a manifest, read as the server will read the request for them.

A ticket's seal is for one spelling of a path. A player resolves a reference, encodes it in its
own way and asks for it; the server gives what comes in one canonical spelling. So the same
spelling is needed here, before anybody asks. A path the server would refuse has none.
"""

import re
from collections.abc import Iterable
from posixpath import commonprefix
from urllib.parse import quote, unquote_to_bytes

# Everything a path segment may hold unencoded (RFC 3986 §3.3), beside letters, digits and -._~
SAFE = "/:@!$&'()*+,;="
# Already canonical, which most paths are: nothing encoded, nothing to encode, no dot segments.
PLAIN = re.compile(r"(?:/[A-Za-z0-9_~-][A-Za-z0-9._~-]*)+/?", re.ASCII)
# What the server refuses: a percent sign that encodes nothing, an encoded separator, backslash or
# control character, and what a second decoding would turn into a dot or a separator.
REFUSED_ESCAPE = re.compile(r"%(?![0-9A-Fa-f]{2})|%(2f|5c|[01][0-9a-f]|7f)", re.IGNORECASE)
DOUBLE_ENCODED = re.compile(r"%(25)*(2e|2f|5c)", re.IGNORECASE)


def canonical(path: str) -> str | None:
    """Give the server's one spelling of an absolute path; None where the server would refuse it."""
    if PLAIN.fullmatch(path):
        return path
    if REFUSED_ESCAPE.search(path):
        return None
    try:
        decoded = unquote_to_bytes(path.encode("utf-8", "surrogateescape")).decode("utf-8")
    except UnicodeError:
        return None
    if "\\" in decoded or "//" in decoded or DOUBLE_ENCODED.search(decoded):
        return None
    if any(segment.partition(";")[0] in (".", "..") for segment in decoded.split("/")):
        return None
    return quote(decoded, safe=SAFE)


def without_dots(path: str) -> str:
    """Take the dot segments out of an absolute path (RFC 3986 §5.2.4), keeping its spelling.

    An encoded dot is a dot: browsers resolve ``%2e%2e/`` too.
    """
    if "/." not in path and "%2" not in path:
        return path
    kept: list[str] = []
    segments = path.split("/")[1:]
    for position, segment in enumerate(segments):
        name = segment.lower().replace("%2e", ".")
        if name not in (".", ".."):
            kept.append(segment)
            continue
        if name == ".." and kept:
            kept.pop()
        if position == len(segments) - 1:
            kept.append("")
    return "/" + "/".join(kept)


def directory(path: str) -> str:
    """Give the directory a path lies in, with its final slash; a directory is its own."""
    return path[: path.rfind("/") + 1]


def common_directory(directories: Iterable[str]) -> str:
    """Give the deepest directory that holds all of these."""
    return directory(commonprefix(list(directories)))
