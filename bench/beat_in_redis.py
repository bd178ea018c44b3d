"""What a beat costs Redis: the time its script takes there, beside that of another checkout.

    PYTHONPATH=. .venv/bin/python bench/beat_in_redis.py [--against DIR] [--rounds 100]

A fleet of accounts with one to three streams each, on three routes, beats once a round: each stream
6 s after its last beat, by a clock that is handed to Redis. Each checkout is driven by a process of
its own, through its own ``RedisStore``, on keys of its own; they take turns within one run, so that
what else the machine does meets both alike. Told is the mean of a round (INFO commandstats): its
median over all rounds, and that of the tenth that went best, which on a busy machine says more.
"""

import argparse
import asyncio
import os
import statistics
import subprocess
import sys
from pathlib import Path

from redis.asyncio import Redis

from proxy.admission.policy import OnLimit, Policy, Takeover
from proxy.admission.redis import RedisStore
from tests.support.crowd import INTERVAL_MS, START_MS, beat
from tests.support.redis_server import RedisServer

ACCOUNTS = 300
POLICY = Policy(Takeover.QUIET, OnLimit.REJECT, 120_000, 3, 43_200_000)
# Beats under way at once: few, so that the driver's work does not make them wait.
AT_ONCE = 16


async def drive(url: str, name: str) -> None:
    """Do a round for each line that comes in, and say what the script took (microseconds)."""
    now_ms = START_MS
    store = RedisStore(url, POLICY, key_prefix=name, timeout=60, now_ms=lambda: now_ms)
    redis = Redis.from_url(url)
    beats = [
        beat(account, stream) for account in range(ACCOUNTS) for stream in range(account % 3 + 1)
    ]
    await store.start()
    while await asyncio.to_thread(sys.stdin.readline):
        await redis.config_resetstat()
        for first in range(0, len(beats), AT_ONCE):
            await asyncio.gather(*map(store.decide, beats[first : first + AT_ONCE]))
            now_ms += INTERVAL_MS * AT_ONCE // len(beats)
        stats = (await redis.info("commandstats"))["cmdstat_evalsha"]
        print(stats["usec"] / stats["calls"], flush=True)
        if hasattr(store, "active"):
            await store.active()  # takes out what is past, as proxies do
    await store.close()
    await redis.aclose()


def driver(checkout: Path, url: str, name: str) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        (sys.executable, __file__, "--drive", url, name),
        env={**os.environ, "PYTHONPATH": str(checkout)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


def one_round(process: "subprocess.Popen[str]") -> float:
    assert process.stdin
    assert process.stdout
    process.stdin.write("\n")
    process.stdin.flush()
    return float(process.stdout.readline())


def compare(checkouts: dict[str, Path], rounds: int) -> None:
    with RedisServer() as server:
        drivers = {name: driver(path, server.url, name) for name, path in checkouts.items()}
        took: dict[str, list[float]] = {name: [] for name in checkouts}
        for number in range(rounds + 1):
            for name in sorted(drivers, reverse=number % 2 == 1):
                microseconds = one_round(drivers[name])
                if number:  # the first one starts the streams
                    took[name].append(microseconds)
        for process in drivers.values():
            process.communicate()
    for name, times in took.items():
        best = statistics.quantiles(times, n=10)[0]
        print(f"{name:8} median {statistics.median(times):5.1f} µs, best tenth {best:5.1f} µs")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--against", type=Path, help="another checkout")
    parser.add_argument("--rounds", type=int, default=100)
    parser.add_argument("--drive", nargs=2, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.drive:
        asyncio.run(drive(*options.drive))
        return
    checkouts = {"this": Path(__file__).parents[1]}
    if options.against:
        checkouts["against"] = options.against
    compare(checkouts, options.rounds)


if __name__ == "__main__":
    main()
