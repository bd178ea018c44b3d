"""The command as a user runs it: its output, and its exit codes."""

import json
import os
import signal
import subprocess
import sys
import tempfile
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.good_secrets import secret
from tests.support.redis_server import free_port

SECRETS = {
    "PLAYGATE_JWT_SECRET": secret("j"),
    "PLAYGATE_TICKET_SECRET": secret("t"),
    "PLAYGATE_ADMIN_TOKEN": "admin-token-canary",
}


def playgate(*arguments: str, **environ: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "proxy", *arguments],
        env={**os.environ, **SECRETS, **environ},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = tmp_path / "playgate.yaml"
    path.write_text(
        "listen: {host: 127.0.0.1, port: 0}\n"
        f"admin: {{port: {free_port()}, token: '${{PLAYGATE_ADMIN_TOKEN}}'}}\n"
        "auth: {keys: [{algorithm: HS256, kid: main, secret: '${PLAYGATE_JWT_SECRET}'}]}\n"
        "tickets: {secret: '${PLAYGATE_TICKET_SECRET}'}\n"
        "routes: [{name: live, path: /live/**, origins: ['http://127.0.0.1:1']}]\n"
    )
    return path


def test_version_and_usage() -> None:
    assert playgate("--version").stdout.startswith("playgate 0.")
    assert playgate("serve").returncode == 2
    assert playgate("nonsense").returncode == 2


def test_a_file_that_may_not_be_read_is_told_like_any_other_mistake() -> None:
    as_somebody = (
        "import os, sys; from proxy.cli import main; os.geteuid() or os.setuid(65534); main()"
    )
    with tempfile.TemporaryDirectory() as folder:  # pytest's own are closed to others
        Path(folder).chmod(0o755)
        path = Path(folder, "playgate.yaml")
        path.touch(mode=0)
        run = subprocess.run(
            [sys.executable, "-c", as_somebody, "check", "--config", str(path)],
            capture_output=True,
            text=True,
            check=False,
        )
        told = f"{path}:1: (file): cannot be read: Permission denied\n"
        assert (run.returncode, run.stderr) == (1, told)


def test_check_is_content_with_a_good_file_and_lists_all_that_is_wrong(config: Path) -> None:
    assert playgate("check", "--config", str(config)).returncode == 0
    config.write_text(
        "listen: {prot: 80}\n"
        "store: {timeout: 5}\n"
        "limits: {default: -1}\n"
        "auth: {keys: []}\n"
        "tickets: {secret: short}\n"
        "routes: [{name: a, path: live, origins: ['http://o']}]\n"
    )
    checked = playgate("check", "--config", str(config))
    assert checked.returncode == 1
    lines = [line.removeprefix(str(config)) for line in checked.stderr.splitlines()]
    assert [line.split(": ")[0] + " " + line.split(": ")[1] for line in lines] == [
        ":1 listen.prot",
        ":2 store.timeout",
        ":3 limits.default",
        ":4 auth.keys",
        ":5 tickets.secret",
        ":6 routes[0].path",
    ]
    assert "port" in lines[0]


def test_config_shows_defaults_and_masks_secrets(config: Path) -> None:
    shown = playgate("config", "--config", str(config))
    assert "live_ttl_factor" in shown.stdout
    for value in SECRETS.values():
        assert value not in shown.stdout


def test_schema_is_json() -> None:
    assert json.loads(playgate("schema").stdout)["properties"]["routes"]


def test_a_minted_token_can_be_read_and_a_malformed_claim_is_told(config: Path) -> None:
    import jwt  # noqa: PLC0415  # for this alone

    minted = playgate(
        *("token", "--config", str(config), "--account", "alice", "--plan", "basic"),
        *("--limit", "2", "--device", "tv", "--ttl", "10m", "--claim", "roles=[1]"),
    )
    claims = jwt.decode(minted.stdout.strip(), secret("j"), algorithms=["HS256"])
    assert claims["exp"] - claims["iat"] == 600
    del claims["exp"], claims["iat"]
    assert claims == {
        "sub": "alice",
        "plan": "basic",
        "max_streams": 2,
        "device_id": "tv",
        "roles": [1],
    }
    wrong = playgate("token", "--config", str(config), "--account", "a", "--claim", "roles")
    assert (wrong.returncode, "name=value" in wrong.stderr) == (1, True)
    assert (
        playgate("token", "--config", str(config), "--account", "a", "--ttl", "x").returncode == 1
    )


def test_streams_needs_a_token_and_somebody_to_talk_to() -> None:
    assert playgate("streams", "list", "alice", PLAYGATE_ADMIN_TOKEN="").returncode == 1
    nobody = f"http://127.0.0.1:{free_port()}"
    assert playgate("streams", "list", "alice", PLAYGATE_ADMIN_URL=nobody).returncode == 3


def test_a_required_store_that_is_away_is_exit_code_three(config: Path) -> None:
    away = f"store: {{url: 'redis://127.0.0.1:{free_port()}'}}\n"
    config.write_text(config.read_text() + away)
    assert playgate("serve", "--require-store", "--config", str(config)).returncode == 3


@pytest.fixture
def served(config: Path) -> Iterator[tuple[subprocess.Popen[str], str]]:
    url = f"http://127.0.0.1:{config.read_text().split('port: ')[2].split(',')[0]}"
    process = subprocess.Popen(
        [sys.executable, "-m", "proxy", "serve", "--config", str(config)],
        env={**os.environ, **SECRETS},
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stderr is not None
    assert "listening" in process.stderr.readline()
    yield process, url
    process.kill()
    process.wait()
    process.stderr.close()


def test_serve_answers_until_sigterm_and_exits_cleanly(
    served: tuple[subprocess.Popen[str], str],
) -> None:
    process, url = served
    with urllib.request.urlopen(f"{url}/readyz") as answer:
        assert answer.status == 200
    listed = playgate("streams", "list", "alice", PLAYGATE_ADMIN_URL=url)
    assert (listed.returncode, listed.stdout) == (0, "")
    assert playgate("streams", "end", "alice", PLAYGATE_ADMIN_URL=url).returncode == 0
    missing = playgate("streams", "end", "alice", "abc", PLAYGATE_ADMIN_URL=url)
    assert (missing.returncode, "no such stream" in missing.stderr) == (1, True)
    wrong = playgate(
        "streams", "list", "alice", PLAYGATE_ADMIN_URL=url, PLAYGATE_ADMIN_TOKEN="wrong"
    )
    assert wrong.returncode == 1
    process.send_signal(signal.SIGTERM)
    assert process.wait(timeout=120) == 0
    with pytest.raises(urllib.error.URLError):
        urllib.request.urlopen(f"{url}/readyz")


def test_a_name_server_that_does_not_answer_keeps_no_process_from_its_end() -> None:
    """To look a name up takes a thread that nothing can break off, here one that sleeps."""
    program = """
import asyncio, time
from proxy import cli

async def service() -> None:
    asyncio.get_running_loop().run_in_executor(None, time.sleep, 3600)

cli._run(service())
"""
    subprocess.run([sys.executable, "-c", program], timeout=120, check=True)


def test_a_taken_port_is_the_users_to_solve(
    served: tuple[subprocess.Popen[str], str], config: Path
) -> None:
    assert served
    second = playgate("serve", "--config", str(config))
    assert (second.returncode, "address already in use" in second.stderr.lower()) == (1, True)
