"""The composition root: settings in, a running proxy out.

The only place, beside the command line, where concrete things meet.
"""

import asyncio
import contextlib
import signal
import ssl
import time
from collections.abc import Callable

import structlog
from aiohttp import web

from proxy import __version__, wiring
from proxy.assembly import admin_port, player_port
from proxy.bookkeeping import Bookkeeping
from proxy.credentials.account import AccountNames
from proxy.errors import StoreUnavailable
from proxy.model import Clock
from proxy.origin.client import CONNECTIONS, OriginClient
from proxy.playback.device import warm_up
from proxy.settings.schema import Settings
from proxy.telemetry.metrics import Metrics
from proxy.token_keys import TokenKeys
from proxy.web.connections import OperatorRunner
from proxy.web.health import Health

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

    ``clock`` replaces the one that streams and tickets live by, Redis's included; for tests.
    """

    def __init__(self, settings: Settings, *, clock: Clock | None = None) -> None:
        self._settings = settings
        self.health = Health()
        self.metrics = Metrics(
            __version__, (origin for route in settings.routes for origin in route.origins)
        )
        self._books = Bookkeeping(settings, self.metrics, clock=clock, on_store=self._store_well)
        self.store = self._books.store
        accounts = AccountNames(settings.tickets.key)
        self.keys = TokenKeys(settings.auth, self._keys_changed)
        for source in self.keys.sources:
            self.metrics.watch_keys(source.name, source.alarming_age)
        self.health.set("keys", well=bool(self.keys.ring.keys))
        self._origins = OriginClient(
            wiring.OriginMetrics(self.metrics),
            clock=time.monotonic,
            connections=max(CONNECTIONS, settings.listen.max_in_flight),
        )
        players = player_port(
            settings,
            keys=self.keys.ring,
            accounts=accounts,
            store=self.store,
            origins=self._origins,
            metrics=self.metrics,
            journal=self._books.journal,
            clock=clock or time.time,
        )
        self._server = players.server()
        self._admin = admin_port(
            settings,
            accounts=accounts,
            store=self.store,
            metrics=self.metrics,
            health=self.health,
            key_ages=self.keys.ages,
            clock=clock or time.time,
        )
        self._runners: list[web.BaseRunner | web.AppRunner] = []
        self._watchers: list[asyncio.Task[None]] = []
        self._hurried = asyncio.Event()
        self.port = settings.listen.port
        self.admin_port = settings.admin.port

    def _store_well(self, available: bool) -> None:  # noqa: FBT001  # a callback
        self.metrics.store_available(available)
        self.health.set("store", well=available)

    def _keys_changed(self) -> None:
        self.health.set("keys", well=True)  # there are always some, once there were any

    async def start(self, *, require_store: bool = False) -> None:
        """Open both ports.

        Raises:
            OSError: a port is taken, or a certificate cannot be read.
            StoreUnavailable: the store is required and away; no port was opened.
        """
        await self._origins.start()
        await self._books.start()
        if require_store:
            await self._books.insist_on_store()
        await self.keys.start()
        warm_up()
        self.health.set("config", well=True)
        self.metrics.config_loaded(time.time())
        listen, admin = self._settings.listen, self._settings.admin
        players = web.ServerRunner(self._server, shutdown_timeout=ABORT_SECONDS)
        self.port = await self._open(players, listen.host, listen.port, self._tls())
        operators = OperatorRunner(
            self._admin.application(), access_log=None, shutdown_timeout=ABORT_SECONDS
        )
        self.admin_port = await self._open(operators, admin.host, admin.port, None)
        self._watchers = [
            asyncio.create_task(self._watch_loop()),
            asyncio.create_task(self._watch_store()),
        ]
        self.health.set("server", well=True)
        log.info("listening", host=listen.host, port=self.port, admin_port=self.admin_port)

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

    def _tls(self) -> ssl.SSLContext | None:
        tls = self._settings.listen.tls
        if tls.cert is None or tls.key is None:
            return None
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        # An encrypted key was refused with the configuration; never ask at a terminal for its
        # password, should it have been replaced by one since.
        context.load_cert_chain(tls.cert.path, tls.key.path, password="")
        return context

    async def stop(self) -> None:
        """Say so at ``/readyz``, let open requests finish within the drain time, and close.

        Closing takes a second or so, whatever the store, issuers and origins do.
        """
        self.health.draining = True
        for watcher in self._watchers:
            watcher.cancel()
        await asyncio.gather(*self._watchers, return_exceptions=True)
        await self._drain()
        for runner in self._runners:
            await runner.cleanup()
        await asyncio.gather(self._books.close(), self.keys.close(), self._origins.close())

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
        log.info("draining", at_most=self._settings.listen.drain_timeout)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self._settings.listen.drain_timeout):
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
    require_store: bool = False,
    ready: Callable[[Service], None] | None = None,
) -> None:
    """Serve until SIGTERM or SIGINT, then drain until done, or told a second time.

    ``ready`` is called once both ports are open. Who is told to stop before that starts no further.

    Raises:
        OSError: a port could not be opened.
        StoreUnavailable: the store was required, and is away.
    """
    service = Service(settings)
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    starting = loop.create_task(service.start(require_store=require_store))

    def told() -> None:
        if stop.is_set():
            service.hurry()
        stop.set()
        starting.cancel()  # nothing happens where it is done

    for name in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(name, told)
    try:
        await asyncio.wait((starting,))
        if not starting.cancelled():
            starting.result()
            if ready is not None:
                ready(service)
            await stop.wait()
    finally:
        starting.cancel()
        await asyncio.wait((starting,))
        await service.stop()
