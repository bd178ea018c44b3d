"""The ``playgate`` command.

Exit codes: 0 good, 1 the user's input is wrong, 2 usage, 3 a dependency that was required could
not be reached.
"""

import asyncio
import json
import os
import sys
from collections.abc import Coroutine
from pathlib import Path
from typing import Annotated, Any, NoReturn

import typer
import uvloop

from proxy import __version__
from proxy.admin_client import AdminClient, AdminError, AdminUnreachable
from proxy.demo.app import run_demo
from proxy.errors import StoreUnavailable
from proxy.minting import MintError, mint
from proxy.running import run, to_the_end
from proxy.settings.effective import effective, json_schema
from proxy.settings.load import ConfigError
from proxy.settings.reload import ConfigFile
from proxy.settings.schema import Settings
from proxy.settings.types import parse_duration
from proxy.settings.urls import MEMORY
from proxy.telemetry import logs
from proxy.wiring import private_names
from proxy.workers.board import PLACES

WRONG_INPUT = 1
UNREACHABLE = 3

app = typer.Typer(
    name="playgate",
    help="Concurrent-stream limits for HLS and DASH, with unmodified players.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
streams = typer.Typer(
    help="An account's streams ($PLAYGATE_ADMIN_URL, $PLAYGATE_ADMIN_TOKEN).",
    no_args_is_help=True,
)
app.add_typer(streams, name="streams")

ConfigPath = Annotated[Path, typer.Option("--config", help="The configuration file (YAML).")]


def main() -> None:
    """Run the command."""
    app()


def _version(wanted: bool) -> None:  # noqa: FBT001  # typer's callbacks are called so
    if wanted:
        typer.echo(f"playgate {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    *,
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version.")
    ] = False,
) -> None:
    """Take the options that belong to no command."""
    del version  # its callback has answered it


@app.command()
def serve(
    config: ConfigPath,
    *,
    workers: Annotated[
        int,
        typer.Option(
            envvar="PLAYGATE_WORKERS",
            min=1,
            max=PLACES,
            help="How many processes serve: one for each core, say. They need Redis.",
        ),
    ] = 1,
    require_store: Annotated[
        bool, typer.Option(help="Exit with 3 if the store cannot be reached at start.")
    ] = False,
    pid_file: Annotated[
        Path | None,
        typer.Option(help="With workers: a file for the process id of their master."),
    ] = None,
) -> None:
    """Run the proxy until SIGTERM, then finish what is under way. SIGHUP reloads the file.

    With several workers, SIGUSR2 starts a new master beside the running one, on the same ports.
    """
    file = ConfigFile(config, os.environ)
    settings = _loaded(file)
    logging = _Logging()
    logging.follow(settings)
    if workers == 1:
        if pid_file is not None:
            raise typer.BadParameter("--pid-file is of the master of several --workers")
        _run(run(settings, file=file, heard=logging.follow, require_store=require_store))
        return
    if settings.store.url.get_secret_value() == MEMORY:
        message = (
            f"{MEMORY} counts in one process, so each of the {workers} --workers would count alone"
        )
        _fail(f"{config}: store.url: {message}; use Redis, or one worker", WRONG_INPUT)
    from proxy.workers.master import serve_by_workers  # noqa: PLC0415  # one process needs no gunicorn
    from proxy.workers.plan import Wanted  # noqa: PLC0415  # the same

    wanted = Wanted(settings, file, logging.follow, workers, require_store, pid_file)
    try:
        serve_by_workers(wanted)
    except OSError as error:
        _fail(error.strerror or str(error), WRONG_INPUT)


@app.command()
def check(config: ConfigPath) -> None:
    """Say everything that is wrong with a configuration, or that it is good."""
    _load(config)
    typer.echo(f"{config}: good")


@app.command("config")
def show(config: ConfigPath) -> None:
    """Show the effective configuration: defaults included, secrets masked."""
    typer.echo(effective(_load(config)), nl=False)


