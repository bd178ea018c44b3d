"""Settings of traces."""

from importlib.util import find_spec

from pydantic import Field, field_validator

from proxy.settings.section import Section
from proxy.settings.types import Flag

# What the extra brings.
NEEDED = ("opentelemetry.sdk", "opentelemetry.exporter.otlp.proto.http")


class TracingSettings(Section):
    """Spans of requests, by OpenTelemetry."""

    enabled: Flag = Field(
        default=False,
        description="Record spans, as the OTEL_* environment variables say; needs the extra:"
        " pip install 'playgate[otel]'.",
    )

    @field_validator("enabled")
    @classmethod
    def _is_installed(cls, enabled: bool) -> bool:  # noqa: FBT001  # pydantic's signature
        if enabled and not all(map(_is_there, NEEDED)):
            raise ValueError("needs what is not installed: pip install 'playgate[otel]'")
        return enabled


def _is_there(module: str) -> bool:
    try:
        return find_spec(module) is not None
    except ModuleNotFoundError:  # not even what it is a part of
        return False
