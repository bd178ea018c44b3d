"""What is asked of a server: each workload starts the streams that it needs, and gives the paths.

`cache` says whether the server may keep manifests, `refusals` that refusals are what is asked for,
`once` that no path may be asked for twice, `volume` that bytes are what counts.
"""

import random
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from functools import cache

from bench.against import world
from bench.against.client import segments_of, start_all

# 1,000 accounts with one to three streams are 2,000 streams.
ACCOUNTS = 1_000
# More starts than a server gets through in a measurement; signing them takes some seconds.
STARTS = 120_000
# Refused players: few, because Redis is to be asked about each once a second.
REFUSED = 20
SEGMENT_VIEWERS = 64


@dataclass(frozen=True, slots=True)
class Workload:
    name: str
    title: str
    peers: tuple[str, ...]
    prepare: Callable[[int], Coroutine[None, None, list[str]]]
    cache: bool = True
    refusals: bool = False
    once: bool = False
    volume: bool = False


async def refresh(port: int) -> list[str]:
    """Live viewers who ask for their playlist again, with their tickets."""
    return _shuffled(await start_all(port, (viewer.entry() for viewer in world.viewers(ACCOUNTS))))


async def entry(port: int) -> list[str]:
    """Masters, with tokens, of streams that are known."""
    entries = [viewer.entry() for viewer in world.viewers(ACCOUNTS)]
    await start_all(port, entries)
    return _shuffled(entries)


async def kick_off(_: int) -> list[str]:
    """Everybody comes at once: new accounts, tokens never seen, all for one channel."""
    return list(_starts())


@cache
def _starts() -> tuple[str, ...]:
    return tuple(
        world.Stream(f"fan-{number}", f"device-{number}", "c0").entry("ES256")
        for number in range(STARTS)
    )


async def storm(port: int) -> list[str]:
    """Players that were refused and ask again at once."""
    households = [
        [
            world.Stream(f"full-{number}", f"device-{number}-{device}", f"c{device}")
            for device in range(4)
        ]
        for number in range(REFUSED)
    ]
    await start_all(port, (stream.entry() for home in households for stream in home[:-1]))
    return [home[-1].entry() for home in households]


async def segments(port: int) -> list[str]:
    """Viewers who fetch segments through the server."""
    viewers = (
        world.Stream(f"account-{number}", f"device-{number}", "c0").entry(route="media")
        for number in range(SEGMENT_VIEWERS)
    )
    return _shuffled(await segments_of(port, await start_all(port, viewers)))


def _shuffled(paths: list[str]) -> list[str]:
    """Give them in an order that is the same in each run and no viewer's."""
    random.Random(7).shuffle(paths)
    return paths


WORKLOADS = (
    Workload(
        "refresh",
        "live playlists again, with tickets",
        (
            "playgate",
            "playgate-2",
            "nginx-memory",
            "nginx-tuned",
            "nginx-cache",
            "nginx-plain",
            "haproxy",
            "fastify-tuned",
            "fastify",
            "fastapi",
        ),
        refresh,
    ),
    Workload(
        "entry",
        "masters with tokens, known streams",
        (
            "playgate",
            "nginx-tuned",
            "nginx-cache",
            "nginx-plain",
            "fastify-tuned",
            "fastify",
            "fastapi",
        ),
        entry,
    ),
    Workload(
        "through",
        "live playlists, Redis and origin each time",
        ("playgate", "nginx-plain", "fastify", "fastapi"),
        refresh,
        cache=False,
    ),
    Workload(
        "kick-off",
        "starts with cold ES256 tokens, one channel",
        ("playgate", "nginx-tuned", "nginx-cache", "fastify-tuned", "fastify", "fastapi"),
        kick_off,
        once=True,
    ),
    Workload(
        "storm",
        "refused players who ask again and again",
        ("playgate", "nginx-tuned", "nginx-cache"),
        storm,
        refusals=True,
    ),
    Workload(
        "segments",
        "signed segments of 1 MB, each fetched from the origin",
        ("playgate", "nginx-plain"),
        segments,
        volume=True,
    ),
)
