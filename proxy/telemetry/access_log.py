"""An access log of some requests: what each was for and came to, and how long it took.

Nobody reads a line for each of ten thousand requests a second, and writing it would cost more than
answering. So a share of them is drawn by lot. There is no URL in it, for that holds credentials,
and no account but by its hash.
"""

from random import random

import structlog

from proxy.model import Kind
from proxy.telemetry.notes import Notes
from proxy.trace import Trace

log = structlog.get_logger("playgate")


class AccessLog:
    """Logs a share of all requests: 1 is all of them, 0 none."""

    def __init__(self, share: float = 0.0) -> None:
        self._share = share

    def draw(self) -> bool:
        """Tell whether this request is one of those that are logged."""
        return self._share > 0 and random() < self._share  # noqa: S311  # no secret

    def note(self, notes: Notes, seconds: float) -> None:
        """Log a request of which all is known that will be."""
        self.write(
            notes.trace,
            route=notes.route,
            kind=notes.kind,
            outcome=notes.outcome,
            code=notes.code,
            status=notes.status,
            account=notes.subject.account if notes.subject else None,
            stream=notes.playback.stream if notes.playback else None,
            seconds=seconds,
        )

    def write(
        self,
        trace: Trace,
        *,
        route: str,
        kind: Kind | str,
        outcome: str,
        status: int,
        account: str | None,
        stream: str | None,
        seconds: float,
        code: str = "",
    ) -> None:
        """Log a request; ``status`` is 0 where its client went away before there was one."""
        context = {"trace_id": trace.context.trace_id} if trace.context else {}
        log.info(
            "request",
            **context,
            request_id=trace.request_id,
            route=route,
            kind=kind,
            outcome=outcome,
            code=code or None,
            status=status,
            account=account,
            stream=stream,
            seconds=round(seconds, 6),
        )
