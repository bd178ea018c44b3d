"""What is asked of a server: each workload starts the streams that it needs, and gives the paths.

`cache` says whether the server may keep manifests, `refusals` that refusals are what is asked for.
"""

import random
from collections.abc import Callable, Coroutine
from dataclasses import dataclass

from bench.against import world
from bench.against.load import start_all

# 1,000 accounts with one to three streams are 2,000 streams.
ACCOUNTS = 1_000


@dataclass(frozen=True, slots=True)
class Workload:
    name: str
    title: str
    peers: tuple[str, ...]
    prepare: Callable[[int], Coroutine[None, None, list[str]]]
    cache: bool = True
    refusals: bool = False


async def refresh(port: int) -> list[str]:
    """Live viewers who ask for their playlist again, with their tickets."""
    return _shuffled(await start_all(port, (viewer.entry() for viewer in world.viewers(ACCOUNTS))))


async def entry(port: int) -> list[str]:
    """Masters, with tokens, of streams that are known."""
    entries = [viewer.entry() for viewer in world.viewers(ACCOUNTS)]
    await start_all(port, entries)
    return _shuffled(entries)


def _shuffled(paths: list[str]) -> list[str]:
    """Give them in an order that is the same in each run and no viewer's."""
    random.Random(7).shuffle(paths)
    return paths


WORKLOADS = (
    Workload(
        "refresh",
        "live playlists again, with tickets",
        ("playgate", "nginx-tuned", "nginx-cache", "nginx-plain", "haproxy", "fastify", "fastapi"),
        refresh,
    ),
    Workload(
        "entry",
        "masters with tokens, known streams",
        ("playgate", "nginx-tuned", "nginx-cache", "nginx-plain", "fastify", "fastapi"),
        entry,
    ),
    Workload(
        "through",
        "live playlists, Redis and origin each time",
        ("playgate", "nginx-plain", "fastify", "fastapi"),
        refresh,
        cache=False,
    ),
)