@app.command()
def schema() -> None:
    """Show the JSON Schema of the configuration file."""
    typer.echo(json.dumps(json_schema(), indent=2))


@app.command()
def token(
    config: ConfigPath,
    account: Annotated[str, typer.Option(help="Whose token.")],
    *,
    plan: Annotated[str | None, typer.Option(help="The account's plan.")] = None,
    limit: Annotated[int | None, typer.Option(min=0, help="The account's limit.")] = None,
    device: Annotated[str | None, typer.Option(help="The device it is for.")] = None,
    ttl: Annotated[str, typer.Option(help="How long it is good, as in 30m or 1h.")] = "1h",
    claim: Annotated[
        list[str] | None, typer.Option(help="Another claim, name=value; the value may be JSON.")
    ] = None,
) -> None:
    """Mint a token with the configuration's first key that can sign."""
    settings = _load(config)
    try:
        seconds = parse_duration(ttl)
        text = mint(
            settings,
            account=account,
            plan=plan,
            limit=limit,
            device=device,
            ttl=seconds,
            claims=claim or [],
        )
    except (ValueError, MintError) as error:
        _fail(str(error), WRONG_INPUT)
    typer.echo(text)


@streams.command("list")
def list_streams(account: Annotated[str, typer.Argument(help="As in the token.")]) -> None:
    """List an account's active streams."""
    for stream in _admin(lambda client: client.streams(account)):
        typer.echo(
            f"{stream.id}  {stream.started_at}  {stream.beats:>5} beats  "
            f"{stream.device}  {stream.content}"
        )


@streams.command("end")
def end_streams(
    account: Annotated[str, typer.Argument(help="As in the token.")],
    stream: Annotated[str | None, typer.Argument(help="One stream's id; else all.")] = None,
    *,
    hold: Annotated[
        str | None, typer.Option(help="No new start of them for so long, as in 10m.")
    ] = None,
) -> None:
    """End one stream of an account, or all of them."""
    if not account or stream == "":
        # An empty variable in a script must not end everything.
        raise typer.BadParameter("an account or stream that is given must not be empty")
    _admin(lambda client: client.end(account, stream, hold))


@app.command()
def demo(
    *,
    port: Annotated[int, typer.Option(min=0, max=65535, help="The page's port.")] = 8080,
    store: Annotated[str, typer.Option(help="Where streams are counted.")] = "memory://",
) -> None:
    """Run everything in one process: proxy, origin, token issuer, and a page to try it on."""
    logs.configure("text", "warning", {"token", "_sid"})
    _run(run_demo(port=port, store=store))


class _Logging:
    """Logs as settings say. What may have carried credentials once stays out of the log."""

    def __init__(self) -> None:
        self._private: set[str] = set()

    def follow(self, settings: Settings) -> None:
        self._private |= private_names(settings)
        logs.configure(settings.log.format, settings.log.level, self._private)


def _load(config: Path) -> Settings:
    return _loaded(ConfigFile(config, os.environ))


def _loaded(file: ConfigFile) -> Settings:
    try:
        return file.load()
    except ConfigError as error:
        _fail("\n".join(str(problem) for problem in error.problems), WRONG_INPUT)


def _run(service: Coroutine[Any, Any, None]) -> None:
    try:
        uvloop.run(to_the_end(service))
    except ConfigError as error:  # the demo's settings come from its options, traces' from OTEL_*
        _fail("\n".join(str(problem) for problem in error.problems), WRONG_INPUT)
    except StoreUnavailable as error:
        _fail(f"the store cannot be reached: {error.detail}", UNREACHABLE)
    except OSError as error:
        _fail(str(error), WRONG_INPUT)


def _admin(call: Any) -> Any:
    try:
        client = AdminClient.from_environment(os.environ)
        return asyncio.run(call(client))
    except AdminUnreachable as error:
        _fail(str(error), UNREACHABLE)
    except AdminError as error:
        _fail(str(error), WRONG_INPUT)


def _fail(message: str, code: int) -> NoReturn:
    typer.echo(message, err=True)
    sys.exit(code)
