"""wrk: what asks while a server is measured."""

import json
import subprocess
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from bench.against import world

SCRIPT = Path(__file__).parent / "load.lua"
CONNECTIONS = 64


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
    port: int, paths: Path, seconds: float, *, core: int, pause_ms: float = 0, skip: int = 0
) -> Load:
    """Ask for the paths of a file, one a line, over and over; at first from behind ``skip``."""
    done = subprocess.run(
        [
            *("taskset", "--cpu-list", str(core), "wrk", "--threads", "1"),
            *("--connections", str(CONNECTIONS), "--duration", f"{max(1, round(seconds))}s"),
            *("--timeout", "10s", "--script", str(SCRIPT), f"http://127.0.0.1:{port}", "--"),
            *(str(paths), world.HOST, world.AGENT, str(pause_ms), str(skip)),
        ],
        capture_output=True,
        text=True,
        check=True,
    )
    return Load(**json.loads(done.stdout.splitlines()[-1]))


def write_paths(file: Path, paths: Iterable[str]) -> None:
    """Write the file that `wrk` asks for."""
    file.write_text("".join(f"{path}\n" for path in paths))
