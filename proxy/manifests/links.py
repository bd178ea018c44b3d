"""What must be known to rewrite a manifest's links.

Values only: of the world around the manifest (where it was found, which hosts are ours, what
serves a path, how a place is sealed), and of a link itself (its role, what it is resolved against).
How links are rewritten is told in ``linker``.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum, auto
from typing import Literal


@dataclass(frozen=True, slots=True)
class Place:
    """The route that serves a path, as far as links to the path are concerned.

    ``segment_base_url`` is set where ``segments`` is ``direct``. ``scope`` names the manifest at
    a canonical path and a raw query, as the request for it will be named.
    """

    segments: Literal["signed", "open", "direct", "deny"]
    segment_base_url: str | None
    scope: Callable[[str, str], str]


@dataclass(frozen=True, slots=True)
class Links:
    """How links found in one manifest are treated.

    Args:
        base: the manifest's public path, canonical, without a query.
        public_scheme: ``https`` or ``http``, as the viewer asked.
        public_host: host and port the viewer asked for, in lower case.
        origin_hosts: host and port of each origin, in lower case, as the configuration spells
            them. Absolute URLs to them become public paths.
        param: the query parameter that carries tickets.
        private: the query parameters that carry credentials, that one included.
        place: what serves a canonical public path; None where no route of ours does.
        to_public: gives the public path of an origin's path.
        seal: gives the short URL-safe text that ties a ticket to a manifest's scope, to a
            directory of segments (``/a/``), or to it and all below (``/a/**``); baked into the
            template.
        query: the manifest's query as the origin sees it: no token, no ticket.
        steering: the path of our steering server; None where there is no keep-alive.
    """

    base: str
    public_scheme: str
    public_host: str
    origin_hosts: frozenset[str]
    param: str
    private: frozenset[str]
    place: Callable[[str], Place | None]
    to_public: Callable[[str], str]
    seal: Callable[[str], str]
    query: str = ""
    steering: str | None = None


class Role(Enum):
    """What a URI stands for.

    ADDRESS: nothing that needs a ticket, but it may name an origin. STEERING: the origin's steering
    server, which is an address where ours cannot stand in front of it.
    """

    MANIFEST = auto()
    SEGMENT = auto()
    ADDRESS = auto()
    STEERING = auto()


@dataclass(frozen=True, slots=True)
class Base:
    """What relative references are resolved against.

    ``path`` is a public path, None on a foreign host; ``query`` matters where a base is itself a
    file. ``moved`` says that players are given another base instead, on ``segment_base_url``.
    """

    path: str | None
    query: str | None = None
    moved: bool = False


@dataclass(frozen=True, slots=True)
class Holes:
    """Parts of a URI that only the player can fill in: DASH identifiers, HLS variables.

    ``tame`` says that no filling leads to another host, ``flat`` that none holds a slash.
    """

    pattern: re.Pattern[str]
    tame: bool
    flat: bool
