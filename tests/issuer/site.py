"""The example issuer on a port of its own, and a browser in front of it."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
from aiohttp import web

from issuer.settings import Settings
from tests.demo.serving import listening
from tests.support.redis_server import free_port

FOLDER = Path(__file__).parents[2] / "config/compose/issuer"
URL = "http://issuer.example"


def environment(keys: Path, **more: str) -> dict[str, str]:
    """What the issuer is started with."""
    return {
        "ISSUER_URL": URL,
        "ISSUER_AUDIENCE": "playgate",
        "ISSUER_USERS": str(FOLDER / "users.yaml"),
        "ISSUER_KEYS": str(keys),
        "WATCH_URL": "http://media.example/",
        # Nobody listens there.
        "PLAYGATE_ADMIN_URL": f"http://127.0.0.1:{free_port()}",
        "PLAYGATE_ADMIN_TOKEN": "admin-token",
        **more,
    }


def settings(keys: Path, **more: str) -> Settings:
    return Settings.of(environment(keys, **more))


@asynccontextmanager
async def browsing(app: web.Application) -> AsyncIterator[aiohttp.ClientSession]:
    jar = aiohttp.CookieJar(unsafe=True)
    async with listening(app) as url, aiohttp.ClientSession(url, cookie_jar=jar) as browser:
        yield browser


def cookie(browser: aiohttp.ClientSession, name: str) -> str:
    return next((kept.value for kept in browser.cookie_jar if kept.key == name), "")


async def log_in(browser: aiohttp.ClientSession, user: str = "alice", **headers: str) -> int:
    form = {"user": user, "password": "tidewater"}
    async with browser.post("/login", data=form, headers=headers) as answer:
        return answer.status
