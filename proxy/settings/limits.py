"""Settings of limits: how many streams an account may have, and the rules inside it.

A rule is one more ceiling over some of an account's streams. What it says of routes and claims is
checked against the rest of the configuration in ``schema``.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, ValidationInfo, WithJsonSchema, field_validator
from pydantic_core import InitErrorDetails

from proxy.settings.patterns import PathPattern
from proxy.settings.routes import NO_MANIFEST, Pattern, written_pattern
from proxy.settings.section import Section, conflict, conflicts, no_twins, together, written
from proxy.settings.types import (
    ClaimedName,
    Label,
    NonEmpty,
    StreamCount,
    distinct,
    integer_text,
    not_empty,
    one_or_many,
)
from proxy.streams import LIMIT_SOURCES

# Each is looked at for each request, and a slot may carry the names of all.
MAX_RULES = 32
# What rules look for in claims, and the names of those that look at content, travel in tickets,
# which are in URLs: characters as JSON.
MAX_LISTED = 1024

Mode = Literal["enforce", "observe"]


def _claim_value(value: object) -> object:
    """Take what a claim may be compared with, in the one form that claims have here."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int):
        return str(value)
    if not isinstance(value, str):
        raise ValueError("must be a text, a whole number, true or false")  # noqa: TRY004  # for pydantic
    return value


def _claims(value: object) -> object:
    if not isinstance(value, Mapping):
        raise ValueError("must be claims with the values to have, as in {tier: [gold, silver]}")  # noqa: TRY004  # for pydantic
    return value


Names = Annotated[tuple[NonEmpty, ...], not_empty, distinct, one_or_many]
Patterns = Annotated[tuple[Pattern, ...], not_empty, distinct, one_or_many]
Class = Literal["tv", "console", "tablet", "mobile", "desktop", "other"]
DeviceClasses = Annotated[tuple[Class, ...], not_empty, distinct, one_or_many]
ClaimValue = Annotated[
    NonEmpty,
    BeforeValidator(_claim_value),
    WithJsonSchema({"type": ["string", "integer", "boolean"]}),
]
ClaimValues = Annotated[tuple[ClaimValue, ...], not_empty, distinct, one_or_many]


class WhereSettings(Section):
    """Which streams a rule counts: those for which all of this holds."""

    content: Patterns | None = Field(None, description="Paths of entry manifests, as a route's.")
    route: Names | None = Field(None, description="Routes by their names.")
    device_class: DeviceClasses | None = Field(
        None, description="What kind of device it plays on, by claim or User-Agent."
    )
    plan: Names | None = Field(None, description="Plans that tokens name.")
    claims: Annotated[Mapping[NonEmpty, ClaimValues], BeforeValidator(_claims)] = Field(
        {}, description="Claims of the token, each with one value or several to have."
    )


class RuleSettings(Section):
    """One rule."""

    name: Label = Field(description="What refusals and metrics call it.")
    max: StreamCount = Field(description="Streams at a time of those it counts.")
    where: WhereSettings = Field(
        default_factory=WhereSettings,
        description="Which streams it counts; all of the account's where it says nothing.",
    )
    mode: Mode = Field("enforce", description="observe: count and report, refuse nothing.")

    @field_validator("name")
    @classmethod
    def _is_its_own(cls, name: str) -> str:
        if name in LIMIT_SOURCES:
            raise ValueError("is what refusals call a limit that is no rule's")
        return name


