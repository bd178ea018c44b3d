"""Who walks: the credential that a request came with, and the playback it belongs to.

Steps 2 and 3 of the walk, and at its end the ticket that the walker goes on with.
"""

from proxy.admission.rules import Rulebook
from proxy.credentials.bearer import Credentials
from proxy.credentials.keys import Edition
from proxy.errors import TicketInvalid, TokenForbidden
from proxy.manifests.template import Template
from proxy.model import Playback, Request, Subject, Ticket, Token
from proxy.playback import identity
from proxy.playback.device import hints
from proxy.routing import Route
from proxy.streams import Decision, Outcome
from proxy.values import value


@value(frozen=True, slots=True)
class Walker:
    """A credential's bearer, and the playback a request of theirs belongs to.

    ``edition`` is that of the keys a token was verified with.
    """

    subject: Subject
    playback: Playback
    credential: Ticket | Token
    edition: Edition = ()

    @property
    def ticket(self) -> Ticket | None:
        """The ticket; None where the walker came with a token."""
        return self.credential if isinstance(self.credential, Ticket) else None


class Walkers:
    """Knows a walker by the request."""

    def __init__(
        self, credentials: Credentials, rules: identity.IdentityRules, rulebook: Rulebook
    ) -> None:
        self._credentials = credentials
        self._tickets = credentials.tickets
        # The time tickets live by, in seconds since the epoch.
        self.now = credentials.tickets.now
        self._rules = rules
        self._rulebook = rulebook

    async def to_manifest(self, request: Request, route: Route, content: str) -> Walker:
        """Give who asks for a manifest, with a ticket or a token.

        Raises:
            TicketInvalid, Unauthenticated: the credential is missing, or no good.
        """
        clues = hints(request, self._rules.device_header)
        credential = await self._credentials.of(request)
        if isinstance(credential, Ticket):
            return Walker(credential.subject, identity.resume(credential, clues), credential)
        playback = identity.start(
            credential,
            clues,
            content=content,
            route=route.name,
            content_rules=self._rulebook.of_content(request.path),
            jti_per_playback=self._rules.jti_per_playback,
        )
        return Walker(credential.subject, playback, credential, self._credentials.edition)

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

    def has_ticket(self, request: Request) -> bool:
        """Tell whether a request has a ticket that is good for something."""
        try:
            return self._credentials.ticket_of(request) is not None
        except (TicketInvalid, TokenForbidden):
            return False

    def still_valid(self, walker: Walker) -> bool:
        """Tell whether a walker's credential is as good as when it was verified."""
        return self._credentials.still_valid(walker.credential, walker.edition)

    def may_fetch(self, walker: Walker, child: str) -> bool:
        """Tell whether a manifest of the walker's playback leads to this child."""
        return walker.ticket is not None and self._tickets.fits(walker.ticket, child)

    def fitted(
        self, walker: Walker, decision: Decision, template: Template
    ) -> tuple[Template, str]:
        """Give a manifest as it suits the walker, and the ticket for its links."""
        ticket = self.ticket(walker, decision, template)
        if template.in_full and walker.ticket and ticket != walker.ticket.text:
            template = template.in_full
        return template, ticket

    def expiry(self) -> int:
        """When a ticket that is minted now expires: the same for half its life."""
        return self._tickets.expiry()

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
