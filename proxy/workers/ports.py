"""The sockets of a proxy of several workers: bound by the master, inherited by all.

Players have one for each worker, over which the system spreads connections evenly; operators have
one for all. None of them belongs to a process. What is queued on the socket of a worker that dies
stays there, until the next one accepts from it, or another worker in the meantime; and a new master
that is handed the sockets finds the queues as they were.
"""

import socket
from collections.abc import Sequence
from dataclasses import dataclass

from proxy.web.sockets import Sockets


@dataclass(frozen=True, slots=True)
class Ports:
    """Bound sockets, on which nobody listens before a worker is ready."""

    players: Sockets
    operators: Sockets

    @property
    def all(self) -> Sockets:
        """Both ports'."""
        return (*self.players, *self.operators)


def inherited(numbers: Sequence[int]) -> Sockets:
    """Give the sockets that a process was handed by their file descriptors."""
    return tuple(socket.socket(fileno=number) for number in numbers)
