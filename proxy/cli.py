"""The ``playgate`` command.

Exit codes: 0 good, 1 the user's input is wrong, 2 usage, 3 a dependency that was required could
not be reached.
"""

import asyncio
import json
import os
from collections.abc import Coroutine, Mapping
from pathlib import Path
from typing import Annotated, Any

import typer
import uvloop

from proxy import __version__, descriptors
from proxy.admin_client import AdminClient, AdminError, AdminUnreachable
from proxy.arguments import LONGEST_HOLD, LONGEST_TOKEN, MOST_STREAMS, duration, fail, named
from proxy.demo.app import run_demo
from proxy.errors import StoreUnavailable
from proxy.minting import MintError, mint
from proxy.opening import said, store_refused
from proxy.reloading import tell_doubts
from proxy.running import run, to_the_end
from proxy.settings.effective import effective, json_schema
from proxy.settings.load import ConfigError, Problem
from proxy.settings.reload import ConfigFile, Place, nowhere
from proxy.settings.schema import Settings
from proxy.settings.store_url import MEMORY
from proxy.spelling import shown, unknown
from proxy.telemetry import logs
from proxy.wiring import private_names
from proxy.workers.board import PLACES

UNREACHABLE = 3
# What the demo's settings are called on the command line.
NO_OPTIONS: Mapping[str, str] = {}
OF_THE_DEMO = {"listen.port": "--port", "store.url": "--store"}

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

# Whether it can be read is told like all that may be wrong with it.
ConfigPath = Annotated[
    Path, typer.Option("--config", readable=False, help="The configuration file (YAML).")
]


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
    if workers == 1 and pid_file is not None:
        raise typer.BadParameter("--pid-file is of the master of several --workers")
    file = ConfigFile(config, os.environ)
    settings = _loaded(file)
    logging = _Logging()
    logging.follow(settings)
    descriptors.allow(settings.listen.max_in_flight)
    if workers == 1:
        tell_doubts(file, settings)
        _run(
            run(settings, file=file, heard=logging.follow, require_store=require_store),
            file.problem,
        )
        return
    if settings.store.url.get_secret_value() == MEMORY:
        message = (
            f"{MEMORY} counts in one process, so each of the {workers} --workers would count alone"
        )
        fail(str(file.problem(f"{message}; use Redis, or one worker", "store", "url")))
    tell_doubts(file, settings)
    from proxy.workers.master import serve_by_workers  # noqa: PLC0415  # one process needs no gunicorn
    from proxy.workers.plan import Wanted  # noqa: PLC0415  # the same

    wanted = Wanted(settings, file, logging.follow, workers, require_store, pid_file)
    try:
        serve_by_workers(wanted)
    except ConfigError as error:
        fail(str(error))
    except OSError as error:
        fail(said(error))


@app.command()
def check(config: ConfigPath) -> None:
    """Say everything that is wrong with a configuration, or that it is good.

    What is good and hardly meant so is told as a warning.
    """
    file = ConfigFile(config, os.environ)
    found = file.doubts(_loaded(file))
    for doubt in found:
        typer.echo(str(doubt), err=True)
    typer.echo(f"{config}: good" + (f", with warnings: {len(found)}" if found else ""))


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
    limit: Annotated[
        int | None, typer.Option(min=0, max=MOST_STREAMS, help="The account's limit.")
    ] = None,
    device: Annotated[str | None, typer.Option(help="The device it is for.")] = None,
    ttl: Annotated[str, typer.Option(help="How long it is good, as in 30m or 1h.")] = "1h",
    claim: Annotated[
        list[str] | None, typer.Option(help="Another claim, name=value; the value may be JSON.")
    ] = None,
) -> None:
    """Mint a token with the configuration's first key that can sign."""
    settings = _load(config)
    seconds = duration("--ttl", ttl, 1.0, LONGEST_TOKEN)
    if plan is not None and plan not in settings.limits.plans:
        what = unknown("plan", plan, settings.limits.plans)
        typer.echo(f"--plan {shown(plan)}: {what}; limited as without a plan", err=True)
    try:
        text = mint(
            settings,
            account=account,
            plan=plan,
            limit=limit,
            device=device,
            ttl=seconds,
            claims=claim or [],
        )
    except MintError as error:
        fail(str(error))
    typer.echo(text)


@streams.command("list")
def list_streams(account: Annotated[str, typer.Argument(help="As in the token.")]) -> None:
    """List an account's active streams."""
    named(account)
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
    named(account, stream)
    if hold is not None:
        duration("--hold", hold, 0.0, LONGEST_HOLD)
    _admin(lambda client: client.end(account, stream, hold))


@app.command()
def demo(
    *,
    port: Annotated[int, typer.Option(min=0, max=65535, help="The page's port.")] = 8080,
    store: Annotated[str, typer.Option(help="Where streams are counted.")] = "memory://",
) -> None:
    """Run everything in one process: proxy, origin, token issuer, and a page to try it on."""
    logs.configure("text", "warning", {"token", "_sid"})
    _run(run_demo(port=port, store=store), options=OF_THE_DEMO)


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
        fail(str(error))


def _run(
    service: Coroutine[Any, Any, None],
    place: Place = nowhere,
    options: Mapping[str, str] = NO_OPTIONS,
) -> None:
    """Run to the end. What is wrong with a setting that an option stands for, is told of that."""

    def told(problem: Problem) -> str:
        option = options.get(problem.key)
        return f"{option}: {problem.message}" if option else str(problem)

    try:
        uvloop.run(to_the_end(service))
    except ConfigError as error:  # the demo's settings come from its options, traces' from OTEL_*
        fail("\n".join(map(told, error.problems)))
    except StoreUnavailable as error:
        fail(told(store_refused(error, place)), UNREACHABLE)
    except OSError as error:
        fail(said(error))


def _admin(call: Any) -> Any:
    try:
        client = AdminClient.from_environment(os.environ)
        return asyncio.run(call(client))
    except AdminUnreachable as error:
        fail(str(error), UNREACHABLE)
    except AdminError as error:
        fail(str(error))
