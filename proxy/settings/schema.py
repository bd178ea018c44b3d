"""The configuration: every key there is, its default, its bounds, and what it is for.

A key is here together with the feature it controls, so nothing is accepted and then ignored. The
sections hold what the file says and decide nothing; times are seconds, sizes bytes. The
descriptions feed the JSON Schema.
"""

from typing import Annotated, Literal, Self

from pydantic import (
    Field,
    ModelWrapValidatorHandler,
    ValidationInfo,
    field_validator,
    model_validator,
)

from proxy.settings.credentials import AuthSettings, TicketSettings
from proxy.settings.limits import LimitSettings, looking_at, unknown_routes
from proxy.settings.routes import Routes, RouteSettings
from proxy.settings.section import Section, conflict, conflicts, whole
from proxy.settings.telemetry import EventSettings, LogSettings, hidden_events, without_redis
from proxy.settings.tls import TlsSettings
from proxy.settings.types import (
    BearerToken,
    Duration,
    KeyPrefix,
    Lifetime,
    Network,
    Port,
    Size,
    TokenName,
    at_least,
    at_most,
    distinct,
    duration_text,
    integer_text,
    number_text,
)
from proxy.settings.urls import BindHost, StoreLocation, StoreUrl, WebOrigin

# What a socket on every address is bound to.
ANY_ADDRESS = {"0.0.0.0", "::"}  # noqa: S104  # compared with


class ListenSettings(Section):
    """The player port."""

    host: BindHost = Field("0.0.0.0", description="The address players connect to.")  # noqa: S104  # a server in a container is for everybody
    port: Port = Field(8080, description="Its port; 0 takes any free one.")
    tls: TlsSettings = Field(
        default_factory=TlsSettings, description="Both files: HTTPS. Neither: plain HTTP."
    )
    trusted_proxies: tuple[Network, ...] = Field(
        (), description="Addresses and networks whose X-Forwarded-* fields are believed."
    )
    max_in_flight: Annotated[int, Field(ge=1, le=1_000_000), integer_text] = Field(
        2048, description="Requests served at once; the next one gets 503 `overloaded`."
    )
    drain_timeout: Annotated[Duration, at_most("1h")] = Field(
        20.0, description="How long open requests may take to finish at shutdown."
    )


class AdminSettings(Section):
    """The operators' port."""

    host: BindHost = Field("127.0.0.1", description="The address operators connect to.")
    port: Port = Field(9090, description="Its port; 0 takes any free one.")
    token: BearerToken | None = Field(
        None, description="The bearer token of /admin; without one /admin answers 403 to all."
    )


class StoreSettings(Section):
    """Where streams are counted."""

    url: StoreLocation = Field(
        StoreUrl("memory://"),
        description="memory:// counts in this process; redis://, rediss:// (TLS) and unix:// count"
        " for all proxies together.",
    )
    key_prefix: KeyPrefix = Field("playgate", description="What every Redis key begins with.")
    timeout: Annotated[Duration, at_least("1ms"), at_most("10s")] = Field(
        0.1, description="The longest a request waits for the store."
    )
    on_outage: Literal["local", "open", "closed"] = Field(
        "local",
        description="New streams while the store is away: local counts them in this process, open"
        " admits all, closed answers 503.",
    )


class StreamSettings(Section):
    """How long a slot is held."""

    ttl: Lifetime = Field(30.0, description="From one refresh of a live manifest to the next.")
    live_ttl_factor: Annotated[float, Field(ge=1, le=100), number_text] = Field(
        4.0, description="... or so many refresh intervals, where that is longer."
    )
    vod_ttl: Lifetime = Field(90.0, description="From one sign of life on demand to the next.")
    silent_after: Lifetime = Field(
        120.0, description="A stream that never showed life may be evicted after this."
    )
    max_hold: Lifetime = Field(
        4 * 3600.0, description="The longest a silent on-demand stream holds its slot."
    )
    keepalive: bool = Field(
        default=True,
        description="Have on-demand players report through content steering, as they can.",
    )
    keepalive_interval: Annotated[Duration, at_least("1s"), at_most("1h")] = Field(
        30.0, description="How often they do, in whole seconds; at most half of vod_ttl."
    )


class IdentitySettings(Section):
    """What is one viewer, and what is another."""

    takeover: Literal["none", "strong", "quiet", "provisional"] = Field(
        "quiet", description="When a device's new stream replaces its old one at the limit."
    )
    max_networks: Annotated[int, Field(ge=1, le=64), integer_text] = Field(
        3, description="Networks one stream may be watched from within its TTL."
    )
    device_header: TokenName | None = Field(
        None, description="A request header that names the device, where the token does not."
    )
    jti_per_playback: bool = Field(
        default=False, description="The issuer gives each playback a token of its own (`jti`)."
    )


class OriginSettings(Section):
    """How origins are asked."""

    timeout: Lifetime = Field(5.0, description="For a whole manifest, and between two chunks.")
    connect_timeout: Lifetime = Field(1.0, description="For a connection to be made.")
    retries: Annotated[int, Field(ge=0, le=10), integer_text] = Field(
        1, description="New tries where a connection died before a byte came."
    )
    max_manifest: Annotated[Size, at_least("1KiB"), at_most("1GiB")] = Field(
        8 * 2**20, description="The largest manifest, decoded; a larger one is a 502."
    )
    cache: Annotated[Duration, at_most("1h")] = Field(
        1.0, description="How long a manifest is served from memory; 0s: not at all."
    )


