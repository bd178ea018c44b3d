"""Finds the credential in a request and verifies it.

A ticket comes before any token: it is what a player holds that is in the middle of a stream. Of
the tokens the first that is there counts, in the order of ``auth.sources``, and in one place that
of a signed URI first, then a Common Access Token. One that is bad is an error, not a reason to try
the next. One that is good, but not for this request, is an error of its own.
"""

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from hashlib import blake2b

from proxy.credentials.keys import Edition
from proxy.credentials.networks import Networks
from proxy.credentials.scope import uri_of
from proxy.credentials.ticket import Tickets
from proxy.credentials.token import KeyUnknown, TokenVerifier
from proxy.errors import IssuerUnavailable, TokenForbidden, TokenInvalid, TokenMissing
from proxy.keeping import Keeping
from proxy.model import Request, Subject, Ticket, Token
from proxy.query import value_of

# DASH-IF, Token-based Access Control for DASH 1.0: a JWT, here as in other headers.
DASH_IF_HEADER = "DASH-IF-IETF-Token"

# Tokens that verified and are known again, with another title or on another route: half a kilobyte
# each. Where everybody comes at once, most are never seen again, and the request itself is kept of
# those that are (``proxy.beats``).
MAX_VERIFIED = 8_192

# Requests that may wait for a key at a time, a second at most: far more than come in that second
# where keys are published before they are used, and few of those that a port may have in flight.
MAX_LOOKING = 64


@dataclass(frozen=True, slots=True)
class CatNames:
    """What carries a Common Access Token (CTA-5007): a query parameter, a header, a cookie."""

    query_param: str
    header: str
    cookie: str


@dataclass(frozen=True, slots=True)
class Sources:
    """Where a token is looked for, and under what names.

    ``package`` is the parameter and cookie of signed URIs (RFC 9246 §2), ``cat`` the names of
    Common Access Tokens; None: there are none.
    """

    order: tuple[str, ...] = ("query", "header", "cookie")
    query_param: str = "token"
    cookie: str = "session"
    ticket_param: str = "_sid"
    package: str | None = None
    cat: CatNames | None = None


@dataclass(frozen=True, slots=True)
class Carrier:
    """One way a token comes: how it is found, and how it is verified."""

    find: Callable[[Request], str | None]
    verify: Callable[[str], Token]


@dataclass(slots=True)
class Verified:
    """A token that verified, by keys of that edition."""

    token: Token
    edition: Edition
    used: bool = False


