"""What the manifests room sees of Playgate: routes, hosts, seals; and what a player makes of it."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Literal
from urllib.parse import urljoin, urlsplit

from hypothesis import HealthCheck, settings

from proxy.credentials.ticket import Tickets
from proxy.errors import BadRequest, TicketInvalid
from proxy.manifests.kinds import is_manifest_path
from proxy.manifests.links import Links, Place
from proxy.model import Playback, Subject
from proxy.playback.identity import content_of
from proxy.query import pairs, value_of
from proxy.settings.patterns import PathPattern
from proxy.web.target import parse_target

# How long an example takes says how busy the machine is, and nothing else.
unhurried = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])

Mode = Literal["signed", "open", "direct", "deny"]

PUBLIC = "play.example"
ORIGIN = "origin-a:8000"
CDN = "https://cdn.example/media/"
TICKET = "h.p.s"

SID = re.compile(r"(?:\?|&amp;|&)_sid=[^&#\"'\s<,]*(?:(?<=\?)&)?")


def without_tickets(text: str) -> str:
    return SID.sub("", text)


def links(
    base: str = "/live/a/main.m3u8",
    routes: Mapping[str, Mode] | None = None,
    *,
    strip_prefix: str = "",
    content_params: frozenset[str] = frozenset(),
    query: str = "",
    steering: str | None = None,
) -> Links:
    """Links whose seals can be read: ``[scope]``, the scope of a manifest being its content."""
    patterns = [
        (PathPattern(path), mode) for path, mode in (routes or {"/live/**": "signed"}).items()
    ]

    def scope(path: str, query: str) -> str:
        return content_of(PUBLIC, path, query, content_params)

    def place(path: str) -> Place | None:
        for pattern, mode in patterns:
            if pattern.matches(path):
                return Place(mode, CDN if mode == "direct" else None, scope)
        return None

    return Links(
        base=base,
        public_scheme="https",
        public_host=PUBLIC,
        origin_hosts=frozenset({ORIGIN, "origin-b"}),
        param="_sid",
        private=frozenset({"token", "_sid"}),
        place=place,
        to_public=lambda path: strip_prefix + path,
        seal=lambda scope: f"[{scope}]",
        query=query,
        steering=steering,
    )


@dataclass(frozen=True)
class Fetch:
    """What the server would say to a player that asks for a URL found in a manifest."""

    path: str
    verdict: Literal["foreign", "bad", "none", "manifest", "segment", "misfit"]


class Player:
    """Resolves what it finds in the manifest of one content, and asks for it, with real tickets."""

    content = f"{PUBLIC}/live/entry.m3u8"

    def __init__(self) -> None:
        self._tickets = Tickets(b"x" * 32, 3600.0, lambda: 1_000_000.0)
        playback = Playback(
            stream="s",
            device="d",
            strong=False,
            content=self.content,
            route="live",
            label="",
            network="n",
            agent="a",
        )
        self.ticket = self._tickets.mint(Subject("account"), playback, 0).encode()

    def sealed(self, plain: Links) -> Links:
        """The same links with seals that a server would check."""
        return replace(plain, seal=self._tickets.sealer(self.content))

    def fetch(self, base: str, uri: str) -> Fetch:
        url = urlsplit(urljoin(f"https://{PUBLIC}{base}", uri))
        if url.scheme not in ("http", "https") or url.netloc != PUBLIC:
            return Fetch(url.path, "foreign")
        try:
            target = parse_target(url._replace(scheme="", netloc="", fragment="").geturl())
        except BadRequest:
            return Fetch(url.path, "bad")
        path, query = target.path, target.query
        assert sum(name == "_sid" for name, _, _ in pairs(query)) <= 1
        value = value_of(query, "_sid")
        if value is None:
            return Fetch(path, "none")
        try:
            ticket = self._tickets.read(value)
        except TicketInvalid:
            return Fetch(path, "misfit")
        if is_manifest_path(path):
            fits = self._tickets.fits(ticket, content_of(PUBLIC, path, query, ()))
            return Fetch(path, "manifest" if fits else "misfit")
        return Fetch(path, "segment" if self._tickets.fits_within(ticket, path) else "misfit")
