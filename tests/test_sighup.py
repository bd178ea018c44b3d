"""A real process under load, reloaded again and again: nobody may notice."""

import asyncio
import json
import os
import re
import signal
import sys
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urljoin

import aiohttp
import yaml
from aiohttp import web
from redis.asyncio import Redis

from proxy.minting import mint
from proxy.settings.load import load
from tests.support.good_secrets import secret as good
from tests.support.origin import HLS, TestOrigin
from tests.support.playlists import LIVE, serve_channels
from tests.support.poll import until
from tests.support.redis_server import RedisServer, free_port

ADMIN_TOKEN = "admin-token-canary"
SECRETS = {name: f"{name}-canary-{good(name)}" for name in ("JWT", "TICKET", "NEXT")}
ENTRY, LOW = "/live/one/master.m3u8", "/live/one/low/index.m3u8"
ACCOUNTS, DEVICES = 6, 2
RELOADS, EVERY = 20, 0.2  # seconds
NO_GOOD: dict[str, Any] = {"limits": {"default": "many"}}


@dataclass
class Process:
    """``playgate serve`` with a file that is replaced, and what it logs."""

    path: Path
    base: dict[str, Any]
    log: list[str] = field(default_factory=list)

    def write(self, **over: Any) -> None:
        """Replace the file as editors do: by another that is renamed over it."""
        sections = {name: {**self.base.get(name, {}), **value} for name, value in over.items()}
        new = self.path.with_suffix(".new")
        new.write_text(yaml.safe_dump({**self.base, **sections}))
        new.rename(self.path)

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        self.write()
        self.process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "proxy", "serve", "--config", str(self.path)),
            env={**os.environ, **SECRETS},
            stderr=asyncio.subprocess.PIPE,
        )
        reading = asyncio.create_task(self._read())
        try:
            await self.logged("listening")
            yield
            self.process.send_signal(signal.SIGTERM)
            assert await self.process.wait() == 0
        finally:
            if self.process.returncode is None:
                self.process.kill()
                await self.process.wait()
            await reading

    async def _read(self) -> None:
        assert self.process.stderr is not None
        async for line in self.process.stderr:
            self.log.append(line.decode())

    async def logged(self, event: str, times: int = 1) -> None:
        async def is_there() -> bool:
            assert self.process.returncode is None, "".join(self.log)
            return sum(event in line for line in self.log) >= times

        await until(is_there, f"{event!r} is logged")

    def hang_up(self) -> None:
        self.process.send_signal(signal.SIGHUP)


@dataclass
class Viewer:
    """A player on one connection, which asks again and again for what it needs."""

    url: str
    token: str
    device: str
    answers: Counter[int] = field(default_factory=Counter)
    decisions: Counter[str] = field(default_factory=Counter)
    connections: int = 0

    async def begin(self) -> None:
        trace = aiohttp.TraceConfig()

        async def opened(*_: object) -> None:
            self.connections += 1

        trace.on_connection_create_end.append(opened)
        self.session = aiohttp.ClientSession(
            self.url,
            connector=aiohttp.TCPConnector(limit=1),
            headers={"User-Agent": self.device},
            trace_configs=[trace],
        )
        entry = await self.ask(f"{ENTRY}?token={self.token}")
        self.low = urljoin(ENTRY, entry[0])
        segments = await self.ask(self.low)
        self.segment = urljoin(LOW, segments[0])

    async def ask(self, path: str) -> list[str]:
        async with self.session.get(path) as response:
            text = await response.text()
            self.answers[response.status] += 1
            self.decisions[response.headers.get("Playgate-Decision", "none")] += 1
        return [line for line in text.splitlines() if line and not line.startswith("#")]

    async def play(self, over: asyncio.Event) -> None:
        while not over.is_set():
            await self.ask(f"{self.low}&_HLS_msn=8")  # the origin holds it for a moment
            await self.ask(self.low)
            await self.ask(self.segment)
            await self.ask(f"{ENTRY}?token={self.token}")

    async def end(self) -> None:
        await self.session.close()


async def held_a_moment(request: web.Request) -> web.Response:
    if "_HLS_msn" in request.raw_path:
        await asyncio.sleep(0.05)  # as an encoder makes its next part
    return web.Response(text=LIVE, headers={"Content-Type": HLS})


