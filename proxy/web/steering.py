"""The steering server: where players on demand say, unasked by their viewers, that they play on.

To the player it is an answer about pathways (RFC 8216bis §7.1; ETSI TS 103 998 §6). To Playgate it
is a beat. The answer is always 200 and valid, whatever became of the stream, because of what
players do with anything else: some stop asking for ever, others ask a thousand times in a few
seconds. Nothing can be refused here; what may not go on is refused where media is asked for.

Where the origin has a steering server of its own, its answer is passed on (``origin_steering``).
"""

from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from proxy.admit import Admission
from proxy.credentials.bearer import Credentials
from proxy.errors import PlaygateError, TicketInvalid
from proxy.manifest_source import STEERING_PATH
from proxy.manifests.steering import (
    PATHWAY,
    PATHWAY_PARAM,
    SERVER_PARAM,
    SERVER_SAFE,
    place,
)
from proxy.model import Kind, Reply, Request, Ticket
from proxy.origin_steering import PRIORITIES, RELOAD_URI, OriginSteering
from proxy.playback import identity
from proxy.playback.device import hints
from proxy.query import is_bounded, value_of
from proxy.rendering import decision_headers
from proxy.streams import Intent
from proxy.telemetry.notes import Notes
from proxy.web.replies import json_reply

# When to ask again where there is nothing to keep alive (seconds; a player that was told nothing
# would take the same).
SELDOM = 300
# The pathway a player is on, as it tells its steering server (in quotes).
TOLD = ("_HLS_pathway", "_DASH_pathway")
MAX_PATHWAY_LENGTH = 256


@dataclass(frozen=True, slots=True)
class _Asked:
    """What a steering request asks for: a pathway to stay on, or what the origin's server says."""

    pathway: str
    server: str | None

    @classmethod
    def read(cls, query: str) -> "_Asked":
        told = (value_of(query, name) for name in TOLD)
        pathway = value_of(query, PATHWAY_PARAM) or next(filter(None, told), PATHWAY)
        return cls(
            pathway.strip('"')[:MAX_PATHWAY_LENGTH] or PATHWAY, value_of(query, SERVER_PARAM)
        )


class Steering:
    """Answers players' steering requests; ``interval`` in seconds is how often they are to come."""

    def __init__(
        self,
        credentials: Credentials,
        admission: Admission,
        origins: OriginSteering,
        *,
        interval: float,
    ) -> None:
        self._credentials = credentials
        self._admission = admission
        self._origins = origins
        self._interval = max(1, int(interval))

    async def reply(self, request: Request, notes: Notes, _: str = "") -> Reply:
        """Take a beat.

        Raises:
            PlaygateError: why it counts for nothing; to be answered by ``excuse``.
        """
        notes.kind = Kind.KEEPALIVE
        ticket = self._credentials.ticket_of(request)
        if ticket is None:
            raise TicketInvalid
        playback = identity.resume(ticket, hints(request))
        notes.subject, notes.playback = ticket.subject, playback
        intent = Intent.PEEK if request.method == "HEAD" else Intent.RESUME
        notes.decision = await self._admission.keep_alive(ticket.subject, playback, intent=intent)
        asked = _Asked.read(request.query)
        ttl = self._interval
        if self._admission.refreshes(playback.content):
            # Its own refreshes are beats. This is for when it stops being live: half as often
            # still keeps a slot on demand, for which two intervals are within the TTL.
            ttl *= 2
        document = await self._origins_word(request, ticket, asked, ttl) or _stay(
            asked.pathway, ttl
        )
        reply = json_reply(document)
        return Reply(200, (*reply.headers, *decision_headers(notes.decision)), reply.body)

    def excuse(self, query: str, error: PlaygateError) -> Reply:
        """Answer a beat that counts for nothing: stay where you are, and come again.

        Soon, if the fault is ours, for the stream goes on.
        """
        ttl = self._interval if error.status >= 500 else SELDOM
        # One that was refused unread for its length is not read here either.
        asked = _Asked.read(query if is_bounded(query) else "")
        return json_reply(_stay(asked.pathway, ttl))

    async def _origins_word(
        self, request: Request, ticket: Ticket, asked: _Asked, ttl: int
    ) -> dict[str, Any] | None:
        """Give what the origin's steering server says; None where there is none to be asked."""
        server = asked.server
        if server is None or not self._credentials.tickets.fits(ticket, place(server)):
            return None
        answer = await self._origins.ask(request, server)
        if answer is None:
            return None
        document = {**answer.document, "TTL": min(answer.ttl or ttl, ttl)}
        if answer.reload is not None:
            document[RELOAD_URI] = self._again(ticket, answer.reload)
        return document

    def _again(self, ticket: Ticket, server: str) -> str:
        """Give our link to where the origin's steering server wants to be asked from now on."""
        seal = self._credentials.tickets.sealer(ticket.playback.content)(place(server))
        named = quote(server, safe=SERVER_SAFE)
        param = self._credentials.ticket_param
        return f"{STEERING_PATH}?{SERVER_PARAM}={named}&{param}={seal}.{ticket.text}"


def _stay(pathway: str, ttl: int) -> dict[str, Any]:
    return {"VERSION": 1, "TTL": ttl, **{name: [pathway] for name in PRIORITIES}}
