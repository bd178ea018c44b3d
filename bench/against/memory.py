"""What an active stream takes: memory of the process and of Redis, before and after many start.

Each account has one to three streams, and each stream has refreshed three times, so that all of it
is there that a live viewer leaves: slots, what is remembered in case Redis goes away, and what the
fast path knows of a request that came before. It keeps that from the second time on, answers the
third, and the fourth is one that is counted only.
"""

from collections.abc import Iterable
from dataclasses import dataclass

import uvloop

from bench.against import world
from bench.against.client import bodies, child
from bench.against.peers.terms import Peer
from bench.against.stage import Served, Stage, serving

# An hour: nothing lapses while others start.
TTL = 3_600
# Accounts that make the process warm, tokens that are known again included, of which there are so
# many and no more; and those that are measured.
FIRST, ACCOUNTS = 5_000, 10_000
# From then on nothing is added.
REFRESHES = 4


@dataclass(frozen=True, slots=True)
class Memory:
    """Bytes for each active stream."""

    streams: int
    process: float
    redis: float


def measure_memory(peer: Peer, stage: Stage) -> Memory:
    stage.forget()
    streams = world.viewers(FIRST + ACCOUNTS)
    warm = len(world.viewers(FIRST))
    with serving(peer, stage, ttl=TTL) as served:
        uvloop.run(play(served.port, streams[:warm]))
        before = in_use(served)
        uvloop.run(play(served.port, streams[warm:]))
        after = in_use(served)
    return per_stream(len(streams) - warm, before, after)


async def play(port: int, streams: Iterable[world.Stream]) -> list[str]:
    """Start streams, and refresh each of them; give the paths that they refresh."""
    entries = bodies(port, (stream.entry() for stream in streams))
    children = [child(entry, master) async for entry, master in entries]
    for _ in range(REFRESHES):
        async for _ in bodies(port, children):
            pass
    return children


def in_use(served: Served) -> tuple[int, int]:
    """Give the memory of the server and of Redis, in bytes."""
    with served.stage.client() as client:
        return served.process.memory(), int(client.info("memory")["used_memory"])


def per_stream(streams: int, before: tuple[int, int], after: tuple[int, int]) -> Memory:
    process, redis = ((late - early) / streams for early, late in zip(before, after, strict=True))
    return Memory(streams, process, redis)
