"""Values of the rooms, built from the settings, so that no room knows how it is configured."""

import time
from collections.abc import Callable
from dataclasses import astuple
from functools import lru_cache

from proxy.admission.policy import Lifetimes, OnLimit, Policy, Rule, Takeover
from proxy.admission.rules import Rulebook, Where
from proxy.admit import Limits
from proxy.credentials.account import AccountNames
from proxy.credentials.bearer import CatNames, Credentials, Sources
from proxy.credentials.encrypted import Decrypter, DecryptionKey
from proxy.credentials.keys import KeyRing
from proxy.credentials.networks import Networks
from proxy.credentials.signed_uri import SignedUris
from proxy.credentials.ticket import Tickets
from proxy.credentials.token import Claims, TokenRules, TokenVerifier
from proxy.model import Clock
from proxy.origin.upstream import Origin, OriginConfig, Upstream
from proxy.routing import Route, RouteTable
from proxy.settings.limits import WhereSettings
from proxy.settings.problems import ConfigError, Problem
from proxy.settings.schema import Settings
from proxy.settings.signing import SECRET_LENGTHS, UriSigningSettings
from proxy.telemetry.logs import Redactor
from proxy.telemetry.spans import NoSpans, Spans


def private_names(settings: Settings) -> frozenset[str]:
    """Give the names of parameters and cookies whose values open something."""
    auth = settings.auth
    return frozenset({*auth.query_params, *auth.cookies, settings.tickets.param})


def spans(in_force: Callable[[], Settings]) -> Spans:
    """Build what records spans, without what is private by the settings in force at the time.

    Raises:
        ConfigError: the environment, which says how, says what cannot be done.
    """
    if not in_force().tracing.enabled:
        return NoSpans()
    # Only with the extra playgate[otel], which the settings have seen to.
    from proxy.telemetry.otel.environment import recorder  # noqa: PLC0415  # see above

    redactor = lru_cache(maxsize=2)(Redactor)
    try:
        return recorder(lambda text: redactor(private_names(in_force())).text(text)) or NoSpans()
    except ValueError as error:
        raise ConfigError((Problem("environment", None, "OTEL_*", str(error)),)) from error


def route_table(settings: Settings) -> RouteTable:
    """Build the routes of the configuration."""
    return RouteTable(
        Route(
            name=route.name,
            pattern=route.path,
            origins=route.origins,
            host=route.host,
            strip_prefix=route.strip_prefix or "",
            segments=route.segments,
            segment_base_url=route.segment_base_url,
            content_params=frozenset(route.content_params),
            limit=route.limits,
        )
        for route in settings.routes
    )


def all_origins(settings: Settings) -> frozenset[Origin]:
    """Give the origins of all routes."""
    return frozenset(Origin.parse(url) for route in settings.routes for url in route.origins)


def expiries(settings: Settings) -> dict[str, float]:
    """Give when the player port's certificate expires (seconds since the epoch), by its file."""
    tls = settings.listen.tls
    if tls.cert is None or tls.life is None:
        return {}
    return {tls.cert.name: tls.life[1].timestamp()}


def origin_names(settings: Settings) -> frozenset[str]:
    """Give what they are called in metrics."""
    return frozenset(origin.name for origin in all_origins(settings))


def same_manifests(one: Settings, other: Settings) -> bool:
    """Tell whether manifests come out the same, so that those in memory are good for both.

    How they are asked for counts, too: who shortens how long one is kept wants that at once.
    """

    def inputs(settings: Settings) -> tuple[object, ...]:
        return settings.routes, settings.origin, settings.tickets.param, settings.streams.keepalive

    return inputs(one) == inputs(other)


def origin_config(settings: Settings) -> OriginConfig:
    """Build how servers are asked."""
    origin = settings.origin
    return OriginConfig(
        timeout=origin.timeout,
        connect_timeout=origin.connect_timeout,
        retries=origin.retries,
        max_manifest=origin.max_manifest,
        private_cookies=frozenset(settings.auth.cookies),
        private_headers=frozenset({settings.auth.cat.header.lower()}),
    )


