"""What monitoring asks of a process, without a token: its metrics, and whether it is well."""

from collections.abc import Iterable

from aiohttp import web

from proxy.telemetry.metrics import Metrics
from proxy.web.admin_api import sent
from proxy.web.health import Health
from proxy.web.replies import json_reply


class Probes:
    """Answers ``/metrics``, ``/healthz`` and ``/readyz``."""

    def __init__(self, metrics: Metrics, health: Health) -> None:
        self._metrics = metrics
        self._health = health

    def routes(self) -> Iterable[web.RouteDef]:
        """Give what is answered here."""
        return (
            web.get("/metrics", self._exposition),
            web.get("/healthz", self._alive),
            web.get("/readyz", self._ready),
        )

    async def _exposition(self, request: web.Request) -> web.Response:
        accept = request.headers.get("Accept", "")
        body, content_type = await self._metrics.ask(lambda: self._metrics.exposition(accept))
        return web.Response(body=body, headers={"Content-Type": content_type})

    async def _alive(self, _: web.Request) -> web.Response:
        return sent(json_reply({"status": "ok"}))

    async def _ready(self, _: web.Request) -> web.Response:
        status = 200 if self._health.ready else 503
        return sent(json_reply(self._health.document(), status))
