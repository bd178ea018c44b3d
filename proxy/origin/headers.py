"""Which header fields pass, in each direction. Pure.

To the origin
- A *manifest* is fetched once for many viewers, so the request says nothing of one of them: a
  fixed set of fields, the public scheme and host, and, for the origin's log, the address of the
  viewer who came first and what that request is known by. An origin whose answer depends on those
  says so (``Vary``, ``Cache-Control: private``), and ``freshness`` heeds it.
- A *segment* is fetched for its viewer: all end-to-end fields go on, Range and conditions too,
  less what authenticates the viewer here and what only a trusted proxy may claim.
- ``Host`` is the origin's own, set by the HTTP client. Origins choose a site by it, buckets and
  CDNs know no other; the public host goes in ``X-Forwarded-Host`` for those that want it.

From the origin
- Hop-by-hop fields end here (RFC 9110 §7.6.1), as does what speaks of the machine behind, and
  CORS, which the proxy answers for the whole port.
- A field with an address of the route's servers in it stays here.

A token or a session cookie never goes on; a field that holds a control character never passes.
"""

import ipaddress
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import TypeAlias

from proxy.model import Request
from proxy.origin.upstream import Upstream
from proxy.trace import Trace

Fields: TypeAlias = tuple[tuple[str, str], ...]

PSEUDONYM = "playgate"  # instead of a host name, which a Via would tell the world (RFC 9110 §7.6.3)

# An edge in front of a shield is two proxies of this name on one way; a third pass is a loop.
MAX_PASSES = 2

# Viewers of whom it is known how they are told of: a kilobyte each.
MAX_ASKERS = 4_096
# Names of fields of which it is known whether they may pass, each no longer than a line.
MAX_NAMES = 256

# What aiohttp and the decoder here both understand; the order is of no consequence.
MANIFEST_CODINGS = "gzip, deflate, br"

HOP_BY_HOP = frozenset(
    {"connection", "keep-alive", "te", "trailer", "transfer-encoding", "upgrade", "http2-settings"}
)

# Not for the origin: what the client here sets itself, credentials, the framing of a body that is
# never sent, claims about the viewer that only the proxy itself can make, and what the request was
# known by before the proxy looked at it.
NOT_UPSTREAM = HOP_BY_HOP | {
    *("host", "via", "forwarded", "x-real-ip", "authorization", "cookie", "referer"),
    *("dash-if-ietf-token", "cta-common-access-token"),
    *("content-length", "content-encoding", "content-type", "expect"),
    # Would have some servers answer for another path, or method, than the one that was checked.
    *("x-original-url", "x-rewrite-url"),
    *("x-http-method", "x-http-method-override", "x-method-override"),
    *("x-request-id", "traceparent", "tracestate"),
}

# With those of a configuration: one object for all its requests.
_not_upstream = lru_cache(16)(NOT_UPSTREAM.union)

# Not for the viewer: what names the software or another way to the machine behind.
NOT_DOWNSTREAM = HOP_BY_HOP | {"server", "via", "alt-svc", "x-powered-by"}

# Describe the bytes the origin sent, which a decoded and shared manifest no longer is; and a
# cookie is for one viewer, where a manifest is for all.
NOT_SHARED = frozenset(
    {
        *("content-length", "content-encoding", "content-range", "accept-ranges", "content-md5"),
        *("digest", "content-digest", "repr-digest", "set-cookie"),
    }
)

# RFC 9110 §5.5: no control but tab. A lone surrogate is a byte that was not UTF-8.
UNSAFE = re.compile("[\x00-\x08\x0a-\x1f\x7f\ud800-\udfff]")
NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")  # RFC 9110 §5.1
BEYOND_PATH = re.compile("[?#;]")
HOST = re.compile(r"[0-9A-Za-z._~%:\[\]-]+")  # what a Host field can look like, RFC 9110 §7.2


@dataclass(frozen=True, slots=True)
class Validators:
    """What a manifest may be asked for again by (RFC 9110 §8.8): the origin's own words."""

    etag: str | None = None
    modified: str | None = None


def manifest_request(request: Request, validators: Validators | None = None) -> Fields:
    """Give the fields of a manifest request, conditional where ``validators`` are given."""
    fields = [
        ("Accept", "*/*"),
        ("Accept-Encoding", MANIFEST_CODINGS),
        ("User-Agent", PSEUDONYM),
    ]
    if validators and validators.etag:
        fields.append(("If-None-Match", validators.etag))
    if validators and validators.modified:
        fields.append(("If-Modified-Since", validators.modified))
    # Of the way it came, what tells a loop. The rest is one viewer's word, the answer for all.
    return (*fields, *_forwarded(request, [f"1.1 {PSEUDONYM}"] * _passes(request)))


def segment_request(
    request: Request,
    private_cookies: frozenset[str] = frozenset(),
    private_headers: frozenset[str] = frozenset(),
) -> Fields:
    """Give the fields of a segment request: the viewer's, less what is not for the origin.

    ``private_headers`` are names in lower case.
    """
    fields = []
    for name, value in _passing(request.headers.items(), _not_upstream(private_headers)):
        known = _known(name)
        # Several ranges come in a multipart body, whose type says nothing of what is in it.
        if not known.startswith("x-forwarded-") and not (known == "range" and "," in value):
            fields.append((name, value))
    # The query of a page may hold the token, and the parameters of a path that of a signed URI.
    if referer := BEYOND_PATH.split(_value(request, "referer"), maxsplit=1)[0]:
        fields.append(("Referer", referer))
    if cookies := _cookies(request, private_cookies):
        fields.append(("Cookie", cookies))
    return (*fields, *_forwarded(request, [_value(request, "via")]))


