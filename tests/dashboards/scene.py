"""A proxy in a process of its own, with Redis, origin and viewers, and everything that can fail.

The load is small and bounded: some fifty requests a second, for as long as the scene lasts.
"""

import asyncio
import contextlib
import resource
import signal
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import yaml
from aiohttp import web

from proxy.settings.load import from_mapping
from tests.dashboards.viewers import CHANNELS, LIMIT, Viewers
from tests.support.good_secrets import secret
from tests.support.issuer import SigningKey, document
from tests.support.origin import HLS, TestOrigin
from tests.support.playlists import MASTER, VOD, serve_channels
from tests.support.poll import until
from tests.support.redis_server import RedisServer, free_port

SECRET = "jwt-secret-canary-0123456789abcdef0123456789"
# More connections than all viewers have.
IDLE = 300
# Seconds: twice what is promised.
SLOW = 0.5


class Proxy:
    """``playgate serve`` as a process, at ports that stay the same when it starts again."""

    def __init__(self, folder: Path, redis: str, origin: str) -> None:
        self.port, self.admin_port = free_port(), free_port()
        self.keys = folder / "keys.json"
        self.key_set = document(SigningKey("one"))
        self.keys.write_bytes(self.key_set)
        self.config = folder / "playgate.yaml"
        self.mapping: dict[str, Any] = {
            "listen": {"host": "127.0.0.1", "port": self.port, "drain_timeout": "0s"},
            "admin": {"host": "127.0.0.1", "port": self.admin_port},
            # Redis shares two cores with all the rest: slow is not away.
            "store": {"url": redis, "timeout": "2s"},
            "auth": {
                "keys": [
                    {"algorithm": "HS256", "secret": SECRET},
                    {"algorithms": ["ES256"], "jwks_file": self.keys.name},
                ]
            },
            "tickets": {"secret": secret("t")},
            "limits": {
                "default": LIMIT,
                "rules": [{"name": "one-ppv", "max": 1, "where": {"content": "/live/six/**"}}],
            },
            "streams": {"ttl": "6s", "vod_ttl": "10s", "keepalive_interval": "3s"},
            "origin": {"cache": "500ms"},
            "events": {"sink": "redis-stream", "queue": 100},
            "routes": [
                {"name": "live", "path": "/live/**", "origins": [origin]},
                {"name": "vod", "path": "/vod/**", "origins": [origin], "segments": "open"},
            ],
        }
        self.settings = from_mapping(self.mapping, folder)
        self.write_config()
        self.process: asyncio.subprocess.Process | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def target(self) -> str:
        """What Prometheus scrapes."""
        return f"127.0.0.1:{self.admin_port}"

    def write_config(self, **changes: Any) -> None:
        """Write the configuration's file."""
        self.config.write_text(yaml.safe_dump({**self.mapping, **changes}))

    async def start(self) -> None:
        """Start, and return once it is ready."""
        self.process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "proxy", "serve", "--config", str(self.config)),
            stderr=asyncio.subprocess.DEVNULL,
        )
        async with aiohttp.ClientSession() as session:

            async def ready() -> bool:
                try:
                    async with session.get(f"http://{self.target}/readyz") as response:
                        return response.status == 200
                except aiohttp.ClientError:
                    return False

            await until(ready, "the proxy is ready")

    async def kill(self) -> None:
        """End without a goodbye; harmless where it is gone."""
        if self.process is not None and self.process.returncode is None:
            self.send(signal.SIGCONT)
            self.process.kill()
            await self.process.wait()

    def send(self, what: signal.Signals) -> None:
        """Send a signal."""
        assert self.process is not None
        self.process.send_signal(what)

    async def stumble(self, seconds: float) -> None:
        """Stop for a moment, as something does that blocks the event loop."""
        self.send(signal.SIGSTOP)
        await asyncio.sleep(seconds)
        self.send(signal.SIGCONT)

    def _descriptors(self) -> int:
        assert self.process is not None
        return len(list(Path(f"/proc/{self.process.pid}/fd").iterdir()))

    @asynccontextmanager
    async def connections_piled_up(self) -> AsyncIterator[None]:
        """Hold connections open, with a limit on file descriptors of little more than is in use."""
        assert self.process is not None
        idle = [await asyncio.open_connection("127.0.0.1", self.port) for _ in range(IDLE)]

        async def arrived() -> bool:
            return self._descriptors() > IDLE

        await until(arrived, "the proxy has them")
        limit = self._descriptors() + 10
        resource.prlimit(self.process.pid, resource.RLIMIT_NOFILE, (limit, limit))
        try:
            yield
        finally:
            for _, writer in idle:
                writer.close()


class Scene:
    """All of it."""

    def __init__(
        self, proxy: Proxy, redis: RedisServer, origin: TestOrigin, viewers: Viewers
    ) -> None:
        self.proxy = proxy
        self.redis = redis
        self.origin = origin
        self.viewers = viewers

    @asynccontextmanager
    async def store_away(self) -> AsyncIterator[None]:
        """Have Redis take everything and answer nothing."""
        assert self.redis.process is not None
        self.redis.process.send_signal(signal.SIGSTOP)
        try:
            yield
        finally:
            self.redis.process.send_signal(signal.SIGCONT)

    @asynccontextmanager
    async def origin_away(self) -> AsyncIterator[None]:
        """Have nobody listen where the origin was."""
        await self.origin.__aexit__(None, None, None)
        try:
            yield
        finally:
            await self.origin.__aenter__()

    @asynccontextmanager
    async def origin_slow(self) -> AsyncIterator[None]:
        """Have entries wait for the origin for longer than they are promised to."""
        answers = self.origin.answers
        entries = {path: answers[path] for path in answers if path.endswith("/master.m3u8")}

        async def late(_: web.Request) -> web.Response:
            await asyncio.sleep(SLOW)
            return web.Response(text=MASTER, content_type=HLS)

        answers.update(dict.fromkeys(entries, late))
        try:
            yield
        finally:
            answers.update(entries)

    @asynccontextmanager
    async def keys_away(self) -> AsyncIterator[None]:
        """Have no file where the key set was."""
        self.proxy.keys.unlink()
        try:
            yield
        finally:
            self.proxy.keys.write_bytes(self.proxy.key_set)

    @asynccontextmanager
    async def meanwhile(self, work: Callable[[], Awaitable[None]]) -> AsyncIterator[None]:
        """Do something again and again."""

        async def again() -> None:
            while True:
                await work()

        task = asyncio.create_task(again())
        try:
            yield
        finally:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task


@asynccontextmanager
async def scene(folder: Path) -> AsyncIterator[Scene]:
    """Run all of it, with files in ``folder``, until the context ends."""
    async with AsyncExitStack() as opened:
        redis = opened.enter_context(RedisServer())
        # At a port that nobody else takes while it is away.
        origin = await opened.enter_async_context(TestOrigin(port=free_port()))
        serve_channels(origin, *CHANNELS)
        serve_channels(origin, "film", root="/vod")
        origin.answers["/vod/film/low/index.m3u8"] = (HLS, VOD)
        origin.answers["/vod/film/low/seg0.ts"] = ("video/mp2t", bytes(188))
        proxy = Proxy(folder, redis.url, origin.url)
        opened.push_async_callback(proxy.kill)
        await proxy.start()
        session = await opened.enter_async_context(
            aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(30))
        )
        viewers = Viewers(proxy.url, proxy.settings, session)
        opened.push_async_callback(viewers.leave)
        viewers.come()
        yield Scene(proxy, redis, origin, viewers)