class Credentials:
    """Turns a request into the verified credential it came with."""

    def __init__(
        self,
        verifier: TokenVerifier,
        tickets: Tickets,
        networks: Networks,
        sources: Sources,
        verify_cat: Callable[[str], Token] | None = None,
    ) -> None:
        self.tickets = tickets
        self._verifier = verifier
        self._networks = networks
        self._sources = sources
        self._verify_cat = verify_cat
        self._looking = 0
        self._verified: Keeping[bytes, Verified] = Keeping(MAX_VERIFIED)
        self._carriers = tuple(
            carrier for place in sources.order for carrier in self._carriers_in(place)
        )

    def _carriers_in(self, place: str) -> Iterator[Carrier]:
        sources = self._sources
        package, cat, verify_cat = sources.package, sources.cat, self._verify_cat
        match place:
            case "query":
                if package:
                    yield Carrier(lambda request: request.package, self._signed)
                    yield Carrier(_in_query(package), self._signed)
                if cat and verify_cat:
                    yield Carrier(_in_query(cat.query_param), verify_cat)
                yield Carrier(_in_query(sources.query_param), self.verify)
            case "header":
                if cat and verify_cat:
                    yield Carrier(_in_header(cat.header), verify_cat)
                yield Carrier(lambda request: _bearer(request.headers), self.verify)
                yield Carrier(_in_header(DASH_IF_HEADER), self.verify)
            case "cookie":
                if package:
                    yield Carrier(_in_cookie(package), self._signed)
                if cat and verify_cat:
                    yield Carrier(_in_cookie(cat.cookie), verify_cat)
                yield Carrier(_in_cookie(sources.cookie), self.verify)

    @property
    def ticket_param(self) -> str:
        """The query parameter that carries a ticket."""
        return self._sources.ticket_param

    @property
    def private_params(self) -> frozenset[str]:
        """The query parameters that carry credentials: never passed on."""
        sources = self._sources
        names = {sources.query_param, sources.ticket_param, sources.package}
        names |= {sources.cat.query_param} if sources.cat else set()
        return frozenset(name for name in names if name)

    @property
    def edition(self) -> Edition:
        """That of the keys tokens are verified with now."""
        return self._verifier.keys.edition

    def still_valid(self, credential: Token | Ticket, edition: Edition) -> bool:
        """Tell whether a credential that verified would still do, for the same request.

        ``edition`` is that of the keys a token was verified with. Nothing is said of revocations.
        """
        if isinstance(credential, Ticket):
            return self.tickets.is_alive(credential)
        # PyJWT goes by the system's clock, all else by ours.
        now = max(time.time(), self.tickets.now())
        return credential.expires_at > now and edition == self.edition

    async def of(self, request: Request) -> Token | Ticket:
        """Verify the request's credential.

        Raises:
            TicketInvalid, TokenMissing, TokenInvalid, TokenExpired, TokenForbidden,
            IssuerUnavailable: as they say.
        """
        return self.ticket_of(request) or await self.token_of(request)

    def verify(self, text: str) -> Token:
        """Verify a token, however it came; one that verified before is known by its hash.

        Raises:
            TokenInvalid, TokenExpired: as they say.
        """
        name = blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16).digest()
        known = self._verified.find(name)
        if known is not None and self.still_valid(known.token, known.edition):
            known.used = True
            return known.token
        token = self._verifier.verify(text)
        self._verified.put(name, Verified(token, self.edition))
        return token

    def ticket_of(self, request: Request) -> Ticket | None:
        """Verify the request's ticket; None where it has none.

        Raises:
            TicketInvalid: there is one, and it is no good.
            TokenForbidden: it is for other networks.
        """
        value = value_of(request.query, self._sources.ticket_param)
        if value is None:
            return None
        ticket = self.tickets.read(value)
        self._check_network(ticket.subject, request)
        return ticket

    async def token_of(self, request: Request) -> Token:
        """Verify the request's token; one whose key is not there waits while it is looked for.

        Raises:
            TokenMissing, TokenInvalid, TokenExpired, IssuerUnavailable: as they say.
            TokenForbidden: it is good, but not for this URI or from this address.
        """
        for carrier in self._carriers:
            if text := carrier.find(request):
                token = await self._looked_for(text, carrier.verify)
                self._check_scope(token, request)
                return token
        raise TokenMissing

    async def _looked_for(self, text: str, verify: Callable[[str], Token]) -> Token:
        """Verify a token; where its key is not there, look for that and try once more.

        What no key verifies is no good, unless an issuer whose keys were never had may have it:
        then it is not the token's fault.
        """
        keys = self._verifier.keys
        try:
            return verify(text)
        except KeyUnknown as unknown:
            sought = unknown.sought
        if self._looking >= MAX_LOOKING:
            raise IssuerUnavailable
        self._looking += 1
        try:
            found = await keys.look_for(sought)
        finally:
            self._looking -= 1
        if found:
            with suppress(KeyUnknown):
                return verify(text)
        raise IssuerUnavailable if keys.is_wanting(sought) else KeyUnknown(sought)

    def _signed(self, text: str) -> Token:
        """Verify the token of a signed URI: one that would open others too is none."""
        token = self.verify(text)
        if token.scope is None:
            raise TokenInvalid("A signed URI's token needs a 'cdniuc' claim (RFC 9246 §2.1.11).")
        return token

    def _check_scope(self, token: Token, request: Request) -> None:
        self._check_network(token.subject, request)
        if token.scope is None:
            return
        if not token.scope.permits(request.method, uri_of(request, self.private_params)):
            raise TokenForbidden("The token is for another URI or method.")

    def _check_network(self, subject: Subject, request: Request) -> None:
        if subject.networks and not self._networks.hold(subject.networks, request.address):
            raise TokenForbidden("The token is for another network.")


def _in_query(name: str) -> Callable[[Request], str | None]:
    return lambda request: value_of(request.query, name)


def _in_header(name: str) -> Callable[[Request], str | None]:
    return lambda request: request.headers.get(name)


def _in_cookie(name: str) -> Callable[[Request], str | None]:
    return lambda request: _cookie(request.headers, name)


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
