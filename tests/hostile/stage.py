"""A proxy before an origin that notes every byte it is sent, and a connection to send any on."""

import asyncio
import re
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

from tests.origin.support import RawOrigin, Talk, response
from tests.support.origin import HLS
from tests.support.playlists import MASTER, VOD
from tests.support.stack import Stack
from tests.web.wire import Wire, status

ENTRY = "/live/one/master.m3u8"
# Of an answer, be it the second to a request (100). No body that is sent here has such a line.
STATUS = re.compile(rb"^HTTP/\d\.\d ([2-5]\d\d) ", re.MULTILINE)
# A request as it may reach an origin: one line, fields, and no body.
SENT = re.compile(rb"GET (\S+) HTTP/1\.1\r\n((?:[A-Za-z0-9-]+: [^\r\n\0]*\r\n)+)\r\n")
# What would frame a body, or lead to somebody else's.
FRAMING = re.compile(
    rb"^(?:content-length|transfer-encoding|te|trailer|expect|upgrade|connection):",
    re.IGNORECASE | re.MULTILINE,
)
ONCE = (b"host", b"forwarded", b"x-forwarded-for", b"x-forwarded-host", b"x-forwarded-proto")
# Longer than any answer takes on a busy machine.
HANG_SECONDS = 60


@dataclass
class Notes:
    """What arrived at the origin, connection by connection."""

    wires: list[bytearray] = field(default_factory=list)

    async def behave(self, talk: Talk) -> None:
        received, unanswered = bytearray(), b""
        self.wires.append(received)
        while data := await talk.reader.read(65536):
            received += data
            *heads, unanswered = (unanswered + data).split(b"\r\n\r\n")
            for head in heads:
                await talk.send(answer([*head.split(b" "), b""][1]))

    def forget(self) -> None:
        for wire in self.wires:
            wire.clear()

    def take(self) -> list[str]:
        """Give the targets that were asked for since, and forget them.

        Raises:
            AssertionError: something arrived that is no request, or more than one.
        """
        targets = []
        for wire in self.wires:
            data = bytes(wire)
            wire.clear()
            while data:
                sent = SENT.match(data)
                assert sent, f"no request of the proxy's own: {data[:400]!r}"
                assert b"evil" not in sent[0].lower(), sent[0]
                names = [line.partition(b":")[0].lower() for line in sent[2].splitlines()]
                assert all(names.count(name) <= 1 for name in ONCE), sent[2]
                assert not FRAMING.search(sent[2]), sent[2]
                targets.append(sent[1].decode())
                data = data[sent.end() :]
        return targets


def answer(target: bytes) -> bytes:
    if target.partition(b"?")[0].endswith(b".m3u8"):
        body = MASTER if b"master" in target else VOD
        return response(body.encode(), "200 OK", f"Content-Type: {HLS}")
    return response(b"media\n", "200 OK", "Content-Type: video/mp2t")


@asynccontextmanager
async def staged(**settings: Any) -> AsyncIterator[tuple[Stack, Notes]]:
    """Serve a channel and open segments from an origin that notes what it is sent."""
    notes = Notes()
    async with RawOrigin(notes.behave) as origin:
        routes = [
            {"name": "live", "path": "/live/**", "origins": [origin.url]},
            {"name": "open", "path": "/open/**", "origins": [origin.url], "segments": "open"},
        ]
        defaults = {"routes": routes, "origin": {"cache": "10m"}}
        async with Stack(**{**defaults, **settings}) as stack:
            yield stack, notes


async def beat(stack: Stack) -> str:
    """Begin to watch, refresh until that goes the fast path, and give the target."""
    async with Wire(stack) as wire:
        entry = await wire.ask(f"{ENTRY}?token={stack.token()}")
        found = re.search(rb"low/index.m3u8\?_sid=[\w.-]+", entry[1])
        assert found
        target = ENTRY.replace("master.m3u8", found[0].decode())
        assert [status(await wire.ask(target)) for _ in range(4)] == [200] * 4
    return target


async def said(wire: Wire, pieces: Iterable[bytes], enough: int) -> bytes:
    """Send pieces on a new connection, and give all that is answered until it ends.

    Or until there are that many answers, 0 for no matter how many.

    Raises:
        TimeoutError: neither is ever so.
    """
    text = b""
    async with asyncio.timeout(HANG_SECONDS), wire:
        sending = asyncio.create_task(send(wire, pieces))
        with suppress(ConnectionError):
            while data := await wire.some():
                text += data
                if enough and len(statuses(text)) >= enough:
                    break
        sending.cancel()
        await asyncio.wait([sending])
    return text


async def said_in_turn(wire: Wire, requests: Iterable[bytes], enough: int) -> bytes:
    """Send each request when the one before was answered, on a new connection; give all answers.

    As long as the connection lasts, and until there are ``enough``, 0 for no matter how many.

    Raises:
        TimeoutError: one is not answered.
    """
    text = b""
    async with asyncio.timeout(HANG_SECONDS), wire:
        with suppress(ConnectionError):
            for number, request in enumerate(requests, start=1):
                wire.send(request)
                while len(statuses(text)) < number:
                    if not (data := await wire.some()):
                        return text
                    text += data
                if number == enough:
                    return text
            text += await wire.rest()
    return text


async def send(wire: Wire, pieces: Iterable[bytes]) -> None:
    with suppress(ConnectionError):  # closed before all was sent, as it may be
        for piece in pieces:
            wire.send(piece)
            await wire.writer.drain()
            await asyncio.sleep(0)


def statuses(text: bytes) -> list[int]:
    """Give the statuses of all answers."""
    return [int(found) for found in STATUS.findall(text)]
