"""The example issuer's log: its own failures, without what clients send."""

import logging
from collections.abc import Iterator
from pathlib import Path

import aiohttp
import pytest
from aiohttp import web

from issuer import logs
from issuer.app import build
from tests.demo.serving import listening
from tests.issuer.raw import told
from tests.issuer.site import settings

CANARY = b"canary-4711"


@pytest.fixture(autouse=True)
def _set_up() -> Iterator[None]:
    logs.set_up()
    yield
    logging.getLogger("aiohttp.server").removeFilter(logs.is_ours)


@pytest.mark.parametrize(
    "request_",
    [
        b"GET /me HTTP/1.1\r\nHost: a\r\nCookie: session=" + CANARY + b"\x01\r\n\r\n",
        b"GET /me HTTP/1.1\r\nHost: a\r\nCookie: session=" + CANARY + b"a" * 9000 + b"\r\n\r\n",
        b"GET /login?password=" + CANARY + b"\xff HTTP/1.1\r\nHost: a\r\n\r\n",
        b"POST /login HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n" + CANARY,
    ],
    ids=["a cookie", "a long cookie", "a query", "a body"],
)
async def test_what_cannot_be_parsed_is_not_logged(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, request_: bytes
) -> None:
    app, _ = build(settings(tmp_path))
    assert b" 400 " in await told(app, request_)
    assert CANARY.decode() not in caplog.text


async def test_a_failure_of_ours_is_logged(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async def fail(_: web.Request) -> web.Response:
        raise RuntimeError("our own")

    app, _ = build(settings(tmp_path))
    app.router.add_get("/failure", fail)
    async with listening(app) as url, aiohttp.request("GET", f"{url}/failure") as answer:
        assert answer.status == 500
    assert "our own" in caplog.text
