"""Settings of how origins are asked."""

from typing import Annotated

from pydantic import Field, ValidationInfo, field_validator

from proxy.settings.section import Section, is_default
from proxy.settings.types import Duration, Lifetime, Size, at_least, at_most, integer_text


class OriginSettings(Section):
    """How origins are asked."""

    timeout: Lifetime = Field(
        5.0,
        description="For a whole manifest, and between two chunks. After a quarter of it, another "
        "origin of the route is asked as well.",
    )
    connect_timeout: Lifetime = Field(1.0, description="For a connection to be made.")
    retries: Annotated[int, Field(ge=0, le=10), integer_text] = Field(
        1,
        description="New tries where a connection died before a byte came; and tries at another "
        "origin, where one is silent or has no good answer. A fifth of all requests at most.",
    )
    max_manifest: Annotated[Size, at_least("1KiB"), at_most("1GiB")] = Field(
        8 * 2**20, description="The largest manifest, decoded; a larger one is a 502."
    )
    cache: Annotated[Duration, at_most("1h")] = Field(
        1.0,
        description="How long a manifest is served from memory; 0s: not at all, not even while "
        "origins fail.",
    )

    @field_validator("connect_timeout")
    @classmethod
    def _is_reached(cls, connect: float, info: ValidationInfo) -> float:
        """See that it can be over before all of the time is; its default gives way by itself."""
        is_late = connect > info.data.get("timeout", connect)
        if is_late and not is_default(cls, "connect_timeout", connect):
            raise ValueError("must be at most origin.timeout, or it is never reached")
        return connect
