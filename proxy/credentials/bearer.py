"""Finds the credential in a request and verifies it.

A ticket comes before any token: it is what a player holds that is in the middle of a stream. Of
the tokens the first that is there counts, in the order of ``auth.sources``; one that is bad is an
error, not a reason to try the next.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from proxy.credentials.ticket import Tickets
from proxy.credentials.token import TokenVerifier
from proxy.errors import TokenMissing
from proxy.model import Request, Ticket, Token
from proxy.query import value_of


@dataclass(frozen=True, slots=True)
class Sources:
    """Where a token is looked for, and under what names."""

    order: tuple[str, ...] = ("query", "header", "cookie")
    query_param: str = "token"
    cookie: str = "session"
    ticket_param: str = "_sid"


class Credentials:
    """Turns a request into the verified credential it came with."""

    def __init__(self, verifier: TokenVerifier, tickets: Tickets, sources: Sources) -> None:
        self.tickets = tickets
        self._verifier = verifier
        self._sources = sources
        self._finders: dict[str, Callable[[Request], str | None]] = {
            "query": lambda request: value_of(request.query, sources.query_param),
            "header": lambda request: _bearer(request.headers),
            "cookie": lambda request: _cookie(request.headers, sources.cookie),
        }

    @property
    def ticket_param(self) -> str:
        """The query parameter that carries a ticket."""
        return self._sources.ticket_param

    @property
    def private_params(self) -> frozenset[str]:
        """The query parameters that carry credentials: never passed on."""
        return frozenset({self._sources.query_param, self._sources.ticket_param})

    async def of(self, request: Request) -> Token | Ticket:
        """Verify the request's credential.

        Raises:
            TicketInvalid, TokenMissing, TokenInvalid, TokenExpired: as they say.
        """
        return self.ticket_of(request) or self.token_of(request)

    def verify(self, text: str) -> Token:
        """Verify a token that came by another way than a request.

        Raises:
            TokenInvalid, TokenExpired: as they say.
        """
        return self._verifier.verify(text)

    def ticket_of(self, request: Request) -> Ticket | None:
        """Verify the request's ticket; None where it has none.

        Raises:
            TicketInvalid: there is one, and it is no good.
        """
        value = value_of(request.query, self._sources.ticket_param)
        return None if value is None else self.tickets.read(value)

    def token_of(self, request: Request) -> Token:
        """Verify the request's token.

        Raises:
            TokenMissing, TokenInvalid, TokenExpired: as they say.
        """
        for source in self._sources.order:
            if text := self._finders[source](request):
                return self.verify(text)
        raise TokenMissing


def _bearer(headers: Mapping[str, str]) -> str | None:
    """Read ``Authorization: Bearer`` (RFC 6750 §2.1; the scheme is case-insensitive)."""
    scheme, _, text = headers.get("Authorization", "").partition(" ")
    return text.strip() or None if scheme.lower() == "bearer" else None


def _cookie(headers: Mapping[str, str], name: str) -> str | None:
    """Read one cookie (RFC 6265 §4.2); a malformed one beside it does not hide it."""
    for pair in headers.get("Cookie", "").split(";"):
        found, _, value = pair.strip().partition("=")
        if found == name:
            return value.strip('"') or None
    return None
