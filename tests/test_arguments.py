"""What is wrong with a command's arguments is told by the argument's name."""

from collections.abc import Callable
from pathlib import Path

import jwt
import pytest
from typer.testing import CliRunner, Result

from proxy.cli import app
from tests.settings.samples import MINIMAL
from tests.support.redis_server import free_port

Run = Callable[..., Result]


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Run a command in a folder with the minimal configuration as ``c.yaml``."""
    monkeypatch.chdir(tmp_path)
    Path("c.yaml").write_text(MINIMAL)

    def run(*arguments: str, **environ: str) -> Result:
        return CliRunner().invoke(app, arguments, env=environ)

    return run


TOKEN = ("token", "--config", "c.yaml", "--account")
WRONG = {
    "a ttl without a unit": (
        (*TOKEN, "a", "--ttl", "5"),
        "--ttl: must be a duration such as 500ms, 30s, 10m, 12h or 1d",
    ),
    "a ttl of nothing": ((*TOKEN, "a", "--ttl", "0s"), "--ttl: must be from 1s to 3660d"),
    "a ttl beyond all": ((*TOKEN, "a", "--ttl", "9999d"), "--ttl: must be from 1s to 3660d"),
    "no account": ((*TOKEN, ""), "--account: must have 1 to 256 characters"),
    "an account in no encoding": ((*TOKEN, "\udcff"), "--account: must be UTF-8"),
    "a plan without a name": (
        (*TOKEN, "a", "--plan", ""),
        "--plan: must have 1 to 256 characters",
    ),
    "a device that is too long": (
        (*TOKEN, "a", "--device", "d" * 257),
        "--device: must have 1 to 256 characters",
    ),
    "a claim without a value": (
        (*TOKEN, "a", "--claim", "tier"),
        "--claim 'tier': write name=value",
    ),
    "a claim that the account is": (
        (*TOKEN, "a", "--claim", "sub=b"),
        "--claim 'sub=b': sub is what --account says",
    ),
    "a claim that the ttl is": (
        (*TOKEN, "a", "--claim", "exp=1"),
        "--claim 'exp=1': exp is what --ttl says",
    ),
    "a claim that the limit is": (
        (*TOKEN, "a", "--limit", "2", "--claim", "max_streams=3"),
        "--claim 'max_streams=3': max_streams is what --limit says",
    ),
    "a claim twice": (
        (*TOKEN, "a", "--claim", "tier=gold", "--claim", "tier=silver"),
        "--claim 'tier=silver': tier is what another --claim says",
    ),
    "a hold without a unit": (
        ("streams", "end", "a", "--hold", "5"),
        "--hold: must be a duration such as 500ms, 30s, 10m, 12h or 1d",
    ),
    "a hold beyond all": (
        ("streams", "end", "a", "--hold", "31d"),
        "--hold: must be from 0s to 30d",
    ),
    "a store that is none": (
        ("demo", "--store", "ftp://x"),
        (
            "--store: must be memory://, redis://HOST:PORT/DB, unix:///PATH,"
            " redis+sentinel://HOST:PORT,.../NAME/DB or redis+cluster://HOST:PORT,...,"
            " with rediss in place of redis for TLS"
        ),
    ),
}


@pytest.mark.parametrize(("arguments", "message"), WRONG.values(), ids=WRONG)
def test_a_wrong_argument_is_told_by_its_name(
    run: Run, arguments: tuple[str, ...], message: str
) -> None:
    told = run(*arguments, PLAYGATE_ADMIN_TOKEN="0123456789abcdef")
    # Warnings of the log may stand before it.
    assert told.stderr.splitlines()[-1] == message
    assert (told.exit_code, told.stdout) == (1, "")


@pytest.mark.parametrize(
    ("arguments", "option"),
    [
        ((*TOKEN, "a", "--limit", "10001"), "--limit"),
        (("streams", "list", ""), "must not be empty"),
        (("streams", "end", "a", ""), "must not be empty"),
        (("serve", "--config", "c.yaml", "--pid-file", "x"), "--pid-file"),
    ],
)
def test_a_command_that_cannot_be_meant_is_usage(
    run: Run, arguments: tuple[str, ...], option: str
) -> None:
    told = run(*arguments)
    assert (told.exit_code, option in told.stderr) == (2, True)


def test_a_plan_that_there_is_not_is_told_and_the_token_made(run: Run) -> None:
    told = run(*TOKEN, "a", "--plan", "premum")
    reason = "unknown plan; did you mean 'premium'?; limited as without a plan"
    assert told.stderr == f"--plan premum: {reason}\n"
    claims = jwt.decode(told.stdout.strip(), options={"verify_signature": False})
    assert (told.exit_code, claims["plan"]) == (0, "premum")
    assert run(*TOKEN, "a", "--plan", "premium").stderr == ""


@pytest.mark.parametrize(
    ("environ", "code", "message"),
    [
        (
            {"PLAYGATE_ADMIN_URL": "127.0.0.1:9090"},
            1,
            "PLAYGATE_ADMIN_URL: must be a URL that starts with http:// or https://",
        ),
        (
            {"PLAYGATE_ADMIN_TOKEN": "of a file\n"},
            1,
            "PLAYGATE_ADMIN_TOKEN: may hold letters, digits and -._~+/= only",
        ),
    ],
)
def test_a_variable_that_is_wrong_is_told_by_its_name(
    run: Run, environ: dict[str, str], code: int, message: str
) -> None:
    told = run("streams", "list", "a", **{"PLAYGATE_ADMIN_TOKEN": "0123456789abcdef", **environ})
    assert (told.exit_code, told.stderr) == (code, message + "\n")


def test_where_nobody_answers_is_told(run: Run) -> None:
    url = f"http://127.0.0.1:{free_port()}"
    environ = {"PLAYGATE_ADMIN_TOKEN": "0123456789abcdef", "PLAYGATE_ADMIN_URL": url}
    told = run("streams", "list", "a", **environ)
    assert told.exit_code == 3
    assert told.stderr.startswith(
        f"PLAYGATE_ADMIN_URL: the admin API cannot be reached at {url}: Cannot connect to host"
    )


def test_a_warning_leaves_a_configuration_good(run: Run) -> None:
    Path("c.yaml").write_text(MINIMAL + "admin: {host: 0.0.0.0}\n")
    told = run("check", "--config", "c.yaml")
    assert (told.exit_code, told.stdout) == (0, "c.yaml: good, with warnings: 1\n")
    assert told.stderr.startswith("c.yaml:12: admin.host: warning: ")
    Path("c.yaml").write_text(MINIMAL)
    assert run("check", "--config", "c.yaml").stdout == "c.yaml: good\n"
