"""How long a live player goes on after its stream was ended through another proxy.

    PYTHONPATH=. .venv/bin/python bench/kill_to_stop.py [--player hls.js] [--runs 20]

Two proxies share one Redis. An unmodified player plays live HLS through one; the admin API of the
other is asked to end its stream, at any moment between two refreshes. Measured from before that is
asked to the last media or manifest that was served, and to the first 409; in seconds, set against
the target duration. Wants ffmpeg, and a browser for players that are scripts.
"""

import argparse
import asyncio
import random
import statistics
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import aiohttp

from proxy.telemetry import logs
from tests.e2e.cast import PLAYERS
from tests.e2e.manifests import TARGET_DURATION
from tests.e2e.media import make_tracks
from tests.e2e.player import Form, Player
from tests.e2e.stage import ADMIN_TOKEN, Stage, second_proxy, stage
from tests.support.poll import until
from tests.support.redis_server import RedisServer

# What a viewer who is stopped may still see: the refresh that is due next, and a second.
BOUND = TARGET_DURATION + 1


@dataclass(frozen=True)
class Run:
    """Seconds from the call to the last thing served (0: none after it), and to the first 409."""

    last_served: float
    told: float


async def measure(on_stage: Stage, operators: str, player: Player) -> Run:
    viewer = on_stage.viewer()
    async with player.play(viewer.url(Form.HLS_LIVE), Form.HLS_LIVE) as playing:

        async def plays() -> bool:
            return await playing.position() > 2

        await until(plays, f"{player.name} plays")
        await asyncio.sleep(random.uniform(0, TARGET_DURATION))  # any moment between two refreshes
        killed = time.monotonic()
        headers = {"Authorization": f"Bearer {ADMIN_TOKEN}"}
        where = f"{operators}/admin/v1/accounts/{viewer.account}/streams"
        async with aiohttp.request("DELETE", where, headers=headers) as answer:
            assert answer.status == 204

        def ended_at(status: range) -> list[float]:
            return [
                visit.at + visit.seconds - killed
                for visit in viewer.visits()
                if visit.status in status and visit.kind != "steering"
            ]

        async def is_told() -> bool:
            return bool(ended_at(range(409, 410)))

        await until(is_told, "it is told")
        # Whatever else would be served comes within another refresh or two.
        await asyncio.sleep(2 * TARGET_DURATION)
        return Run(
            last_served=max(0.0, *ended_at(range(200, 300))), told=min(ended_at(range(409, 410)))
        )


async def bench(player: Player, runs: int) -> list[Run]:
    with tempfile.TemporaryDirectory() as folder, RedisServer() as redis:
        tracks = make_tracks(Path(folder))
        async with stage(redis.url, tracks) as on_stage, second_proxy(on_stage) as other:
            operators = f"http://127.0.0.1:{other.admin_port}"
            return [await measure(on_stage, operators, player) for _ in range(runs)]


def main() -> None:
    names = {player.name: player for player in PLAYERS if Form.HLS_LIVE in player.forms}
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--player", choices=names, default="hls.js")
    parser.add_argument("--runs", type=int, default=20)
    given = parser.parse_args()
    logs.configure("text", "error", set())
    runs = asyncio.run(bench(names[given.player], given.runs))
    print(f"{given.player}, live HLS, {given.runs} runs, target duration {TARGET_DURATION} s")
    for what, seconds in (
        ("last served", [run.last_served for run in runs]),
        ("told 409", [run.told for run in runs]),
    ):
        print(f"{what:12} median {statistics.median(seconds):.3f} s, max {max(seconds):.3f} s")
    verdict = "below" if max(run.told for run in runs) < BOUND else "NOT below"
    print(f"{verdict} one target duration + 1 s = {BOUND} s")


if __name__ == "__main__":
    main()
