"""What a peer is told when it is started, and what it is to the bench."""

import time
import urllib.error
import urllib.request
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from bench.against.client import Unexpected
from bench.against.processes import Process, poll_pause

START_SECONDS = 30
# The script that the peers count streams with.
ADMIT = Path(__file__).parents[1] / "servers/admit.lua"


@dataclass(frozen=True, slots=True)
class Terms:
    """Where a server listens and asks (ports of loopback), and what it is to do.

    ``streams`` are those it is to be made ready for, where they are more than usual.
    """

    core: int
    port: int
    redis_port: int
    origin: str
    folder: Path
    ttl: int
    cache: bool = True
    streams: int = 0


class Peer(Protocol):
    """A server that limits streams, as the bench starts it."""

    @property
    def name(self) -> str:
        """Give the word for it on the command line."""

    @property
    def title(self) -> str:
        """Give its name in the table."""

    def missing(self) -> str | None:
        """Say what it would need that is not here; None: it can be started."""

    def version(self) -> str:
        """Name it and what it is made of, with versions."""

    def process(self, terms: Terms) -> Process:
        """Write its configuration into the folder of the terms, and give what is to be started."""

    def ready(self, terms: Terms) -> str:
        """Give the URL that answers once it serves."""


def wait_until_ready(process: Process, url: str) -> None:
    """Poll until the URL answers, with whatever status below 500.

    Raises:
        Unexpected: the process ended, or did not answer in time.
    """
    give_up = time.monotonic() + START_SECONDS
    while process.alive and time.monotonic() < give_up:
        try:
            urllib.request.urlopen(url, timeout=2).close()
        except urllib.error.HTTPError as error:
            if error.code < 500:
                return
        except OSError:
            pass
        else:
            return
        poll_pause()
    raise Unexpected(f"nothing answers at {url}:\n{process.said()}")
