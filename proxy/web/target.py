"""The request target, read strictly and once (RFC 9112 §3.2)."""

import re
from urllib.parse import urlsplit

from proxy.errors import BadRequest
from proxy.paths import canonical

# Visible ASCII, which is all a request target may hold (RFC 9112 §3.2).
VISIBLE = re.compile(r"[\x21-\x7e]*", re.ASCII)


def parse_target(target: str) -> tuple[str | None, str, str]:
    """Read a request target into host (absolute form only), canonical path, and raw query.

    Raises:
        BadRequest: it is no path, or one that two servers might read differently.
    """
    if not VISIBLE.fullmatch(target):
        raise BadRequest("The request target holds characters that must be percent-encoded.")
    host, rest = _origin_form(target)
    raw, _, query = rest.partition("#")[0].partition("?")
    path = canonical(raw)
    if path is None:
        raise BadRequest("The path is malformed, or could mean two things.")
    return host, path, query


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
