"""The operators' port: metrics and health for all, an account's streams for who has the token.

Nothing of it is reachable from the players' port. Without ``admin.token`` the ``/admin`` part is
closed, whatever the address: a port that was exposed by mistake must not be an open door.
"""

import hmac
from collections.abc import Awaitable, Callable

import structlog
from aiohttp import web

from proxy.admission.store import Store
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
from proxy.listing import as_json
from proxy.model import Reply
from proxy.settings.types import parse_duration
from proxy.telemetry.metrics import Metrics
from proxy.web.health import Health
from proxy.web.replies import SERVER, empty_reply, json_reply, problem

MAX_HOLD_SECONDS = 30 * 86400

log = structlog.get_logger("playgate")

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class AdminApi:
    """Builds the operators' application."""

    def __init__(
        self,
        *,
        token: str | None,
        accounts: AccountNames,
        store: Store,
        metrics: Metrics,
        health: Health,
    ) -> None:
        self._token = token
        self._accounts = accounts
        self._store = store
        self._metrics = metrics
        self._health = health

    def application(self) -> web.Application:
        """Give the application, ready to be served."""
        app = web.Application(middlewares=[self._as_problems, self._authorised])
        app.add_routes(
            [
                web.get("/metrics", self._exposition),
                web.get("/healthz", self._alive),
                web.get("/readyz", self._ready),
                web.get("/admin/v1/accounts/{account}/streams", self._list),
                web.delete("/admin/v1/accounts/{account}/streams", self._end),
                web.delete("/admin/v1/accounts/{account}/streams/{stream}", self._end),
            ]
        )
        return app

    @web.middleware
    async def _as_problems(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Answer every error, aiohttp's own included, as a problem document."""
        try:
            return await handler(request)
        except PlaygateError as error:
            return _sent(problem(error))
        except web.HTTPException as error:
            if error.status < 400:
                raise
            return _sent(problem(_named(error)))
        except Exception:
            # The last line, as on the players' port.
            log.exception("an admin request failed", path=request.path)
            return _sent(problem(InternalError()))

    @web.middleware
    async def _authorised(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Let only the admin token past ``/admin``."""
        if request.path.startswith("/admin"):
            self._check(request.headers.get("Authorization", ""))
        return await handler(request)

    def _check(self, authorization: str) -> None:
        if self._token is None:
            raise TokenForbidden("Set admin.token to use the admin API.")
        scheme, _, given = authorization.partition(" ")
        if scheme.lower() != "bearer" or not given:
            raise TokenMissing
        if not hmac.compare_digest(_bytes(given.strip()), _bytes(self._token)):
            raise TokenInvalid("This is not the admin token.")

    async def _exposition(self, request: web.Request) -> web.Response:
        body, content_type = self._metrics.exposition(request.headers.get("Accept", ""))
        return web.Response(body=body, headers={"Content-Type": content_type})

    async def _alive(self, _: web.Request) -> web.Response:
        return _sent(json_reply({"status": "ok"}))

    async def _ready(self, _: web.Request) -> web.Response:
        status = 200 if self._health.ready else 503
        return _sent(json_reply(self._health.document(), status))

    async def _list(self, request: web.Request) -> web.Response:
        streams = await self._store.streams(self._account(request))
        return _sent(json_reply({"streams": [as_json(stream) for stream in streams]}))

    async def _end(self, request: web.Request) -> web.Response:
        """End one stream or all; ``?hold=10m`` also keeps a new one from starting that long."""
        stream = request.match_info.get("stream")
        ended = await self._store.end(
            self._account(request), stream, by="operator", hold_ms=_hold_ms(request)
        )
        if stream is not None and not ended:
            raise NotFound("This account has no such stream.")
        for one in ended:
            self._metrics.stream_ended(one.reason)
        return _sent(empty_reply())

    def _account(self, request: web.Request) -> str:
        return self._accounts.hashed(request.match_info["account"])


def _hold_ms(request: web.Request) -> int:
    text = request.query.get("hold")
    if text is None:
        return 0
    try:
        seconds = parse_duration(text)
    except ValueError as error:
        raise BadRequest(f"hold: {error}") from error
    if not 0 <= seconds <= MAX_HOLD_SECONDS:
        raise BadRequest("hold: at most 30 days.")
    return int(seconds * 1000)


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


def _sent(reply: Reply) -> web.Response:
    headers = (*reply.headers, ("Server", SERVER))
    return web.Response(status=reply.status, headers=headers, body=reply.body)
