"""Where events go in this process: to its log.

For the stream in Redis, see ``event_stream``.
"""

import structlog

from proxy.telemetry.events import Event

log = structlog.get_logger("playgate.events")


class LogSink:
    """Writes each event as an entry of the log, at level info."""

    def put(self, event: Event) -> None:
        """Write an event."""
        log.info(**event.fields())
