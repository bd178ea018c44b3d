"""Routes: which origin a path belongs to, and how its paths are named on either side.

The first route of the configuration that matches wins. A route also says what a manifest *is*
(its content), because only the route knows which query parameters are part of it.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from proxy.errors import NotFound
from proxy.manifests.links import Place
from proxy.model import Request
from proxy.playback.identity import content_of
from proxy.settings.patterns import PathPattern

# The port of a host, also of an IPv6 address in brackets.
PORT = re.compile(r":\d+$")

Segments = Literal["signed", "open", "direct", "deny"]


@dataclass(frozen=True, slots=True)
class Route:
    """One route of the configuration. ``host`` is compared in lower case, None means any."""

    name: str
    pattern: PathPattern
    origins: tuple[str, ...]
    host: str | None = None
    strip_prefix: str = ""
    segments: Segments = "signed"
    segment_base_url: str | None = None
    content_params: frozenset[str] = frozenset()
    limit: int | None = None

    def content(self, request: Request) -> str:
        """Name what the request's manifest is."""
        return content_of(request.host, request.path, request.query, self.content_params)

    def upstream(self, path: str) -> str:
        """Give the origin's name of a public path."""
        return path.removeprefix(self.strip_prefix)

    def public(self, path: str) -> str:
        """Give the public name of an origin's path."""
        return self.strip_prefix + path

    def place(self, host: str) -> Place:
        """Give what a manifest's links need to know of this route as a target."""

        def scope(path: str, query: str) -> str:
            return content_of(host, path, query, self.content_params)

        return Place(segments=self.segments, segment_base_url=self.segment_base_url, scope=scope)


class RouteTable:
    """All routes, in order."""

    def __init__(self, routes: Iterable[Route]) -> None:
        self.routes = tuple(routes)

    def find(self, host: str, path: str) -> Route | None:
        """Give the first route that serves the path on the host; None where there is none."""
        name = PORT.sub("", host) if ":" in host else host
        for route in self.routes:
            if route.host in (None, host, name) and route.pattern.matches(path):
                return route
        return None

    def match(self, request: Request) -> Route:
        """Give the request's route.

        Raises:
            NotFound: no route serves the path.
        """
        if route := self.find(request.host, request.path):
            return route
        raise NotFound("No route serves this path.")