def upstreams(settings: Settings) -> dict[str, Upstream]:
    """Build what each route asks, by the route's name."""
    config = origin_config(settings)
    return {
        route.name: Upstream(route.name, tuple(map(Origin.parse, route.origins)), config)
        for route in settings.routes
    }


def policy(settings: Settings) -> Policy:
    """Build the rules of admission."""
    return Policy(
        takeover=Takeover(settings.identity.takeover),
        on_limit=OnLimit(settings.limits.on_limit),
        silent_after_ms=round(settings.streams.silent_after * 1000),
        max_networks=settings.identity.max_networks,
        tombstone_ms=round(settings.tickets.ttl * 1000),
        rules=tuple(
            Rule(rule.name, rule.max, observed=rule.mode == "observe")
            for rule in settings.limits.rules
        ),
        observes=settings.limits.mode == "observe",
    )


def lifetimes(settings: Settings) -> Lifetimes:
    """Build how long slots live."""
    streams = settings.streams
    return Lifetimes(
        ttl=streams.ttl,
        live_ttl_factor=streams.live_ttl_factor,
        vod_ttl=streams.vod_ttl,
        max_hold=streams.max_hold,
        vod_interval=streams.keepalive_interval if streams.keepalive else None,
    )


def limits(settings: Settings) -> Limits:
    """Build where an account's limit comes from, and what its rules count."""
    return Limits(
        default=settings.limits.default,
        plans={name: limit for name, limit in settings.limits.plans.items() if limit is not None},
        routes={route.name: route.limits for route in settings.routes},
        status=settings.limits.status,
        rulebook=Rulebook({rule.name: _where(rule.where) for rule in settings.limits.rules}),
    )


def _where(where: WhereSettings) -> Where:
    return Where(
        contents=where.content or (),
        routes=frozenset(where.route or ()),
        device_classes=frozenset(where.device_class or ()),
        plans=frozenset(where.plan or ()),
        claims={claim: frozenset(values) for claim, values in where.claims.items()},
    )


def credentials(
    settings: Settings, keys: KeyRing, accounts: AccountNames, clock: Clock = time.time
) -> Credentials:
    """Build what verifies tokens and tickets."""
    auth, tickets = settings.auth, settings.tickets
    rules = TokenRules(
        issuers=auth.issuer or (),
        audience=auth.audience or (),
        leeway=auth.leeway,
        claims=Claims(**auth.claims.model_dump()),
        account_per_issuer=auth.account_per_issuer,
        listed=settings.limits.listed_claims,
    )
    networks, signing = Networks(tickets.key), auth.uri_signing
    understood = frozenset((*astuple(rules.claims), *rules.listed))
    signed_uris = SignedUris(networks, decrypter(signing), understood, clock)
    verifier = TokenVerifier(keys, rules, accounts, signed_uris)
    verify_cat = None
    if auth.cat.enabled:
        # Only with the extra playgate[cat], which the settings have seen to.
        from proxy.credentials.cat import CatVerifier  # noqa: PLC0415  # see above

        verify_cat = CatVerifier(keys, rules, verifier, networks, clock).verify
    return Credentials(
        verifier,
        Tickets(tickets.key, tickets.ttl, clock),
        networks,
        Sources(
            order=auth.sources,
            query_param=auth.query_param,
            cookie=auth.cookie,
            ticket_param=tickets.param,
            package=signing.param if signing.enabled else None,
            cat=CatNames(**auth.cat.model_dump(exclude={"enabled"})) if auth.cat.enabled else None,
        ),
        verify_cat,
    )


def decrypter(signing: UriSigningSettings) -> Decrypter:
    """Build what decrypts claims."""
    return Decrypter(
        [
            DecryptionKey.symmetric(key.algorithm, key.material)
            if key.algorithm in SECRET_LENGTHS
            else DecryptionKey.private(key.algorithm, key.material)
            for key in signing.decryption_keys
        ]
    )
