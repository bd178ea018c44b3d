"""What accounts ask for, each attempt to watch something counted once.

A player that was refused tries again, every few seconds or for hours; a histogram of all its
attempts would say how players retry, not how many streams people want.
"""

from collections import OrderedDict

from proxy.model import Clock
from proxy.streams import Decision, Outcome
from proxy.telemetry.stream_metrics import STARTS

# A player that was refused and not heard of for so long has given up (seconds): whoever comes then
# is somebody who wants to watch.
GIVEN_UP_S = 300.0
# Refused streams remembered; one that is forgotten is counted again at its next attempt.
MAX_REMEMBERED = 20_000


class Demand:
    """Tells what is asked for anew. ``clock`` is in seconds."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._refused: OrderedDict[str, float] = OrderedDict()

    def is_new(self, told: Decision) -> bool:
        """Tell whether a decision is on a start, or on one that was not refused just before."""
        last = self._refused.pop(told.stream, None)
        if told.outcome is not Outcome.REFUSED:
            return told.outcome in STARTS
        now = self._refused[told.stream] = self._clock()
        if len(self._refused) > MAX_REMEMBERED:
            self._refused.popitem(last=False)
        # A clock that was set back makes no retry of what is none.
        return last is None or not 0 <= now - last < GIVEN_UP_S
