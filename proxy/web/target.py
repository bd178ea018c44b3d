"""The request target, read strictly and once.

Origins, caches and access rules disagree about ``..``, ``%2f``, ``;`` and double encoding, and
each disagreement is a way around somebody's check. So a path is percent-decoded once, refused if
it could mean two things, and encoded again in one fixed way: what was checked is what is sent on.
"""

import re
from urllib.parse import quote, unquote_to_bytes, urlsplit

from proxy.errors import BadRequest

# Everything a path segment may hold unencoded (RFC 3986 §3.3), beside letters, digits and -._~
SAFE = "/:@!$&'()*+,;="
# Visible ASCII, which is all a request target may hold (RFC 9112 §3.2).
VISIBLE = re.compile(r"[\x21-\x7e]*", re.ASCII)
# A percent sign that encodes nothing, or that encodes a separator or a backslash.
BROKEN_ESCAPE = re.compile(r"%(?![0-9A-Fa-f]{2})")
FORBIDDEN_ESCAPE = re.compile(r"%(2f|5c)", re.IGNORECASE)
CONTROL = re.compile(r"[\x00-\x1f\x7f]")
# What is left encoded after one decoding and would become a dot, a slash or a backslash by another.
DOUBLE_ENCODED = re.compile(r"%(25)*(2e|2f|5c)", re.IGNORECASE)


def parse_target(target: str) -> tuple[str | None, str, str]:
    """Read a request target into host (absolute form only), canonical path, and raw query.

    Raises:
        BadRequest: it is no path, or one that two servers might read differently.
    """
    if not VISIBLE.fullmatch(target):
        raise BadRequest("The request target holds characters that must be percent-encoded.")
    host, rest = _origin_form(target)
    path, _, query = rest.partition("#")[0].partition("?")
    return host, canonical_path(path), query


def _origin_form(target: str) -> tuple[str | None, str]:
    if target.startswith("/"):
        return None, target
    # A server must take the absolute form (RFC 9112 §3.2.2).
    if target.lower().startswith(("http://", "https://")):
        try:
            host = urlsplit(target).netloc
        except ValueError as error:
            raise BadRequest("The request target is not a URL.") from error
        rest = target.split("://", 1)[1][len(host) :]
        return host, rest if rest.startswith("/") else f"/{rest}"
    raise BadRequest("The request target must be a path.")


def canonical_path(raw: str) -> str:
    """Give the one spelling of a path.

    Raises:
        BadRequest: dot segments, empty segments, backslashes, encoded separators or control
            characters, double encoding, or bytes that are not UTF-8.
    """
    if BROKEN_ESCAPE.search(raw) or FORBIDDEN_ESCAPE.search(raw):
        raise BadRequest("The path is not well-formed.")
    try:
        path = unquote_to_bytes(raw).decode("utf-8")
    except UnicodeDecodeError as error:
        raise BadRequest("The path is not UTF-8.") from error
    if "\\" in path or "//" in path or CONTROL.search(path) or DOUBLE_ENCODED.search(path):
        raise BadRequest("The path is ambiguous.")
    if any(segment.partition(";")[0] in (".", "..") for segment in path.split("/")):
        raise BadRequest("The path holds dot segments.")
    return quote(path, safe=SAFE)
