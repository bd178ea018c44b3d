"""Routes as they are configured: which paths go to which origins, and how.

The first route that matches serves a request, so a route that nothing can reach is a mistake.
"""

from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import Annotated, Literal, Self

from pydantic import (
    AfterValidator,
    Field,
    PlainSerializer,
    PlainValidator,
    ValidationInfo,
    WithJsonSchema,
    field_validator,
    model_validator,
)
from pydantic_core import InitErrorDetails

from proxy.model import API_ROUTE, NO_ROUTE
from proxy.settings.patterns import PathPattern
from proxy.settings.section import Section, conflict, conflicts, no_twins, together, written
from proxy.settings.types import Label, NonEmpty, StreamCount, distinct, not_empty
from proxy.settings.urls import BaseUrl, HostName, OriginUrl

# Of a pattern with which no manifest can be had.
NO_MANIFEST = "ends in a name that is no manifest's; with /** at its end, all beneath"

# Made once, though they are looked at three times in a load and again in the next: as many as a
# large configuration has.
PATTERNS = 16_384


def _pattern(value: object) -> PathPattern:
    if isinstance(value, PathPattern):
        return value
    if not isinstance(value, str):
        raise ValueError("must be a path pattern such as /live/**")  # noqa: TRY004  # pydantic's way
    return _made(value)


@lru_cache(maxsize=PATTERNS)
def _made(text: str) -> PathPattern:
    return PathPattern(text)


def _prefix(text: str) -> str:
    prefix = PathPattern(text.rstrip("/")).text if text.rstrip("/") else ""
    if not prefix or "*" in prefix:
        raise ValueError("must be a literal path such as /live")
    return prefix


Pattern = Annotated[
    PathPattern,
    PlainValidator(_pattern),
    PlainSerializer(str, return_type=str, when_used="json"),
    WithJsonSchema({"type": "string", "pattern": "^/"}),
]
Prefix = Annotated[str, AfterValidator(_prefix)]


class RouteSettings(Section):
    """One route."""

    name: Label = Field(description="The route's name in metrics, logs and listings.")
    path: Pattern = Field(
        description="Which paths: * is one segment or a part of one, ** everything beneath."
    )
    host: HostName | None = Field(
        None, description="The one Host the route is for, with a port or without; null: any."
    )
    origins: Annotated[tuple[OriginUrl, ...], not_empty, distinct] = Field(
        description="The servers behind, tried in turn: http(s)://HOST[:PORT]."
    )
    strip_prefix: Prefix | None = Field(
        None, description="Taken off the front of the path before the origin is asked."
    )
    segments: Literal["signed", "open", "direct", "deny"] = Field(
        "signed",
        description="Media segments: signed checks a ticket on each, open passes all through,"
        " direct sends players to segment_base_url, deny answers 403.",
    )
    segment_base_url: BaseUrl | None = Field(
        None,
        validate_default=True,
        description="Where players fetch segments with segments: direct; the public path of the"
        " segment is appended.",
    )
    content_params: Annotated[tuple[NonEmpty, ...], distinct] = Field(
        (),
        description="Query parameters of the entry manifest that are part of what is watched: two"
        " values are two streams. All others are ignored.",
    )
    limits: StreamCount | None = Field(
        None, description="Streams at a time for this route; overrides limits.default."
    )

    @field_validator("name")
    @classmethod
    def _is_its_own(cls, name: str) -> str:
        if name in (NO_ROUTE, API_ROUTE):
            raise ValueError("is what metrics call what is on no route")
        return name

    @field_validator("strip_prefix")
    @classmethod
    def _begins_the_path(cls, prefix: str | None, info: ValidationInfo) -> str | None:
        pattern = info.data.get("path")
        if prefix and pattern and not pattern.literal_prefix.startswith(f"{prefix}/"):
            raise ValueError("must be what path begins with, before its first wildcard")
        return prefix

    @model_validator(mode="after")
    def _has_more_than_a_folder(self) -> Self:
        """Take a folder for all that is in it, but where it may be a page that anybody gets."""
        if self.path.is_folder and self.segments != "open":
            raise conflicts(conflict("is the folder alone; with ** at its end, all in it", "path"))
        return self

    @field_validator("segment_base_url")
    @classmethod
    def _goes_with_direct(cls, url: str | None, info: ValidationInfo) -> str | None:
        mode = info.data.get("segments")
        if mode == "direct" and url is None:
            raise ValueError("is required with segments: direct")
        if mode not in ("direct", None) and url is not None:
            raise ValueError(f"has no use with segments: {mode}")
        return url


def written_pattern(value: object) -> PathPattern | None:
    """Give a pattern as it was written; None for what is none."""
    try:
        return _pattern(value)
    except ValueError:
        return None


def _reachable(routes: Sequence[object]) -> Iterator[InitErrorDetails]:
    """Find the routes whose every request an earlier one takes."""
    first: dict[tuple[str | None, str], int] = {}
    for index, route in enumerate(routes):
        host = written(route, "host")
        pattern = written_pattern(written(route, "path"))
        if pattern is None or not isinstance(host, str | None):
            continue
        host = host.lower() if host else None
        wider = ((taker, text) for text in pattern.covering() for taker in (None, host))
        if taken := next(filter(first.__contains__, wider), None):
            yield conflict(f"is never reached: routes[{first[taken]}] takes it all", index, "path")
        first.setdefault((host, pattern.text), index)


Routes = Annotated[
    tuple[RouteSettings, ...], not_empty, together(no_twins("routes", "name"), _reachable)
]
