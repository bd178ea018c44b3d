"""The configuration: every key there is, its default, its bounds, and what it is for.

A key is here together with the feature it controls, so nothing is accepted and then ignored. The
sections hold what the file says and decide nothing; times are seconds, sizes bytes. The
descriptions feed the JSON Schema.
"""

from typing import Self

from pydantic import (
    Field,
    ModelWrapValidatorHandler,
    ValidationInfo,
    field_validator,
    model_validator,
)

from proxy.settings.credentials import AuthSettings, TicketSettings
from proxy.settings.limits import LimitSettings, looking_at, never_met
from proxy.settings.material import ANOTHER
from proxy.settings.origin import OriginSettings
from proxy.settings.ports import AdminSettings, CorsSettings, ListenSettings, one_port_for_both
from proxy.settings.routes import Routes, RouteSettings
from proxy.settings.section import Section, conflict, conflicts, whole
from proxy.settings.streams import (
    IdentitySettings,
    StoreSettings,
    StreamSettings,
    lost_with_one_beat,
    outliving_tickets,
)
from proxy.settings.telemetry import EventSettings, LogSettings, hidden, without_redis
from proxy.settings.tracing import TracingSettings
from proxy.settings.types import Flag


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
    tracing: TracingSettings = Field(
        default_factory=TracingSettings, description="Whether spans of requests are recorded."
    )
    watch: Flag = Field(
        default=False, description="Reload when this file changes, or one that it names."
    )

    @model_validator(mode="wrap")
    @classmethod
    def _rules_are_met_by_routes(
        cls, data: object, handler: ModelWrapValidatorHandler[Self]
    ) -> Self:
        return whole(data, handler, never_met)

    @field_validator("admin")
    @classmethod
    def _has_a_port_of_its_own(cls, admin: AdminSettings, info: ValidationInfo) -> AdminSettings:
        listen: ListenSettings | None = info.data.get("listen")
        if listen is not None and (found := one_port_for_both(listen, admin)):
            raise conflicts(*found)
        return admin

    @field_validator("tickets")
    @classmethod
    def _is_told_from_a_token(cls, tickets: TicketSettings, info: ValidationInfo) -> TicketSettings:
        auth: AuthSettings | None = info.data.get("auth")
        found = []
        if auth is not None and (setting := auth.query_params.get(tickets.param)):
            found.append(conflict(f"is the token's parameter, {setting}, too", "param"))
        if auth is not None and (twin := auth.holder_of(tickets.key)):
            reason = f"is that of {twin}, too, and who makes tokens could make tickets: {ANOTHER}"
            found.append(conflict(reason, "secret_file" if tickets.secret is None else "secret"))
        if found:
            raise conflicts(*found)
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
    def _outlives_a_lost_beat(cls, streams: StreamSettings, info: ValidationInfo) -> StreamSettings:
        tickets: TicketSettings | None = info.data.get("tickets")
        found = lost_with_one_beat(streams)
        if tickets is not None:
            found += outliving_tickets(streams, tickets.ttl)
        if found:
            raise conflicts(*found)
        return streams

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
    def _shows_what_it_is_for(cls, log: LogSettings, info: ValidationInfo) -> LogSettings:
        if found := hidden(info.data.get("events"), log):
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
