"""Both ports, put together from the settings: every room gets what it needs, and no more."""

import time

from proxy import wiring
from proxy.admission.store import Store
from proxy.admit import Admission
from proxy.credentials.account import AccountNames
from proxy.credentials.keys import KeyRing
from proxy.gateway import Gateway
from proxy.manifest_source import ManifestSource
from proxy.model import Clock
from proxy.origin.client import OriginClient
from proxy.origin_steering import OriginSteering
from proxy.playback.identity import IdentityRules
from proxy.settings.schema import Settings
from proxy.telemetry.journal import Journal
from proxy.telemetry.metrics import Metrics
from proxy.walker import Walkers
from proxy.web.account_streams import AccountStreams
from proxy.web.addresses import TrustedProxies
from proxy.web.admin_api import AdminApi
from proxy.web.console.site import ConsolePage
from proxy.web.description import AdminDescription
from proxy.web.health import Health
from proxy.web.probes import Probes
from proxy.web.replies import Cors
from proxy.web.revocation import AccountRevocation, Memory
from proxy.web.server import PlayerPort
from proxy.web.stats import KeyAges, Stats
from proxy.web.steering import Steering
from proxy.web.viewer_api import ViewerApi


def player_port(
    settings: Settings,
    *,
    keys: KeyRing,
    accounts: AccountNames,
    store: Store,
    origins: OriginClient,
    metrics: Metrics,
    journal: Journal,
    clock: Clock,
) -> PlayerPort:
    """Build what answers players; store and origins are started by whoever made them."""
    credentials = wiring.credentials(settings, keys, accounts, clock)
    routes, upstreams = wiring.route_table(settings), wiring.upstreams(settings)
    limits = wiring.limits(settings)
    admission = Admission(store, limits, wiring.lifetimes(settings), metrics)
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
    gateway = Gateway(
        routes=routes,
        walkers=Walkers(
            credentials,
            IdentityRules(settings.identity.device_header, settings.identity.jti_per_playback),
            limits.rulebook,
        ),
        admission=admission,
        source=ManifestSource(
            routes,
            upstreams,
            credentials,
            origins,
            metrics,
            ttl=settings.origin.cache,
            keepalive=settings.streams.keepalive,
        ),
        metrics=metrics,
    )
    return PlayerPort(
        gateway=gateway,
        api=ViewerApi(credentials, admission, steering, settings.identity.device_header),
        steering=steering,
        cors=Cors(settings.cors.origins),
        trusted=TrustedProxies(settings.listen.trusted_proxies),
        metrics=metrics,
        journal=journal,
        max_in_flight=settings.listen.max_in_flight,
        package=settings.auth.uri_signing.param if settings.auth.uri_signing.enabled else None,
    )


def admin_port(
    settings: Settings,
    *,
    accounts: AccountNames,
    store: Store,
    metrics: Metrics,
    health: Health,
    key_ages: KeyAges,
    clock: Clock,
) -> AdminApi:
    """Build what answers operators, of parts that each bring their own routes."""
    token = settings.admin.token
    memory = Memory(ttl=settings.auth.revocation_ttl, leeway=settings.auth.leeway)
    return AdminApi(
        token.get_secret_value() if token else None,
        parts=(
            Probes(metrics, health),
            AccountStreams(accounts, store),
            AccountRevocation(accounts, store, memory, clock),
            Stats(settings, metrics, health, key_ages=key_ages, clock=clock),
            AdminDescription(),
            ConsolePage(),
        ),
    )
