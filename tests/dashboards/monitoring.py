"""Debian's Prometheus and Alertmanager, with the configuration of ``config/``, on free ports.

Only what has to be otherwise is: addresses, and the pace. ``pace`` makes spans of time shorter by
that factor (``rules.faster``), so that a rule that looks back for an hour can be tried in a minute.
"""

import asyncio
import math
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
import yaml
from aiohttp import web

from tests.containers.files import services
from tests.dashboards import rules
from tests.dashboards.boards import Query
from tests.dashboards.names import ROOT
from tests.support import needs
from tests.support.poll import until
from tests.support.redis_server import free_port

Series = tuple[dict[str, str], list[tuple[float, float]]]


@dataclass
class Prometheus:
    """A Prometheus that scrapes each second, and what can be asked of it."""

    url: str
    session: aiohttp.ClientSession

    async def ask(self, what: str, **parameters: str) -> Any:
        """Give the data of an answer.

        Raises:
            AssertionError: it is an error, or a warning comes with it.
        """
        async with self.session.post(f"{self.url}/api/v1/{what}", data=parameters) as response:
            answer = await response.json()
        assert answer["status"] == "success", (parameters, answer.get("error"))
        assert not answer.get("warnings"), (parameters, answer["warnings"])
        return answer["data"]

    async def instant(self, expression: str) -> list[Series]:
        """Give what an expression is now."""
        data = await self.ask("query", query=expression)
        return [(one["metric"], [_point(one["value"])]) for one in data["result"]]

    async def span(self, expression: str, seconds: float, step: float) -> list[Series]:
        """Give what an expression was, from so many seconds ago until now."""
        now = time.time()
        data = await self.ask(
            "query_range",
            query=expression,
            start=str(now - seconds),
            end=str(now),
            step=str(step),
        )
        return [(one["metric"], [_point(v) for v in one["values"]]) for one in data["result"]]

    async def of_panel(
        self, query: Query, values: dict[str, str], seconds: float, step: float
    ) -> list[Series]:
        """Give what Grafana would be given for a query of a panel."""
        expression = query.filled(values)
        if query.is_instant:
            return await self.instant(expression)
        return await self.span(expression, seconds, step)

    async def firing(self) -> set[str]:
        """Give the names of the alerts that fire."""
        return {
            metric["alertname"] for metric, _ in await self.instant('ALERTS{alertstate="firing"}')
        }


def _point(value: list[Any]) -> tuple[float, float]:
    return float(value[0]), float(value[1])


def finite(series: list[Series]) -> bool:
    """Tell whether there is a number in it at all."""
    return any(math.isfinite(value) for _, points in series for _, value in points)


@dataclass
class Pager:
    """Who is told by Alertmanager, and by which receiver."""

    told: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    url: str = ""

    def heard(self, status: str) -> set[str]:
        """Give the names of alerts that were told as ``firing`` or ``resolved``."""
        return {
            str(alert["labels"]["alertname"]) for _, alert in self.told if alert["status"] == status
        }

    async def _take(self, request: web.BaseRequest) -> web.Response:
        message = await request.json()
        self.told += [(request.path.strip("/"), alert) for alert in message["alerts"]]
        return web.Response()

    @asynccontextmanager
    async def listening(self) -> AsyncIterator["Pager"]:
        runner = web.ServerRunner(web.Server(self._take, access_log=None))
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        self.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
        try:
            yield self
        finally:
            await runner.cleanup()


@dataclass
class Monitoring:
    """All three, running."""

    prometheus: Prometheus
    alertmanager: str
    pager: Pager

    async def inhibited(self) -> set[str]:
        """Give the names of the alerts that Alertmanager has and does not tell."""
        async with self.prometheus.session.get(f"{self.alertmanager}/api/v2/alerts") as response:
            alerts = await response.json()
        return {one["labels"]["alertname"] for one in alerts if one["status"]["inhibitedBy"]}


@asynccontextmanager
async def monitoring(
    folder: Path, targets: Mapping[str, str], pace: int = 1
) -> AsyncIterator[Monitoring]:
    """Run all three, with their files in ``folder``.

    ``targets`` are the admin ports of proxies by the names that are shown for them.
    """
    install = "apt-get install prometheus prometheus-alertmanager"
    prometheus = needs.program("prometheus", install=install)
    alertmanager = needs.program("prometheus-alertmanager", "alertmanager", install=install)
    at = {name: f"127.0.0.1:{free_port()}" for name in ("prometheus", "alertmanager")}
    async with AsyncExitStack() as opened:
        pager = await opened.enter_async_context(Pager().listening())
        alerting = _alerting(folder, pager.url, pace)
        scraping = _scraping(folder, targets, at["alertmanager"], pace)
        await started(
            opened,
            *(alertmanager, f"--config.file={alerting}", f"--storage.path={folder / 'alerts'}"),
            *(f"--web.listen-address={at['alertmanager']}", "--cluster.listen-address="),
            "--log.level=error",
        )
        await started(
            opened,
            *(prometheus, f"--config.file={scraping}", f"--storage.tsdb.path={folder / 'tsdb'}"),
            *(f"--web.listen-address={at['prometheus']}", "--log.level=error"),
            *(one for one in services()["prometheus"]["command"] if "--enable-feature" in one),
        )
        session = await opened.enter_async_context(aiohttp.ClientSession())
        for address in at.values():
            await ready(session, f"http://{address}/-/ready")
        yield Monitoring(
            Prometheus(f"http://{at['prometheus']}", session),
            f"http://{at['alertmanager']}",
            pager,
        )


def _alerting(folder: Path, pager: str, pace: int) -> Path:
    text = (ROOT / "config/alertmanager/alertmanager.yml").read_text()
    text = rules.faster(text, pace)
    config = yaml.safe_load(text)
    for receiver in config["receivers"]:
        receiver["webhook_configs"] = [{"url": f"{pager}/{receiver['name']}"}]
    file = folder / "alertmanager.yml"
    file.write_text(yaml.safe_dump(config))
    return file


def _scraping(folder: Path, targets: Mapping[str, str], alertmanager: str, pace: int) -> Path:
    config = yaml.safe_load((ROOT / "config/prometheus/prometheus.yml").read_text())
    config["global"] = {"scrape_interval": "1s", "evaluation_interval": "1s"}
    config["rule_files"] = ["*.rules.yaml"]
    (job,) = config["scrape_configs"]
    job["static_configs"] = [
        {"targets": [address], "labels": {"instance": name}} for name, address in targets.items()
    ]
    config["alerting"]["alertmanagers"] = [{"static_configs": [{"targets": [alertmanager]}]}]
    for file in rules.FILES:
        text = rules.faster(file.read_text(), pace)
        (folder / f"{file.stem}.rules.yaml").write_text(text)
    file = folder / "prometheus.yml"
    file.write_text(yaml.safe_dump(config))
    return file


async def started(opened: AsyncExitStack, *command: str) -> None:
    process = await asyncio.create_subprocess_exec(*command)

    async def end() -> None:
        if process.returncode is None:
            process.kill()
        await process.wait()

    opened.push_async_callback(end)


async def ready(session: aiohttp.ClientSession, url: str) -> None:
    async def answers() -> bool:
        try:
            async with session.get(url) as response:
                return response.status == 200
        except aiohttp.ClientError:
            return False

    await until(answers, f"{url} is ready")
