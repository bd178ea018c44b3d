"""The one spelling of a path, on the way in and in the manifests on the way out.

Origins, caches and access rules disagree about ``..``, ``%2f``, ``;`` and double encoding, and
each disagreement is a way around somebody's check. So a path is percent-decoded once, refused if
it could mean two things, and encoded again in one fixed way. What a request is checked for, what
is sent on, and what a ticket's seal is for are the same text.
"""

import re
from urllib.parse import quote, unquote_to_bytes

# Everything a path segment may hold unencoded (RFC 3986 §3.3), beside letters, digits and -._~
SAFE = "/:@!$&'()*+,;="
# Already canonical, which most paths are: nothing encoded, nothing to encode, no dot segments.
PLAIN = re.compile(r"(?:/[A-Za-z0-9_~-][A-Za-z0-9._~-]*)+/?", re.ASCII)
# A percent sign that encodes nothing, or that encodes a separator or a backslash.
REFUSED_ESCAPE = re.compile(r"%(?![0-9A-Fa-f]{2})|%(2f|5c)", re.IGNORECASE)
# Backslashes, empty segments, control characters, and what a second decoding would turn into a dot,
# a slash or a backslash.
AMBIGUOUS = re.compile(r"\\|//|[\x00-\x1f\x7f]|%(25)*(2e|2f|5c)", re.IGNORECASE)


def canonical(path: str) -> str | None:
    """Give the one spelling of an absolute path; None for one that could mean two things.

    That is: dot segments, empty segments, backslashes, encoded separators, control characters,
    double encoding, or bytes that are not UTF-8.
    """
    if PLAIN.fullmatch(path):
        return path
    if REFUSED_ESCAPE.search(path):
        return None
    try:
        decoded = unquote_to_bytes(path.encode("utf-8", "surrogateescape")).decode("utf-8")
    except UnicodeError:
        return None
    dots = any(segment.partition(";")[0] in (".", "..") for segment in decoded.split("/"))
    return None if dots or AMBIGUOUS.search(decoded) else quote(decoded, safe=SAFE)
