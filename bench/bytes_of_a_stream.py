"""Where the bytes of an active stream go, by the line that takes them.

    PYTHONPATH=. .venv/bin/python bench/bytes_of_a_stream.py [--accounts 1000] [--top 25]

What ``make bench``, ``memory``, measures of a process from outside, taken apart from inside: two
streams of each account start and refresh, after so many others that what has a bound (tokens that
verified) is full. Told are bytes as Python asks for them (tracemalloc), which are fewer than the
process takes: each object is rounded up to sixteen bytes, and pages are not full.
"""

import argparse
import asyncio
import gc
import re
import tracemalloc
from collections.abc import Iterable
from linecache import getline
from pathlib import PurePath

from bench.against.memory import REFRESHES, TTL
from proxy.credentials.bearer import MAX_VERIFIED
from tests.support.playlists import serve_channels
from tests.support.redis_server import RedisServer
from tests.support.stack import Stack
from tests.web.wire import Wire

ENTRY = "/live/one/master.m3u8"
DEVICES = ("phone", "television")
PARTS_OF_A_PATH = 2
# Lines that take less are not told (bytes).
LEAST = 4
NOT_OURS = tuple(
    tracemalloc.Filter(inclusive=False, filename_pattern=pattern)
    for pattern in (tracemalloc.__file__, "*/tests/*", __file__)
)


async def play(stack: Stack, wire: Wire, accounts: Iterable[int]) -> None:
    """Start streams, and refresh each of them."""
    for account in accounts:
        for device in DEVICES:
            token = stack.token(f"account-{account}", device=f"{device}-{account}")
            _, master = await wire.ask(f"{ENTRY}?token={token}")
            refresh = re.search(rb"low/index.m3u8\?_sid=[\w.-]+", master)
            assert refresh, master
            for _ in range(REFRESHES):
                await wire.ask(f"/live/one/{refresh[0].decode()}")


def taken() -> tracemalloc.Snapshot:
    gc.collect()
    return tracemalloc.take_snapshot().filter_traces(NOT_OURS)


def tell(before: tracemalloc.Snapshot, streams: int, top: int) -> None:
    found = taken().compare_to(before, "lineno")
    print(f"{sum(line.size_diff for line in found) / streams:,.0f} bytes of each stream\n")
    for line in found[:top]:
        size, frame = line.size_diff / streams, line.traceback[0]
        if size >= LEAST:
            place = "/".join(PurePath(frame.filename).parts[-PARTS_OF_A_PATH:])
            words = getline(frame.filename, frame.lineno).strip()
            print(f"{size:6.0f} {place}:{frame.lineno} {words}")


async def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--accounts", type=int, default=1_000)
    parser.add_argument("--top", type=int, default=25)
    options = parser.parse_args()
    warm = 2 * MAX_VERIFIED // len(DEVICES)
    with RedisServer() as redis:
        store, streams = {"url": redis.url, "timeout": "10s"}, {"ttl": f"{TTL}s"}
        stack = Stack(store=store, streams=streams, origin={"cache": "1h"})
        async with stack, Wire(stack) as wire:
            serve_channels(stack.origin, "one")
            tracemalloc.start()  # from here on, or what gives way would not be subtracted
            await play(stack, wire, range(warm))
            before = taken()
            await play(stack, wire, range(warm, warm + options.accounts))
            tell(before, options.accounts * len(DEVICES), options.top)


if __name__ == "__main__":
    asyncio.run(main())
