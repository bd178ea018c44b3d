"""What went through the proxy's door: each request of a player, by the account it named.

The proxy's own metrics name no account. This looks at what players send, before the proxy reads
it, and at the status it was given.
"""

import json
import time
from base64 import urlsafe_b64decode
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from multidict import CIMultiDict

from proxy.model import Reply
from proxy.serve import Service
from proxy.web.incoming import Incoming
from proxy.web.server import Send

STEERING = "/_playgate/steering"


@dataclass(frozen=True)
class Visit:
    """One request: when it came (seconds, monotonic), how long it took, what it was given.

    ``account`` is a token's account, ``ticket`` the account's hash in a ticket; empty without.
    """

    at: float
    seconds: float
    path: str
    status: int
    account: str
    ticket: str

    @property
    def answered(self) -> bool:
        """Whether it was answered before the player gave up, or was killed."""
        return self.status != 0

    @property
    def kind(self) -> str:
        if self.path == STEERING:
            return "steering"
        if self.path.endswith((".m3u8", ".mpd")):
            return "entry" if self.account else "child"
        return "other" if self.path.startswith("/_playgate/") else "segment"


class Door:
    """Keeps the visits; a request that is held open is noted when it is answered or given up."""

    def __init__(self) -> None:
        self.visits: list[Visit] = []

    def watch(self, service: Service) -> None:
        """Stand in front of a proxy that was not started yet."""
        players = service._inner.players
        handle = players._handle

        async def noted(request: Incoming, send: Send[Any]) -> Any:
            at = time.monotonic()
            status = 0

            async def sent(reply: Reply, fields: CIMultiDict[str]) -> Any:
                nonlocal status
                done = await send(reply, fields)
                status = reply.status
                return done

            try:
                return await handle(request, sent)
            finally:
                self.note(at, request.raw_path, status)

        players._handle = noted  # type: ignore[assignment, method-assign]  # all ways but that of known requests

    def note(self, at: float, target: str, status: int) -> None:
        parts = urlsplit(target)
        query = dict(parse_qsl(parts.query))
        account = claims(query.get("token", "")).get("sub", "")
        ticket = claims(query.get("_sid", "").partition(".")[2]).get("a", "")
        took = time.monotonic() - at
        self.visits.append(Visit(at, took, parts.path, status, account, ticket))


def claims(token: str) -> dict[str, str]:
    """Read a JWT without believing it."""
    _, _, rest = token.partition(".")
    payload, _, _ = rest.partition(".")
    if not payload:
        return {}
    found: dict[str, str] = json.loads(urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
    return found
