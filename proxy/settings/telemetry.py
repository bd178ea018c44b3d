"""What is told of what happens, to the log and to other systems, and what these may tell."""

from typing import Annotated, Literal

from pydantic import Field, ValidationInfo, field_validator
from pydantic_core import InitErrorDetails

from proxy.settings.section import Section, conflict, idle
from proxy.settings.store_url import MEMORY, StoreUrl
from proxy.settings.types import Flag, integer_text, number_text


class EventSettings(Section):
    """Events of streams, and signs of life from elsewhere."""

    sink: Literal["none", "log", "redis-stream"] = Field(
        "none",
        description="Where events go: log writes each as a log entry, redis-stream adds it to the"
        " stream <store.key_prefix>:events of the store's Redis.",
    )
    max_length: Annotated[int, Field(ge=1_000, le=100_000_000), integer_text] = Field(
        1_000_000, description="About how many events the stream keeps; the oldest go first."
    )
    queue: Annotated[int, Field(ge=100, le=1_000_000), integer_text] = Field(
        10_000,
        description="Events held while Redis is slow or away; more are dropped and counted.",
    )
    keepalive: Flag = Field(
        default=False,
        description="Renew slots by the entries of the stream <store.key_prefix>:keepalive.",
    )

    @field_validator("max_length", "queue")
    @classmethod
    def _is_of_the_stream(cls, value: int, info: ValidationInfo) -> int:
        sink = info.data.get("sink", "redis-stream")
        if sink != "redis-stream":
            idle(cls, info, value, f"with sink: {sink}")
        return value


class LogSettings(Section):
    """What is written to standard error."""

    format: Literal["json", "text"] = Field("json", description="For machines or for people.")
    level: Literal["debug", "info", "warning", "error"] = Field(
        "info", description="The least severe entries written."
    )
    access_sample: Annotated[float, Field(ge=0, le=1), number_text] = Field(
        0.0,
        description="The share of requests that get an entry of their own, drawn by lot: 1 is all.",
    )


def without_redis(events: EventSettings, store: StoreUrl) -> list[InitErrorDetails]:
    """Find what needs Redis where streams are counted in memory."""
    if store.get_secret_value() != MEMORY:
        return []
    need = {"sink": events.sink == "redis-stream", "keepalive": events.keepalive}
    message = "needs Redis, and store.url is memory://"
    return [conflict(message, key) for key, needed in need.items() if needed]


def hidden(events: EventSettings | None, log: LogSettings) -> list[InitErrorDetails]:
    """Find a log that would not show what it is for."""
    if log.level in ("debug", "info"):
        return []
    found = []
    if events is not None and events.sink == "log":
        found.append(conflict("hides what events.sink writes to the log, at level info", "level"))
    if log.access_sample:
        found.append(conflict("hides what log.access_sample asks for, at level info", "level"))
    return found
