"""How long an origin lets its answer be used again, and for whom (RFC 9111, shared cache). Pure.

Read more strictly than the standard where it leaves room: a directive that cannot be understood
makes an answer stale, and a qualified ``private="field"`` counts as ``private``. What the origin
says can only shorten what ``origin.cache`` allows.

Where it cannot be asked at all, an answer that is no longer fresh may stand in for a while (RFC
9111 §4.2.4, RFC 5861 §4), unless the origin forbids it.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from email.utils import parsedate_to_datetime

from proxy.streams import Pace

# The fields of a manifest request that differ between two viewers of one manifest, and so the
# only ones a Vary can make a difference by; the others are fixed or part of the cache's key.
VIEWER_FIELDS = frozenset(
    {"x-forwarded-for", "forwarded", "via", "x-request-id", "traceparent", "tracestate", "*"}
)

# What forbids that an answer is used unasked (RFC 9111 §5.2.2), as s-maxage does where nothing else
# is said (§5.2.2.10).
MUST_ASK = frozenset({"must-revalidate", "proxy-revalidate"})

# Seconds for which something on demand may stand in: longer than origins are away. That a title is
# withdrawn, an origin says by answering.
ON_DEMAND = 24 * 3600.0

# A name, and perhaps a value that is a quoted string or a token (RFC 9111 §5.2).
DIRECTIVE = re.compile(r'([\w!#$%&\'*+.^`|~-]+)(?:=(?:"((?:[^"\\]|\\.)*)"|([^\s,;"]*)))?')


@dataclass(frozen=True, slots=True)
class Freshness:
    """``seconds`` an answer may be used again from now on; None where the origin does not say.

    ``shareable``: whether others than the viewer it was fetched for may have it at all.
    ``storable``: whether it may be kept until it can be validated again. ``if_error``: seconds it
    may stand in where the origin fails; None where the origin does not say.
    """

    seconds: float | None = None
    shareable: bool = True
    storable: bool = True
    if_error: float | None = None


def freshness(fields: Iterable[tuple[str, str]]) -> Freshness:
    """Read the fields of an answer that has just arrived (RFC 9111 §4.2, §5.2)."""
    lines: dict[str, list[str]] = {}
    for name, value in fields:
        lines.setdefault(name.lower(), []).append(value)
    directives = _directives(",".join(lines.get("cache-control", ())))
    varies = {name.strip().lower() for name in ",".join(lines.get("vary", ())).split(",")}
    if "private" in directives or varies & VIEWER_FIELDS:
        return Freshness(0.0, shareable=False, storable=False, if_error=0.0)
    if "no-store" in directives:
        return Freshness(0.0, storable=False, if_error=0.0)
    if "no-cache" in directives:
        return Freshness(0.0, if_error=0.0)
    lifetime = _lifetime(directives, lines)
    age = _seconds(lines["age"][0]) if "age" in lines else 0.0
    left = None if lifetime is None else max(0.0, lifetime - age)
    return Freshness(left, if_error=_if_error(directives, left or 0.0))


def stands_in(pace: Pace | None, if_error: float | None) -> float:
    """Give how long a manifest of that tempo may stand in, since the origin sent it (seconds).

    A live one for an interval, which is one target duration in HLS: then its player has nothing
    left to load from it. Of a tempo that nobody knows, none.
    """
    if pace is None:
        return 0.0
    at_most = pace.interval if pace.live else ON_DEMAND
    return at_most if if_error is None else min(at_most, if_error)


def _if_error(directives: dict[str, str], left: float) -> float | None:
    """Give how long an answer that is fresh for so long may stand in, by the origin's word."""
    if MUST_ASK & directives.keys():
        return 0.0
    if "stale-if-error" in directives:
        return left + _seconds(directives["stale-if-error"])
    return 0.0 if "s-maxage" in directives else None


def _directives(cache_control: str) -> dict[str, str]:
    """Give each directive's value, lowercase names, the first of a repeated one."""
    found: dict[str, str] = {}
    for match in DIRECTIVE.finditer(cache_control):
        name, quoted, token = match.groups()
        found.setdefault(name.lower(), quoted if quoted is not None else token or "")
    return found


def _lifetime(directives: dict[str, str], lines: dict[str, list[str]]) -> float | None:
    """Give the lifetime in seconds: s-maxage, max-age, or Expires less Date, in this order."""
    for name in ("s-maxage", "max-age"):
        if name in directives:
            return _seconds(directives[name])
    if "expires" not in lines:
        return None
    try:
        expires = parsedate_to_datetime(lines["expires"][0])
        date = parsedate_to_datetime(lines["date"][0])
        return (expires - date).total_seconds()
    except (LookupError, ValueError, TypeError, OverflowError):
        # RFC 9111 §5.3: an invalid date, "0" above all, is in the past. TypeError: one of the two
        # has no zone. Without Date there is nothing to count from.
        return 0.0


def _seconds(text: str) -> float:
    """Read delta-seconds (RFC 9111 §1.2.2); what is no number means stale: nothing is left."""
    return float(text) if text.isascii() and text.isdigit() else 0.0
