"""The attribute lists of HLS tags (RFC 8216 §4.2), on bytes.

Lenient where players are: lower case in names and unquoted strings stand in no RFC, but in
playlists that play.
"""

import re

# Commas may stand in quotes.
ATTRIBUTE = re.compile(rb'[ \t]*([A-Za-z0-9_-]+)=(?:"([^"]*)"[ \t]*|([^",]*))(?:,|$)')


def read_attributes(value: bytes) -> list[tuple[bytes, bytes, int]]:
    """Give each attribute's name, its text without quotes, and where in ``value`` that begins.

    Raises:
        ValueError: it is no attribute list.
    """
    value = value.rstrip(b" \t\r")
    found: list[tuple[bytes, bytes, int]] = []
    position = 0
    while position < len(value):
        match = ATTRIBUTE.match(value, position)
        if match is None:
            raise ValueError("an attribute list cannot be read")
        quoted = 2 if match[2] is not None else 3
        found.append((match[1], match[quoted], match.start(quoted)))
        position = match.end()
    return found
