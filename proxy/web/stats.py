"""One proxy in one document: how it is, and what it has counted; and the configuration in force.

What was counted is of all its workers, the number of active streams of all proxies; the rest is
about this process. Nothing in them is about an account, and no secret is shown.
"""

from collections.abc import Callable, Iterable, Mapping

from aiohttp import web

from proxy import __version__
from proxy.listing import rfc3339
from proxy.model import Clock
from proxy.settings.reload import InForce
from proxy.settings.store_url import MEMORY
from proxy.telemetry.metrics import Metrics
from proxy.web.admin_api import parameters, sent
from proxy.web.health import Health
from proxy.web.reload import as_json
from proxy.web.replies import json_reply

Config = Callable[[], InForce]
# How old the keys are that are in use, in seconds, by where they come from; None: none were had.
KeyAges = Callable[[], Mapping[str, float | None]]


class Stats:
    """Answers ``/admin/v1/stats`` and ``/admin/v1/config``; ``config`` gives what is in force.

    A proxy of one process counts as started when this is made.
    """

    def __init__(
        self,
        config: Config,
        metrics: Metrics,
        health: Health,
        *,
        key_ages: KeyAges,
        clock: Clock,
    ) -> None:
        self._config = config
        self._metrics = metrics
        self._health = health
        self._key_ages = key_ages
        self._clock = clock
        began = metrics.began
        self._started = self._now() if began is None else rfc3339(round(began * 1000))

    def routes(self) -> Iterable[web.RouteDef]:
        """Give what is answered here."""
        return (
            web.get("/admin/v1/stats", self._stats),
            web.get("/admin/v1/config", self._configuration),
        )

    async def _stats(self, request: web.Request) -> web.Response:
        parameters(request)
        totals = await self._metrics.ask(self._metrics.totals)
        health, config = self._health, self._config()
        in_memory = config.settings.store.url.get_secret_value() == MEMORY
        document = {
            "version": __version__,
            "started_at": self._started,
            "now": self._now(),
            "ready": health.ready,
            "draining": health.draining,
            "config": {
                "hash": config.hash,
                "loaded_at": rfc3339(round(config.loaded_at * 1000)),
                "needs_restart": [as_json(change) for change in config.needs_restart],
            },
            "store": {
                "kind": "memory" if in_memory else "redis",
                "up": health.components["store"],
            },
            "origins": [{"origin": name, "up": up} for name, up in totals.origins.items()],
            "keys": [
                {"source": source, "age_seconds": age} for source, age in self._key_ages().items()
            ],
            "in_flight": totals.in_flight,
            "active_streams": totals.active,
            "totals": {
                "requests": totals.requests,
                "admissions": totals.admissions,
                "refusals": totals.refusals,
                "ended": totals.ended,
            },
        }
        return sent(json_reply(document))

    async def _configuration(self, request: web.Request) -> web.Response:
        parameters(request)
        return sent(json_reply(self._config().shown))

    def _now(self) -> str:
        return rfc3339(round(self._clock() * 1000))
