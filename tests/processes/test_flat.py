"""Memory and descriptors stay as they are, however many requests come: a soak in small.

The whole one, with several processes and an hour's requests, is ``make soak``.
"""

import tracemalloc
from pathlib import Path
from urllib.parse import urljoin

from redis.asyncio import Redis

from tests.conftest import Tell
from tests.support.memory import kept_bytes
from tests.support.playlists import serve_channels
from tests.support.redis_server import RedisServer
from tests.support.stack import Stack

ENTRY = "/live/one/master.m3u8"
# Each account has one more player than it may; each player does the same things each time.
ACCOUNTS, PLAYERS, LIMIT = 4, 3, 2
WARM_UP, ROUNDS = 24, 16
# What may be kept by each request on average: less than any object that a list or dictionary holds.
# What is bounded (who was refused, which slots are known) is not all full after the first rounds.
MAX_BYTES = 64


async def play(stack: Stack, tokens: list[str]) -> int:
    """Have everybody start, refresh, load, beat and go; give how many requests that was."""
    before = len(stack.origin.requests)
    refused = asked = 0
    for token in tokens:
        tickets = []
        for player in range(PLAYERS):
            agent = f"player/{player}"
            entry = await stack.ask(f"{ENTRY}?token={token}", agent=agent)
            asked += 1
            if entry.status == 429:
                refused += 1
                continue
            low = urljoin(ENTRY, entry.uris()[0])
            playlist = await stack.ask(low, agent=agent)
            segment = urljoin("/live/one/low/index.m3u8", playlist.uris()[0])
            assert (await stack.ask(segment, agent=agent)).status == 200
            assert (await stack.ask("/live/none.ts", agent=agent)).status == 401
            asked += 3
            tickets.append(entry.ticket())
        for one in tickets:
            for what in ("heartbeat", "release"):
                done = await stack.ask(f"/_playgate/{what}?_sid={one}", method="POST")
                assert done.status == 204
                asked += 1
    assert refused == len(tokens) * (PLAYERS - LIMIT)
    assert len(stack.origin.requests) > before
    stack.origin.requests.clear()
    return asked


def kept() -> tuple[int, int]:
    """The bytes that Python's objects take, and the files that are open."""
    return kept_bytes(), len(list(Path("/proc/self/fd").iterdir()))


async def test_a_request_leaves_nothing_behind(
    redis: Redis, redis_server: RedisServer, tell: Tell
) -> None:
    del redis  # emptied
    store = {"url": redis_server.url, "timeout": "10s"}
    limits, identity = {"default": LIMIT}, {"takeover": "none"}
    async with Stack(store=store, limits=limits, identity=identity) as stack:
        serve_channels(stack.origin, "one")
        tokens = [stack.token(f"account-{number}") for number in range(ACCOUNTS)]
        tracemalloc.start()
        try:
            for _ in range(WARM_UP):
                await play(stack, tokens)
            bytes_before, files_before = kept()
            asked = 0
            for _ in range(ROUNDS):
                asked += await play(stack, tokens)
            bytes_after, files_after = kept()
        finally:
            tracemalloc.stop()
    growth = (bytes_after - bytes_before) / asked
    files = files_after - files_before
    tell(f"soak in small: {asked} requests, {growth:+.1f} bytes kept of each, {files:+} files")
    assert growth < MAX_BYTES
    assert files_after <= files_before + 2  # a connection that is just being closed
