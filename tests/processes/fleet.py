"""A proxy of several real processes, and what one may want to do to them."""

import asyncio
import json
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
import yaml
from prometheus_client.parser import text_string_to_metric_families

from proxy.minting import mint
from proxy.settings.load import load
from proxy.settings.schema import Settings
from tests.support.poll import until
from tests.support.redis_server import free_port
from tests.support.stack import ADMIN_TOKEN, JWT_SECRET, TICKET_SECRET, merged

WORKERS = 2
# What a worker says once it is the last of them to be ready.
READY, LISTENING = "all workers serve", "listening"


def state(pid: int) -> str:
    """The letter of a process's state (proc(5)): Z has ended, and nobody has asked for it."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return "Z"


def alive(pid: int) -> bool:
    """Whether a process runs."""
    return state(pid) != "Z"


def parent(pid: int) -> int:
    """Who started a process; 0 where it has ended."""
    try:
        return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
    except OSError:
        return 0


def descriptors(pid: int) -> int:
    """How many files a process has open."""
    return len(list(Path(f"/proc/{pid}/fd").iterdir()))


@dataclass
class Fleet:
    """``playgate serve --workers`` on a file; ``settings`` go over the defaults here."""

    folder: Path
    origin: str
    store: str
    settings: dict[str, Any] = field(default_factory=dict)
    workers: int = WORKERS
    port: int = field(default_factory=free_port)
    admin_port: int = field(default_factory=free_port)
    log: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.file = self.folder / "playgate.yaml"
        self.environ = {**os.environ, "TMPDIR": str(self.folder)}

    def mapping(self) -> dict[str, Any]:
        base: dict[str, Any] = {
            "listen": {"host": "127.0.0.1", "port": self.port, "drain_timeout": "5m"},
            "admin": {"port": self.admin_port, "token": ADMIN_TOKEN},
            "store": {"url": self.store, "timeout": "10s"},
            "auth": {"keys": [{"algorithm": "HS256", "secret": JWT_SECRET}]},
            "tickets": {"secret": TICKET_SECRET},
            "limits": {"default": 4},
            "origin": {"timeout": "5m", "cache": "0s"},
            "streams": {"ttl": "10m"},
            "routes": [{"name": "live", "path": "/live/**", "origins": [self.origin]}],
        }
        return merged(base, self.settings)

    def write(self, **over: Any) -> None:
        """Replace the file, by another that is renamed over it."""
        self.settings = merged(self.settings, over)
        new = self.file.with_suffix(".new")
        new.write_text(yaml.safe_dump(self.mapping()))
        new.rename(self.file)

    def loaded(self) -> Settings:
        return load(self.file, {})

    def token(self, account: str) -> str:
        return mint(self.loaded(), account=account)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    async def start(self, *options: str) -> asyncio.subprocess.Process:
        """Start it, and have its log read."""
        self.write()
        self.process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "proxy", "serve", "--config", str(self.file)),
            *("--workers", str(self.workers), *options),
            env=self.environ,
            stderr=asyncio.subprocess.PIPE,
        )
        self._reading = asyncio.create_task(self._read())
        return self.process

    @asynccontextmanager
    async def running(self, *options: str) -> AsyncIterator["Fleet"]:
        """Run it; whatever becomes of it, none of its processes is left."""
        await self.start(*options)
        self.master = self.process.pid
        try:
            await self.logged(READY)
            yield self
        finally:
            self._kill_all()
            await self.process.wait()
            await self._reading

    def _kill_all(self) -> None:
        """Kill what has our log's pipe: the masters first, or they start more."""
        for pid in (*{self.process.pid, *self._logged_pids(READY, "master")}, *self._workers()):
            if alive(pid):
                os.kill(pid, signal.SIGKILL)

    def _logged_pids(self, event: str, key: str) -> list[int]:
        return [json.loads(line)[key] for line in self.log if event in line]

    def _workers(self) -> list[int]:
        return [pid for pid in self._logged_pids(LISTENING, "pid") if alive(pid)]

    async def _read(self) -> None:
        assert self.process.stderr is not None
        async for line in self.process.stderr:
            self.log.append(line.decode())

    def said(self, event: str) -> int:
        return sum(event in line for line in self.log)

    async def logged(self, event: str, times: int = 1) -> None:
        async def is_there() -> bool:
            assert alive(self.master) or self.said(event) >= times, "".join(self.log)
            return self.said(event) >= times

        await until(is_there, f"{event!r} is logged")

    @property
    def pids(self) -> list[int]:
        """The workers of the master in charge."""
        return [pid for pid in self._workers() if parent(pid) == self.master]

    @asynccontextmanager
    async def replacing(self) -> AsyncIterator[None]:
        """Do something to workers, and wait until as many serve again."""
        before = self.said(READY)
        yield
        await self.logged(READY, before + 1)

    async def upgrade(self) -> None:
        """Start a new master beside the old one, and once it serves, have that end."""
        old = self.master
        async with self.replacing():
            self.tell(signal.SIGUSR2)
        self.master = self._logged_pids(READY, "master")[-1]
        assert self.master != old
        self.tell(signal.SIGTERM, old)
        await self.ended(old)

    def tell(self, name: signal.Signals, pid: int | None = None) -> None:
        os.kill(pid or self.master, name)

    async def operate(self, path: str, method: str = "GET") -> tuple[int, Any]:
        """Ask the operators' port on a connection of its own: whoever takes it answers."""
        headers = {"Authorization": f"Bearer {ADMIN_TOKEN}", "Connection": "close"}
        url = f"http://127.0.0.1:{self.admin_port}{path}"
        async with aiohttp.request(method, url, headers=headers) as answer:
            if answer.content_type.endswith("json"):
                return answer.status, await answer.json(content_type=None)
            return answer.status, await answer.text()

    async def metrics(self) -> dict[str, dict[tuple[tuple[str, str], ...], float]]:
        """All samples, by name and labels."""
        status, text = await self.operate("/metrics")
        assert status == 200
        found: dict[str, dict[tuple[tuple[str, str], ...], float]] = {}
        for family in text_string_to_metric_families(text):
            for sample in family.samples:
                found.setdefault(sample.name, {})[tuple(sorted(sample.labels.items()))] = (
                    sample.value
                )
        return found

    async def total(self, name: str) -> float:
        return sum((await self.metrics()).get(name, {}).values())

    async def ended(self, pid: int) -> None:
        async def is_gone() -> bool:
            return not alive(pid)

        await until(is_gone, f"{pid} has ended")
