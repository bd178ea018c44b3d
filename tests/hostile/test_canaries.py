"""A proxy that fails in every way, and all it says searched for what it was told to keep.

Secrets and credentials are planted; then tokens are forged, origins fail and repeat what they were
sent, Redis changes its password, requests are malformed, files are broken and reloaded. What it
logs, counts, tells viewers and operators, shows, and writes to Redis has none of them in it.
"""

import asyncio
import base64
import os
import signal
import subprocess
import sys
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
import jwt
import pytest
import yaml
from aiohttp import web
from redis.asyncio import Redis

from proxy.minting import mint
from proxy.settings.load import load
from tests.conftest import Tell
from tests.support.jws import spoilt
from tests.support.origin import HLS, TestOrigin
from tests.support.playlists import MASTER, serve_channels
from tests.support.poll import until
from tests.support.redis_server import RedisServer, free_port

pytestmark = pytest.mark.hostile

ENTRY = "/live/one/master.m3u8"
# Each of another kind, so that what leaks is known by it.
PLANTED = {
    "token secret": "canary-of-a-token-secret-Qm7dWz31Kx9",
    "ticket secret": "canary-of-a-ticket-secret-Vb4pRt82Lh5",
    "admin token": "canary-of-an-admin-token-Zn6cJy47Tq1",
    "Redis password": "canary-of-a-redis-password-Gs8",
    "account": "canary-of-an-account",
    "forged token": "canary-of-a-forged-token",
    "another Redis password": "canary-of-another-password-Hw2",
}


@dataclass
class Served:
    """``playgate serve`` as a process; whatever anybody hears of it is kept by who hears it."""

    folder: Path
    origin: TestOrigin
    redis: RedisServer
    port: int = field(default_factory=free_port)
    admin_port: int = field(default_factory=free_port)
    log: list[str] = field(default_factory=list)
    heard: dict[str, str] = field(default_factory=dict)
    tokens: list[str] = field(default_factory=list)

    @property
    def file(self) -> Path:
        return self.folder / "playgate.yaml"

    def write(self, **over: Any) -> None:
        password = PLANTED["Redis password"]
        config: dict[str, Any] = {
            "listen": {"host": "127.0.0.1", "port": self.port, "drain_timeout": "1s"},
            "admin": {"port": self.admin_port, "token": PLANTED["admin token"]},
            "store": {"url": f"redis://:{password}@127.0.0.1:{self.redis.port}", "timeout": "10s"},
            "auth": {"keys": [{"algorithm": "HS256", "secret": PLANTED["token secret"]}]},
            "tickets": {"secret": PLANTED["ticket secret"]},
            "limits": {"default": 1},
            "identity": {"takeover": "none"},
            "origin": {"cache": "0s", "timeout": "20s", "retries": 0},
            "events": {"sink": "redis-stream"},
            "log": {"level": "debug"},
            "routes": [
                {"name": "live", "path": "/live/**", "origins": [self.origin.url]},
                {"name": "away", "path": "/away/**", "origins": ["http://127.0.0.1:1"]},
            ],
        }
        self.file.write_text(yaml.safe_dump({**config, **over}))

    async def start(self) -> None:
        self.write()
        self.process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "proxy", "serve", "--config", str(self.file)),
            env=self.environ,
            stderr=asyncio.subprocess.PIPE,
        )
        self._reading = asyncio.create_task(self._read())
        await self.logged("listening")

    @property
    def environ(self) -> dict[str, str]:
        return {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}

    async def _read(self) -> None:
        assert self.process.stderr is not None
        async for line in self.process.stderr:
            self.log.append(line.decode())

    async def logged(self, text: str) -> None:
        async def is_logged() -> bool:
            return any(text in line for line in self.log)

        await until(is_logged, f"the log says {text}")

    async def stop(self) -> None:
        self.process.send_signal(signal.SIGTERM)
        await self.process.wait()
        await self._reading

    def token(self, name: str = "") -> str:
        token = mint(load(self.file, {}), account=PLANTED["account"] + name)
        self.tokens.append(token)
        return token

    async def ask(
        self, what: str, path: str, method: str = "GET", **fields: str
    ) -> tuple[int, str]:
        """Ask as a viewer; what is answered is kept, less the ticket that its viewer is to have."""
        url = f"http://127.0.0.1:{self.port}{path}"
        async with aiohttp.request(method, url, headers=fields, allow_redirects=False) as response:
            text = (await response.read()).decode("utf-8", "replace")
            self.heard[what] = f"{response.status} {response.headers} {text}"
            return response.status, text

    async def operate(
        self, what: str, path: str, method: str = "GET", token: str = PLANTED["admin token"]
    ) -> int:
        """Ask as an operator."""
        headers = {"Authorization": f"Bearer {token}"}
        url = f"http://127.0.0.1:{self.admin_port}{path}"
        async with aiohttp.request(method, url, headers=headers) as response:
            self.heard[what] = f"{response.headers} {await response.text()}"
            return response.status

    async def raw(self, what: str, port: int, text: str) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(text.encode("latin-1"))
        with suppress(ConnectionError):
            self.heard[what] = (await reader.read(65536)).decode()
        writer.close()

    def run(self, what: str, *arguments: str) -> int:
        """Run a command; all it prints is kept."""
        command = [sys.executable, "-m", "proxy", *arguments, "--config", str(self.file)]
        run = subprocess.run(command, env=self.environ, capture_output=True, text=True, check=False)
        self.heard[what] = run.stdout + run.stderr
        return run.returncode


