"""Durations as MPDs write them: ISO 8601 as restricted by XML Schema (``xs:duration``)."""

import re

# At most nine digits each: more is no duration of anything, and floats stay exact.
DURATION = re.compile(
    r"P(?=[0-9T])(?:([0-9]{1,9})Y)?(?:([0-9]{1,9})M)?(?:([0-9]{1,9})D)?"
    r"(?:T(?=[0-9])(?:([0-9]{1,9})H)?(?:([0-9]{1,9})M)?(?:([0-9]{1,9}(?:\.[0-9]{0,30})?)S)?)?",
    re.ASCII,
)
# Years and months have no fixed length; players calculate with these.
SECONDS = (365 * 86400, 30 * 86400, 86400, 3600, 60, 1)


def parse_duration(text: str) -> float:
    """Give a duration in seconds.

    Raises:
        ValueError: it is none, or it is negative.
    """
    match = DURATION.fullmatch(text.strip())
    if match is None:
        raise ValueError("not a duration")
    fields = zip(match.groups(default="0"), SECONDS, strict=True)
    return sum(float(value) * seconds for value, seconds in fields)
