"""On what it was measured, and when."""

import os
import platform
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

from bench.against.processes import output
from tests.support.redis_server import binary

ROOT = Path(__file__).parents[2]


def describe() -> Mapping[str, str]:
    """Give what figures depend on beside the servers, by its name."""
    return {
        "Playgate": output(["git", "-C", str(ROOT), "describe", "--always", "--dirty"]).strip(),
        "when": datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        "processor": f"{_processor()}, {os.cpu_count()} of it",
        "system": f"{_distribution()}, Linux {platform.release()}",
        "Redis": _word_after("v=", output([binary(), "--version"])),
        "wrk": _word_after("wrk ", output(["wrk", "--version"])),
        "origin": output(["nginx", "-v"]).strip().rpartition(" ")[2],
    }


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(": ")[2]
    return platform.machine()


def _distribution() -> str:
    return platform.freedesktop_os_release()["PRETTY_NAME"]


def _word_after(mark: str, text: str) -> str:
    return text.partition(mark)[2].split()[0]