def variants(base: dict[str, Any]) -> list[dict[str, Any]]:
    """Configurations that all let the viewers play, and one that is none."""
    key = {"algorithm": "HS256", "kid": "next", "secret": "${NEXT}"}
    rule = {"name": "all", "max": 5}
    return [
        {"limits": {"default": 4, "rules": [rule]}, "cors": {"origins": []}},
        {"auth": {"keys": [*base["auth"]["keys"], key]}, "origin": {"cache": "2s"}},
        NO_GOOD,
        {"streams": {"keepalive": False, "ttl": "5m"}, "events": {"sink": "redis-stream"}},
        {"listen": {"max_in_flight": 512}, "identity": {"takeover": "none"}},
    ]


async def test_a_reload_every_moment_costs_no_request_no_connection_and_no_stream(
    redis_server: RedisServer, redis: Redis, tmp_path: Path
) -> None:
    del redis  # emptied
    port, admin_port = free_port(), free_port()
    async with TestOrigin() as origin:
        serve_channels(origin, "one")
        origin.answers[LOW] = held_a_moment
        base: dict[str, Any] = {
            "listen": {"host": "127.0.0.1", "port": port},
            "admin": {"port": admin_port, "token": ADMIN_TOKEN},
            "store": {"url": redis_server.url, "timeout": "10s"},
            "auth": {"keys": [{"algorithm": "HS256", "secret": "${JWT}"}]},
            "tickets": {"secret": "${TICKET}"},
            "origin": {"timeout": "30s"},
            "streams": {"ttl": "2m"},
            "routes": [{"name": "live", "path": "/live/**", "origins": [origin.url]}],
        }
        proxy = Process(tmp_path / "playgate.yaml", base)
        async with (
            proxy.running(),
            aiohttp.ClientSession(
                f"http://127.0.0.1:{admin_port}",
                headers={"Authorization": f"Bearer {ADMIN_TOKEN}"},
            ) as admin,
        ):
            settings = load(proxy.path, SECRETS)
            viewers = [
                Viewer(f"http://127.0.0.1:{port}", mint(settings, account=f"a{number}"), device)
                for number in range(ACCOUNTS)
                for device in [f"device/{index}" for index in range(DEVICES)]
            ]
            await asyncio.gather(*(viewer.begin() for viewer in viewers))
            over = asyncio.Event()
            players = [asyncio.create_task(viewer.play(over)) for viewer in viewers]
            for number in range(RELOADS):
                all_of_them = variants(base)
                proxy.write(**all_of_them[number % len(all_of_them)])
                proxy.hang_up()
                await asyncio.sleep(EVERY)  # the pace of it

            # Where reloads take longer than that, none may have met with it.
            proxy.write(**NO_GOOD)
            proxy.hang_up()
            await proxy.logged("the configuration was not reloaded")

            async def stats() -> Any:
                async with admin.get("/admin/v1/stats") as answer:
                    return await answer.json()

            proxy.write()
            proxy.hang_up()

            async def as_it_was() -> bool:
                async with admin.get("/admin/v1/config") as answer:
                    shown = await answer.json()
                return bool(
                    shown["limits"]["rules"] == [] and shown["listen"]["max_in_flight"] == 2048
                )

            await until(as_it_was, "the last file is in force")
            over.set()
            await asyncio.gather(*players)
            totals = (await stats())["totals"]
            for number in range(ACCOUNTS):
                async with admin.get(f"/admin/v1/accounts/a{number}/streams") as answer:
                    assert len((await answer.json())["streams"]) == DEVICES
            async with admin.get("/metrics") as answer:
                metrics = await answer.text()
            await asyncio.gather(*(viewer.end() for viewer in viewers))

            # And by itself, once it is told to watch.
            proxy.write()
            proxy.base["watch"] = True
            proxy.write()
            proxy.hang_up()
            await proxy.logged("watch: false -> true")
            proxy.base["log"] = {"format": "text"}
            proxy.write(limits={"default": 9})
            await proxy.logged("limits.default: 3 -> 9")

        answers = sum((viewer.answers for viewer in viewers), Counter[int]())
        assert set(answers) == {200}
        assert {viewer.connections for viewer in viewers} == {1}
        assert totals["admissions"].keys() == {"admitted", "renewed"}
        assert totals["admissions"]["admitted"] == ACCOUNTS * DEVICES
        assert sum(totals["ended"].values()) == 0
        failed = r'^playgate_config_reloads_total{result="failed"} [1-9]'
        assert re.search(failed, metrics, re.MULTILINE)
        # A format that was changed is that of the next line.
        lines = [line for line in proxy.log if "limits.default: 3 -> 9" in line]
        assert not lines[0].startswith("{")
        assert json.loads(next(line for line in proxy.log if "SIGHUP" in line))["by"] == "SIGHUP"
        for secret in (*SECRETS.values(), ADMIN_TOKEN, "canary"):
            assert secret not in "".join(proxy.log)
