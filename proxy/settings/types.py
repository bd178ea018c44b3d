"""The kinds of value a setting may have, from what stands in the file to what the code works with.

Durations are written with their unit and held in seconds, sizes are held in bytes, secrets are
held so that neither ``repr`` nor a dump shows them. Text that came from an environment variable
reads as the number it spells. No message of this module repeats a text: it might be a secret that
stands on the wrong line.
"""

import re
from collections.abc import Hashable, Mapping
from decimal import Decimal
from ipaddress import ip_network
from typing import Annotated, Any

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    GetCoreSchemaHandler,
    GetJsonSchemaHandler,
    PlainSerializer,
    SecretStr,
    StringConstraints,
    WithJsonSchema,
)
from pydantic_core import CoreSchema
from pydantic_core.core_schema import no_info_before_validator_function

from proxy.settings.material import ANOTHER, check_unguessable
from proxy.settings.section import conflict, conflicts

MASK = "********"

MILLISECONDS = {"d": 86_400_000, "h": 3_600_000, "m": 60_000, "s": 1_000, "ms": 1}
# Twelve digits are 31 years in milliseconds; three decimals, because what is below a millisecond
# no clock of ours could tell.
DURATION = re.compile(r"([0-9]{1,12}(?:\.[0-9]{1,3})?)(ms|s|m|h|d)")
BYTES = {"GiB": 2**30, "GB": 10**9, "MiB": 2**20, "MB": 10**6, "KiB": 2**10, "KB": 10**3, "B": 1}
SIZE = re.compile(r"([0-9]{1,15})(B|KB|MB|GB|KiB|MiB|GiB)?")
INTEGER = re.compile(r"[-+]?(?:0|[1-9][0-9]{0,17})")
FLAG = re.compile(r"true|True|TRUE|false|False|FALSE")
NUMBER = re.compile(r"[-+]?[0-9]{1,9}(?:\.[0-9]{1,9})?")
# A token of RFC 9110 §5.6.2: what header and cookie names are made of.
TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]{1,64}")
# The unreserved characters of RFC 3986 §2.3: such a parameter's name is never written encoded.
UNRESERVED = re.compile(r"[A-Za-z0-9._~-]{1,64}")
# What Playgate puts beside a ticket (manifests.steering), and what players tell origins and
# steering servers: it is passed on, and no credential may be.
OUR_PARAMETERS = {"_server", "_pathway"}
PLAYERS_PARAMETERS = ("_HLS_", "_DASH_")
# A Redis key's beginning: no braces, because the cluster's hash tag is the account's.
KEY_PREFIX = re.compile(r"[A-Za-z0-9._:/-]{1,64}")
# A name that becomes a metric label and part of log lines.
LABEL = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
# The syntax of bearer tokens, RFC 6750 §2.1: with any other character no client could send it.
BEARER = re.compile(r"[A-Za-z0-9._~+/-]+=*")
# Whoever reaches the port may try as fast as it answers: 16 random hexadecimal digits are 64 bits.
BEARER_LENGTH = 16


def parse_duration(value: object) -> float:
    """Read a duration such as ``500ms`` into seconds.

    Raises:
        ValueError: no number with a unit, or not a whole number of milliseconds.
    """
    if isinstance(value, int | float) and not isinstance(value, bool):
        raise ValueError(f"a duration needs a unit; write {value}s, or {value}ms")  # noqa: TRY004  # for pydantic
    match = DURATION.fullmatch(value) if isinstance(value, str) else None
    if match is None:
        raise ValueError("must be a duration such as 500ms, 30s, 10m, 12h or 1d")
    milliseconds = Decimal(match[1]) * MILLISECONDS[match[2]]
    if milliseconds != int(milliseconds):
        raise ValueError("must be a whole number of milliseconds")
    return float(milliseconds / 1000)


def duration_text(seconds: float) -> str:
    """Write seconds with the largest unit that keeps the number whole."""
    milliseconds = round(seconds * 1000)
    if milliseconds == 0:
        return "0s"
    unit = next(unit for unit, length in MILLISECONDS.items() if milliseconds % length == 0)
    return f"{milliseconds // MILLISECONDS[unit]}{unit}"


def parse_size(value: object) -> int:
    """Read a size such as ``8MiB`` into bytes; a bare number is bytes already.

    Raises:
        ValueError: not a size.
    """
    text = str(value) if isinstance(value, int) else value
    match = SIZE.fullmatch(text) if isinstance(text, str) else None
    if match is None:
        raise ValueError("must be a size such as 64KiB, 8MiB or 1GB")
    return int(match[1]) * BYTES[match[2] or "B"]


def size_text(size: int) -> str:
    """Write bytes with the largest binary unit that keeps the number whole."""
    unit = next(unit for unit in ("GiB", "MiB", "KiB", "B") if size % BYTES[unit] == 0)
    return f"{size // BYTES[unit]}{unit}"


def parse_integer(value: object) -> int:
    """Take a whole number, or a text that spells one.

    Raises:
        ValueError: anything else, true and false included.
    """
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    if isinstance(value, str) and INTEGER.fullmatch(value):
        return int(value)
    raise ValueError("must be a whole number")


def parse_flag(value: object) -> bool:
    """Take true or false, or a text that spells it as a file may.

    Raises:
        ValueError: anything else, such as ``on`` or 1.
    """
    if isinstance(value, bool):
        return value
    if isinstance(value, str) and FLAG.fullmatch(value):
        return value.lower() == "true"
    raise ValueError("must be true or false")


def parse_number(value: object) -> float:
    """Take a finite number, or a text that spells one.

    Raises:
        ValueError: anything else, true and false included.
    """
    if isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < 1e18:
        return float(value)
    if isinstance(value, str) and NUMBER.fullmatch(value):
        return float(value)
    raise ValueError("must be a number")


