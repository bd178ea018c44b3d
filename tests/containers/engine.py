"""Compose without an engine: the services of docker-compose.yml, as processes of this machine.

A service gets a folder in place of its root, and an address of loopback in place of its own.
Commands, healthchecks, environments and configuration files are those of compose with these two put
in, so ports stay what they are. What an engine does beside (images, users, capabilities, networks)
is not tried.
"""

import asyncio
import os
import re
import signal
import sys
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from types import TracebackType
from typing import Self

from tests.containers.files import (
    ROOT,
    attached,
    dockerfile,
    filled,
    healthcheck,
    instruction,
    services,
)
from tests.containers.older import fitted
from tests.support import needs
from tests.support.redis_server import binary

# What the images of others begin their commands with.
ENTRYPOINTS = {"prom/prometheus": ["prometheus"], "prom/alertmanager": ["alertmanager"]}
# Programs that Debian calls otherwise, and what brings them.
PROGRAMS = {
    "alertmanager": (("prometheus-alertmanager", "alertmanager"), "prometheus-alertmanager"),
    "prometheus": (("prometheus",), "prometheus"),
    "redis-cli": (("redis-cli", "valkey-cli"), "redis-tools"),
}
# A busy machine may take its time.
PATIENCE_SECONDS = 90


class Engine:
    """Starts, stops and looks after services, with their files in ``folder``."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.services = services()
        # Of this process alone: others that run the same tests have their own.
        mine = os.getpid()
        net = f"127.{64 + mine // 250 % 64}.{mine % 250 + 1}"
        self.addresses = {name: f"{net}.{n}" for n, name in enumerate(self.services, 2)}
        self._processes: dict[str, asyncio.subprocess.Process] = {}
        self._finished: set[str] = set()

    async def __aenter__(self) -> Self:
        needs.address(next(iter(self.addresses.values())))
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for name in reversed(list(self._processes)):
            await self.stop(name)

    async def up(self, *names: str) -> None:
        """Start services and what they depend on, each when that is as it has to be."""
        for name in names:
            for other, wanted in self.services[name].get("depends_on", {}).items():
                await self.up(other)
                if wanted["condition"] == "service_completed_successfully":
                    await self._complete(other)
                else:
                    await self._healthy(other)
            if name not in self._processes and name not in self._finished:
                await self._start(name)

    async def well(self, *names: str) -> None:
        """Start services and wait until their healthchecks pass."""
        await self.up(*names)
        for name in names:
            await self._healthy(name)

    async def stop(self, name: str) -> int | None:
        """Stop a service as an engine does; gives its exit code, None if it had to be killed."""
        process = self._processes.pop(name)
        service = self.services[name]
        if process.returncode is None:
            process.send_signal(signal.Signals[service.get("stop_signal", "SIGTERM")])
        grace = service.get("stop_grace_period", "10s")
        try:
            return await asyncio.wait_for(process.wait(), float(grace.removesuffix("s")))
        except TimeoutError:
            process.kill()
            await process.wait()
            return None

    def kill(self, name: str, number: signal.Signals) -> None:
        """Send a service a signal."""
        self._processes[name].send_signal(number)

    def log(self, name: str) -> str:
        """Give what a service has written."""
        return (self._root(name) / "log").read_text()

    def volume(self, name: str) -> Path:
        """Give the folder of a named volume."""
        folder = self.folder / "volumes" / name
        folder.mkdir(parents=True, exist_ok=True)
        return folder

    async def _start(self, name: str) -> None:
        service = self.services[name]
        self._lay_out(name)
        file = dockerfile(service)
        entrypoint = service.get("entrypoint") or (
            instruction(file, "ENTRYPOINT")
            if file
            else ENTRYPOINTS.get(service["image"].partition(":")[0], [])
        )
        command = service.get("command") or (instruction(file, "CMD") if file else [])
        environment = {
            # The example issuer is no part of the package that is installed here.
            "PYTHONPATH": str(ROOT / "config/compose"),
            "PATH": os.environ["PATH"],
            **{
                key: self._here(name, value)
                for key, value in service.get("environment", {}).items()
            },
        }
        log = (self._root(name) / "log").open("ab")
        self._processes[name] = await asyncio.create_subprocess_exec(
            *self._command(name, [*entrypoint, *command]),
            env=environment,
            cwd=self._root(name),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=log,
            stderr=log,
        )
        log.close()

    def _command(self, name: str, parts: Iterable[str]) -> list[str]:
        program, *arguments = (self._here(name, part) for part in parts)
        return [_program(program), *arguments]

    async def _complete(self, name: str) -> None:
        if name in self._finished:
            return
        code = await asyncio.wait_for(self._processes.pop(name).wait(), PATIENCE_SECONDS)
        assert code == 0, f"{name} ended with {code}:\n{self.log(name)}"
        self._finished.add(name)

    async def _healthy(self, name: str) -> None:
        command = self._command(name, healthcheck(self.services[name]))
        give_up = time.monotonic() + PATIENCE_SECONDS
        while True:
            assert self._processes[name].returncode is None, f"{name}:\n{self.log(name)}"
            look = await asyncio.create_subprocess_exec(
                *command,
                env={"PATH": os.environ["PATH"]},
                stdout=asyncio.subprocess.DEVNULL,
                stderr=asyncio.subprocess.DEVNULL,
            )
            if await look.wait() == 0:
                return
            assert time.monotonic() < give_up, f"{name} is never well:\n{self.log(name)}"
            await asyncio.sleep(0.1)

    def _root(self, name: str) -> Path:
        return self.folder / name

    def _lay_out(self, name: str) -> None:
        """Make a service's folders, with copies of what is mounted that lead to this machine."""
        self._root(name).mkdir(parents=True, exist_ok=True)
        for source, target in self._mounts(name):
            there = self._root(name) / target.lstrip("/")
            there.parent.mkdir(parents=True, exist_ok=True)
            if source is None:
                there.mkdir(exist_ok=True)
            elif not source.startswith("."):
                if not there.is_symlink():
                    there.symlink_to(self.volume(source))
            else:
                for file in _files(ROOT / source):
                    copy = there / file.relative_to(ROOT / source)
                    copy.parent.mkdir(parents=True, exist_ok=True)
                    content = file.read_bytes()
                    if b"\0" in content:  # a picture: it leads nowhere
                        copy.write_bytes(content)
                        continue
                    text = self._here(name, content.decode())
                    copy.write_text(fitted(copy.name, text, self.addresses[name]))

    def _mounts(self, name: str) -> Iterator[tuple[str | None, str]]:
        service = self.services[name]
        for volume in service.get("volumes", []):
            source, target, *_ = volume.split(":")
            yield source, target
        for target in service.get("tmpfs", []):
            yield None, target.partition(":")[0]

    def _here(self, name: str, text: str) -> str:
        """Put this machine's paths and addresses in place of those that a service knows."""
        root = self._root(name)
        known: dict[str, str] = {}
        paths = sorted((target for _, target in self._mounts(name)), reverse=True)
        for path in paths:
            known[rf"(?<![\w./-]){re.escape(path)}(?![\w.-])"] = f"{root}{path}"
        for host, address in self._hosts().items():
            known[rf"(?<![\w.-]){re.escape(host)}(?=:\d)"] = address
        for other, service in self.services.items():
            for network in attached(service).values():
                if fixed := network.get("ipv4_address"):
                    known[rf"(?<![\w.]){re.escape(fixed)}(?![\w.])"] = self.addresses[other]
        if self.services[name].get("network_mode") != "none":
            known[r"(?<![\w.])(?:0\.0\.0\.0|127\.0\.0\.1)(?![\w.])"] = self.addresses[name]
        pattern = "|".join(f"({each})" for each in known)
        values = list(known.values())
        return re.sub(pattern, lambda found: values[(found.lastindex or 1) - 1], filled(text))

    def _hosts(self) -> dict[str, str]:
        """Give the addresses by all names of services; an alias is the first who has it."""
        hosts = dict(self.addresses)
        for name, service in self.services.items():
            for network in attached(service).values():
                for alias in network.get("aliases", []):
                    hosts.setdefault(alias, self.addresses[name])
        return hosts


def _files(source: Path) -> Iterator[Path]:
    if source.is_file():
        yield source
    else:
        yield from (file for file in sorted(source.rglob("*")) if file.is_file())


def _program(name: str) -> str:
    if name == "redis-server":
        return binary()
    ours = Path(sys.executable).with_name(name)
    if ours.exists():
        return str(ours)
    names, package = PROGRAMS.get(name, ((name,), name))
    return needs.program(*names, install=f"apt-get install {package}")
