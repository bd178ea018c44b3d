"""The peers, in the order of the table."""

from bench.against.peers.nginx import CACHED, PLAIN, TUNED
from bench.against.peers.playgate import PLAYGATE
from bench.against.peers.terms import Peer

ALL: tuple[Peer, ...] = (PLAYGATE, TUNED, CACHED, PLAIN)
