"""An origin's own steering server, asked in a player's place.

Where the origin room meets what manifests say of steering. Its answer is passed on, but never one
that would end a player's reports or lead it past us:

- it may not have players come less often than slots need;
- it may lead them on (RELOAD-URI) on its own host only: a third party that steers must not have us
  ask our own network;
- it may not make up pathways (PATHWAY-CLONES), whose manifests nobody would count;
- one that does not answer soon is left alone for a while, because players wait for us meanwhile,
  Shaka before it plays at all.
"""

import json
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, replace
from http import HTTPStatus
from typing import Any
from urllib.parse import urljoin, urlsplit

from proxy.errors import NotFound, OriginError, OriginInvalid
from proxy.model import Request
from proxy.origin.client import OriginClient
from proxy.origin.upstream import OriginConfig, Target, Upstream, elsewhere
from proxy.query import pairs
from proxy.routing import RouteTable

# Seconds. Steering servers answer from memory; a player that must wait longer plays later.
TIMEOUT = 1.0
# Seconds for which one that failed is not asked again: about as often as a player comes.
PAUSE = 30.0
MAX_PAUSED = 1_000
MAX_ANSWER_BYTES = 64 * 1024
# With a ticket beside it, a longer address would not fit a request line.
MAX_ADDRESS_LENGTH = 2_048
# What players tell a steering server (RFC 8216bis §7.2, ETSI TS 103 998 §6.3).
TOLD = ("_HLS_", "_DASH_")
# What an answer says about where to go, in HLS and in DASH.
PRIORITIES = ("PATHWAY-PRIORITY", "SERVICE-LOCATION-PRIORITY")
RELOAD_URI = "RELOAD-URI"
CLONES = "PATHWAY-CLONES"


@dataclass(frozen=True, slots=True)
class Answer:
    """What a steering server said, fit for players; ``reload`` is where it wants to be asked next.

    ``ttl`` is in seconds, None where it named none that is any.
    """

    document: dict[str, Any]
    ttl: int | None
    reload: str | None


class OriginSteering:
    """Asks steering servers that manifests named; ``clock`` gives seconds and never goes back."""

    def __init__(
        self,
        routes: RouteTable,
        upstreams: dict[str, Upstream],
        origins: OriginClient,
        config: OriginConfig,
        *,
        private: frozenset[str],
        clock: Callable[[], float],
    ) -> None:
        self._routes = routes
        self._upstreams = upstreams
        self._origins = origins
        self._config = replace(
            config,
            timeout=min(TIMEOUT, config.timeout),
            max_manifest=MAX_ANSWER_BYTES,
        )
        self._private = private
        self._clock = clock
        self._paused_until: OrderedDict[str, float] = OrderedDict()

    async def ask(self, request: Request, server: str) -> Answer | None:
        """Ask what a player asked of ours; None where nothing comes of it.

        ``server`` is a public path or a URL elsewhere, from a manifest of the origin's.
        """
        where = server.partition("?")[0]
        if self._paused_until.get(where, 0.0) > self._clock():
            return None
        try:
            answer = _read(await self._fetch(request, server), server)
        except (OriginError, NotFound, ValueError, RecursionError):
            self._pause(where)
            return None
        self._paused_until.pop(where, None)
        return answer

    async def _fetch(self, request: Request, server: str) -> bytes:
        path, _, query = server.partition("?")
        told = [
            raw
            for name, _, raw in pairs(request.query)
            if name.startswith(TOLD) and name not in self._private
        ]
        query = "&".join(filter(None, (query, *told)))
        if path.startswith("/"):
            route = self._routes.find(request.host, path)
            if route is None:
                raise NotFound
            upstream, target = self._upstreams[route.name], Target(route.upstream(path), query)
        else:
            upstream, target = elsewhere(path, query, self._config)
        fetched = await self._origins.fetch(replace(upstream, config=self._config), target, request)
        if fetched.status != HTTPStatus.OK:
            raise OriginInvalid
        return fetched.body

    def _pause(self, where: str) -> None:
        self._paused_until[where] = self._clock() + PAUSE
        self._paused_until.move_to_end(where)
        if len(self._paused_until) > MAX_PAUSED:
            self._paused_until.popitem(last=False)


def _read(body: bytes, server: str) -> Answer:
    """Read an answer.

    Raises:
        ValueError: it is none that a player could use.
    """
    said = json.loads(body, parse_constant=_refuse)
    members = said if isinstance(said, dict) else {}
    named = {name: members[name] for name in PRIORITIES if _is_list(members.get(name))}
    if not named:
        raise ValueError("it names no pathway")
    ours = (*PRIORITIES, CLONES, RELOAD_URI)
    document = {name: value for name, value in members.items() if name not in ours} | named
    # Players believe an answer of no other version, and ask no more.
    document["VERSION"] = 1
    ttl = document.get("TTL")
    return Answer(
        document=document,
        ttl=ttl if type(ttl) is int and ttl >= 1 else None,
        reload=_reload(server, members.get(RELOAD_URI)),
    )


def _reload(server: str, reference: object) -> str | None:
    """Give where to ask from now on, if that is on the same host."""
    if not isinstance(reference, str) or not reference.isascii():
        return None
    onward = urljoin(server, reference).partition("#")[0]
    before, after = urlsplit(server), urlsplit(onward)
    is_same = (before.scheme, before.netloc) == (after.scheme, after.netloc)
    return onward if is_same and len(onward) <= MAX_ADDRESS_LENGTH else None


def _refuse(constant: str) -> None:
    raise ValueError(f"{constant} is no JSON")


def _is_list(names: object) -> bool:
    return isinstance(names, list) and bool(names) and all(isinstance(name, str) for name in names)
