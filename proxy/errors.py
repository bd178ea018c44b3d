"""The one error tree.

    PlaygateError
    ├── Unauthenticated            401, WWW-Authenticate: Bearer
    │   ├── TokenMissing           token_missing
    │   ├── TokenInvalid           token_invalid
    │   ├── TokenExpired           token_expired
    │   ├── TokenRevoked           token_revoked
    │   └── TicketInvalid          ticket_invalid
    ├── TokenForbidden             token_forbidden      403
    ├── StreamLimit                stream_limit         limits.status (429)
    ├── StreamEnded                stream_ended         409
    ├── BadRequest                 bad_request          400
    ├── NotFound                   not_found            404
    ├── MethodNotAllowed           method_not_allowed   405
    ├── ConfigInvalid              config_invalid       422  (operators' port)
    ├── Unavailable                503, Retry-After
    │   ├── Overloaded             overloaded
    │   ├── StoreUnavailable       store_unavailable
    │   └── IssuerUnavailable      issuer_unavailable
    ├── OriginError
    │   ├── OriginUnreachable      origin_unreachable   502
    │   ├── OriginInvalid          origin_invalid       502
    │   └── OriginTimeout          origin_timeout       504
    └── InternalError              internal_error       500  (a bug, nothing else)

Each error knows its code, its status, and the ``outcome`` request metrics count it under;
``web.replies`` turns it into problem+json (RFC 9457) at one place. A ``detail`` is written for
whoever reads it on the other side: it never holds a token, a ticket, an account or an address
behind the proxy.
"""

import math
from collections.abc import Mapping
from typing import ClassVar

from proxy.listing import as_conflict
from proxy.streams import LIMIT_SOURCES, Decision


class PlaygateError(Exception):
    """Base of everything that is answered with a problem document."""

    code: ClassVar[str]
    title: ClassVar[str]
    outcome: ClassVar[str]
    status: int
    detail: str

    def __init__(
        self, detail: str | None = None, *, headers: Mapping[str, str] | None = None
    ) -> None:
        self.detail = detail or self.title
        self.headers: dict[str, str] = dict(headers or {})
        super().__init__(self.detail)

    def members(self) -> dict[str, object]:
        """Give the extension members (RFC 9457 §3.2) of the problem document."""
        return {}


class Unauthenticated(PlaygateError):
    """Nobody we know: always 401 with the challenge RFC 6750 §3 asks for."""

    status = 401
    outcome = "unauthenticated"

    def __init__(self, detail: str | None = None) -> None:
        super().__init__(detail, headers={"WWW-Authenticate": self._challenge()})

    def _challenge(self) -> str:
        return f'Bearer error="invalid_token", error_description="{self.title}"'


class TokenMissing(Unauthenticated):
    code = "token_missing"
    title = "A token is needed"

    def _challenge(self) -> str:
        # RFC 6750 §3.1: a request without credentials gets no error code.
        return "Bearer"


class TokenInvalid(Unauthenticated):
    code = "token_invalid"
    title = "The token is not valid"


class TokenExpired(Unauthenticated):
    code = "token_expired"
    title = "The token has expired"


class TokenRevoked(Unauthenticated):
    """Good by itself, but taken back: told to who comes with the token or with a ticket of it."""

    code = "token_revoked"
    title = "The token was revoked"


class TicketInvalid(Unauthenticated):
    code = "ticket_invalid"
    title = "The playback ticket is not valid here"


class TokenForbidden(PlaygateError):
    code = "token_forbidden"
    title = "The token does not allow this"
    outcome = "refused"
    status = 403


def _retry_after(decision: Decision) -> dict[str, str]:
    """Give the wait in whole seconds (RFC 9110 §10.2.3), never too short."""
    return {"Retry-After": str(max(1, math.ceil(decision.retry_after_ms / 1000)))}


