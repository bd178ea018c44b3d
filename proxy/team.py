"""What a worker has in common with the others of its proxy, and what it alone does for them."""

from collections.abc import Awaitable, Callable, Collection
from dataclasses import dataclass

from proxy.telemetry.shared_metrics import SharedMetrics
from proxy.web.sockets import Sockets


@dataclass(frozen=True, slots=True)
class Team:
    """The sockets of all workers, and the metrics in which all of them count.

    ``tended`` gives the places of those of players that this worker accepts from, as it is now.
    ``ends`` says whether all of them end, and not this one alone.
    ``follow`` has the others reload as this one did, waits for them, and gives how many took too
    long. One alone ``watches`` the configuration's files.
    """

    players: Sockets
    operators: Sockets
    metrics: SharedMetrics
    tended: Callable[[], Collection[int]]
    ends: Callable[[], bool]
    follow: Callable[[], Awaitable[int]]
    watches: bool
