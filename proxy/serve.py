"""The composition root: settings in, a running proxy out.

The only place, beside the command line, where concrete things meet.
"""

import asyncio
import contextlib
import signal
import ssl
import time
from collections.abc import Callable
from functools import partial

import structlog
from aiohttp import web

from proxy.background import Repeated
from proxy.configured import Configured, Heard, unheard
from proxy.errors import NotFound, StoreUnavailable
from proxy.file_watch import FileWatch
from proxy.model import Clock
from proxy.reloading import Reloader
from proxy.settings.load import ConfigError
from proxy.settings.reload import ConfigFile, Reread
from proxy.settings.schema import Settings
from proxy.web.connections import OperatorRunner
from proxy.web.server import player_server

# How often the event loop's lag and the store's health are looked at, in seconds.
WATCH_SECONDS = 0.5
STORE_CHECK_SECONDS = 2.0
# How often a proxy that drains looks whether the last connection is gone.
DRAIN_CHECK_SECONDS = 0.05
# What is left of a connection's handler once it is aborted, it does within one turn of the loop.
# (aiohttp waits this long twice, and takes 0 for no end.)
ABORT_SECONDS = 0.05

log = structlog.get_logger("playgate")


class Service:
    """One proxy: built from settings, started, and stopped with what is under way finished.

    ``file`` is what the settings were loaded from, if it may be read again; ``heard`` is told of
    all settings that come in force later. ``clock`` replaces the one that streams and tickets live
    by, Redis's included; for tests.
    """

    def __init__(
        self,
        settings: Settings,
        *,
        file: ConfigFile | None = None,
        heard: Heard = unheard,
        clock: Clock | None = None,
    ) -> None:
        self._inner = inner = Configured(settings, clock=clock, heard=heard)
        self.health, self.metrics = inner.health, inner.metrics
        self.store, self.keys = inner.store, inner.keys
        self._server = player_server(inner.handle)
        self._admin = inner.operators(partial(self.reload, by="the admin API"))
        self._reloader: Reloader | None = None
        self._watch: FileWatch | None = None
        if file is not None:
            self._reloader = Reloader(file, self._settings, inner.adopt, self.metrics.config)
            self._watch = FileWatch(
                file, lambda: self._settings().watch, partial(self.reload, by="the watch")
            )
        self._runners: list[web.BaseRunner | web.AppRunner] = []
        self._watchers: list[asyncio.Task[None]] = []
        self._hurried = asyncio.Event()
        self.port = settings.listen.port
        self.admin_port = settings.admin.port

    def _settings(self) -> Settings:
        return self._inner.config.settings

    async def start(self, *, require_store: bool = False) -> None:
        """Open both ports.

        Raises:
            OSError: a port is taken, or a certificate cannot be read.
            StoreUnavailable: the store is required and away; no port was opened.
        """
        await self._inner.start(require_store=require_store)
        listen, admin = self._settings().listen, self._settings().admin
        certificate = self._inner.certificate
        context = certificate.context if certificate else None
        players = web.ServerRunner(self._server, shutdown_timeout=ABORT_SECONDS)
        self.port = await self._open(players, listen.host, listen.port, context)
        operators = OperatorRunner(
            self._admin.application(), access_log=None, shutdown_timeout=ABORT_SECONDS
        )
        self.admin_port = await self._open(operators, admin.host, admin.port, None)
        self._watchers = [
            asyncio.create_task(self._watch_loop()),
            asyncio.create_task(self._watch_store()),
        ]
        if self._watch is not None:
            await self._watch.start()
        self.health.set("server", well=True)
        log.info("listening", host=listen.host, port=self.port, admin_port=self.admin_port)

    async def reload(self, *, by: str) -> Reread:
        """Read the configuration's file again and put it in force; ``by`` tells the log for whom.

        Requests under way end as they began. No connection is closed, no stream forgotten.

        Raises:
            ConfigError: it is no good, and nothing was changed.
            NotFound: the configuration came from no file.
        """
        if self._reloader is None:
            raise NotFound("This proxy was started without a configuration file.")
        return await self._reloader.reload(by)

    async def _open(
        self,
        runner: "web.ServerRunner | web.AppRunner",
        host: str,
        port: int,
        tls: ssl.SSLContext | None,
    ) -> int:
        await runner.setup()
        self._runners.append(runner)
        await web.TCPSite(runner, host, port, ssl_context=tls, backlog=1024).start()
        return int(runner.addresses[0][1])

    async def stop(self) -> None:
        """Say so at ``/readyz``, let open requests finish within the drain time, and close.

        Closing takes a second or so, whatever the store, issuers and origins do.
        """
        self.health.draining = True
        for watcher in self._watchers:
            watcher.cancel()
        await asyncio.gather(*self._watchers, return_exceptions=True)
        if self._watch is not None:
            await self._watch.close()
        await self._drain()
        for runner in self._runners:
            await runner.cleanup()
        await self._inner.close()

    def hurry(self) -> None:
        """Have ``stop`` wait for no request any longer."""
        self._hurried.set()

    async def _drain(self) -> None:
        """Take no more players' requests, and wait until those under way are answered and sent."""
        if not self._runners:
            return
        for site in list(self._runners[0].sites):
            await site.stop()
        # What has just arrived is begun, before connections on which nothing is are closed.
        await asyncio.sleep(0)
        self._server.pre_shutdown()
        at_most = self._settings().listen.drain_timeout
        log.info("draining", at_most=at_most)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(at_most):
                while self._server.connections and not self._hurried.is_set():  # noqa: ASYNC110  # aiohttp tells nobody when the last one goes
                    await asyncio.sleep(DRAIN_CHECK_SECONDS)
        for connection in self._server.connections:
            if connection.transport is not None:
                connection.transport.abort()

    async def _watch_loop(self) -> None:
        """Measure how late timers run: what every request waits when something blocks the loop."""
        while True:
            asked = time.perf_counter()
            await asyncio.sleep(WATCH_SECONDS)
            self.metrics.loop_lag(max(0.0, time.perf_counter() - asked - WATCH_SECONDS))

    async def _watch_store(self) -> None:
        """Notice a store that is away, or back, also while nobody is watching anything."""
        while True:
            with contextlib.suppress(StoreUnavailable):
                await self.store.ping()
            await asyncio.sleep(STORE_CHECK_SECONDS)


