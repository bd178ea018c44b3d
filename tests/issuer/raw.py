"""A client of the example issuer that sends what it likes."""

import asyncio

from aiohttp import web

from tests.demo.serving import listening


async def told(app: web.Application, *pieces: bytes) -> bytes:
    """Send a request as it is; gives the head of the answer."""
    async with listening(app) as url:
        reader, writer = await opened(url)
        for piece in pieces:
            writer.write(piece)
            await writer.drain()
        head = await reader.readuntil(b"\r\n\r\n")
        writer.close()
        await writer.wait_closed()
    return head


async def opened(url: str) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    return await asyncio.open_connection("127.0.0.1", int(url.rpartition(":")[2]))
