"""What answers as it is configured, and how another configuration takes the place of one in force.

Two kinds of things are put together here. Some live as long as the process: the store with its
counts, connections to it and to origins, issuers' keys, what was learned. The rest, above all the
players' port, is made of a configuration and made anew for the next: a request is answered to its
end by what was there when it came, and the next one by what is there then. So nothing that answers
ever sees a setting change, and nothing that counts is ever made twice.
"""

import asyncio
import ssl
import time
from collections.abc import Awaitable, Callable

from aiohttp import web

from proxy import __version__, wiring
from proxy.assembly import Lasting, admin_port, player_port
from proxy.bookkeeping import Bookkeeping
from proxy.counting import expected
from proxy.credentials.account import AccountNames
from proxy.manifest_caches import ManifestCaches
from proxy.model import Clock
from proxy.origin.client import OriginClient
from proxy.origin_reports import OriginReports
from proxy.playback.device import warm_up
from proxy.reloading import Reloaded
from proxy.settings.load import ConfigError, Problem
from proxy.settings.reload import InForce, Reread
from proxy.settings.schema import Settings
from proxy.telemetry.key_metrics import WatchedKeys
from proxy.telemetry.metrics import Metrics
from proxy.telemetry.shared_metrics import SharedMetrics
from proxy.token_keys import Keys, TokenKeys
from proxy.web.admin_api import AdminApi
from proxy.web.certificate import Certificate, loaded
from proxy.web.fast_path import FastConnection
from proxy.web.framing import Parsed
from proxy.web.health import Health
from proxy.web.in_flight import InFlight

Heard = Callable[[Settings], None]


def unheard(_: Settings, /) -> None:
    """Tell nobody."""


