"""Runs one of the demo's applications on a port of its own, with a client in front."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import aiohttp
from aiohttp import web


@asynccontextmanager
async def served(app: web.Application) -> AsyncIterator[aiohttp.ClientSession]:
    """Serve the application as long as the context lasts."""
    async with listening(app) as url, aiohttp.ClientSession(url) as client:
        yield client


@asynccontextmanager
async def listening(app: web.Application) -> AsyncIterator[str]:
    """Serve the application; gives its URL."""
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()