class StreamLimit(PlaygateError):
    """Too many streams. ``status`` is ``limits.status``, whichever code players handle best."""

    code = "stream_limit"
    title = "Too many streams"
    outcome = "refused"

    def __init__(self, decision: Decision, status: int) -> None:
        self.status = status
        self.decision = decision
        streams = "stream" if decision.limit == 1 else "streams"
        of_rule = "" if decision.rule in LIMIT_SOURCES else f" of the rule {decision.rule!r}"
        super().__init__(
            f"This account may watch {decision.limit} {streams}{of_rule} at a time"
            f" and is watching {decision.active}.",
            headers=_retry_after(decision),
        )

    def members(self) -> dict[str, object]:
        decision = self.decision
        return {
            "limit": decision.limit,
            "active": decision.active,
            "rule": decision.rule,
            "streams": [as_conflict(stream) for stream in decision.conflicts],
        }


class StreamEnded(PlaygateError):
    """The stream was ended: by a person, by another device of the viewer, or to make room.

    With ``Retry-After`` where it may be started again, but not yet.
    """

    code = "stream_ended"
    title = "This stream was ended"
    outcome = "refused"
    status = 409

    def __init__(self, decision: Decision) -> None:
        self.reason = decision.reason
        self.by = decision.by
        held = decision.retry_after_ms > 0
        super().__init__(headers=_retry_after(decision) if held else None)

    def members(self) -> dict[str, object]:
        members: dict[str, object] = {"reason": self.reason}
        if self.by:
            members["by"] = self.by
        return members


class BadRequest(PlaygateError):
    code = "bad_request"
    title = "The request is malformed"
    outcome = "bad_request"
    status = 400


class NotFound(PlaygateError):
    code = "not_found"
    title = "Nothing is here"
    outcome = "not_found"
    status = 404


class MethodNotAllowed(PlaygateError):
    code = "method_not_allowed"
    title = "This method is not allowed here"
    outcome = "bad_request"
    status = 405

    def __init__(self, allowed: tuple[str, ...]) -> None:
        methods = ", ".join(allowed)
        super().__init__(f"Allowed here: {methods}.", headers={"Allow": methods})


class ConfigInvalid(PlaygateError):
    """A configuration that was to be put in force is no good; ``errors`` says where and why."""

    code = "config_invalid"
    title = "The configuration is not valid"
    outcome = "bad_request"
    status = 422

    def __init__(self, errors: tuple[str, ...]) -> None:
        super().__init__("Nothing was changed; errors says what is wrong.")
        self.errors = errors

    def members(self) -> dict[str, object]:
        return {"errors": self.errors}


class Unavailable(PlaygateError):
    """Not the asker's fault, and soon over: worth another try."""

    status = 503

    def __init__(self, detail: str | None = None) -> None:
        super().__init__(detail, headers={"Retry-After": "1"})


class Overloaded(Unavailable):
    code = "overloaded"
    title = "Too many requests are in flight"
    outcome = "overloaded"


class StoreUnavailable(Unavailable):
    code = "store_unavailable"
    title = "Streams cannot be counted right now"
    outcome = "store_unavailable"


class IssuerUnavailable(Unavailable):
    """The token may well be good: no key of the issuer it could be from was ever had here."""

    code = "issuer_unavailable"
    title = "The token cannot be verified yet"
    outcome = "issuer_unavailable"


class OriginError(PlaygateError):
    """The server behind did not give what was asked of it."""

    outcome = "origin_error"


class OriginUnreachable(OriginError):
    code = "origin_unreachable"
    title = "The origin cannot be reached"
    status = 502


class OriginInvalid(OriginError):
    code = "origin_invalid"
    title = "The origin's answer cannot be used"
    status = 502


class OriginTimeout(OriginError):
    code = "origin_timeout"
    title = "The origin did not answer in time"
    status = 504


class InternalError(PlaygateError):
    code = "internal_error"
    title = "Something went wrong here"
    outcome = "internal_error"
    status = 500