class Configured:
    """Everything that answers and counts, but for the ports it answers on.

    ``heard`` is told of each configuration that takes the place of another, once it is in force.
    ``shared`` has the metrics of all workers, where there are several.
    """

    def __init__(
        self,
        settings: Settings,
        *,
        clock: Clock | None,
        heard: Heard = unheard,
        shared: SharedMetrics | None = None,
    ) -> None:
        self._clock = clock or time.time
        self._heard = heard
        self.config = InForce(settings, self._clock())
        self.health = Health()
        self._spans = wiring.spans(lambda: self.config.settings)
        origins = wiring.origin_names(settings)
        self.metrics = Metrics(__version__, origins, self._spans, shared)
        self._books = Bookkeeping(settings, self.metrics, clock=clock, on_store=self._store_well)
        self.store = self._books.store
        self.keys = TokenKeys(settings.auth, self._keys_changed)
        self._origins = OriginClient(OriginReports(self.metrics, self._spans), clock=time.monotonic)
        self._lasting = Lasting(
            accounts=AccountNames(settings.tickets.key),
            store=self.store,
            origins=self._origins,
            metrics=self.metrics,
            spans=self._spans,
            journal=self._books.journal,
            clock=self._clock,
            in_flight=InFlight(self.metrics),
        )
        self._caches = ManifestCaches(settings.origin.cache, self.metrics)
        self.players = player_port(settings, self.keys.ring, self._caches, self._lasting)
        self._books.journal.hear_ends(self._room_made)
        self.certificate: Certificate | None = None
        self._note_names()

    def operators(self, reload: Callable[[], Awaitable[Reloaded]]) -> AdminApi:
        """Give what answers operators."""
        return admin_port(
            lambda: self.config,
            self._lasting,
            health=self.health,
            key_ages=self.keys.ages,
            reload=reload,
        )

    async def handle(self, raw: web.BaseRequest) -> web.StreamResponse:
        """Answer a player's request by what is in force when it comes."""
        return await self.players.handle(raw)

    def begin(self, connection: FastConnection, request: Parsed) -> bool:
        """Begin to answer a player's plain request, by what is in force when it comes."""
        return self.players.begin(connection, request)

    def begin_again(self, connection: FastConnection, data: bytes) -> bool:
        """Begin to answer what a player's request was before, byte for byte."""
        return self.players.begin_again(connection, data)

    def walk(self, connection: FastConnection, request: Parsed) -> bool:
        """Begin to answer one that was left."""
        return self.players.walk(connection, request)

    async def start(self, *, require_store: bool) -> None:
        """Get ready to answer.

        Raises:
            OSError: the certificate cannot be read.
            StoreUnavailable: the store is required and away.
        """
        await self._origins.start()
        await self._books.start()
        if require_store:
            await self._books.insist_on_store()
        await self.keys.start()
        warm_up()
        if context := loaded(self.config.settings.listen.tls):
            self.certificate = Certificate(context)
        self.health.set("config", well=True)
        self.metrics.config.loaded(self.config.loaded_at)

    async def close(self) -> None:
        """Let go of everything: in a second or so, whatever store, issuers and origins do."""
        await asyncio.gather(
            self._books.close(), self.keys.close(), self._origins.close(), self._spans.close()
        )

    async def adopt(self, reread: Reread) -> None:
        """Put another configuration in force, and let go of what only the last one needed.

        Raises:
            ConfigError: it cannot be put in force; nothing was changed.
        """
        config = InForce(reread.settings, self._clock(), reread.needs_restart)
        if reread.changed:
            await self._replace(config)
        self.config = config
        self.metrics.config.loaded(config.loaded_at)

    async def _replace(self, config: InForce) -> None:
        before, settings = self.config.settings, config.settings
        keys = self.keys.drafted(settings.auth)
        caches = self._caches
        if not wiring.same_manifests(before, settings):
            caches = ManifestCaches(settings.origin.cache, self.metrics)
        players = player_port(settings, keys.ring, caches, self._lasting)
        context = self._another_certificate(before, settings)
        try:
            await self.keys.begin(keys)
            self._check(keys)
            # All is built. Nothing waits until all of it has taken its place.
            self.config, self.players, self._caches = config, players, caches
            self.keys.adopt(keys)
            self._books.govern(settings)
            if self.certificate is not None and context is not None:
                self.certificate.renew(context)
        finally:
            await self.keys.tidy()
        self._note_names()
        self._heard(settings)
        await self._books.follow(before)

    def _another_certificate(self, before: Settings, settings: Settings) -> ssl.SSLContext | None:
        """Load the certificate; None where it is the same, or there is none.

        Raises:
            ConfigError: its files are no longer what they were a moment ago.
        """
        if settings.listen.tls == before.listen.tls:
            return None
        try:
            return loaded(settings.listen.tls)
        except OSError:
            reason = "was replaced while it was read"
            raise ConfigError((Problem("configuration", None, "listen.tls", reason),)) from None

    def _check(self, keys: Keys) -> None:
        """See that tokens can be verified, if they could before.

        Raises:
            ConfigError: no issuer of these keys can be reached: with them, no viewer could come.
        """
        if self.keys.ring.keys and not keys.ring.keys:
            reason = "none of the keys can be had now; those in force stay"
            raise ConfigError((Problem("configuration", None, "auth.keys", reason),))

    def _note_names(self) -> None:
        """Have metrics and health be about the keys, origins, routes and certificate there are."""
        self.metrics.keys.watch(
            {
                source.name: WatchedKeys(source.alarming_age, source.rules.refresh)
                for source in self.keys.sources
            }
        )
        self.health.set("keys", well=bool(self.keys.ring.keys))
        self.metrics.origins.watch(wiring.origin_names(self.config.settings))
        self.metrics.streams.watch_routes(route.name for route in self.config.settings.routes)
        self.metrics.expect(expected(self.config.settings))
        self.metrics.config.certificates(wiring.expiries(self.config.settings))
        self._origins.keep(wiring.all_origins(self.config.settings))

    def _store_well(self, available: bool) -> None:  # noqa: FBT001  # a callback
        self.metrics.store.available(available)
        self.health.set("store", well=available)

    def _room_made(self, account: str) -> None:
        if self.players.fast is not None:
            self.players.fast.room_made(account)

    def _keys_changed(self) -> None:
        self.health.set("keys", well=True)  # there are always some, once there were any