class CorsSettings(Section):
    """Which web pages may read answers."""

    origins: Annotated[tuple[WebOrigin, ...], distinct] = Field(
        ("*",), description="scheme://host[:port] of each page's site, or * for all."
    )

    @field_validator("origins")
    @classmethod
    def _all_is_all(cls, origins: tuple[str, ...]) -> tuple[str, ...]:
        if "*" in origins and len(origins) > 1:
            raise ValueError("* allows every site; it stands alone")
        return origins


class Settings(Section):
    """The whole configuration."""

    listen: ListenSettings = Field(
        default_factory=ListenSettings, description="Where players connect."
    )
    admin: AdminSettings = Field(
        default_factory=AdminSettings,
        description="Where operators connect: metrics, health, administration.",
    )
    store: StoreSettings = Field(
        default_factory=StoreSettings, description="Where streams are counted."
    )
    auth: AuthSettings = Field(description="Which tokens are good, and what they say.")
    tickets: TicketSettings = Field(
        description="What children of an admitted manifest carry instead of the token."
    )
    limits: LimitSettings = Field(
        default_factory=LimitSettings, description="How many streams an account may have."
    )
    streams: StreamSettings = Field(
        default_factory=StreamSettings, description="How long a slot is held."
    )
    identity: IdentitySettings = Field(
        default_factory=IdentitySettings, description="What counts as one viewer."
    )
    origin: OriginSettings = Field(
        default_factory=OriginSettings, description="How origins are asked."
    )
    cors: CorsSettings = Field(
        default_factory=CorsSettings, description="Which web pages may read answers."
    )
    events: EventSettings = Field(
        default_factory=EventSettings, description="What is told to other systems, and by them."
    )
    routes: Routes = Field(
        description="Which paths go to which origins; the first that matches serves."
    )
    log: LogSettings = Field(default_factory=LogSettings, description="What is logged.")

    @model_validator(mode="wrap")
    @classmethod
    def _rules_know_their_routes(
        cls, data: object, handler: ModelWrapValidatorHandler[Self]
    ) -> Self:
        return whole(data, handler, unknown_routes)

    @field_validator("admin")
    @classmethod
    def _has_a_port_of_its_own(cls, admin: AdminSettings, info: ValidationInfo) -> AdminSettings:
        listen: ListenSettings | None = info.data.get("listen")
        if listen is None or admin.port != listen.port or admin.port == 0:
            return admin
        # A socket on all addresses takes the port on each of them.
        if admin.host == listen.host or not {admin.host, listen.host}.isdisjoint(ANY_ADDRESS):
            raise conflicts(conflict("is the player port, listen.port, too", "port"))
        return admin

    @field_validator("tickets")
    @classmethod
    def _is_told_from_a_token(cls, tickets: TicketSettings, info: ValidationInfo) -> TicketSettings:
        auth: AuthSettings | None = info.data.get("auth")
        if auth is not None and (setting := auth.query_params.get(tickets.param)):
            raise conflicts(conflict(f"is the token's parameter, {setting}, too", "param"))
        return tickets

    @field_validator("limits")
    @classmethod
    def _names_no_account(cls, limits: LimitSettings, info: ValidationInfo) -> LimitSettings:
        auth: AuthSettings | None = info.data.get("auth")
        if auth is not None and (found := looking_at(auth.claims.account, limits)):
            raise conflicts(*found)
        return limits

    @field_validator("streams")
    @classmethod
    def _outlives_a_lost_beat(cls, streams: StreamSettings) -> StreamSettings:
        if not streams.keepalive or 2 * streams.keepalive_interval <= streams.vod_ttl:
            return streams
        if "keepalive_interval" in streams.model_fields_set:
            found = conflict("must be at most half of streams.vod_ttl", "keepalive_interval")
        else:
            interval = duration_text(streams.keepalive_interval)
            found = conflict(
                f"must be at least twice streams.keepalive_interval, which is {interval}", "vod_ttl"
            )
        raise conflicts(found)

    @field_validator("identity")
    @classmethod
    def _names_no_token(cls, identity: IdentitySettings, info: ValidationInfo) -> IdentitySettings:
        auth: AuthSettings | None = info.data.get("auth")
        if auth is not None and (identity.device_header or "").lower() in auth.headers:
            reason = "carries credentials: each new one would be a new device"
            raise conflicts(conflict(reason, "device_header"))
        return identity

    @field_validator("events")
    @classmethod
    def _has_the_redis_it_needs(cls, events: EventSettings, info: ValidationInfo) -> EventSettings:
        store: StoreSettings | None = info.data.get("store")
        if store is not None and (found := without_redis(events, store.url)):
            raise conflicts(*found)
        return events

    @field_validator("log")
    @classmethod
    def _shows_events(cls, log: LogSettings, info: ValidationInfo) -> LogSettings:
        if found := hidden_events(info.data.get("events"), log):
            raise conflicts(*found)
        return log

    @field_validator("routes")
    @classmethod
    def _content_is_no_credential(
        cls, routes: tuple[RouteSettings, ...], info: ValidationInfo
    ) -> tuple[RouteSettings, ...]:
        """Keep credentials out of what names a stream: each new token would be a new stream."""
        auth: AuthSettings | None = info.data.get("auth")
        tickets: TicketSettings | None = info.data.get("tickets")
        credentials = {
            *(auth.query_params if auth else ()),
            *((tickets.param,) if tickets else ()),
        }
        found = [
            conflict("is a credential, which never says what is watched", *at)
            for index, route in enumerate(routes)
            for position, name in enumerate(route.content_params)
            for at in [(index, "content_params", position)]
            if name in credentials
        ]
        if found:
            raise conflicts(*found)
        return routes
