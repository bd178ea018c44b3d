"""Which paths a route serves.

A pattern is matched against canonical paths (``model.Request.path``), segment by segment, and
always whole: ``*`` stands for one segment, or for a part of one, ``**`` for whatever comes beneath,
however deep. A pattern has at most one ``**`` and a segment at most one ``*``, so that no path a
stranger may send makes matching expensive. Patterns never look at host, query or method.
"""

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from urllib.parse import quote, unquote

# Everything a canonical path leaves unencoded (RFC 3986 §3.3), beside letters, digits and -._~
SAFE = ":@!$&'()*+,;="
# Where Playgate answers by itself (interface §4): no route may claim it.
OWN_SEGMENT = "_playgate"
BROKEN_ESCAPE = re.compile(r"%(?![0-9A-Fa-f]{2})")
# What canonical paths never hold, escaped or not: a pattern with it could not match anything.
IMPOSSIBLE = re.compile(r"[\x00-\x1f\x7f\\]|%(2f|2a|5c|25|[01][0-9a-f]|7f)", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class PathPattern:
    """A pattern such as ``/live/**``, ``/vod/*/master.m3u8`` or ``/**/*.mpd``.

    ``/live/**`` matches ``/live/`` and everything beneath it, but not ``/live``.

    Raises:
        ValueError: the text is no pattern; the message says why.
    """

    text: str
    literal_prefix: str = field(init=False, compare=False, repr=False)
    _regex: re.Pattern[str] = field(init=False, compare=False, repr=False)

    def __post_init__(self) -> None:
        segments = _segments(self.text)
        canonical = "/" + "/".join(segments)
        object.__setattr__(self, "text", canonical)
        object.__setattr__(self, "literal_prefix", canonical.partition("*")[0])
        object.__setattr__(self, "_regex", re.compile(_expression(segments)))

    def __str__(self) -> str:
        return self.text

    def matches(self, path: str) -> bool:
        """Tell whether a canonical path is one of the pattern's."""
        return self._regex.fullmatch(path) is not None

    def overlaps(self, other: "PathPattern") -> bool:
        """Tell whether there is a path that both match."""
        one, two = self.text[1:].split("/"), other.text[1:].split("/")
        (head, tail), (others_head, others_tail) = _ends(one), _ends(two)
        return (
            _least(one) <= _most(two)
            and _least(two) <= _most(one)
            and all(map(_meet, head, others_head))
            and all(map(_meet, reversed(tail), reversed(others_tail)))
        )

    @property
    def is_folder(self) -> bool:
        """Whether all it matches are folders themselves, and nothing in them."""
        return self.text.endswith("/") and self.text != "/"

    @property
    def is_for_no_manifest(self) -> bool:
        """Whether all it matches ends in one name, which is no manifest's.

        A name without a dot may be a manifest's where servers have roots in Smooth Streaming.
        """
        name = self.text.rpartition("/")[2].lower()
        return not ("*" in name or "." in name or "manifest" in name)

    def covering(self) -> Iterator[str]:
        """Give the patterns that surely match whatever this one does, itself among them.

        These are the folders on the way to its first wildcard, each with ``**`` beneath it. There
        are others, but telling would take more than is gained.
        """
        yield self.text
        for slash in re.finditer("/", self.literal_prefix):
            yield f"{self.literal_prefix[: slash.end()]}**"


def _segments(text: str) -> list[str]:
    """Split a pattern into canonical segments, refusing what could never match."""
    if not text.startswith("/"):
        raise ValueError("a path pattern starts with '/'")
    if "?" in text or "#" in text:
        raise ValueError("a path pattern has no query and no fragment")
    if BROKEN_ESCAPE.search(text) or IMPOSSIBLE.search(text):
        raise ValueError("a path pattern holds only characters that a path may have")
    try:
        segments = [
            quote(unquote(segment, errors="strict"), SAFE) for segment in text[1:].split("/")
        ]
    except UnicodeError:
        raise ValueError("a path pattern must be UTF-8") from None
    for position, segment in enumerate(segments):
        _check(segment, last=position == len(segments) - 1)
    if segments.count("**") > 1:
        raise ValueError("a path pattern may hold '**' once")
    if segments[0] == OWN_SEGMENT:
        raise ValueError(f"paths under /{OWN_SEGMENT}/ are Playgate's own")
    return segments


def _check(segment: str, *, last: bool) -> None:
    if not segment and not last:
        raise ValueError("a path pattern has no empty segments ('//')")
    if segment.partition(";")[0] in (".", ".."):
        raise ValueError("a path pattern has no '.' or '..' segments")
    if "**" in segment and segment != "**":
        raise ValueError("'**' stands alone between slashes, as in /live/**")
    if segment.count("*") > 1 and segment != "**":
        raise ValueError("a segment may hold '*' once")


def _expression(segments: list[str]) -> str:
    """Write the segments as one regular expression; every part consumes its leading slash."""
    parts: list[str] = []
    for position, segment in enumerate(segments):
        if segment == "**":
            # At the end: anything beneath, the folder itself included. Between segments: any
            # number of whole segments, none included.
            parts.append(r"/.*" if position == len(segments) - 1 else r"(?:/[^/]+)*?")
        elif segment == "*":
            parts.append(r"/[^/]+")
        else:
            parts.append("/" + _part(segment))
    return "".join(parts)


def _part(segment: str) -> str:
    """Write one segment as a regular expression."""
    return re.escape(segment).replace(r"\*", r"[^/]*")


def _ends(segments: list[str]) -> tuple[list[str], list[str]]:
    """Give what a pattern begins and ends with around its '**'; without one, all of it twice."""
    if "**" not in segments:
        return segments, segments
    at = segments.index("**")
    return segments[:at], segments[at + 1 :]


def _least(segments: list[str]) -> int:
    """Count the segments of the shortest path: '**' may be none, but at the end it is one."""
    return len(segments) - ("**" in segments[:-1])


def _most(segments: list[str]) -> float:
    return math.inf if "**" in segments else len(segments)


def _meet(one: str, other: str) -> bool:
    """Tell whether there is a segment that two patterns of one segment both match."""
    if "*" in (one, other):
        return "" not in (one, other)
    (start, wild, end), (others_start, others_wild, others_end) = (
        pattern.partition("*") for pattern in (one, other)
    )
    if wild and others_wild:
        return _agree(start, others_start) and _agree(end[::-1], others_end[::-1])
    pattern, text = (one, other) if wild else (other, one)
    return re.fullmatch(_part(pattern), text) is not None


def _agree(one: str, other: str) -> bool:
    """Tell whether a text may begin with both."""
    return one.startswith(other) or other.startswith(one)