async def echo(request: web.BaseRequest) -> web.StreamResponse:
    """Fail, and repeat all that was sent."""
    said = "\n".join(f"{name}: {value}" for name, value in request.headers.items())
    return web.Response(status=500, text=f"{request.raw_path}\n{said}")


async def viewers_fail(served: Served) -> str:
    """Be refused for each reason, meet each failure of an origin; give a ticket that was good."""
    token, cookie = served.token(), f"session={served.token()}"
    status, text = await served.ask("an entry", f"{ENTRY}?token={token}")
    assert status == 200
    ticket = text.partition("low/index.m3u8?_sid=")[2].split()[0]
    served.heard["an entry"] = ""  # it has the ticket, as it should
    other = served.token("-with room")
    forged = PLANTED["forged token"]
    expired = jwt.encode({"sub": PLANTED["account"], "exp": 1}, PLANTED["token secret"])
    served.tokens.append(expired)
    nothing: dict[str, str] = {}
    everywhere = {
        "Cookie": cookie,
        "Authorization": f"Bearer {token}",
        "Referer": f"http://page.example/?token={token}",
    }
    for what, path, fields in (
        ("no token", ENTRY, nothing),
        ("a forged token", f"{ENTRY}?token={forged}", nothing),
        ("a forged one in a field", ENTRY, {"Authorization": f"Bearer {forged}"}),
        ("a forged one in a cookie", ENTRY, {"Cookie": f"session={forged}"}),
        ("a token with another signature", f"{ENTRY}?token={spoilt(token)}", nothing),
        ("an expired one", f"{ENTRY}?token={expired}", nothing),
        ("a stream too many", f"/live/two/master.m3u8?token={token}", nothing),
        ("a ticket elsewhere", f"/live/two/low/index.m3u8?_sid={ticket}", nothing),
        ("a broken ticket", f"{ENTRY}?_sid={spoilt(ticket)}", nothing),
        ("nowhere", f"/nowhere?token={token}", everywhere),
        ("a path that is two", f"/live//x?token={token}", everywhere),
        ("an origin that is away", f"/away/x.m3u8?token={other}", {"Cookie": cookie}),
        ("an origin that repeats", f"/live/echo.m3u8?token={other}&a=1", {"Cookie": cookie}),
        ("no manifest", f"/live/none.m3u8?token={other}", nothing),
        ("a segment that repeats", f"/live/one/low/seg9.ts?_sid={ticket}", everywhere),
        ("my streams", f"/_playgate/streams?token={token}", nothing),
        ("steering", f"/_playgate/steering?_sid={ticket}x", nothing),
    ):
        await served.ask(what, path, **fields)
    await served.ask("a method", f"{ENTRY}?token={token}", "POST")
    for port in (served.port, served.admin_port):
        line = f"GET {ENTRY}?token={token} HTTP/1.1\r\nHost: a\r\n"
        for number, text in enumerate(
            (
                f"{line}Authorization : Bearer {token}\r\n\r\n",
                f"{line}Transfer-Encoding: chunked\r\n\r\n{token}\r\n",
                f"{token}\r\n\r\n",
            )
        ):
            await served.raw(f"malformed, {number}, {port}", port, text)
    return ticket


async def operators_look(served: Served) -> None:
    account = PLANTED["account"]
    await served.operate("no operator", "/admin/v1/stats", token=PLANTED["forged token"])
    for path in ("/", "/metrics", "/healthz", "/readyz", "/openapi.json"):
        await served.operate(path, path, token=PLANTED["forged token"])
    for path in ("config", "stats", f"accounts/{account}/streams"):
        assert await served.operate(path, f"/admin/v1/{path}") == 200
    await served.operate("an end", f"/admin/v1/accounts/{account}/streams", "DELETE")


