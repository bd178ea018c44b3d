"""A URI reference taken apart, and whose host it names.

Nothing is decoded and nothing is resolved here. A reference that leads to a foreign host, or that
two readers might take for different places, is no reference of ours: ``read`` gives None. Only an
origin's own URLs are read whatever they look like, because they must not be passed on.
"""

import re
from dataclasses import dataclass
from enum import Enum, auto

from proxy.manifests.links import Links

# RFC 3986 appendix B: scheme, authority, path, query, fragment of any reference.
REFERENCE = re.compile(
    r"(?:([A-Za-z][A-Za-z0-9+.-]*):)?(?://([^/?#]*))?([^?#]*)(?:\?([^#]*))?(?:#(.*))?", re.DOTALL
)
# What browsers drop or take for a slash: "/\t/evil.example" and "\\evil.example" lead elsewhere.
MISLEADING = re.compile(r"[\x00-\x1f\x7f\\]")
# With a ticket (2 KiB at most) behind it, a longer one would not fit a request line; and nobody
# should pay for resolving it.
MAX_LENGTH = 4096
DEFAULT_PORTS = {"http": ":80", "https": ":443"}


class Owner(Enum):
    """Whose host a reference names: none at all, the one the viewer asked, or an origin's."""

    NONE = auto()
    PUBLIC = auto()
    ORIGIN = auto()


@dataclass(frozen=True, slots=True)
class Reference:
    """A reference; ``head`` is its text up to the query, ``path`` what of that is path.

    ``is_dubious`` marks an origin's URL that is good for nothing but being hidden.
    """

    owner: Owner
    head: str
    path: str
    query: str | None = None
    fragment: str | None = None
    is_dubious: bool = False

    @property
    def tail(self) -> str:
        """The text behind the head."""
        query = "" if self.query is None else f"?{self.query}"
        fragment = "" if self.fragment is None else f"#{self.fragment}"
        return query + fragment

    @property
    def is_relative(self) -> bool:
        """Whether the path depends on what it is resolved against."""
        return self.owner is Owner.NONE and not self.path.startswith("/")


def read(uri: str, links: Links) -> Reference | None:
    """Take a URI reference apart; None where it leads to no host of ours."""
    is_dubious = len(uri) > MAX_LENGTH or MISLEADING.search(uri) is not None
    if is_dubious:
        uri = MISLEADING.sub(lambda match: f"%{ord(match[0]):02X}", uri)
    match = REFERENCE.fullmatch(uri)
    if match is None:
        return None
    scheme, authority, path, query, fragment = match.groups()
    owner = _owner(scheme, authority, links)
    if owner is None or (is_dubious and owner is not Owner.ORIGIN):
        return None
    return Reference(owner, uri[: match.end(3)], path, query, fragment, is_dubious)


def _owner(scheme: str | None, authority: str | None, links: Links) -> Owner | None:
    if scheme is None and authority is None:
        return Owner.NONE
    # "https:x" and "https:///x" mean one thing to RFC 3986 and another to browsers.
    if not authority or (scheme and scheme.lower() not in DEFAULT_PORTS):
        return None
    host = authority.rpartition("@")[2].lower()
    spellings = {host}
    if scheme:
        port = DEFAULT_PORTS[scheme.lower()]
        spellings.add(host.removesuffix(port) if host.endswith(port) else host + port)
    if spellings & links.origin_hosts:
        return Owner.ORIGIN
    return Owner.PUBLIC if links.public_host in spellings else None
