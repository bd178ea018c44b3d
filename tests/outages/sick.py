"""An origin that can fall ill in every way, and get well again, while others are asked."""

import asyncio
import gzip
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self

from tests.origin.support import Talk, response
from tests.support.origin import HLS
from tests.support.redis_server import free_port

Ailment = Callable[[Talk], Awaitable[None]]
Answers = dict[str, tuple[str, str]]

BOMB = gzip.compress(bytes(256 * 2**20))
HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: %s\r\n" % HLS.encode()


@dataclass
class Origin:
    """Serves texts by their paths, unless it is ``ill`` or killed."""

    answers: Answers
    ill: Ailment | None = None
    asked: int = 0
    # Nobody else is to take it while this one is killed.
    port: int = field(default_factory=free_port)
    _talks: dict[asyncio.Task[None], Talk] = field(default_factory=dict)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    async def start(self) -> None:
        self._server = await asyncio.start_server(self._connected, "127.0.0.1", self.port)

    async def kill(self) -> None:
        """End as a process does that is killed: nobody listens, connections are reset."""
        self._server.close()
        for task, talk in tuple(self._talks.items()):
            talk.reset()
            task.cancel()
        await asyncio.gather(*self._talks, return_exceptions=True)

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.kill()

    def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        talk = Talk(0, reader, writer, [])
        task = asyncio.create_task(self._serve(talk))
        self._talks[task] = talk
        task.add_done_callback(self._talks.pop)

    async def _serve(self, talk: Talk) -> None:
        with suppress(asyncio.IncompleteReadError, ConnectionError):
            while True:
                path = (await talk.request()).line.split()[1].partition("?")[0]
                self.asked += 1
                if self.ill is not None:
                    await self.ill(talk)
                    break
                content_type, text = self.answers[path]
                await talk.send(response(text.encode(), "200 OK", f"Content-Type: {content_type}"))
        talk.writer.close()


async def hang(talk: Talk) -> None:
    await talk.gone()


async def reset(talk: Talk) -> None:
    await talk.send(HEAD + b"Content-Length: 999\r\n\r\n#EXTM3U\n")
    talk.reset()


async def drip(talk: Talk) -> None:
    await talk.send(HEAD + b"Content-Length: 999\r\n\r\n")
    while True:
        await talk.send(b"#")
        await asyncio.sleep(0.1)


async def never_end(talk: Talk) -> None:
    await talk.send(HEAD + b"\r\n#EXTM3U\n")
    while True:
        await talk.send(b"#" * 64 * 1024)


def says(answer: bytes) -> Ailment:
    async def say(talk: Talk) -> None:
        await talk.send(answer)

    return say


oops = says(response(b"oops", "500 Internal Server Error", "Content-Type: text/plain"))
web_page = says(response(b"<html>hello</html>", "200 OK", "Content-Type: text/html"))
bomb = says(response(BOMB, "200 OK", f"Content-Type: {HLS}", "Content-Encoding: gzip"))
loop = says(response(b"", "302 Found", "Location: index.m3u8"))


def leads_to(url: str) -> Ailment:
    return says(response(b"", "302 Found", f"Location: {url}/live/a/low/index.m3u8"))