def trace_fields(trace: Trace) -> Fields:
    """Give the fields that say what a request is known by: its id, and its place in a trace."""
    fields = [("X-Request-Id", trace.request_id)] if trace.request_id else []
    if trace.context is not None:
        fields.append(("traceparent", trace.context.traceparent))
        if trace.context.state:
            fields.append(("tracestate", trace.context.state))
    return tuple(fields)


def segment_response(fields: Iterable[tuple[str, str]], upstream: Upstream) -> Fields:
    """Give the fields of a segment's answer that go on to its viewer.

    Raises OriginInvalid where a redirect would show a server's address (``Upstream.outward``).
    """
    kept = []
    for name, value in _passing(fields, NOT_DOWNSTREAM):
        lower = name.lower()
        if lower == "location":
            kept.append((name, upstream.outward(value)))
        elif not lower.startswith(("access-control-", "playgate-")) and not (
            upstream.is_revealed_by(value)
        ):
            kept.append((name, value))
    return tuple(kept)


def manifest_response(fields: Iterable[tuple[str, str]], upstream: Upstream) -> Fields:
    """Give the fields that go with a manifest's decoded and shared body, or an error's."""
    shared = [(name, value) for name, value in fields if name.lower() not in NOT_SHARED]
    return segment_response(shared, upstream)


def first(fields: Iterable[tuple[str, str]], wanted: str) -> str | None:
    """Give the value of the first field of that (lowercase) name."""
    return next((value for name, value in fields if name.lower() == wanted), None)


def _passing(
    fields: Iterable[tuple[str, str]], dropped: frozenset[str]
) -> Iterator[tuple[str, str]]:
    """Give the end-to-end fields that are well-formed and not in ``dropped``."""
    pairs = tuple(fields)
    connection = [value for name, value in pairs if name.lower() == "connection"]
    named = {option.strip().lower() for value in connection for option in value.split(",")}
    for name, value in pairs:
        if _may_pass(name, dropped) and name.lower() not in named and not UNSAFE.search(value):
            yield name, value


@lru_cache(MAX_NAMES)
def _may_pass(name: str, dropped: frozenset[str]) -> bool:
    """Tell whether a field's name is well-formed, and of none that is hop-by-hop or dropped."""
    known = _known(name)
    if not dropped.isdisjoint((name.lower(), known)) or known.startswith("proxy-"):
        return False
    return NAME.fullmatch(name) is not None


def _known(name: str) -> str:
    """Give a field's name as an origin may know it: CGI and its heirs tell no ``_`` from ``-``."""
    return name.lower().replace("_", "-")


def _value(request: Request, wanted: str) -> str:
    """Give a field's value, its lines joined (RFC 9110 §5.3); empty where there is none."""
    if wanted not in request.headers:
        return ""
    values = [value for name, value in request.headers.items() if name.lower() == wanted]
    joined = ", ".join(values)
    return "" if UNSAFE.search(joined) else joined


def _cookies(request: Request, private: frozenset[str]) -> str:
    """Give the viewer's cookies as they came, without those that may hold a token."""
    if "cookie" not in request.headers:
        return ""
    kept = []
    for name, value in request.headers.items():
        if name.lower() == "cookie" and not UNSAFE.search(value):
            for cookie in value.split(";"):
                label = cookie.partition("=")[0].strip()
                if cookie.strip() and label not in private:
                    kept.append(cookie.strip())
    return "; ".join(kept)


def is_loop(request: Request) -> bool:
    """Tell whether a request has come through here too often, by its Via (RFC 9110 §7.6.3).

    Where it is a loop, an origin leads back to this proxy. But it may be the viewer's own word.
    """
    return "via" in request.headers and _passes(request) >= MAX_PASSES


def _passes(request: Request) -> int:
    """Count how often a request has come through a proxy of this name."""
    via = _value(request, "via")
    return sum(hop.split()[1:2] == [PSEUDONYM] for hop in via.split(",")) if via else 0


def _forwarded(request: Request, hops: list[str]) -> Iterator[tuple[str, str]]:
    """Say who asked, by which name and scheme (RFC 7239), and that a proxy passed it on.

    ``hops`` are those before it. The viewer's own claims were dropped: ``request.address`` already
    is what trusted proxies say.
    """
    yield "Via", ", ".join((*filter(None, hops), f"1.1 {PSEUDONYM}"))
    yield from _asker(request.address, request.host, request.scheme)


@lru_cache(MAX_ASKERS)
def _asker(viewer: str, host: str, scheme: str) -> Fields:
    fields = []
    address = _ip(viewer)
    elements = [f"for={_node(address)}"]
    if address is not None:
        fields.append(("X-Forwarded-For", str(address)))
    if HOST.fullmatch(host):
        fields.append(("X-Forwarded-Host", host))
        # A port makes it a quoted-string; HOST admits nothing that needs an escape in one.
        quoted = host if NAME.fullmatch(host) else f'"{host}"'
        elements.append(f"host={quoted}")
    fields.append(("X-Forwarded-Proto", scheme))
    elements.append(f"proto={scheme}")
    return (*fields, ("Forwarded", ";".join(elements)))


def _ip(address: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    """Read an address, without a zone, which means something on this machine only."""
    try:
        return ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return None


def _node(address: ipaddress.IPv4Address | ipaddress.IPv6Address | None) -> str:
    """Write a Forwarded node (RFC 7239 §6): IPv6 in brackets, therefore quoted."""
    if address is None:
        return "unknown"
    return f'"[{address}]"' if address.version == 6 else str(address)
