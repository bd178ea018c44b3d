"""Both ports, put together from the settings: every room gets what it needs, and no more."""

import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from proxy import wiring
from proxy.admission.store import Store
from proxy.admit import Admission
from proxy.attendance import Holds
from proxy.beats import Beats
from proxy.credentials.account import AccountNames
from proxy.credentials.keys import KeyRing
from proxy.gateway import Gateway
from proxy.learned import Learned
from proxy.manifest_caches import ManifestCaches
from proxy.manifest_source import ManifestSource
from proxy.model import Clock
from proxy.origin.client import OriginClient
from proxy.origin_steering import OriginSteering
from proxy.playback.identity import IdentityRules
from proxy.reloading import Reloaded
from proxy.settings.schema import Settings
from proxy.telemetry.access_log import AccessLog
from proxy.telemetry.journal import Journal
from proxy.telemetry.metrics import Metrics
from proxy.telemetry.spans import NoSpans, Spans
from proxy.walker import Walkers
from proxy.web.account_streams import AccountStreams
from proxy.web.addresses import TrustedProxies
from proxy.web.admin_api import AdminApi
from proxy.web.console.site import ConsolePage
from proxy.web.description import AdminDescription
from proxy.web.fast_port import FastPort
from proxy.web.health import Health
from proxy.web.in_flight import InFlight
from proxy.web.probes import Probes
from proxy.web.reload import ConfigReload
from proxy.web.replies import Cors
from proxy.web.revocation import AccountRevocation, Memory
from proxy.web.server import PlayerPort
from proxy.web.stats import Config, KeyAges, Stats
from proxy.web.steering import Steering
from proxy.web.viewer_api import ViewerApi


@dataclass(frozen=True, slots=True)
class Lasting:
    """What lives as long as the process, and what it has learned, whatever is configured."""

    accounts: AccountNames
    store: Store
    origins: OriginClient
    metrics: Metrics
    spans: Spans
    journal: Journal
    clock: Clock
    in_flight: InFlight
    learned: Learned = field(default_factory=Learned)
    holds: Holds = field(default_factory=Holds)


def player_port(
    settings: Settings, keys: KeyRing, caches: ManifestCaches, lasting: Lasting
) -> PlayerPort:
    """Build what answers players; store and origins are started by whoever made them."""
    metrics, origins = lasting.metrics, lasting.origins
    credentials = wiring.credentials(settings, keys, lasting.accounts, lasting.clock)
    routes, upstreams = wiring.route_table(settings), wiring.upstreams(settings)
    limits, lifetimes = wiring.limits(settings), wiring.lifetimes(settings)
    admission = Admission(lasting.store, limits, lifetimes, metrics, lasting.learned)
    steering = Steering(
        credentials,
        admission,
        OriginSteering(
            routes,
            upstreams,
            origins,
            wiring.origin_config(settings),
            private=credentials.private_params,
            clock=time.monotonic,
        ),
        interval=settings.streams.keepalive_interval,
    )
    walkers = Walkers(
        credentials,
        IdentityRules(settings.identity.device_header, settings.identity.jti_per_playback),
        limits.rulebook,
    )
    source = ManifestSource(
        routes,
        upstreams,
        credentials,
        origins,
        metrics,
        caches=caches,
        learned=lasting.learned,
        keepalive=settings.streams.keepalive,
    )
    beats = Beats(
        size=settings.listen.fast_path_size,
        walkers=walkers,
        admission=admission,
        source=source,
        holds=lasting.holds,
        learned=lasting.learned,
    )
    gateway = Gateway(
        routes=routes,
        walkers=walkers,
        admission=admission,
        source=source,
        metrics=metrics,
        holds=lasting.holds,
        beats=beats,
    )
    access_log = AccessLog(settings.log.access_sample)
    cors, trusted = Cors(settings.cors.origins), TrustedProxies(settings.listen.trusted_proxies)
    fast = FastPort(
        beats=beats,
        gateway=gateway,
        cors=cors,
        trusted=trusted,
        metrics=metrics,
        access_log=access_log,
        in_flight=lasting.in_flight,
        max_in_flight=settings.listen.max_in_flight,
    )
    return PlayerPort(
        gateway=gateway,
        api=ViewerApi(credentials, admission, steering, settings.identity.device_header),
        steering=steering,
        cors=cors,
        trusted=trusted,
        metrics=metrics,
        spans=lasting.spans,
        access_log=access_log,
        journal=lasting.journal,
        in_flight=lasting.in_flight,
        max_in_flight=settings.listen.max_in_flight,
        package=settings.auth.uri_signing.param if settings.auth.uri_signing.enabled else None,
        # Spans are begun and ended on the usual path.
        fast=fast if settings.listen.fast_path and isinstance(lasting.spans, NoSpans) else None,
        plainly=settings.listen.fast_path,
    )


def admin_port(
    config: Config,
    lasting: Lasting,
    *,
    health: Health,
    key_ages: KeyAges,
    reload: Callable[[], Awaitable[Reloaded]],
) -> AdminApi:
    """Build what answers operators, of parts that each bring their own routes.

    It lives as long as the process: what is configured, it asks ``config`` for.
    """
    accounts, store, clock = lasting.accounts, lasting.store, lasting.clock

    def token() -> str | None:
        secret = config().settings.admin.token
        return secret.get_secret_value() if secret else None

    def memory() -> Memory:
        auth = config().settings.auth
        return Memory(ttl=auth.revocation_ttl, leeway=auth.leeway)

    return AdminApi(
        token,
        parts=(
            Probes(lasting.metrics, health),
            AccountStreams(accounts, store),
            AccountRevocation(accounts, store, memory, clock),
            Stats(config, lasting.metrics, health, key_ages=key_ages, clock=clock),
            ConfigReload(reload),
            AdminDescription(),
            ConsolePage(),
        ),
        clock=clock,
    )