async def run(
    settings: Settings,
    *,
    file: ConfigFile | None = None,
    heard: Heard = unheard,
    require_store: bool = False,
    ready: Callable[[Service], None] | None = None,
) -> None:
    """Serve until SIGTERM or SIGINT, then drain until done, or told a second time.

    SIGHUP reloads, where the settings came from a ``file``. ``ready`` is called once both ports are
    open. Who is told to stop before that starts no further.

    Raises:
        OSError: a port could not be opened.
        StoreUnavailable: the store was required, and is away.
    """
    service = Service(settings, file=file, heard=heard)
    stop, hung_up = asyncio.Event(), asyncio.Event()
    loop = asyncio.get_running_loop()
    starting = loop.create_task(service.start(require_store=require_store))

    def told() -> None:
        if stop.is_set():
            service.hurry()
        stop.set()
        starting.cancel()  # nothing happens where it is done

    async def reload() -> None:
        """Reload once for all signals that came meanwhile."""
        await hung_up.wait()
        hung_up.clear()
        with contextlib.suppress(ConfigError):  # it is logged
            await service.reload(by="SIGHUP")

    for name in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(name, told)
    if file is not None:
        loop.add_signal_handler(signal.SIGHUP, hung_up.set)
    reloads = Repeated("reloads", reload)
    try:
        await asyncio.wait((starting,))
        if not starting.cancelled():
            starting.result()
            await reloads.start()
            if ready is not None:
                ready(service)
            await stop.wait()
    finally:
        starting.cancel()
        await asyncio.wait((starting,))
        await reloads.close()
        await service.stop()
