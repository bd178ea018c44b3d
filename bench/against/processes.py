"""Processes of the bench: each on one core, ended by its id, its processor time read from /proc.

Processor time is user and system of a process and of all it started, those included that are gone
and were waited for. Nothing here knows what the processes do.
"""

import os
import subprocess
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

TICKS = os.sysconf("SC_CLK_TCK")
# Fields of /proc/PID/stat behind the name, which may hold spaces: proc(5), counted from `state`.
PARENT, USER = 1, 11
# A server that does not end when asked to is killed after this.
END_SECONDS = 15


class Process:
    """A program on one core, for as long as the context lasts; what it prints goes to a file.

    ``core`` may be a list of cores, as ``taskset`` reads it.
    """

    def __init__(
        self, *command: str, core: int | str, log: Path, env: dict[str, str] | None = None
    ) -> None:
        self._command = ("taskset", "--cpu-list", str(core), *command)
        self._log = log
        self._env = {**os.environ, **(env or {})}

    def __enter__(self) -> Self:
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                self._command,
                env=self._env,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
            )
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._process.terminate()
        try:
            self._process.wait(END_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    @property
    def alive(self) -> bool:
        return self._process.poll() is None

    def said(self) -> str:
        """Give what it printed up to now."""
        return self._log.read_text(errors="replace")

    def cpu(self) -> float:
        """Give the processor time up to now, in seconds."""
        return sum(tree_cpu(self._process.pid))

    def kernel(self) -> float:
        """Give what of it was the kernel's."""
        return tree_cpu(self._process.pid)[1]

    def memory(self) -> int:
        """Give the memory in use, in bytes; what processes share is counted once among them.

        Without that of files, which comes and goes with whoever else runs the same programs.
        """
        return sum(_proportional_set(pid) for pid in _tree(self._process.pid))


def tree_cpu(root: int) -> tuple[float, float]:
    """Give the processor time of a process and what it started, in seconds: user and system."""
    user = system = 0
    for pid in _tree(root):
        # Its own, and that of its children that are gone.
        own, kernel, gone, gone_kernel = (int(field) for field in _stat(pid)[USER:][:4] or "0000")
        user += own + gone
        system += kernel + gone_kernel
    return user / TICKS, system / TICKS


@dataclass(frozen=True, slots=True)
class CoreTime:
    """What a core did up to a moment, in seconds: for processes, and for packets between them.

    Where the kernel tells them apart, the second is in no process's processor time.
    """

    processes: float
    interrupts: float


def core_time(core: int) -> CoreTime:
    for line in Path("/proc/stat").read_text().splitlines():
        name, *fields = line.split()
        if name == f"cpu{core}":
            user, nice, system, _idle, _waiting, hard, soft = map(int, fields[:7])
            return CoreTime((user + nice + system) / TICKS, (hard + soft) / TICKS)
    raise ValueError(f"no core {core}")


def output(command: Sequence[str]) -> str:
    """Give what a program prints on both streams, whatever it says of how it went."""
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return done.stdout + done.stderr


def _tree(root: int) -> list[int]:
    parents = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and (fields := _stat(int(entry.name))):
            parents[int(entry.name)] = int(fields[PARENT])
    found = [root]
    for pid in found:
        found.extend(child for child, parent in parents.items() if parent == pid)
    return found


def _stat(pid: int) -> list[str]:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2].split()
    except OSError:  # gone meanwhile
        return []


def _proportional_set(pid: int) -> int:
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    except OSError:
        return 0
    return next(int(line.split()[1]) for line in lines if line.startswith("Pss_Anon:")) * 1024


def poll_pause() -> None:
    """Wait a moment between two looks at something that is to come."""
    time.sleep(0.05)
