"""The composition root: settings in, a running proxy out.

The only place, beside the command line, where concrete things meet.
"""

import asyncio
import contextlib
import os
import socket
import ssl
import time
from functools import partial

import structlog
from aiohttp import web

from proxy.background import in_thread
from proxy.configured import Configured, Heard, unheard
from proxy.descriptors import Shortage
from proxy.errors import NotFound, StoreUnavailable
from proxy.file_watch import FileWatch
from proxy.model import Clock
from proxy.opening import certificate_refused, ports_opened
from proxy.reloading import Reloaded, Reloader
from proxy.settings.reload import ConfigFile, Place, Reread, nowhere
from proxy.settings.schema import Settings
from proxy.team import Team
from proxy.web.connections import LATE_SECONDS, OperatorRunner, player_server
from proxy.web.doors import Doors
from proxy.web.sockets import Sockets

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
    all settings that come in force later. ``team`` is what it has in common with other processes
    that are one proxy with it. ``clock`` replaces the one that streams and tickets live by, Redis's
    included; for tests.
    """

    def __init__(
        self,
        settings: Settings,
        *,
        file: ConfigFile | None = None,
        heard: Heard = unheard,
        team: Team | None = None,
        clock: Clock | None = None,
    ) -> None:
        self._team = team
        shared = team.metrics if team else None
        with shared.joined() if shared else contextlib.nullcontext():
            inner = Configured(settings, clock=clock, heard=heard, shared=shared)
        self._inner = inner
        self.health, self.metrics = inner.health, inner.metrics
        self.store, self.keys = inner.store, inner.keys
        self._server = player_server(inner.handle, inner)
        self._admin = inner.operators(partial(self.reload, by="the admin API"))
        self._place: Place = file.problem if file else nowhere
        self._reloader: Reloader | None = None
        self._watch: FileWatch | None = None
        if file is not None:
            self._reloader = Reloader(file, self._settings, inner.adopt, self.metrics.config)
            watched = partial(self.reload, by="the watch")
            if team is None or team.watches:
                self._watch = FileWatch(file, lambda: self._settings().watch, watched)
        self._runners: list[web.BaseRunner] = []
        self._watchers: list[asyncio.Task[None]] = []
        self._hurried = asyncio.Event()
        self._stopping = False
        self._doors: Doors | None = None
        self._side_doors: Doors | None = None
        self.port = settings.listen.port
        self.admin_port = settings.admin.port

    def _settings(self) -> Settings:
        return self._inner.config.settings

    async def start(self, *, require_store: bool = False) -> None:
        """Open both ports.

        Raises:
            ConfigError: a port is taken, or a certificate cannot be read.
            StoreUnavailable: the store is required and away; no port was opened.
        """
        try:
            await self._inner.start(require_store=require_store)
        except OSError as error:
            raise certificate_refused(error, self._place) from error
        listen = self._settings().listen
        certificate = self._inner.certificate
        context = certificate.context if certificate else None
        players = web.ServerRunner(self._server, shutdown_timeout=ABORT_SECONDS)
        operators = OperatorRunner(
            self._admin.application(), access_log=None, shutdown_timeout=ABORT_SECONDS
        )
        theirs, ours = await self._bound()
        self._doors = await self._open(players, theirs, context)
        self._side_doors = await self._open(operators, ours, None)
        await self.tend()
        await self._side_doors.open(range(len(ours)))
        self.port, self.admin_port = self._doors.port, self._side_doors.port
        self._watchers = [
            asyncio.create_task(self._watch_loop()),
            asyncio.create_task(self._watch_store()),
        ]
        if self._watch is not None:
            await self._watch.start()
        self.health.set("server", well=True)
        ports = {"port": self.port, "admin_port": self.admin_port}
        log.info("listening", host=listen.host, **ports, pid=os.getpid())

    async def reload(self, *, by: str) -> Reloaded:
        """Read the configuration's file again and put it in force; ``by`` tells the log for whom.

        Requests under way end as they began. No connection is closed, no stream forgotten. Other
        workers do the same, and are waited for, if not for ever.

        Raises:
            ConfigError: it is no good, and nothing was changed.
            NotFound: the configuration came from no file.
        """
        reread = await self.follow(by=by)
        return Reloaded(reread, behind=await self._team.follow() if self._team else 0)

    async def follow(self, *, by: str) -> Reread:
        """Reload as ``reload`` does, and leave other workers alone, who were told as well."""
        if self._reloader is None:
            raise NotFound("This proxy was started without a configuration file.")
        return await self._reloader.reload(by)

    async def _bound(self) -> tuple[Sockets, Sockets]:
        """Bind both ports or, before anybody is served, none; a name may have to be asked for."""
        if self._team is not None:
            return self._team.players, self._team.operators
        settings = self._settings()
        ports = partial(ports_opened, settings.listen, settings.admin, self._place)
        return await asyncio.wrap_future(in_thread(ports))

    async def _open(
        self,
        runner: web.BaseRunner,
        sockets: Sockets,
        tls: ssl.SSLContext | None,
    ) -> Doors:
        await runner.setup()
        self._runners.append(runner)
        return Doors(runner, sockets, tls)

    async def tend(self) -> None:
        """Accept players from the sockets that are this process's to tend, as it is now."""
        if self._doors is not None and not self._stopping:
            all_of_them = range(len(self._doors))
            await self._doors.open(self._team.tended() if self._team else all_of_them)

    async def step_back(self) -> None:
        """Leave operators to the other workers: to them, a proxy is not ending that has others."""
        if self._side_doors is not None:
            await self._side_doors.open(())
            if (server := self._runners[-1].server) is not None:
                server.pre_shutdown()

    async def stop(self) -> None:
        """Say so at ``/readyz``, let open requests finish within the drain time, and close.

        Closing takes a second or so, whatever the store, issuers and origins do.
        """
        self._stopping = True
        # Where others go on, the proxy is ready.
        self.health.draining = self._team is None or self._team.ends()
        for watcher in self._watchers:
            watcher.cancel()
        await asyncio.gather(*self._watchers, return_exceptions=True)
        if self._watch is not None:
            await self._watch.close()
        await self._drain()
        if self._side_doors is not None:
            for one in await self._side_doors.close():
                one.close()
        for runner in self._runners:
            await runner.cleanup()
        await self._inner.close()
        self.metrics.settle()

    def hurry(self) -> None:
        """Have ``stop`` wait for no request any longer."""
        self._hurried.set()

    async def _drain(self) -> None:
        """Take no more players' requests, and wait until those under way are answered and sent."""
        if self._doors is None:
            return
        if self.health.draining:  # nobody goes on with the sockets
            await self._doors.take_no_more()
        waiting = await self._doors.close()
        self._server.pre_shutdown()
        await asyncio.gather(*map(self._take, waiting))
        at_most = self._settings().listen.drain_timeout
        log.info("draining", at_most=at_most)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(at_most):
                if self._inner.certificate:
                    # Who has not shaken hands yet is no connection, and may be as late as others.
                    await self._unless_hurried(LATE_SECONDS)
                while self._server.connections and not self._hurried.is_set():
                    await self._unless_hurried(DRAIN_CHECK_SECONDS)
        for connection in self._server.connections:
            if connection.transport is not None:
                connection.transport.abort()

    async def _unless_hurried(self, seconds: float) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._hurried.wait()

    async def _take(self, connection: socket.socket) -> None:
        """Take a connection that was made before the port was closed."""
        certificate = self._inner.certificate
        context = certificate.context if certificate else None
        with contextlib.suppress(OSError, TimeoutError):
            async with asyncio.timeout(LATE_SECONDS):
                await asyncio.get_running_loop().connect_accepted_socket(
                    self._server, connection, ssl=context
                )

    async def _watch_loop(self) -> None:
        """Measure how late timers run: what every request waits when something blocks the loop.

        And look whether connections can be accepted.
        """
        shortage = Shortage()
        while True:
            asked = time.perf_counter()
            await asyncio.sleep(WATCH_SECONDS)
            self.metrics.loop_lag(max(0.0, time.perf_counter() - asked - WATCH_SECONDS))
            shortage.look()
            self.metrics.settle()  # should nobody read them, it would become ever more

    async def _watch_store(self) -> None:
        """Notice a store that is away, or back, also while nobody is watching anything."""
        while True:
            with contextlib.suppress(StoreUnavailable):
                await self.store.ping()
            self.metrics.refresh()
            await asyncio.sleep(STORE_CHECK_SECONDS)
