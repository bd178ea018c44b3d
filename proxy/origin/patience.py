"""How long an origin may hold a request before it begins to answer. Pure.

A low-latency origin answers when there is something new: a Blocking Playlist Reload once the
playlist has what it names, a part it hinted at once that part is made. It may hold a reload for
three target durations and then has to say that nothing came (draft-pantos-hls-rfc8216bis
§6.2.5.2). The proxy waits that long too and no longer, on top of what any answer may take.

No manifest says which segments are held, and a DASH origin holds one that it makes while it sends
it. So each segment of what is live may be held; one of something on demand is there or is not.
"""

from proxy.query import pairs, without
from proxy.streams import Pace

BLOCKING = "_HLS_msn"  # the directive that makes a reload blocking
BLOCKING_PART = "_HLS_part"  # refines it, and means nothing without it

HELD_TARGETS = 3
# Seconds. The first for content whose manifests this process has not read yet: segments of ten
# seconds were once what was recommended, and low latency uses shorter ones. The other bounds what
# a manifest may claim, so that no origin makes a request outlast a minute or so.
UNKNOWN_TARGET = 10.0
LONGEST_TARGET = 20.0


def is_blocking(query: str) -> bool:
    """Tell whether a playlist request asks to be held until the playlist is new enough."""
    return any(name == BLOCKING for name, _, _ in pairs(query))


def unblocked(query: str) -> str:
    """Give a playlist request's query less what asks for it to be held."""
    return without(query, (BLOCKING, BLOCKING_PART))


def reload_hold(pace: Pace | None) -> float:
    """Give how long a blocking reload may be held (seconds); None is a tempo nobody knows yet."""
    if pace is None:
        return HELD_TARGETS * UNKNOWN_TARGET
    return segment_hold(pace)


def segment_hold(pace: Pace | None) -> float:
    """Give how long a segment, or a part of one, may be held (seconds)."""
    if pace is None or not pace.live:
        return 0.0
    return HELD_TARGETS * min(pace.interval, LONGEST_TARGET)
