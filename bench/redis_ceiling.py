"""How many beats one Redis answers, and what each takes of its CPU.

    PYTHONPATH=. .venv/bin/python bench/redis_ceiling.py [--calls 100000]

The call that a proxy makes for the beat of a live stream is taken down once and made again by
redis-benchmark, which costs less than Redis does, over as many connections as there are proxies,
for accounts with one stream each; at first by two, which leave Redis idle in between, then by
many. Redis's CPU (INFO used_cpu) is for script, network and protocol together.
"""

import argparse
import asyncio
import re
import subprocess

from redis.asyncio import Redis

from proxy.admission.policy import OnLimit, Policy, Takeover
from proxy.admission.redis import RedisStore
from proxy.admission.scripts import Script
from proxy.model import Playback
from proxy.streams import Attempt, Cadence
from tests.support.redis_server import RedisServer

POLICY = Policy(Takeover.QUIET, OnLimit.REJECT, 120_000, 3, 43_200_000)
ACCOUNT = "a" * 12
# redis-benchmark puts twelve digits in the place of this.
RANDOM = "__rand_int__"
ACCOUNTS = 10_000
# Proxies that ask at a time: each has one connection.
FEW, MANY = 2, 32


class Tapped(RedisStore):
    """A store that says what its last script was called with."""

    sent: tuple[str, ...] = ()

    async def _run(self, script: Script, account: str, *args: str | int) -> object:
        keys = self._keys.of(account)
        # Redis's own clock: no instant is handed over.
        call = (script.digest, len(keys), *keys, "", *args)
        self.sent = ("EVALSHA", *map(str, call))
        return await super()._run(script, account, *args)


async def beat_call(url: str) -> list[str]:
    """Give the command by which a stream that has its slot shows life."""
    store = Tapped(url, POLICY, key_prefix="playgate", timeout=60)
    playback = Playback(
        stream="5" * 24,
        device="d" * 16,
        strong=False,
        content="tv.example/live/one/master.m3u8",
        route="live",
        label="Chrome on Linux",
        network="01234567",
        agent="01234567",
    )
    await store.start()
    await store.decide(
        Attempt(ACCOUNT, playback, 3, "default", Cadence(30_000, 0, 6_000), beat=True)
    )
    await store.close()
    return [part.replace(ACCOUNT, RANDOM) for part in store.sent]


async def cpu(redis: Redis) -> float:
    info = await redis.info("cpu")
    return float(info["used_cpu_user"] + info["used_cpu_sys"])


async def measure(server: RedisServer, calls: int) -> None:
    command = await beat_call(server.url)
    redis = Redis.from_url(server.url)
    for connections in (FEW, MANY, MANY):
        before = await cpu(redis)
        process = await asyncio.create_subprocess_exec(
            *("redis-benchmark", "-p", str(server.port), "-q", "-n", str(calls)),
            *("-c", str(connections), "-r", str(ACCOUNTS), *command),
            stdout=subprocess.PIPE,
        )
        printed, _ = await process.communicate()
        rate = re.findall(r"([\d.]+) requests per second", printed.decode())[-1]
        used = (await cpu(redis) - before) / calls
        each = f"{used * 1e6:5.1f} µs of CPU each"
        print(f"{connections:2} connections: {float(rate):7.0f} beats/s, {each}")
    await redis.aclose()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--calls", type=int, default=100_000)
    with RedisServer() as server:
        asyncio.run(measure(server, parser.parse_args().calls))


if __name__ == "__main__":
    main()
