"""How many requests may be made again: a share of all, so that a sick origin is not hit twice.

Where each request that fails is made once more, an origin that cannot keep up gets twice the load.
So all that is made again comes from a budget: a fifth of what was asked in the last ten seconds or
so, and a few besides, for routes that few watch. When an origin dies, what was under way there is
far less than that. Pure but for its state.
"""

from collections.abc import Callable
from dataclasses import dataclass

SHARE = 0.2  # of the requests; Envoy's and Finagle's retry budgets have the same
AT_LEAST = 100  # in the time that is looked back on
LOOK_BACK = 10.0  # seconds, and up to as many again


@dataclass(slots=True)
class _Count:
    requests: int = 0
    again: int = 0


class Budget:
    """Counts requests, and those that are made again; ``clock`` gives seconds, never going back."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._began = clock()
        self._now, self._before = _Count(), _Count()

    def asked(self) -> None:
        """Count a request that is made for the first time."""
        self._turn()
        self._now.requests += 1

    def spend(self) -> bool:
        """Count one that is to be made again; False where there have been enough of them."""
        self._turn()
        requests = self._now.requests + self._before.requests
        if self._now.again + self._before.again >= AT_LEAST + SHARE * requests:
            return False
        self._now.again += 1
        return True

    def _turn(self) -> None:
        past = self._clock() - self._began
        if past >= LOOK_BACK:
            self._before = self._now if past < 2 * LOOK_BACK else _Count()
            self._now = _Count()
            self._began += past