def _not_reserved(name: str) -> str:
    if name in OUR_PARAMETERS or name.startswith(PLAYERS_PARAMETERS):
        raise ValueError("is a name that players or Playgate use for something else")
    return name


def at_least(least: str) -> AfterValidator:
    """Bound a duration or a size from below; the bound is written as in the file."""
    bound = _bound(least)

    def check(value: float) -> float:
        if value < bound:
            raise ValueError(f"must be at least {least}")
        return value

    return AfterValidator(check)


def at_most(most: str) -> AfterValidator:
    """Bound a duration or a size from above; the bound is written as in the file."""
    bound = _bound(most)

    def check(value: float) -> float:
        if value > bound:
            raise ValueError(f"must be at most {most}")
        return value

    return AfterValidator(check)


def _bound(text: str) -> float:
    return parse_duration(text) if DURATION.fullmatch(text) else parse_size(text)


def matching(pattern: re.Pattern[str], message: str) -> AfterValidator:
    """Accept a text that the pattern matches as a whole."""

    def check(text: str) -> str:
        if not pattern.fullmatch(text):
            raise ValueError(message)
        return text

    return AfterValidator(check)


def _distinct(values: tuple[Hashable, ...]) -> tuple[Hashable, ...]:
    found = [
        conflict("is in the list already", position)
        for position, value in enumerate(values)
        if value in values[:position]
    ]
    if found:
        raise conflicts(*found)
    return values


def _not_empty(values: tuple[object, ...]) -> tuple[object, ...]:
    if not values:
        raise ValueError("must have at least one item")
    return values


def _network(text: str) -> str:
    try:
        return str(ip_network(text))
    except ValueError:
        pass
    try:
        network = ip_network(text, strict=False)
    except ValueError:
        raise ValueError("must be an IP address or a network such as 10.0.0.0/8") from None
    raise ValueError(f"an address inside a network; write {network}")


def _as_list(value: object) -> object:
    if isinstance(value, Mapping):
        raise ValueError("must be one value or a list of them")  # noqa: TRY004  # for pydantic
    return value if isinstance(value, list | tuple) else [value]


class _OneOrMany:
    """Takes one item for a list of it, and says so in the schema."""

    def __get_pydantic_core_schema__(
        self, source: Any, handler: GetCoreSchemaHandler
    ) -> CoreSchema:
        return no_info_before_validator_function(_as_list, handler(source))

    def __get_pydantic_json_schema__(
        self, core: CoreSchema, handler: GetJsonSchemaHandler
    ) -> dict[str, Any]:
        many = handler(core)
        return {"anyOf": [many["items"], many]}


def _bearer(secret: SecretStr) -> SecretStr:
    text = secret.get_secret_value()
    if not BEARER.fullmatch(text):
        raise ValueError("may hold letters, digits and -._~+/ only, '=' at its end")
    if len(text) < BEARER_LENGTH:
        reason = f"has {len(text)} characters; it needs at least {BEARER_LENGTH}"
        raise ValueError(f"{reason}: {ANOTHER}")
    check_unguessable(text.encode())
    return secret


Duration = Annotated[
    float,
    BeforeValidator(parse_duration),
    PlainSerializer(duration_text, return_type=str, when_used="json"),
    WithJsonSchema({"type": "string", "pattern": f"^{DURATION.pattern}$"}),
]
# A year: instants are milliseconds since the epoch that Lua holds as doubles, and nothing that
# lives longer than this is a lifetime of anything here.
within_a_year = at_most("366d")
Lifetime = Annotated[Duration, at_least("1ms"), within_a_year]
Size = Annotated[
    int,
    BeforeValidator(parse_size),
    PlainSerializer(size_text, return_type=str, when_used="json"),
    WithJsonSchema(
        {"anyOf": [{"type": "string", "pattern": f"^{SIZE.pattern}$"}, {"type": "integer"}]}
    ),
]
number_text = BeforeValidator(parse_number)
integer_text = BeforeValidator(parse_integer)
Flag = Annotated[bool, BeforeValidator(parse_flag)]
# 0 lets the system choose a free one.
Port = Annotated[int, Field(ge=0, le=65535), integer_text]
# More streams than any account has, few enough to be listed in one refusal; the same bound as on
# a token's limit claim.
StreamCount = Annotated[int, Field(ge=0, le=10_000), integer_text]
Secret = Annotated[
    SecretStr,
    Field(min_length=1),
    PlainSerializer(lambda _: MASK, return_type=str, when_used="json"),
]
BearerToken = Annotated[Secret, AfterValidator(_bearer)]
# Around a tuple of texts: one text alone is as good.
one_or_many = _OneOrMany()
distinct = AfterValidator(_distinct)
not_empty = AfterValidator(_not_empty)
NonEmpty = Annotated[str, StringConstraints(min_length=1, max_length=1024)]
# As long as a name in a token may be (``credentials.token``): nobody can have a longer one.
CLAIMED_LENGTH = 256
ClaimedName = Annotated[str, StringConstraints(min_length=1, max_length=CLAIMED_LENGTH)]
Label = Annotated[str, matching(LABEL, "must be a name of letters, digits and '._-'")]
TokenName = Annotated[str, matching(TOKEN, "must be a name without spaces or separators")]
ParameterName = Annotated[
    str,
    matching(UNRESERVED, "must be a name of letters, digits and '._~-'"),
    AfterValidator(_not_reserved),
]
KeyPrefix = Annotated[str, matching(KEY_PREFIX, "must be a name of letters, digits and '._:/-'")]
Network = Annotated[str, AfterValidator(_network)]
