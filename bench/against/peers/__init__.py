"""The peers, in the order in which they are told."""

from bench.against.peers.haproxy import HAPROXY
from bench.against.peers.nginx import CACHED, MEMORY, PLAIN, TUNED
from bench.against.peers.playgate import PLAYGATE, PLAYGATE_2
from bench.against.peers.scripted import NODE_TUNED, PYTHON, USUAL
from bench.against.peers.terms import Peer

ALL: tuple[Peer, ...] = (
    PLAYGATE,
    PLAYGATE_2,
    MEMORY,
    TUNED,
    CACHED,
    PLAIN,
    HAPROXY,
    NODE_TUNED,
    USUAL,
    PYTHON,
)

__all__ = ["ALL", "PLAYGATE", "Peer"]
