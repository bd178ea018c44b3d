"""Settings of how origins are asked."""

from typing import Annotated

from pydantic import Field

from proxy.settings.section import Section
from proxy.settings.types import Duration, Lifetime, Size, at_least, at_most, integer_text


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
