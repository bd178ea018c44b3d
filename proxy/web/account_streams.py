"""An operator's view of an account's streams: what is playing, and the hand that stops it."""

from collections.abc import Iterable

import structlog
from aiohttp import web

from proxy.admission.store import Store
from proxy.credentials.account import AccountNames
from proxy.errors import BadRequest, NotFound
from proxy.listing import as_json
from proxy.settings.types import parse_duration
from proxy.web.admin_api import ACCOUNT, account_of, parameters, sent
from proxy.web.replies import empty_reply, json_reply

MAX_HOLD_SECONDS = 30 * 86400
NO_SUCH_STREAM = "This account has no such stream."

log = structlog.get_logger("playgate")


class AccountStreams:
    """Lists and ends the streams of an account."""

    def __init__(self, accounts: AccountNames, store: Store) -> None:
        self._accounts = accounts
        self._store = store

    def routes(self) -> Iterable[web.RouteDef]:
        """Give what is answered here."""
        return (
            web.get(f"{ACCOUNT}/streams", self._list),
            web.delete(f"{ACCOUNT}/streams", self._end),
            web.delete(f"{ACCOUNT}/streams/{{stream}}", self._end),
        )

    async def _list(self, request: web.Request) -> web.Response:
        parameters(request)
        streams = await self._store.streams(account_of(request, self._accounts))
        return sent(json_reply({"streams": [as_json(stream) for stream in streams]}))

    async def _end(self, request: web.Request) -> web.Response:
        """End one stream or all; ``?hold=10m`` keeps them from starting again so long."""
        account, stream = account_of(request, self._accounts), request.match_info.get("stream")
        if request.body_exists:
            raise BadRequest("A body says nothing here; hold is a parameter: ?hold=10m.")
        hold_ms = _hold_ms(parameters(request, "hold").get("hold"))
        ended = await self._store.end(account, stream, by="operator", hold_ms=hold_ms)
        if stream is not None and not ended:
            raise NotFound(NO_SUCH_STREAM)
        log.info(
            "an operator ended streams",
            account=account,
            stream=stream or "all",
            ended=len(ended),
            hold_seconds=hold_ms / 1000,
        )
        return sent(empty_reply())


def _hold_ms(text: str | None) -> int:
    if text is None:
        return 0
    try:
        seconds = parse_duration(text)
    except ValueError as error:
        raise BadRequest(f"hold: {error}") from error
    if not 0 <= seconds <= MAX_HOLD_SECONDS:
        raise BadRequest("hold: at most 30 days.")
    return int(seconds * 1000)
