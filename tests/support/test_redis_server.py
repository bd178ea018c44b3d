"""Ports and servers of tests are their own, whatever runs beside them on the same machine."""

import secrets
import socket
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from tests.support.redis_server import RedisServer, free_port

ROOT = Path(__file__).parents[2]
# A process that was given a port, and has not begun to listen on it.
OTHER = """
import sys
from tests.support.redis_server import free_port
print(free_port(), flush=True)
sys.stdin.read()
"""


def test_no_two_processes_are_given_one_port(monkeypatch: pytest.MonkeyPatch) -> None:
    choice = secrets.choice
    with subprocess.Popen(
        [sys.executable, "-c", OTHER],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=ROOT,
    ) as other:
        assert other.stdout is not None
        theirs = int(other.stdout.readline())
        drawn = [theirs]
        monkeypatch.setattr(
            secrets, "choice", lambda ports: drawn.pop() if drawn else choice(ports)
        )
        ours = free_port()
        drawn = [ours, theirs]
        assert len({theirs, ours, free_port()}) == 3
        assert not drawn, "both were drawn again, and neither was given"


def test_whoever_else_has_its_port_is_not_taken_for_a_server() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]

        def answer() -> None:
            connection, _ = taken.accept()
            with connection:
                connection.sendall(b"+PONG\r\n")

        answering = threading.Thread(target=answer)
        answering.start()
        with pytest.raises(RuntimeError, match="did not start"), RedisServer(port=port):
            pass
        with socket.create_connection(("127.0.0.1", port)) as nobody:
            nobody.recv(64)
        answering.join()
