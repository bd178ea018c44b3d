"""Settings of streams: where they are counted, how long a slot is held, what is one viewer."""

from typing import Annotated, Any, Literal

from pydantic import Field, ValidationInfo, field_validator
from pydantic_core import InitErrorDetails

from proxy.settings.section import Section, conflict, idle
from proxy.settings.store_url import MEMORY, StoreLocation, StoreUrl
from proxy.settings.types import (
    Duration,
    Flag,
    KeyPrefix,
    TokenName,
    at_least,
    at_most,
    duration_text,
    integer_text,
    number_text,
    within_a_year,
)

# Nothing that plays asks more often than once in a second or so: with a shorter life, a stream
# would have no slot most of the time, and nobody would ever be at the limit.
SlotLife = Annotated[Duration, at_least("1s"), within_a_year]


class StoreSettings(Section):
    """Where streams are counted."""

    url: StoreLocation = Field(
        StoreUrl(MEMORY),
        description="memory:// counts in this process; all others count for all proxies together:"
        " redis://HOST:PORT/DB, rediss:// (TLS), unix:///PATH; redis+sentinel://HOST,HOST/NAME/DB,"
        " which asks sentinels for the primary; redis+cluster://HOST,HOST, some nodes of a cluster;"
        " and with TLS, rediss+sentinel:// and rediss+cluster://. Before the hosts may stand"
        " USER:PASSWORD@, behind all ?protocol=3 (RESP3), ?sentinel_password=, ?ssl_ca_certs=FILE.",
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

    @field_validator("key_prefix", "timeout", "on_outage")
    @classmethod
    def _is_of_redis(cls, value: Any, info: ValidationInfo) -> Any:
        url: StoreUrl | None = info.data.get("url")
        if url is not None and url.get_secret_value() == MEMORY:
            idle(cls, info, value, "with store.url memory://, which is this process")
        return value


class StreamSettings(Section):
    """How long a slot is held."""

    ttl: SlotLife = Field(30.0, description="From one refresh of a live manifest to the next.")
    live_ttl_factor: Annotated[float, Field(ge=1, le=100), number_text] = Field(
        4.0, description="... or so many refresh intervals, where that is longer."
    )
    vod_ttl: SlotLife = Field(90.0, description="From one sign of life on demand to the next.")
    silent_after: SlotLife = Field(
        120.0, description="A stream that never showed life may be evicted after this."
    )
    max_hold: SlotLife = Field(
        4 * 3600.0, description="The longest a silent on-demand stream holds its slot."
    )
    keepalive: Flag = Field(
        default=True,
        description="Have on-demand players report through content steering, as they can.",
    )
    keepalive_interval: Annotated[Duration, at_least("1s"), at_most("1h")] = Field(
        30.0, description="How often they do, in whole seconds; at most half of vod_ttl."
    )

    @field_validator("keepalive_interval")
    @classmethod
    def _is_of_keepalive(cls, value: float, info: ValidationInfo) -> float:
        if info.data.get("keepalive") is False:
            idle(cls, info, value, "with keepalive: false")
        return value


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
    jti_per_playback: Flag = Field(
        default=False, description="The issuer gives each playback a token of its own (`jti`)."
    )


def lost_with_one_beat(streams: StreamSettings) -> list[InitErrorDetails]:
    """Find lives of slots on demand that one lost report would end."""
    if not streams.keepalive or 2 * streams.keepalive_interval <= streams.vod_ttl:
        return []
    if "keepalive_interval" in streams.model_fields_set:
        return [conflict("must be at most half of streams.vod_ttl", "keepalive_interval")]
    interval = duration_text(streams.keepalive_interval)
    reason = f"must be at least twice streams.keepalive_interval, which is {interval}"
    return [conflict(reason, "vod_ttl")]


def outliving_tickets(streams: StreamSettings, tickets: float) -> list[InitErrorDetails]:
    """Find lives of slots that are longer than the tickets' (seconds), who are to renew them."""
    reason = f"must be at most tickets.ttl, which is {duration_text(tickets)}: tickets renew it"
    return [conflict(reason, key) for key in ("ttl", "vod_ttl") if getattr(streams, key) > tickets]
