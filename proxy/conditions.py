"""Conditional and range requests for manifests, which Playgate renders itself.

What the origin would do for a file it must do here: a rendered manifest exists nowhere else.
"""

import re
from collections.abc import Mapping
from datetime import datetime
from email.utils import parsedate_to_datetime

from proxy.origin.headers import Validators

CONDITIONS = ("If-None-Match", "If-Modified-Since")
# One range, as players ask for it. Several ranges, or another unit, may be ignored and are
# (RFC 9110 §14.2).
SINGLE_RANGE = re.compile(r"bytes=(\d{0,19})-(\d{0,19})", re.ASCII)


def is_conditional(headers: Mapping[str, str]) -> bool:
    """Tell whether the request can be answered with 304 (RFC 9110 §13.1)."""
    return any(map(headers.__contains__, CONDITIONS))


def not_modified(headers: Mapping[str, str], validators: Validators | None) -> bool:
    """Tell whether what the client holds is still what the origin has (RFC 9110 §13.2.2)."""
    etag = validators.etag if validators else None
    if (wanted := headers.get("If-None-Match")) is not None:
        if wanted.strip() == "*":
            return True
        tags = {tag.strip().removeprefix("W/") for tag in wanted.split(",")}
        return etag is not None and etag.removeprefix("W/") in tags
    since = _date(headers.get("If-Modified-Since"))
    modified = _date(validators.modified if validators else None)
    return since is not None and modified is not None and modified <= since


def _date(text: str | None) -> datetime | None:
    try:
        moment = parsedate_to_datetime(text) if text else None
    except (ValueError, TypeError, OverflowError):
        return None
    return moment if moment is None or moment.tzinfo else None


def byte_range(value: str | None, size: int) -> range | None:
    """Read a Range header for a body of ``size`` bytes (RFC 9110 §14.1.2).

    Gives None where the whole body is the answer: no header, or one that may be ignored. An empty
    range means that it can't be satisfied.
    """
    found = SINGLE_RANGE.fullmatch(value.strip()) if value else None
    if found is None:
        return None
    start, end = found.groups()
    if not start:
        return range(max(0, size - int(end)), size) if end else None
    first, last = int(start), int(end) if end else size - 1
    if end and last < first:
        return None
    return range(first, min(last, size - 1) + 1)
