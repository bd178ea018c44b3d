"""The hand that has the configuration read again and put in force."""

from collections.abc import Awaitable, Callable, Iterable

from aiohttp import web

from proxy.errors import BadRequest, ConfigInvalid
from proxy.reloading import Reloaded
from proxy.settings.changes import Change
from proxy.settings.load import ConfigError
from proxy.web.admin_api import parameters, sent
from proxy.web.replies import json_reply


class ConfigReload:
    """Answers ``/admin/v1/reload``, once what is asked for is done."""

    def __init__(self, reload: Callable[[], Awaitable[Reloaded]]) -> None:
        self._reload = reload

    def routes(self) -> Iterable[web.RouteDef]:
        """Give what is answered here."""
        return (web.post("/admin/v1/reload", self._reloaded),)

    async def _reloaded(self, request: web.Request) -> web.Response:
        parameters(request)
        if request.body_exists:  # perhaps the configuration that is to be put in force
            raise BadRequest("A body says nothing here: what is reloaded is the file.")
        try:
            done = await self._reload()
        except ConfigError as error:
            raise ConfigInvalid(tuple(map(str, error.problems))) from error
        document = {
            "result": done.reread.result,
            "changed": [as_json(change) for change in done.reread.changed],
            "needs_restart": [as_json(change) for change in done.reread.needs_restart],
            "workers_behind": done.behind,
        }
        return sent(json_reply(document))


def as_json(change: Change) -> dict[str, object]:
    """Give a change as it is told: the key alone where no more may be said."""
    if not change.is_shown:
        return {"key": change.key}
    return {"key": change.key, "old": change.old, "new": change.new}