async def store_fails(served: Served, redis: Redis) -> None:
    """Have Redis want another password, and throw out who is there."""
    await redis.config_set("requirepass", PLANTED["another Redis password"])
    await redis.client_kill_filter(_type="normal", skipme=True)
    token = served.token()
    for number in range(3):
        await served.ask(f"without the store, {number}", f"{ENTRY}?token={token}&n={number}")
        served.heard.pop(f"without the store, {number}")  # it is let in, with a ticket
    await served.operate("a store that refuses us", "/readyz")
    await served.operate("its numbers", "/metrics")
    await served.operate("its state", "/admin/v1/stats")
    await served.logged("AuthenticationError")
    await redis.config_set("requirepass", PLANTED["Redis password"])


async def files_fail(served: Served) -> None:
    """Reload other secrets, then files with secrets where they do not belong."""
    planted = PLANTED["forged token"]
    await asyncio.to_thread(served.run, "the configuration", "config")
    served.write(
        auth={"keys": [{"algorithm": "HS256", "secret": f"{planted}-and-more-of-it-0123456789"}]}
    )
    assert await served.operate("a reload", "/admin/v1/reload", "POST") == 200
    broken: tuple[dict[str, Any], ...] = (
        {"limits": {"default": planted}},
        {"tickets": {"secret": "canary"}},
        {"tickets": {"secert": planted}},
        {"store": {"url": f"redis//:{planted}@h"}},
        {"store": {"url": f"redis://:{planted}@h:port"}},
        {"auth": {"keys": [{"algorithm": planted, "secret": planted}]}},
        {"routes": [{"name": "a", "path": "/a", "origins": [f"http://u:{planted}@"]}]},
        {"admin": {"token": [planted]}},
    )
    for number, over in enumerate(broken):
        served.write(**over)
        assert await served.operate(f"a bad file, {number}", "/admin/v1/reload", "POST") == 422
    served.file.write_text(f"admin: {{token: '{planted}\n  routes: [\n")
    assert await asyncio.to_thread(served.run, "no YAML", "check") == 1
    served.process.send_signal(signal.SIGHUP)
    await served.logged('"by": "SIGHUP"')
    served.write()


async def stored(redis: Redis) -> str:
    """Give all that Redis holds, and the events."""
    found: list[object] = []
    async for key in redis.scan_iter():
        match await redis.type(key):
            case b"hash":
                found.append((key, await redis.hgetall(key)))
            case b"stream":
                found.append((key, await redis.xrange(key)))
            case _:
                found.append((key, await redis.dump(key)))
    return repr(found)


def spellings(secret: str) -> set[str]:
    """Give a secret as it may be written: plain, in base64 wherever that begins, in hexadecimal."""
    raw = secret.encode()
    coded = {base64.b64encode(b"\0" * lead + raw).decode()[4:-4] for lead in range(3)}
    return {secret, raw.hex(), *coded}


def pieces(signature: str) -> set[str]:
    """Give pieces of a signature, of which any half of it has one."""
    return {signature[start : start + 12] for start in range(0, len(signature) - 11, 6)}


async def test_nothing_that_is_said_has_a_secret_in_it(tmp_path: Path, tell: Tell) -> None:
    password = PLANTED["Redis password"]
    async with TestOrigin() as origin:
        serve_channels(origin, "one", "two")
        origin.answers["/live/echo.m3u8"] = echo
        origin.answers["/live/one/low/seg9.ts"] = echo
        origin.answers["/live/none.m3u8"] = ("text/html", "<p>")
        origin.answers["/live/three/master.m3u8"] = (HLS, MASTER)
        with RedisServer("--requirepass", password) as server:
            served = Served(tmp_path, origin, server)
            async with Redis(host="127.0.0.1", port=server.port, password=password) as redis:
                await served.start()
                try:
                    ticket = await viewers_fail(served)
                    await operators_look(served)
                    held = await stored(redis)
                    await store_fails(served, redis)
                    await files_fail(served)
                finally:
                    await served.stop()
        sent = [f"{request.raw_path} {request.headers}" for request in origin.requests]
    secrets = {name: spellings(secret) for name, secret in PLANTED.items()}
    for number, token in enumerate(served.tokens):
        _, claims, signature = token.split(".")
        secrets[f"token {number}"] = {claims, *pieces(signature)}
    seal, _, claims, signature = ticket.split(".")
    secrets["ticket"] = {seal, claims, *pieces(signature)}
    said = {
        "the log": "".join(served.log),
        "Redis": held,
        "the origin": "\n".join(sent),
        **served.heard,
    }
    leaks = [
        (where, name)
        for where, text in said.items()
        for name, spelled in secrets.items()
        if any(spelling in text for spelling in spelled)
    ]
    assert leaks == []
    assert "stream_limit" in said["the log"]
    assert "stream.refused" in held
    assert "X-Forwarded-For: 127.0.0.1" in said["an origin that repeats"]
    tell(f"canaries: {len(secrets)} planted, {len(said)} places searched; leaks 0")
