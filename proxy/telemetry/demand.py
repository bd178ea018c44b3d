"""What accounts ask for, each attempt to watch something counted once.

A player that was refused tries again, every few seconds or for hours; a histogram of all its
attempts would say how players retry, not how many streams people want. And who was refused wants
to watch all the same: where a fourth and a fifth device are turned away, five are wanted. So with
each refusal count the other devices that were refused before, until they are let in or have given
up. It is devices and not streams, because who is refused may look whether something else plays.
Each proxy knows those that it refused.
"""

from collections import OrderedDict

from proxy.model import Clock
from proxy.streams import Attempt, Decision, Outcome

# A player that was refused and not heard of for so long has given up (seconds): whoever comes then
# is somebody who wants to watch.
GIVEN_UP_S = 300.0
# Refused streams remembered, and accounts with refused devices; one that is forgotten is counted
# again at its next attempt, or not any more among what its account wants.
MAX_REMEMBERED = 20_000
# Refused devices of an account; the metric's last bucket is below.
MAX_WAITING = 128


class Demand:
    """Tells what is asked for anew. ``clock`` is in seconds."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._refused: OrderedDict[str, float] = OrderedDict()
        self._waiting: OrderedDict[str, dict[str, float]] = OrderedDict()

    def asked(self, attempt: Attempt, told: Decision) -> int:
        """Give how many streams an account wants at once with this start or refusal.

        0 where it was refused just before, and nothing new is asked for. Who is let in counts with
        what plays alone: it would be let in by that limit, whoever else waits.
        """
        account, device = attempt.account, attempt.playback.device
        if told.outcome is not Outcome.REFUSED:
            self._refused.pop(told.stream, None)
            self._let_in(account, device)
            return told.requested
        now = self._clock()
        is_new, others = self._is_new(told.stream, now), self._wait(account, device, now)
        return told.requested + others if is_new else 0

    def _is_new(self, stream: str, now: float) -> bool:
        last = self._refused.pop(stream, None)
        self._refused[stream] = now
        if len(self._refused) > MAX_REMEMBERED:
            self._refused.popitem(last=False)
        # A clock that was set back makes no retry of what is none.
        return last is None or not 0 <= now - last < GIVEN_UP_S

    def _let_in(self, account: str, device: str) -> None:
        """Note that a device waits no more."""
        waiting = self._waiting.get(account)
        if waiting is not None:
            waiting.pop(device, None)
            if not waiting:
                del self._waiting[account]

    def _wait(self, account: str, device: str, now: float) -> int:
        """Note that a device waits, and give how many others of its account do."""
        others = {
            name: last
            for name, last in self._waiting.pop(account, {}).items()
            if name != device and 0 <= now - last < GIVEN_UP_S
        }
        waiting = {**others, device: now}
        self._waiting[account] = dict(list(waiting.items())[-MAX_WAITING:])
        if len(self._waiting) > MAX_REMEMBERED:
            self._waiting.popitem(last=False)
        return len(others)
