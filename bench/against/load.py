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


def write_paths(file: Path, paths: Iterable[str]) -> None:
    """Write the file that `wrk` asks for."""
    file.write_text("".join(f"{path}\n" for path in paths))


async def fetch(session: aiohttp.ClientSession, port: int, path: str) -> tuple[int, str]:
    """Give the status and the body of an answer."""
    async with session.get(f"http://127.0.0.1:{port}{path}") as answer:
        return answer.status, await answer.text()


def carried(base: str, uri: str) -> str:
    """Give the path that a URI in a manifest stands for, with a credential.

    Where there is none in it, that of the manifest goes along: as if players did what none does.
    """
    _, _, credential = base.partition("?")
    return urljoin(base, uri) + ("" if "?" in uri else f"?{credential}")


def uris(manifest: str) -> list[str]:
    return [line for line in manifest.splitlines() if line and not line.startswith("#")]


def child(entry: str, master: str) -> str:
    """Give the path of the first manifest that a master names."""
    return carried(entry, uris(master)[0])


async def start_all(port: int, entries: Iterable[str]) -> list[str]:
    """Start a stream by each entry, and give the path of a child of each."""
    return [child(entry, master) for entry, master in await bodies(port, entries)]


async def segments_of(port: int, playlists: Iterable[str]) -> list[str]:
    """Give the paths of all segments that playlists name."""
    found = await bodies(port, playlists)
    return [carried(playlist, uri) for playlist, body in found for uri in uris(body)]


async def bodies(port: int, paths: Iterable[str]) -> list[tuple[str, str]]:
    """Ask for each path once, and give each with what was answered.

    Raises:
        Unexpected: an answer was not 200.
    """
    waiting = iter(paths)
    found: list[tuple[str, str]] = []

    async def viewer(session: aiohttp.ClientSession) -> None:
        for path in waiting:
            status, body = await fetch(session, port, path)
            if status != 200:
                raise Unexpected(f"{status} for {path.partition('?')[0]}: {body[:300]}")
            found.append((path, body))

    async with aiohttp.ClientSession(headers=HEADERS) as session, asyncio.TaskGroup() as group:
        for _ in range(AT_ONCE):
            group.create_task(viewer(session))
    return found
