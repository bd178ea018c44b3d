"""A start that fails says in one line which key is at fault and what the system said."""

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from tests.settings.samples import MINIMAL
from tests.support.redis_server import RedisServer, free_port


def served(folder: Path, text: str, *options: str) -> tuple[int, str]:
    """Try to serve with the minimal configuration and this behind it; give code and last line."""
    (folder / "c.yaml").write_text(MINIMAL + text)
    run = subprocess.run(
        [sys.executable, "-m", "proxy", "serve", "--config", "c.yaml", *options],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[1])},
        capture_output=True,
        text=True,
        check=False,
    )
    assert "Traceback" not in run.stderr
    assert "draining" not in run.stderr  # there was nothing yet that could
    said = [line for line in run.stderr.splitlines() if not line.startswith("{")]
    return run.returncode, said[-1]


WORKERS = pytest.mark.parametrize("workers", [1, 2])


def store(workers: int) -> str:
    return "store: {url: 'redis://127.0.0.1:1'}\n" if workers > 1 else "store: {}\n"


@WORKERS
@pytest.mark.parametrize("section", ["listen", "admin"])
def test_a_port_that_is_taken(tmp_path: Path, section: str, workers: int) -> None:
    other = "admin" if section == "listen" else "listen"
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        text = (
            f"{store(workers)}{other}: {{host: 127.0.0.1, port: 0}}\n"
            f"{section}:\n  host: 127.0.0.1\n  port: {port}\n"
        )
        code, said = served(tmp_path, text, "--workers", str(workers))
    why = f"127.0.0.1:{port} cannot be bound: address already in use"
    assert (code, said) == (1, f"c.yaml:16: {section}.port: {why}")


@WORKERS
@pytest.mark.parametrize(
    ("host", "why"),
    [
        ("192.0.2.1", "192.0.2.1:8099 cannot be bound: cannot assign requested address"),
        ("no-such-host.invalid", "no-such-host.invalid cannot be looked up: "),
    ],
)
def test_a_host_that_is_not_ours(tmp_path: Path, host: str, why: str, workers: int) -> None:
    text = f"{store(workers)}admin: {{port: 0}}\nlisten: {{host: {host}, port: 8099}}\n"
    code, said = served(tmp_path, text, "--workers", str(workers))
    assert code == 1
    assert said.startswith(f"c.yaml:14: listen.host: {why}")


# A machine that is busy for as long as the store's usual timeout would be the reason that is told.
PATIENT = "  timeout: 10s\n"
PORTS = "listen: {host: 127.0.0.1, port: 0}\nadmin: {port: 0}\n"


@WORKERS
def test_a_store_that_refuses(tmp_path: Path, workers: int) -> None:
    url = f"redis://127.0.0.1:{free_port()}"
    options = ("--require-store", "--workers", str(workers))
    code, said = served(tmp_path, f"{PORTS}store:\n  url: {url}\n{PATIENT}", *options)
    assert code == 3
    assert said.startswith("c.yaml:15: store.url: the store cannot be used: ConnectionError: ")
    assert said.endswith("Connection refused.")


def test_a_store_with_another_password(tmp_path: Path) -> None:
    with RedisServer("--requirepass", "the-right-one") as server:
        url = f"redis://:canary-of-a-password@127.0.0.1:{server.port}"
        code, said = served(tmp_path, f"{PORTS}store:\n  url: {url}\n{PATIENT}", "--require-store")
    assert code == 3
    assert said.startswith("c.yaml:15: store.url: the store cannot be used: AuthenticationError: ")
    assert "canary" not in said


def test_a_file_of_keys_that_is_a_folder(tmp_path: Path) -> None:
    (tmp_path / "keys").mkdir()
    code, said = served(tmp_path, "listen: {tls: {cert: keys, key: keys}}\n")
    assert (code, said) == (1, "c.yaml:12: listen.tls.key: cannot be read: a folder")


def test_a_file_for_the_process_id_that_cannot_be_made(tmp_path: Path) -> None:
    options = ("--workers", "2", "--pid-file", "nowhere/pid")
    code, said = served(tmp_path, PORTS + "store: {url: 'redis://127.0.0.1:1'}\n", *options)
    assert code == 1
    assert said.startswith("--pid-file nowhere/pid: ")


def test_what_is_hardly_meant_so_is_in_the_log_of_the_start(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        (tmp_path / "c.yaml").write_text(
            MINIMAL
            + f"listen: {{host: 127.0.0.1, port: {port}}}\n"
            + "admin: {host: 0.0.0.0, port: 0}\n"
        )
        run = subprocess.run(
            [sys.executable, "-m", "proxy", "serve", "--config", str(tmp_path / "c.yaml")],
            capture_output=True,
            text=True,
            check=False,
        )
    assert "some of the configuration is hardly meant so" in run.stderr
    assert "c.yaml:13: admin.host: warning: " in run.stderr
