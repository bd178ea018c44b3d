"""What happened, told once and to all who want to know: metrics and events.

Nobody else counts a decision, an end or a refusal; so none can be counted and not told, or told
twice.
"""

from collections.abc import Callable, Iterable

import structlog

from proxy.errors import PlaygateError, StreamLimit
from proxy.model import Clock
from proxy.streams import Attempt, Decision, Ended, Outcome
from proxy.telemetry import events
from proxy.telemetry.demand import Demand
from proxy.telemetry.events import Sink
from proxy.telemetry.metrics import Metrics
from proxy.telemetry.stream_metrics import STARTS

TOLD = STARTS | {Outcome.REFUSED}

log = structlog.get_logger("playgate")


def unheard(_account: str, /) -> None:
    """Tell nobody."""


class Journal:
    """Tells metrics, and the sink of events if there is one: else no event is even made.

    ``clock`` is in seconds since the epoch.
    """

    def __init__(self, metrics: Metrics, clock: Clock, sink: Sink | None = None) -> None:
        self._metrics = metrics.streams
        self._clock = clock
        self._sink = sink
        self._demand = Demand(clock)
        self._ended: Callable[[str], None] = unheard

    def tell(self, sink: Sink | None) -> None:
        """Tell events to another sink from now on, or to nobody."""
        self._sink = sink

    def hear_ends(self, ended: Callable[[str], None]) -> None:
        """Tell somebody, from now on, of each account that a stream has ended of."""
        self._ended = ended

    def decided(self, attempt: Attempt, told: Decision) -> None:
        """Tell of a decision that took effect, and of the streams it ended."""
        self.ended(attempt.account, told.ended)
        self._metrics.decision(attempt.playback.route, told)
        if told.outcome not in TOLD:
            return
        if told.outcome is Outcome.OBSERVED:
            _log_observed(attempt, told)
        if wanted := self._demand.asked(attempt, told):
            self._metrics.requested(wanted)
            if self._sink is not None:
                self._sink.put(events.attempted(attempt, told, self._now_ms()))

    def ended(self, account: str, ends: Iterable[Ended]) -> None:
        """Tell of an account's streams that ended."""
        for end in ends:
            self._metrics.ended(end.reason)
            if self._sink is not None:
                self._sink.put(events.ended(account, end))
            self._ended(account)

    def failed(self, error: PlaygateError, route: str, account: str | None) -> None:
        """Tell of a request that was not answered as wished; ``account`` if it is known.

        One stream too many was told with the decision that refused it, and is counted here.
        """
        if error.outcome in ("refused", "unauthenticated"):
            rule = error.decision.rule if isinstance(error, StreamLimit) else ""
            self._metrics.refusal(route, error.code, rule)
        if self._sink is not None and error.code in events.REJECTIONS:
            self._sink.put(events.rejected(error, route, account, self._now_ms()))

    def _now_ms(self) -> int:
        return round(self._clock() * 1000)


def _log_observed(attempt: Attempt, told: Decision) -> None:
    """Say what would have been said instead: how many streams there were before this one."""
    log.info(
        "observed: enforced, this stream would be refused",
        account=attempt.account,
        stream=told.stream,
        route=attempt.playback.route,
        rule=told.rule,
        limit=told.limit,
        active=told.active - 1,
    )
