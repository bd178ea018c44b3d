"""What is asked of whom: the servers of a route, and a place on them.

Values only. The room knows no settings; whoever wires it builds these from them.
"""

import re
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Self
from urllib.parse import quote

from yarl import URL

from proxy.errors import OriginInvalid
from proxy.values import value

# What goes to the origin exactly as it was given: printable ASCII but "#", which no request target
# may hold (RFC 9112 §3.2), and in a path "?", which would end it. What is not in here (a space, a
# control, a byte above 127) is percent-encoded: it can't end the request line or begin a header.
QUERY_CHARACTERS = "".join(chr(code) for code in range(0x21, 0x7F) if chr(code) != "#")
PATH_CHARACTERS = QUERY_CHARACTERS.replace("?", "")

# Labels of at most 63 characters (RFC 1035 §2.3.4): the resolver fails on others in ways of its
# own. The underscore is not for hosts, but Docker and others name them so.
HOST_NAME = re.compile(r"([0-9a-z_-]{1,63}\.)*[0-9a-z_-]{1,63}\.?", re.IGNORECASE)

SCHEME = re.compile(r"([a-z][a-z0-9+.-]*:)?", re.IGNORECASE)  # RFC 3986 §3.1; a "//" may do without


# How servers that are in no configuration are called in metrics, route and origin alike.
ELSEWHERE = "elsewhere"


@value(frozen=True, slots=True)
class Target:
    """A place on an origin: an encoded ``path`` with its leading slash, and a raw ``query``.

    Tokens and tickets have been taken out of the query before it comes here.
    """

    path: str
    query: str = ""


@dataclass(frozen=True, slots=True)
class Origin:
    """One server, and the path (``/`` or ``/base``) under which it keeps what is asked for.

    ``base`` may carry a user and a password, which are sent as HTTP Basic. ``name`` is how the
    server is called in metrics: its configured URL without them.
    """

    base: URL
    name: str
    # Looked up many times for each request to it, and a dataclass would be hashed anew each time.
    _hash: int = field(init=False, compare=False, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_hash", hash((self.base, self.name)))

    def __hash__(self) -> int:
        return self._hash

    @classmethod
    def parse(cls, url: str) -> Self:
        """Read an origin's URL: http or https, a host, perhaps a port and a base path.

        Raises ValueError where it is anything else.
        """
        base = URL(url)
        if base.scheme not in {"http", "https"} or not base.raw_host or base.port is None:
            raise ValueError("an origin is http://host[:port] or https://host[:port]")
        if ":" not in base.raw_host and not HOST_NAME.fullmatch(base.raw_host):
            raise ValueError("an origin's host is a name or an address")
        if base.raw_query_string or base.raw_fragment:
            raise ValueError("an origin's URL has neither query nor fragment")
        name = f"{base.scheme}://{base.host_port_subcomponent}{base.raw_path.rstrip('/')}"
        return cls(base, name)

    def url(self, target: Target) -> URL:
        """Give the address of a target, its path and query untouched."""
        return URL.build(
            scheme=self.base.scheme,
            authority=self.base.raw_authority,
            path=_encoded(self.base.raw_path.rstrip("/") + target.path, PATH_CHARACTERS),
            query_string=_encoded(target.query, QUERY_CHARACTERS),
            encoded=True,
        )

    def inside(self, path: str) -> str:
        """Give a path of the server relative to its base; one outside the base stays as it is."""
        base = self.base.raw_path.rstrip("/")
        if path.startswith(base) and path[len(base) :][:1] in {"", "/", "?", "#"}:
            return path[len(base) :]
        return path


@dataclass(frozen=True, slots=True)
class OriginConfig:
    """How to ask: times in seconds, sizes in bytes.

    ``timeout`` bounds a manifest from the request to its last byte, retries included; of a
    segment it bounds the wait for the answer to begin and then each wait for more of it. What an
    origin may hold until there is news (``patience``) is allowed that much longer.
    ``retries`` counts further attempts where one was in vain, or another origin is to be asked.
    ``max_manifest`` bounds the decoded body. ``private_cookies`` and
    ``private_headers`` (in lower case) name what a token may come in: it is never sent on.
    """

    timeout: float = 5.0
    connect_timeout: float = 1.0
    retries: int = 1
    max_manifest: int = 8 * 1024 * 1024
    private_cookies: frozenset[str] = frozenset()
    private_headers: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Upstream:
    """The interchangeable servers of one route (at least one)."""

    route: str
    origins: tuple[Origin, ...]
    config: OriginConfig = OriginConfig()

    def is_revealed_by(self, value: str) -> bool:
        """Tell whether a header's value holds the address of one of the servers."""
        return "//" in value and any(_address(one).search(value) for one in self.origins)

    def inward(self, location: str, asked: URL, target: Target) -> tuple[Origin, Target]:
        """Give where the redirect of a manifest leads that was ``asked`` for.

        Raises OriginInvalid where that is none of the route's servers, or another folder than that
        of ``target``: what the manifest's links mean to players depends on it.
        """
        try:
            url = asked.join(URL(location, encoded=True))
        except ValueError as error:
            raise OriginInvalid("The origin redirects its manifest to nowhere.") from error
        for origin in self.origins:
            base, path = origin.base, origin.inside(url.raw_path)
            is_ours = (url.scheme, url.raw_host, url.port) == (
                base.scheme,
                base.raw_host,
                base.port,
            )
            if is_ours and _folder(path) == _folder(target.path):
                return origin, Target(path, url.raw_query_string)
        raise OriginInvalid("The origin redirects its manifest to where it must not be followed.")

    def outward(self, location: str) -> str:
        """Give a redirect's ``Location`` as it may leave the proxy (RFC 9110 §10.2.2).

        One that leads to a server of this route becomes relative to wherever the client asked,
        so that the server's address stays inside. Relative ones and other hosts, a CDN say, are
        left as they are. Raises OriginInvalid where the address would be seen all the same.
        """
        for origin in self.origins:
            found = _address(origin).search(location)
            if found and SCHEME.fullmatch(location, 0, found.start()):
                location = "/" + origin.inside(location[found.end() :]).lstrip("/")
                break
        if self.is_revealed_by(location):
            raise OriginInvalid("The origin redirects to where no viewer can follow.")
        return location


def elsewhere(url: str, query: str, config: OriginConfig) -> tuple[Upstream, Target]:
    """Give how to ask a server that is no route's, as an origin's manifest named it.

    Raises OriginInvalid where it is none that can be asked.
    """
    try:
        server = URL(url)
        origin = Origin.parse(str(server.origin()))
    except ValueError as error:
        raise OriginInvalid("The origin names a server that cannot be asked.") from error
    # Metrics must not grow with what manifests name.
    origin = Origin(origin.base, ELSEWHERE)
    return Upstream(ELSEWHERE, (origin,), config), Target(server.raw_path, query)


def _folder(path: str) -> str:
    return path.rpartition("/")[0]


def _encoded(text: str, safe: str) -> str:
    """Percent-encode what is not safe; a lone surrogate is a byte that was not UTF-8."""
    return quote(text, safe=safe, errors="surrogateescape")


@lru_cache(maxsize=256)
def _address(origin: Origin) -> re.Pattern[str]:
    """Match ``//host:port`` of an origin; the port may be missing where it is the scheme's own."""
    base = origin.base
    port = f":{base.port}"
    if base.is_default_port():
        port = f"(?:{port})?"
    host = re.escape((base.host_subcomponent or "").rstrip(".")) + r"\.?"
    return re.compile(rf"//(?:[^/@\s]*@)?{host}{port}(?![\w.:-])", re.IGNORECASE)
