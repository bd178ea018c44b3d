"""Who walks: the credential that a request came with, and the playback it belongs to.

Steps 2 and 3 of the walk, and at its end the ticket that the walker goes on with.
"""

from dataclasses import dataclass

from proxy.admission.rules import Rulebook
from proxy.credentials.bearer import Credentials
from proxy.errors import TicketInvalid
from proxy.manifests.template import Template
from proxy.model import Playback, Request, Subject, Ticket, Token
from proxy.playback import identity
from proxy.playback.device import hints
from proxy.routing import Route
from proxy.streams import Decision, Outcome


@dataclass(frozen=True, slots=True)
class Walker:
    """A credential's bearer, and the playback a request of theirs belongs to."""

    subject: Subject
    playback: Playback
    ticket: Ticket | None


class Walkers:
    """Knows a walker by the request."""

    def __init__(
        self, credentials: Credentials, rules: identity.IdentityRules, rulebook: Rulebook
    ) -> None:
        self._credentials = credentials
        self._tickets = credentials.tickets
        self._rules = rules
        self._rulebook = rulebook

    async def to_manifest(self, request: Request, route: Route, content: str) -> Walker:
        """Give who asks for a manifest, with a ticket or a token.

        Raises:
            TicketInvalid, Unauthenticated: the credential is missing, or no good.
        """
        clues = hints(request, self._rules.device_header)
        match await self._credentials.of(request):
            case Ticket() as ticket:
                return Walker(ticket.subject, identity.resume(ticket, clues), ticket)
            case Token() as token:
                playback = identity.start(
                    token,
                    clues,
                    content=content,
                    route=route.name,
                    content_rules=self._rulebook.of_content(request.path),
                    jti_per_playback=self._rules.jti_per_playback,
                )
                return Walker(token.subject, playback, None)

    def to_segment(self, request: Request) -> Walker:
        """Give who asks for a segment, which takes a ticket for where it lies.

        Raises:
            TicketInvalid: it is missing, or no good here.
        """
        ticket = self._credentials.ticket_of(request)
        # Its seal is for a directory; one of another host may belong to another route and origin.
        if (
            ticket is None
            or not ticket.playback.content.startswith(f"{request.host}/")
            or not self._tickets.fits_within(ticket, request.path)
        ):
            raise TicketInvalid("A segment needs the ticket its manifest gave it.")
        return Walker(ticket.subject, identity.resume(ticket, hints(request)), ticket)

    def may_fetch(self, walker: Walker, child: str) -> bool:
        """Tell whether a manifest of the walker's playback leads to this child."""
        return walker.ticket is not None and self._tickets.fits(walker.ticket, child)

    def ticket(self, walker: Walker, decision: Decision, template: Template) -> str:
        """Give the ticket for a manifest's links: for those of a playlist, always the same."""
        ticket = walker.ticket
        if ticket is None:
            playback = identity.astray(walker.playback, decision.stream)
            return self._tickets.mint(walker.subject, playback, decision.started_ms)
        # Only for the stream it was made for, and while that holds a slot: who comes back now and
        # then, counted for a moment, may do so for no longer than the ticket was made for.
        is_going_on = (
            decision.outcome is Outcome.RENEWED and decision.stream == ticket.playback.stream
        )
        if template.refreshes_by_location and is_going_on:
            return self._tickets.renewed(ticket)
        return ticket.text
