"""What a decision costs a proxy: processor time, the way to Redis and back included.

    PYTHONPATH=. .venv/bin/python bench/decisions.py [--against DIR] [--rounds 5]

A crowd of live streams beats, 64 at a time, against a real Redis. Each checkout is driven by a
process of its own, and they take turns; told is the median of the rounds.
"""

import argparse
import asyncio
import os
import statistics
import subprocess
import sys
import time
from pathlib import Path

import uvloop

from proxy.admission.policy import OnLimit, Policy, Takeover
from proxy.admission.redis import RedisStore
from tests.support.crowd import beat
from tests.support.redis_server import RedisServer

ACCOUNTS = 300
BEATS = 6_000
AT_ONCE = 64
POLICY = Policy(Takeover.QUIET, OnLimit.REJECT, 120_000, 3, 43_200_000)


async def drive(url: str) -> None:
    """Beat, and say what a decision took (microseconds of processor time)."""
    store = RedisStore(url, POLICY, key_prefix="bench", timeout=60)
    beats = [
        beat(account, stream) for account in range(ACCOUNTS) for stream in range(account % 3 + 1)
    ]

    async def viewers(first: int) -> None:
        for number in range(first, BEATS, AT_ONCE):
            await store.decide(beats[number % len(beats)])

    async def all_beat() -> float:
        begun = time.process_time()
        await asyncio.gather(*map(viewers, range(AT_ONCE)))
        return time.process_time() - begun

    await store.start()
    await all_beat()  # the streams start
    print(1_000_000 * await all_beat() / BEATS)
    await store.close()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--against", type=Path, help="another checkout")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--drive", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.drive:
        uvloop.run(drive(options.drive))
        return
    checkouts = {"this": Path(__file__).parents[1]}
    if options.against:
        checkouts["against"] = options.against
    took: dict[str, list[float]] = {name: [] for name in checkouts}
    with RedisServer() as server:
        for _ in range(options.rounds):
            for name, checkout in checkouts.items():
                told = subprocess.check_output(
                    (sys.executable, __file__, "--drive", server.url),
                    env={**os.environ, "PYTHONPATH": str(checkout)},
                )
                took[name].append(float(told))
    for name, times in took.items():
        print(f"{name:8} {statistics.median(times):5.1f} µs of processor time a decision")


if __name__ == "__main__":
    main()
