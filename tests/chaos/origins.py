"""Two origins of live channels, each a process of its own that can be killed, hung, or spoilt.

``python -m tests.chaos.origins PORT`` is one of them. Its playlists go on with the clock, so that
both say the same.
"""

import asyncio
import signal
import sys
import time
from contextlib import suppress
from dataclasses import dataclass, field

import aiohttp
from aiohttp import web

from tests.support.origin import HLS
from tests.support.playlists import MASTER
from tests.support.poll import until
from tests.support.redis_server import free_port

# As short as HLS has it, and the segments that a playlist holds.
TARGET_SECONDS = 1
WINDOW = 6
# What an origin is told on this path, it is from then on.
BEHAVE = "/behave"


def playlist(now: float) -> str:
    """Give a live playlist, as it is at an instant (seconds)."""
    first = int(now / TARGET_SECONDS)
    segments = (f"#EXTINF:{TARGET_SECONDS}.0,\nseg{first + n}.ts\n" for n in range(WINDOW))
    head = f"#EXTM3U\n#EXT-X-TARGETDURATION:{TARGET_SECONDS}\n#EXT-X-MEDIA-SEQUENCE:{first}\n"
    return head + "".join(segments)


@dataclass
class Behaviour:
    """How an origin answers: after so many seconds, and with what status."""

    seconds: float = 0.0
    status: int = 200

    async def answer(self, request: web.BaseRequest) -> web.Response:
        """Answer as told, and be told."""
        if request.path == BEHAVE:
            self.seconds = float(request.query["seconds"])
            self.status = int(request.query["status"])
            return web.Response()
        seconds, status = self.seconds, self.status
        await asyncio.sleep(seconds)
        if status != 200:
            return web.Response(status=status, text="out of order")
        text = MASTER if request.path.endswith("master.m3u8") else playlist(time.time())
        return web.Response(text=text, headers={"Content-Type": HLS})


async def serve(port: int) -> None:
    """Serve until killed."""
    runner = web.ServerRunner(web.Server(Behaviour().answer, access_log=None))
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", port).start()
    await asyncio.Event().wait()


@dataclass
class Origin:
    """The handle on such a process."""

    port: int = field(default_factory=free_port)
    process: asyncio.subprocess.Process | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    async def start(self) -> None:
        """Start it, and wait until it answers."""
        command = (sys.executable, "-m", "tests.chaos.origins", str(self.port))
        self.process = await asyncio.create_subprocess_exec(*command)

        async def answers() -> bool:
            try:
                await self.behave()
            except aiohttp.ClientError:
                return False
            return True

        await until(answers, "the origin answers")

    async def behave(self, *, seconds: float = 0.0, status: int = 200) -> None:
        """Have it answer so late, and so."""
        url = f"{self.url}{BEHAVE}?seconds={seconds}&status={status}"
        async with aiohttp.request("GET", url) as answer:
            assert answer.status == 200

    def tell(self, name: signal.Signals) -> None:
        """Send it a signal."""
        assert self.process
        self.process.send_signal(name)

    async def kill(self) -> None:
        """End it as a machine does that loses its power; harmless where it is gone."""
        if self.process is not None:
            with suppress(ProcessLookupError):
                self.process.kill()
            await self.process.wait()


if __name__ == "__main__":
    with suppress(KeyboardInterrupt):  # with all the others, by Ctrl-C
        asyncio.run(serve(int(sys.argv[1])))
