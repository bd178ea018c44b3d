"""URLs that the configuration names: the origins, where segments are, who may ask.

Each kind accepts exactly the parts it has a use for and is kept in one spelling (lower-case scheme
and host, no trailing slash), so that equal things compare equal. A password is accepted in the
store's URL alone (``store_url``), and no message ever repeats a URL or a part of one.
"""

import re
from ipaddress import IPv6Address, ip_address
from typing import Annotated, NamedTuple
from urllib.parse import SplitResult, urlsplit

from pydantic import AfterValidator, PlainSerializer

from proxy.settings.types import MASK

# Visible ASCII, all a URL may hold (RFC 3986 §2); a host beyond ASCII is written in the xn-- form
# that goes over the wire.
VISIBLE = re.compile(r"[!-~]{1,2048}")
NAME = r"[A-Za-z0-9_](?:[A-Za-z0-9_-]{0,62})"
HOST = re.compile(rf"{NAME}(?:\.{NAME})*\.?|\[[0-9A-Fa-f:.]{{2,45}}\]")
AUTHORITY = re.compile(rf"({HOST.pattern})(?::([0-9]{{1,5}}))?")
# What a path may hold (RFC 3986 §3.3): it is written into manifests.
PATH = re.compile(r"(?:[A-Za-z0-9._~!$&'()*+,;=:@/-]|%[0-9A-Fa-f]{2})*")
# A query may hold these two as well (RFC 3986 §3.4).
QUERY = re.compile(r"(?:[A-Za-z0-9._~!$&'()*+,;=:@/?-]|%[0-9A-Fa-f]{2})*")
DEFAULT_PORTS = {"http": 80, "https": 443}


class Authority(NamedTuple):
    """A host in lower case and the port that stands with it."""

    host: str
    port: int | None

    def __str__(self) -> str:
        return self.host if self.port is None else f"{self.host}:{self.port}"


def parse_authority(text: str) -> Authority:
    """Read ``host`` or ``host:port``; an IPv6 address stands in brackets.

    Raises:
        ValueError: neither.
    """
    match = AUTHORITY.fullmatch(text)
    if match is None or not 1 <= int(match[2] or 1) <= 65535:
        raise ValueError("must be a host name or address, with or without a port")
    return Authority(match[1].lower(), int(match[2]) if match[2] else None)


def parse_host(text: str) -> str:
    """Read the host that viewers name, with or without a port, in the spelling it is compared in.

    That is ``web.addresses``'s: no dot at the end of a name, an address as RFC 5952 writes it.

    Raises:
        ValueError: no host.
    """
    host, port = parse_authority(text)
    if not host.startswith("["):
        return str(Authority(host.removesuffix("."), port))
    try:
        return str(Authority(f"[{IPv6Address(host[1:-1])}]", port))
    except ValueError:
        raise ValueError("must hold an IPv6 address between its brackets") from None


def _split(text: str, *schemes: str) -> SplitResult:
    """Split a URL; the standard library's own messages would repeat parts of it."""
    expected = " or ".join(f"{scheme}://" for scheme in schemes)
    if not VISIBLE.fullmatch(text):
        raise ValueError(f"must be a URL of visible ASCII that starts with {expected}")
    try:
        url = urlsplit(text)
    except ValueError:
        raise ValueError("must be a URL") from None
    if url.scheme not in schemes or not url.netloc:
        raise ValueError(f"must be a URL that starts with {expected}")
    return url


def parse_base(text: str) -> str:
    """Read an ``http(s)`` URL that other paths are appended to; no trailing slash is kept.

    Raises:
        ValueError: no such URL, or one with a user, a query or a fragment.
    """
    url = _split(text, "http", "https")
    if "@" in url.netloc:
        raise ValueError("must be a URL without a user or password")
    if "?" in text or "#" in text:
        raise ValueError("must be a URL without a query or fragment")
    if not PATH.fullmatch(url.path):
        raise ValueError("must be a URL whose path is percent-encoded")
    authority = parse_authority(url.netloc)
    if authority.port == DEFAULT_PORTS[url.scheme]:
        authority = Authority(authority.host, None)
    return f"{url.scheme}://{authority}{url.path.rstrip('/')}"


def parse_document(text: str) -> str:
    """Read the ``http(s)`` URL of one document, which may have a query.

    Raises:
        ValueError: no such URL, or one with a user or a fragment.
    """
    address, question, query = text.partition("?")
    base = parse_base(address)
    # The last slash of a document's path is part of its name.
    slash = "/" if address.endswith("/") else ""
    if not QUERY.fullmatch(query):
        raise ValueError("must be a URL whose query is percent-encoded")
    return f"{base}{slash}{question}{query}"


def _shown_document(url: str) -> str:
    """Give a document's URL with its query masked, which may be what opens it."""
    address, question, _ = url.partition("?")
    return f"{address}?{MASK}" if question else address


def is_safe(url: str) -> bool:
    """Tell whether what a URL gives comes from whom it names: HTTPS, or from this machine."""
    parts = urlsplit(url)
    return parts.scheme == "https" or is_local(parts.hostname or "")


def is_local(host: str) -> bool:
    """Tell whether a host is this machine, for itself alone."""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")


def parse_origin(text: str) -> str:
    """Read an ``http(s)`` URL that is scheme, host and port alone.

    Raises:
        ValueError: no such URL.
    """
    base = parse_base(text)
    if base.count("/") > 2 or text.endswith("//"):
        raise ValueError("must be scheme, host and port alone, without a path")
    return base


def parse_web_origin(text: str) -> str:
    """Read what a browser sends as ``Origin`` (RFC 6454 §6.2), or ``*``.

    Raises:
        ValueError: neither.
    """
    return text if text == "*" else parse_origin(text)


def parse_bind_host(text: str) -> str:
    """Read an address or a host name to listen on, without a port.

    Raises:
        ValueError: neither.
    """
    try:
        return str(ip_address(text))
    except ValueError:
        pass
    if not HOST.fullmatch(text) or text.startswith("["):
        raise ValueError("must be an address such as 0.0.0.0 or ::, or a host name, and no port")
    return text.lower()


BaseUrl = Annotated[str, AfterValidator(parse_base)]
DocumentUrl = Annotated[str, AfterValidator(parse_document), PlainSerializer(_shown_document)]
OriginUrl = Annotated[str, AfterValidator(parse_origin)]
WebOrigin = Annotated[str, AfterValidator(parse_web_origin)]


HostName = Annotated[str, AfterValidator(parse_host)]
BindHost = Annotated[str, AfterValidator(parse_bind_host)]
