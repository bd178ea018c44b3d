"""The issuer of docker-compose.yml and a proxy that trusts it, without nginx before them."""

import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.containers.engine import Engine


@dataclass
class Compose:
    """Where the services are, as one reaches them from outside."""

    proxy: str
    issuer: str
    engine: Engine

    def rotate(self) -> None:
        """Do what ``docker compose kill -s HUP issuer`` does."""
        self.engine.kill("issuer", signal.SIGHUP)


@asynccontextmanager
async def up(folder: Path) -> AsyncIterator[Compose]:
    """Run them, and what they need, with their files in ``folder``."""
    async with Engine(folder) as engine:
        await engine.well("proxy-a")
        at = engine.addresses
        yield Compose(f"http://{at['proxy-a']}:8080", f"http://{at['issuer']}:8000", engine)
