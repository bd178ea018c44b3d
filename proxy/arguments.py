"""What was written behind a command, held against what it may be; and how a command gives up.

A message names the option, and what would be right. Exit codes: ``proxy.cli``.
"""

import sys
from typing import NoReturn

import typer

from proxy.settings.types import duration_text, parse_duration

WRONG_INPUT = 1
# A token's claim of more would be refused (streams).
MOST_STREAMS = 10_000
# Ten years, as for all that is remembered of tokens; and what the admin API takes (seconds).
LONGEST_TOKEN = 3660 * 86400.0
LONGEST_HOLD = 30 * 86400.0


def fail(message: str, code: int = WRONG_INPUT) -> NoReturn:
    """End the command with a message."""
    typer.echo(message, err=True)
    sys.exit(code)


def duration(option: str, text: str, least: float, most: float) -> float:
    """Read an option's duration into seconds, or end the command."""
    try:
        seconds = parse_duration(text)
    except ValueError as error:
        fail(f"{option}: {error}")
    if not least <= seconds <= most:
        fail(f"{option}: must be from {duration_text(least)} to {duration_text(most)}")
    return seconds


def named(*names: str | None) -> None:
    """Refuse a name that is given and empty: a variable that is not set must not end everything."""
    if "" in names:
        raise typer.BadParameter("an account or stream that is given must not be empty")
