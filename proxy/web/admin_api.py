"""The operators' port: an application of parts, each of which says what it answers.

Nothing of it is reachable from the players' port. What lies under ``/admin`` is for who has the
token; without ``admin.token`` it is closed, whatever the address: a port that was exposed by
mistake must not be an open door.
"""

import hmac
from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import Protocol
from urllib.parse import unquote

import structlog
from aiohttp import web

from proxy.credentials.account import AccountNames
from proxy.errors import (
    BadRequest,
    InternalError,
    MethodNotAllowed,
    NotFound,
    PlaygateError,
    TokenForbidden,
    TokenInvalid,
    TokenMissing,
)
from proxy.model import Clock, Reply
from proxy.spelling import shown, unknown
from proxy.web.replies import SERVER, problem

# Where parts put what is about one account. By itself aiohttp takes no braces in a name.
ACCOUNTS = "/admin/v1/accounts/"
ACCOUNT = ACCOUNTS + "{account:[^/]+}"
# RFC 3986 §5.2.4; percent-encoded they mean the same (§6.2.2.2).
FOLDERS = (".", "..")
# How often wrong tokens are told of, however many come (seconds).
WRONG_TOKENS_EVERY = 60.0

log = structlog.get_logger("playgate")

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Part(Protocol):
    """Some of what the operators' port answers."""

    def routes(self) -> Iterable[web.RouteDef]:
        """Give methods, paths and handlers."""


class _WrongTokens:
    """Tells the log of wrong tokens: of the first at once, of further ones in a while."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._told = -WRONG_TOKENS_EVERY
        self._count = 0

    def note(self, sender: str | None) -> None:
        """Take note of one, and of who sent it; never of what it was."""
        self._count += 1
        now = self._clock()
        # A clock that was set back keeps nothing quiet for longer.
        if 0 <= now - self._told < WRONG_TOKENS_EVERY:
            return
        log.warning("a wrong admin token was sent", sender=sender, times=self._count)
        self._told, self._count = now, 0


class AdminApi:
    """Builds the operators' application.

    ``token`` gives what opens all that its parts have under ``/admin``; None: nothing does.
    """

    def __init__(
        self, token: Callable[[], str | None], parts: Iterable[Part], clock: Clock
    ) -> None:
        self._token = token
        self._parts = tuple(parts)
        self._wrong = _WrongTokens(clock)

    def application(self) -> web.Application:
        """Give the application, ready to be served."""
        app = web.Application(middlewares=[self._as_problems, self._authorised])
        for part in self._parts:
            app.add_routes(part.routes())
        return app

    @web.middleware
    async def _as_problems(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Answer every error, aiohttp's own included, as a problem document."""
        try:
            return await handler(request)
        except PlaygateError as error:
            return sent(problem(error))
        except web.HTTPException as error:
            if error.status < 400:
                raise
            return sent(problem(_named(error)))
        except Exception:
            # The last line, as on the players' port.
            log.exception("an admin request failed", path=request.path)
            return sent(problem(InternalError()))

    @web.middleware
    async def _authorised(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Let only the admin token past ``/admin``."""
        if request.path.startswith("/admin"):
            self._check(request.headers.get("Authorization", ""), request.remote)
        return await handler(request)

    def _check(self, authorization: str, sender: str | None) -> None:
        token = self._token()
        if token is None:
            raise TokenForbidden("Set admin.token to use the admin API.")
        scheme, _, given = authorization.partition(" ")
        if scheme.lower() != "bearer" or not given:
            raise TokenMissing
        if not hmac.compare_digest(_bytes(given.strip()), _bytes(token)):
            self._wrong.note(sender)
            raise TokenInvalid("This is not the admin token.")


def account_of(request: web.Request, accounts: AccountNames) -> str:
    """Give the hash of the account that a path under ``ACCOUNT`` names.

    Raises:
        BadRequest: it is no UTF-8, and so nobody's name; or it means a folder in a path, and what
            stands between might have taken it for one.
    """
    written = request.rel_url.raw_path.removeprefix(ACCOUNTS).partition("/")[0]
    try:
        name = unquote(written, errors="strict")
        name.encode()
    except UnicodeError as error:
        raise BadRequest("The account's name is not percent-encoded UTF-8.") from error
    if name in FOLDERS:
        raise BadRequest("This account's name means a folder in a path, and cannot be given here.")
    return accounts.hashed(name)


def parameters(request: web.Request, *known: str) -> Mapping[str, str]:
    """Give the parameters of a request's query, of which only these are known, each once.

    Raises:
        BadRequest: there is another, or one twice: who asked would believe that it was heeded.
    """
    given = request.query
    for name in given:
        if name not in known:
            raise BadRequest(f"{shown(name)}: {unknown('parameter', name, known)}")
        if len(given.getall(name)) > 1:
            raise BadRequest(f"{shown(name)}: given more than once.")
    return given


def sent(reply: Reply) -> web.Response:
    """Give a reply as what aiohttp sends."""
    headers = (*reply.headers, ("Server", SERVER))
    return web.Response(status=reply.status, headers=headers, body=reply.body)


def _named(error: web.HTTPException) -> PlaygateError:
    """Give our name for one of aiohttp's own refusals."""
    match error:
        case web.HTTPMethodNotAllowed():
            return MethodNotAllowed(tuple(sorted(error.allowed_methods)))
        case web.HTTPNotFound():
            return NotFound()
    return BadRequest()


def _bytes(text: str) -> bytes:
    """Give a header's text as it came: what is no UTF-8 is a surrogate in it."""
    return text.encode("utf-8", "surrogatepass")
