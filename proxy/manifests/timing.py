"""What an HLS media playlist says of its own tempo.

A Playlist Delta Update (draft-pantos-hls-rfc8216bis §6.2.5.1) leaves segments out that its player
knows. It says as much of the tempo as the whole playlist does, but for the length of what has
ended; that is taken to be as long as it can be, so that no slot lapses before the end.

Only a target duration that cannot be read is a reason to refuse a playlist.
"""

import re
from dataclasses import dataclass

from proxy.streams import Pace

TARGETDURATION = b"#EXT-X-TARGETDURATION"
PART_INF = b"#EXT-X-PART-INF"
SKIP = b"#EXT-X-SKIP"
PLAYLIST_TYPE = b"#EXT-X-PLAYLIST-TYPE"
ENDLIST = b"#EXT-X-ENDLIST"
TAGS = (TARGETDURATION, PART_INF, SKIP, PLAYLIST_TYPE, ENDLIST)

# At most nine digits: more is no duration of anything.
SECONDS = rb"([0-9]{1,9}(?:\.[0-9]*)?|\.[0-9]+)"
DURATION = rb"[ \t]*" + SECONDS + rb"(?=[ \t\r\n,]|$)"
TARGET = re.compile(DURATION)
PART_TARGET = re.compile(rb"(?:^|,)[ \t]*PART-TARGET=" + SECONDS)
SKIPPED_SEGMENTS = re.compile(rb"(?:^|,)[ \t]*SKIPPED-SEGMENTS=([0-9]{1,9})")


@dataclass(slots=True)
class Timing:
    """Durations in seconds, as they are read line by line.

    ``target`` is TARGETDURATION and ``part`` PART-TARGET, 0 where there are no parts. ``skipped``
    counts the segments that a delta update leaves out. ``complete``: nothing will be added.
    """

    target: float | None = None
    part: float = 0.0
    skipped: int = 0
    complete: bool = False

    def read(self, tag: bytes, value: bytes) -> None:
        """Take one of ``TAGS``.

        Raises:
            ValueError: no playlist says it like that.
        """
        if tag == TARGETDURATION:
            match = TARGET.match(value)
            if match is None:
                raise ValueError("#EXT-X-TARGETDURATION needs a duration")
            self.target = float(match[1])
        elif tag == PART_INF and (match := PART_TARGET.search(value)):
            self.part = float(match[1])
        elif tag == SKIP and (match := SKIPPED_SEGMENTS.search(value)):
            self.skipped = int(match[1])
        elif tag == ENDLIST or (tag == PLAYLIST_TYPE and value.strip() == b"VOD"):
            self.complete = True

    def pace(self, length: float) -> Pace:
        """Give the tempo; ``length`` is that of the segments that are listed."""
        target = self.target or 0.0
        if self.complete:
            return Pace(live=False, duration=length + self.skipped * target)
        return Pace(live=True, interval=target)

    def fresh_for(self) -> float | None:
        """Give how long it is worth serving again: half the time until there is more.

        Whoever gets an older one begins to play that much further behind, or asks in vain. None
        where nothing is added any more.
        """
        if self.complete:
            return None
        return (self.part or self.target or 0.0) / 2 or None
