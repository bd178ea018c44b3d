"""The configuration read again, while another is in force.

Most of it may change in a running process. What may not is here: what sockets are bound to, and
what holds the counts and the tickets of everybody who is watching. Such a key keeps its value until
the process is started anew; the rest of the file is put in force all the same, provided that it is
a good configuration together with what was kept.
"""

import time
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Protocol

from proxy.settings.changes import Change, changes
from proxy.settings.doubts import doubts
from proxy.settings.effective import effective_mapping, fingerprint
from proxy.settings.files import MAX_FILE_SIZE, Digests, digest_of
from proxy.settings.load import MAX_BYTES, ConfigError, Draft, Problem, read
from proxy.settings.problems import dotted
from proxy.settings.schema import Settings
from proxy.settings.source import Source

# By section and key. A ticket's name stands in the URLs of all who are watching; the environment,
# which says how spans are recorded, stays what it was.
BOUND = (
    *(("listen", "host"), ("listen", "port")),
    *(("admin", "host"), ("admin", "port")),
    *(("store", "key_prefix"), ("tickets", "param"), ("tracing", "enabled")),
)


@dataclass(frozen=True)
class InForce:
    """The configuration in force, and what its file wants beyond it.

    ``loaded_at`` is when it was last found to be so, in seconds since the epoch.
    """

    settings: Settings
    loaded_at: float
    needs_restart: tuple[Change, ...] = ()

    @cached_property
    def shown(self) -> dict[str, Any]:
        """All of it as plain values, secrets masked."""
        return effective_mapping(self.settings)

    @cached_property
    def hash(self) -> str:
        """What tells it from others."""
        return fingerprint(self.settings)


@dataclass(frozen=True, slots=True)
class Reread:
    """What can be put in force, what changes by it, and what would change by a restart."""

    settings: Settings
    changed: tuple[Change, ...]
    needs_restart: tuple[Change, ...]

    @property
    def result(self) -> str:
        """How it went, in a word."""
        return "reloaded" if self.changed else "unchanged"


def reread(draft: Draft, running: Settings) -> Reread:
    """Give what a file comes to for a process that runs.

    Raises:
        ConfigError: it is no good, by itself or together with what needs a restart.
    """
    wanted = draft.settings()
    held = _held(running, wanted)
    settings = _together(draft, held) if held else wanted
    return Reread(settings, changes(running, settings), changes(settings, wanted) if held else ())


def _held(running: Settings, wanted: Settings) -> dict[tuple[str, str], object]:
    """Give the values that stay as they are, though others are wanted."""
    held: dict[tuple[str, str], object] = {}
    for section, key in BOUND:
        value = getattr(getattr(running, section), key)
        if value != getattr(getattr(wanted, section), key):
            held[section, key] = value
    if running.store.url != wanted.store.url:
        # What else is said of the store is about the other one.
        ours, theirs = (each.store.model_dump(mode="json") for each in (running, wanted))
        held |= {("store", key): value for key, value in ours.items() if value != theirs[key]}
        held["store", "url"] = running.store.url
    tls = running.listen.tls
    if (tls.cert is None) != (wanted.listen.tls.cert is None):
        held["listen", "tls"] = {"cert": tls.cert, "key": tls.key}
    if running.tickets.key != wanted.tickets.key:
        # Wherever it comes from, as long as it is the same.
        held["tickets", "secret"] = running.tickets.secret
        held["tickets", "secret_file"] = running.tickets.secret_file
    return held


def _together(draft: Draft, held: Mapping[tuple[str, str], object]) -> Settings:
    try:
        return draft.settings(held)
    except ConfigError as error:
        keys = ", ".join(f"{section}.{key}" for section, key in held)
        message = f"goes together only after a restart: {keys}"
        problem = Problem(str(draft.path), 1, "(file)", message)
        raise ConfigError((*error.problems, problem)) from None


class Place(Protocol):
    """Makes a problem of what is wrong at a key of a configuration."""

    def __call__(self, message: str, /, *at: str | int) -> Problem:
        """Give the problem, with the key's place."""


def nowhere(message: str, /, *at: str | int) -> Problem:
    """Make a problem of a configuration that was made in code, and has no lines."""
    return Problem("configuration", None, dotted(at), message)


class ConfigFile:
    """A configuration file that may change, with the files it names."""

    def __init__(self, path: Path, environ: Mapping[str, str]) -> None:
        self.path = path
        self._environ = environ
        self._source = Source()
        self.found: Digests = {}

    def load(self) -> Settings:
        """Load it.

        Raises:
            ConfigError: with every problem, in the order of their lines.
        """
        return self._read().settings()

    def reread(self, running: Settings) -> Reread:
        """Give what it comes to by now for a process that runs.

        Raises:
            ConfigError: it is no good, by itself or together with what needs a restart.
        """
        return reread(self._read(), running)

    def problem(self, message: str, /, *at: str | int) -> Problem:
        """Make a problem of what was found wrong at a key after the file was read."""
        return Problem(str(self.path), self._source.line(at), dotted(at), message)

    def doubts(self, settings: Settings) -> tuple[Problem, ...]:
        """Give what is hardly meant so in the settings that were made of it last, as of now."""
        found = doubts(settings, time.time())
        return tuple(self.problem(f"warning: {why}", *at) for at, why in found)

    def forget(self) -> None:
        """Take what was found for not found, since it was not put to use."""
        self.found = {self.path.absolute(): None}

    def look(self) -> Digests:
        """Give what is there now, in the files in which ``found`` is what was there."""
        paths = tuple(self.found)
        limits = dict.fromkeys(paths, MAX_FILE_SIZE) | {self.path.absolute(): MAX_BYTES}
        return {path: digest_of(path, limits[path]) for path in paths}

    def _read(self) -> Draft:
        self.forget()
        draft = read(self.path, self._environ)
        self.found = draft.files
        self._source = draft.source
        return draft
