"""What a stream takes of Redis's memory: the figures of docs/sizing.md.

    PYTHONPATH=. .venv/bin/python bench/memory_in_redis.py [--accounts 10000]

Accounts with one, two and three live streams each, as a proxy stores them, in a Redis of its own;
then what stays behind of viewers who zapped at their limit, twenty times each (tombstones, which
live as long as tickets). Told are the mean of an account's key (MEMORY USAGE), and how much more
Redis uses in all for each account (INFO used_memory): the key's name, its expiry, and the tally.
"""

import argparse
import asyncio

from redis.asyncio import Redis

from proxy.admission.policy import OnLimit, Policy, Takeover
from proxy.admission.redis import RedisStore
from proxy.model import Playback
from proxy.streams import Attempt, Cadence, Outcome
from tests.support.redis_server import RedisServer

POLICY = Policy(Takeover.QUIET, OnLimit.REJECT, 120_000, 3, 43_200_000)
# Redis drops keys by its own clock, so slots live for longer here than it takes to measure.
LIVE = Cadence(600_000, 0, 6_000)
STREAMS = (1, 2, 3)
ZAPS = 20
# As many calls as a proxy has under way.
AT_ONCE = 32
SAMPLE = 500
START_MS = 1_700_000_000_000


def attempt(account: int, stream: int, *, strong: bool = False) -> Attempt:
    """Start a stream as a token of a login does; each is another title."""
    playback = Playback(
        stream=f"{account:012x}{stream:012x}",
        device=f"{account:016x}",
        strong=strong,
        content=f"tv.example/live/channel-{stream}/master.m3u8",
        route="live",
        label="Chrome on Linux",
        network="01234567",
        agent="01234567",
    )
    name = f"{account:032x}"
    limit = 1 if strong else len(STREAMS)
    return Attempt(
        name,
        playback,
        limit,
        "default",
        LIVE,
        jti=f"{account:016x}",
        issued_ms=START_MS,
        rules=(),
    )


async def start(store: RedisStore, attempts: list[Attempt], due: Outcome) -> None:
    for first in range(0, len(attempts), AT_ONCE):
        decisions = await asyncio.gather(*map(store.decide, attempts[first : first + AT_ONCE]))
        assert {decision.outcome for decision in decisions} == {due}, decisions[0]


async def used(redis: Redis) -> int:
    return int((await redis.info("memory"))["used_memory"])


async def mean(redis: Redis, accounts: range, kind: str) -> float:
    """Give the mean size of an account's key (bytes), of a sample."""
    sample = accounts[:: max(1, len(accounts) // SAMPLE)]
    sizes = [
        await redis.memory_usage(f"playgate:{{{account:032x}}}:{kind}", samples=0) or 0
        for account in sample
    ]
    return sum(sizes) / len(sizes)


async def measure(url: str, number: int) -> None:
    redis = Redis.from_url(url)
    # A clock that stands still: no slot lapses, however long this takes.
    store = RedisStore(url, POLICY, key_prefix="playgate", timeout=60, now_ms=lambda: START_MS)
    await store.start()
    for streams in STREAMS:
        accounts = range(streams * number, (streams + 1) * number)
        before = await used(redis)
        for stream in range(streams):
            each = [attempt(account, stream) for account in accounts]
            await start(store, each, Outcome.ADMITTED)
        key, whole = await mean(redis, accounts, "streams"), (await used(redis) - before) / number
        print(f"{streams} streams: key {key:6.0f} B, in all {whole:6.0f} B an account")
    accounts = range(number)
    before = await used(redis)
    for zap in range(ZAPS + 1):
        each = [attempt(account, zap, strong=True) for account in accounts]
        await start(store, each, Outcome.TAKEOVER if zap else Outcome.ADMITTED)
    key, whole = await mean(redis, accounts, "ended"), (await used(redis) - before) / number
    print(f"1 stream, {ZAPS} tombstones: key {key:6.0f} B, in all {whole:6.0f} B an account")
    await store.close()
    await redis.aclose()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--accounts", type=int, default=10_000)
    with RedisServer() as server:
        asyncio.run(measure(server.url, parser.parse_args().accounts))


if __name__ == "__main__":
    main()