class LimitSettings(Section):
    """How many streams an account may have."""

    default: StreamCount = Field(3, description="Streams at a time where nothing else decides.")
    plans: Mapping[ClaimedName, StreamCount | None] = Field(
        {"basic": 1, "standard": 2, "premium": 4},
        description="Streams at a time by the token's plan; null: as if the token named none, but"
        " rules may look for it.",
    )
    rules: Annotated[
        tuple[RuleSettings, ...],
        Field(max_length=MAX_RULES),
        together(no_twins("limits.rules", "name")),
    ] = Field((), description="More ceilings inside one account; all must have room.")
    on_limit: Literal["reject", "evict_oldest"] = Field(
        "reject", description="Refuse the newcomer, or end the account's oldest stream for it."
    )
    mode: Mode = Field(
        "enforce", description="observe: limits and rules count and report, and refuse nothing."
    )
    status: Annotated[Literal[429, 409, 403], integer_text] = Field(
        429, description="The status of a `stream_limit` refusal."
    )

    @field_validator("rules")
    @classmethod
    def _look_for_plans_there_are(
        cls, rules: tuple[RuleSettings, ...], info: ValidationInfo
    ) -> tuple[RuleSettings, ...]:
        plans: Mapping[str, int | None] | None = info.data.get("plans")
        found = [
            conflict("is no plan of limits.plans, where null gives it no limit of its own", *at)
            for index, rule in enumerate(rules)
            for position, plan in enumerate(rule.where.plan or ())
            for at in [(index, "where", "plan", position)]
            if plans is not None and plan not in plans
        ]
        if found:
            raise conflicts(*found)
        return rules

    @field_validator("rules")
    @classmethod
    def _fit_in_a_ticket(cls, rules: tuple[RuleSettings, ...]) -> tuple[RuleSettings, ...]:
        listed = {claim: sorted(values) for claim, values in _listed(rules).items()}
        names = [rule.name for rule in rules if rule.where.content]
        length = len(json.dumps(listed)) + len(json.dumps(names))
        if length > MAX_LISTED:
            raise ValueError(
                "what rules look for in claims, and the names of those with content, travel in"
                f" tickets; of {length} characters as JSON, {MAX_LISTED} are the most"
            )
        return rules

    @property
    def listed_claims(self) -> Mapping[str, frozenset[str]]:
        """The values that rules look for, by the claim they look in."""
        return _listed(self.rules)


def _listed(rules: tuple[RuleSettings, ...]) -> Mapping[str, frozenset[str]]:
    found: dict[str, frozenset[str]] = {}
    for rule in rules:
        for claim, values in rule.where.claims.items():
            found[claim] = found.get(claim, frozenset()) | frozenset(values)
    return found


def looking_at(account: str, limits: LimitSettings) -> list[InitErrorDetails]:
    """Find the rules that look at the account's name, which must not travel in tickets."""
    return [
        conflict("is auth.claims.account, and tickets must not tell who; take another claim", *at)
        for index, rule in enumerate(limits.rules)
        for at in [("rules", index, "where", "claims", account)]
        if account in rule.where.claims
    ]


def never_met(settings: object) -> Iterator[InitErrorDetails]:
    """Find what rules say of routes that holds for no stream of any: unknown names, other paths."""
    routes = [
        (written(route, "name"), written_pattern(written(route, "path")))
        for route in _items(written(settings, "routes"))
    ]
    for index, rule in enumerate(_items(written(written(settings, "limits"), "rules"))):
        where, at = written(rule, "where"), ("limits", "rules", index, "where")
        named = _each(written(where, "route"))
        for place, name in named:
            if isinstance(name, str) and all(name != known for known, _ in routes):
                yield conflict("is no route", *at, "route", *place)
        wanted = [name for _, name in named]
        paths = [path for name, path in routes if not wanted or name in wanted]
        # What is wrong with a route's path is told there; here it may be anything.
        known = [path for path in paths if path is not None]
        for place, text in _each(written(where, "content")):
            content = written_pattern(text)
            if content and known == paths and (reason := _astray(content, known)):
                yield conflict(reason, *at, "content", *place)


def _astray(content: PathPattern, routes: Sequence[PathPattern]) -> str | None:
    """Say why no entry manifest of these routes has a path like this; None where one may."""
    if routes and not any(map(content.overlaps, routes)):
        return "takes in no path of the routes it is about"
    if content.is_for_no_manifest:
        return NO_MANIFEST
    return None


def _each(value: object) -> list[tuple[tuple[int, ...], object]]:
    """Give each of one or several, with where it stands."""
    if isinstance(value, list | tuple):
        return [((position,), item) for position, item in enumerate(value)]
    return [] if value is None else [((), value)]


def _items(value: object) -> tuple[object, ...]:
    return tuple(value) if isinstance(value, list | tuple) else ()
