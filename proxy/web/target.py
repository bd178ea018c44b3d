"""The request target, read strictly and once (RFC 9112 §3.2)."""

import re
from urllib.parse import urlsplit

from proxy.errors import BadRequest
from proxy.paths import canonical
from proxy.query import MAX_PARAMETERS, is_bounded
from proxy.values import value

# What a path holds of signed URIs: the parameter's value goes on to the end of its segment at most.
PACKAGE = "[;/]{name}=([^;/]*)"
# Visible ASCII, which is all a request target may hold (RFC 9112 §3.2).
VISIBLE = re.compile(r"[\x21-\x7e]*", re.ASCII)


@value(frozen=True, slots=True)
class Target:
    """A request target: its host where it has one, canonical path and raw query.

    ``package`` is the token of a signed URI that was a parameter of the path.
    """

    host: str | None
    path: str
    query: str
    package: str | None = None


def parse_target(target: str, package: str | None = None) -> Target:
    """Read a request target; ``package`` names the parameter of signed URIs, if there are any.

    Raises:
        BadRequest: it is no path, or one that two servers might read differently; or its query is
            too much to read.
    """
    if not VISIBLE.fullmatch(target):
        raise BadRequest("The request target holds characters that must be percent-encoded.")
    host, rest = _origin_form(target)
    raw, _, query = rest.partition("#")[0].partition("?")
    path = canonical(raw)
    if path is None:
        raise BadRequest("The path is malformed, or could mean two things.")
    if not is_bounded(query):
        raise BadRequest(f"A query may have {MAX_PARAMETERS} parameters.")
    return Target(host, path, query) if package is None else _signed(host, path, query, package)


def _signed(host: str | None, path: str, query: str, name: str) -> Target:
    """Take a signed URI's token out of its path (RFC 9246 §2, RFC 6570 §3.2.7).

    At the end only: further up, each relative address in the manifest would be resolved to one
    with the token in it.
    """
    found = list(re.finditer(PACKAGE.format(name=re.escape(name)), path))
    if not found:
        return Target(host, path, query)
    package = found[0]
    if len(found) > 1 or path[package.start()] == "/" or "/" in path[package.end() :]:
        raise BadRequest(f"The parameter {name} belongs at the end of the path, once.")
    rest = path[: package.start()] + path[package.end() :]
    return Target(host, rest, query, package[1])


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
