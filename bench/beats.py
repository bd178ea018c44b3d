"""What a viewer costs: a real proxy with a real Redis, and a crowd that refreshes live playlists.

    PYTHONPATH=. .venv/bin/python bench/beats.py [--viewers 600] [--seconds 40]

Proxy, Redis, origin and crowd are processes of this machine and share its cores, so what counts is
not how fast they are but what they use: CPU time of the proxy and of Redis for each request of a
window in which nobody starts and all refresh (the demo's live playlist, every two seconds, from
memory; of four requests one is refused), and the proxy's memory for each stream.
"""

import argparse
import asyncio
import contextlib
import json
import os
import re
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from redis.asyncio import Redis

from tests.support.redis_server import RedisServer, free_port

ROOT = Path(__file__).parents[1]
CROWD = ROOT / "deploy/kubernetes/overlays/nft/crowd/crowd.py"
# Of no worth, and yet what a configuration takes for secrets.
SECRET = "bench-of-beats-0123456789abcdefghijkl"
TICKET_SECRET = "bench-of-beats-and-tickets-0123456789ab"
# Each account may have three and has one more, which is refused each time it asks.
DEVICES = 3
START_SECONDS = 30


@dataclass(frozen=True)
class Reading:
    """What was used up to now: seconds of CPU, bytes, requests by kind and outcome."""

    proxy_cpu: float
    redis_cpu: float
    memory: float
    requests: dict[tuple[str, str], float]
    decisions: float

    def since(self, before: "Reading") -> dict[tuple[str, str], float]:
        counts = {key: n - before.requests.get(key, 0) for key, n in self.requests.items()}
        return {key: n for key, n in counts.items() if n}


async def read(admin: str, redis: Redis) -> Reading:
    text = await asyncio.to_thread(metrics, admin)
    values = dict(re.findall(r"^(process_\w+) (\S+)$", text, re.MULTILINE))
    requests: dict[tuple[str, str], float] = {}
    for labels, value in re.findall(r"^playgate_requests_total\{(.*)\} (\S+)$", text, re.MULTILINE):
        label = dict(re.findall(r'(\w+)="(.*?)"', labels))
        key = label["kind"], label["outcome"]
        requests[key] = requests.get(key, 0) + float(value)
    info = await redis.info()
    calls = (await redis.info("commandstats")).get("cmdstat_evalsha", {"calls": 0})["calls"]
    return Reading(
        float(values["process_cpu_seconds_total"]),
        info["used_cpu_user"] + info["used_cpu_sys"],
        float(values["process_resident_memory_bytes"]),
        requests,
        calls,
    )


def metrics(admin: str) -> str:
    with urllib.request.urlopen(f"{admin}/metrics", timeout=10) as answer:
        return str(answer.read(), "utf-8")


@contextlib.contextmanager
def process(*command: str, **environ: str) -> Iterator["subprocess.Popen[bytes]"]:
    started = subprocess.Popen(command, env={**os.environ, **environ}, stdout=subprocess.DEVNULL)
    try:
        yield started
    finally:
        started.terminate()
        started.wait()


def wait_for(url: str) -> None:
    give_up = time.monotonic() + START_SECONDS
    while True:
        try:
            urllib.request.urlopen(url, timeout=1).close()
        except OSError:
            if time.monotonic() > give_up:
                raise
            time.sleep(0.1)  # the pause of a bounded poll
        else:
            return


async def bench(viewers: int, seconds: float) -> None:
    players, operators, origin = free_port(), free_port(), free_port()
    admin = f"http://127.0.0.1:{operators}"
    with tempfile.TemporaryDirectory() as folder, RedisServer() as server:
        file = Path(folder) / "playgate.yaml"
        file.write_text(
            json.dumps(
                {
                    "listen": {"host": "127.0.0.1", "port": players},
                    "admin": {"host": "127.0.0.1", "port": operators},
                    "store": {"url": server.url, "timeout": "2s"},
                    "auth": {"keys": [{"algorithm": "HS256", "secret": SECRET}]},
                    "tickets": {"secret": TICKET_SECRET},
                    "routes": [
                        {
                            "name": "live",
                            "path": "/live/**",
                            "origins": [f"http://127.0.0.1:{origin}"],
                        }
                    ],
                    "log": {"level": "error"},
                }
            )
        )
        demo = (sys.executable, "-m", "proxy.demo.origin", "--host", "127.0.0.1")
        proxy = (sys.executable, "-m", "proxy", "serve", "--config", str(file))
        crowd = (
            *(sys.executable, str(CROWD), "--url", f"http://127.0.0.1:{players}"),
            *("--accounts", str(viewers // DEVICES), "--seconds", str(seconds)),
        )
        redis = Redis.from_url(server.url)
        with process(*demo, "--port", str(origin)), process(*proxy):
            wait_for(f"{admin}/readyz")
            idle = await read(admin, redis)
            with process(*crowd, PLAYGATE_JWT_SECRET=SECRET):
                # A third of its time the crowd takes to come; then everybody refreshes.
                await asyncio.sleep(seconds / 3 + 3)
                begun = await read(admin, redis)
                await asyncio.sleep(seconds / 2)
                ended = await read(admin, redis)
        await redis.aclose()
    report(idle, begun, ended, viewers, seconds / 2)


def report(idle: Reading, begun: Reading, ended: Reading, viewers: int, seconds: float) -> None:
    requests = ended.since(begun)
    total = sum(requests.values())
    shares = ", ".join(f"{kind} {outcome} {n:.0f}" for (kind, outcome), n in requests.items())
    print(f"{total:.0f} requests in {seconds:.0f} s: {shares}")
    cpu, redis_cpu = ended.proxy_cpu - begun.proxy_cpu, ended.redis_cpu - begun.redis_cpu
    print(f"proxy {cpu / total * 1e6:7.0f} µs of CPU a request, {cpu / seconds:.0%} of a core")
    print(f"Redis {redis_cpu / total * 1e6:7.0f} µs of CPU a request")
    print(f"{(ended.decisions - begun.decisions) / total:.2f} scripts a request")
    grown = (ended.memory - idle.memory) / viewers
    print(f"proxy {idle.memory / 2**20:.0f} MiB idle, {grown / 2**10:.1f} KiB more a stream")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--viewers", type=int, default=600)
    parser.add_argument("--seconds", type=float, default=40)
    options = parser.parse_args()
    asyncio.run(bench(options.viewers, options.seconds))


if __name__ == "__main__":
    main()
