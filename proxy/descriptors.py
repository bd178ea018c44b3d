"""Files that a process may have open, of which each connection is one.

No request is under way without one for its player, and mostly one for an origin. Where there is
none left, nothing is told: connections wait to be accepted, and uvloop says so to nobody.
"""

import contextlib
import resource
import socket
import time
from collections.abc import Callable

import structlog

# For each request that may be in flight: its player's connection, an origin's, and one for
# what is idle (docs/deployment.md).
PER_REQUEST = 3
# How often to say that there are none left, while that lasts (seconds).
AGAIN_SECONDS = 60.0

log = structlog.get_logger("playgate")


def allow(in_flight: int) -> None:
    """Raise the limit of this process, and those it starts, as far as it may; tell if too low."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    with contextlib.suppress(OSError, ValueError):  # a system may allow less than it says
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    limit, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if limit != resource.RLIM_INFINITY and limit < in_flight * PER_REQUEST:
        log.warning(
            "fewer files may be open than listen.max_in_flight takes",
            limit=limit,
            needed=in_flight * PER_REQUEST,
        )


class Shortage:
    """Tells when there is no descriptor left. ``now`` is a clock that never goes back (seconds)."""

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        self._now = now
        self._silent_until = now()

    def look(self) -> None:
        """Log that no connection can be accepted, where it is so; once in a minute."""
        now = self._now()
        if now < self._silent_until:
            return
        try:
            socket.socket().close()
        except OSError as error:
            self._silent_until = now + AGAIN_SECONDS
            limit, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
            log.warning("no connection can be accepted", cause=error.strerror, limit=limit)
