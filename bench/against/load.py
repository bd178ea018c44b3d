"""Asks a server for many paths: wrk for what is measured, aiohttp for what comes before."""

import asyncio
import json
import subprocess
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urljoin

import aiohttp

from bench.against import world

SCRIPT = Path(__file__).parent / "load.lua"
CONNECTIONS = 64
# How many viewers start at the same time while a workload is prepared.
AT_ONCE = 32
HEADERS = {"Host": world.HOST, "User-Agent": world.AGENT}


class Unexpected(Exception):
    """A server did not answer as the workload needs it."""


@dataclass(frozen=True, slots=True)
class Load:
    """What wrk saw: answers, those with another status than 2xx, and those that never came."""

    requests: int
    seconds: float
    bytes: int
    p50_ms: float
    p99_ms: float
    refused: int
    broken: int

    @property
    def rate(self) -> float:
        """Give answers a second."""
        return self.requests / self.seconds


def wrk(
    port: int,
    paths: Path,
    seconds: float,
    *,
    core: int,
    connections: int = CONNECTIONS,
    pause_ms: int = 0,
) -> Load:
    """Ask for the paths of a file, one a line, over and over."""
    done = subprocess.run(
        [
            *("taskset", "--cpu-list", str(core), "wrk", "--threads", "1"),
            *("--connections", str(connections), "--duration", f"{max(1, round(seconds))}s"),
            *("--timeout", "10s", "--script", str(SCRIPT), f"http://127.0.0.1:{port}", "--"),
            *(str(paths), world.HOST, world.AGENT, str(pause_ms)),
        ],
        capture_output=True,
        text=True,
        check=True,
    )
    return Load(**json.loads(done.stdout.splitlines()[-1]))


async def fetch(session: aiohttp.ClientSession, port: int, path: str) -> tuple[int, str]:
    """Give the status and the body of an answer."""
    async with session.get(f"http://127.0.0.1:{port}{path}") as answer:
        return answer.status, await answer.text()


def child(entry: str, master: str) -> str:
    """Give the path of the first manifest that a master names, ticket included."""
    first = next(line for line in master.splitlines() if line and not line.startswith("#"))
    return urljoin(entry, first)


async def start_all(port: int, entries: Iterable[str]) -> list[str]:
    """Start a stream by each entry, and give the path of a child of each.

    Raises:
        Unexpected: one was not admitted.
    """
    waiting = iter(entries)
    children: list[str] = []

    async def viewer(session: aiohttp.ClientSession) -> None:
        for entry in waiting:
            status, body = await fetch(session, port, entry)
            if status != 200:
                raise Unexpected(f"{status} for an entry: {body[:300]}")
            children.append(child(entry, body))

    async with aiohttp.ClientSession(headers=HEADERS) as session, asyncio.TaskGroup() as group:
        for _ in range(AT_ONCE):
            group.create_task(viewer(session))
    return children
