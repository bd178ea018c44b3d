"""A raw query string, read without changing what is passed on.

Origins may sign or order their parameters, so whatever Playgate does not take out of a query goes
on byte for byte; only the names are decoded, to compare them.
"""

from collections.abc import Collection
from functools import lru_cache
from urllib.parse import unquote_plus

# Players, tokens and origins have a handful, advertisements some dozens. A line has room for 16000,
# which nobody reads without holding up everybody else.
MAX_PARAMETERS = 256


def is_bounded(query: str) -> bool:
    """Tell whether a query has no more parameters than are read."""
    return query.count("&") < MAX_PARAMETERS


# A request's query is looked at for each place a token may be in, and once more to be passed on. It
# is decoded once for all of them; a few are kept, because requests are read side by side.
@lru_cache(maxsize=64)
def pairs(query: str) -> tuple[tuple[str, str, str], ...]:
    """Give each parameter as (decoded name, raw value, the raw text of both)."""
    found = []
    for raw in query.split("&"):
        if raw:
            name, _, value = raw.partition("=")
            found.append((_decoded(name), value, raw))
    return tuple(found)


def _decoded(text: str) -> str:
    return unquote_plus(text) if "%" in text or "+" in text else text


def value_of(query: str, wanted: str) -> str | None:
    """Give the decoded value of the first parameter of that name; None where there is none."""
    for name, value, _ in pairs(query):
        if name == wanted:
            return _decoded(value)
    return None


def values_of(query: str, wanted: str) -> list[str]:
    """Give the decoded values of all parameters of that name, in their order."""
    return [_decoded(value) for name, value, _ in pairs(query) if name == wanted]


def without(query: str, names: Collection[str]) -> str:
    """Give the query less the named parameters, the rest untouched and in its order."""
    return "&".join([raw for name, _, raw in pairs(query) if name not in names])


def only(query: str, names: Collection[str]) -> str:
    """Give the named parameters alone, sorted by name: equal for queries that differ in extras.

    Those of one name keep their order. Which of them counts is known to the origin alone, and two
    orders may be two things.
    """
    chosen = [(name, raw) for name, _, raw in pairs(query) if name in names]
    return "&".join(raw for _, raw in sorted(chosen, key=lambda pair: pair[0]))
