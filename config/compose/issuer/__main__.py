"""Runs the issuer: ``python -m issuer``, settings in the environment. SIGHUP makes a new key."""

import argparse
import asyncio
import os
import signal
import sys
from collections.abc import Awaitable, Callable

from aiohttp import web

from issuer import logs
from issuer.app import build
from issuer.keys import SigningKeys
from issuer.settings import Settings


def main() -> None:
    """Serve until SIGTERM or SIGINT."""
    parser = argparse.ArgumentParser(prog="issuer")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=8000)
    where = parser.parse_args()
    logs.set_up()
    try:
        app, keys = build(Settings.of(os.environ))
    except (OSError, ValueError) as error:
        sys.exit(f"issuer: {error}")
    app.on_startup.append(_rotate_on_sighup(keys))
    web.run_app(app, host=where.host, port=where.port, access_log=None, print=None)


def _rotate_on_sighup(keys: SigningKeys) -> Callable[[web.Application], Awaitable[None]]:
    async def listen(_: web.Application) -> None:
        asyncio.get_running_loop().add_signal_handler(signal.SIGHUP, keys.rotate)

    return listen


if __name__ == "__main__":
    main()
