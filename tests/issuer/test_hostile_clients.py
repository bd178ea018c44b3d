"""The example issuer and clients that are no browsers, or are somebody else's."""

import asyncio
import logging
import threading
from pathlib import Path

import aiohttp
import jwt
import pytest
from aiohttp import web
from yarl import URL

import issuer.app
from issuer.app import build
from issuer.users import Users
from tests.demo.serving import listening
from tests.issuer.raw import opened, told
from tests.issuer.site import browsing, cookie, log_in, settings
from tests.support.poll import until

FORM = "Content-Type: application/x-www-form-urlencoded\r\n"


@pytest.fixture
def app(tmp_path: Path) -> web.Application:
    return build(settings(tmp_path))[0]


def status(head: bytes) -> int:
    return int(head.split()[1])


# --- Bodies ---


@pytest.mark.parametrize("coding", ["gzip", "deflate", "br", "made-up"])
async def test_a_compressed_form_is_none(app: web.Application, coding: str) -> None:
    fields = f"{FORM}Content-Encoding: {coding}\r\nContent-Length: 4\r\n"
    head = await told(app, f"POST /login HTTP/1.1\r\nHost: a\r\n{fields}\r\nnope".encode())
    assert status(head) == 415


async def test_a_form_that_never_ends_is_given_up(
    app: web.Application, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(issuer.app, "FORM_SECONDS", 0.01)
    fields = f"{FORM}Content-Length: 100\r\n"
    head = await told(app, f"POST /login HTTP/1.1\r\nHost: a\r\n{fields}\r\nuser=".encode())
    assert status(head) == 408


@pytest.mark.parametrize("path", ["/login", "/logout", "/logout/everywhere", "/nothing"])
async def test_a_body_without_end_is_not_read(app: web.Application, path: str) -> None:
    fields = f"{FORM}Content-Length: 1000000000\r\n"
    body = b"u" * 5000
    head = await told(app, f"POST {path} HTTP/1.1\r\nHost: a\r\n{fields}\r\n".encode(), body)
    assert status(head) == {"/login": 413, "/nothing": 404}.get(path, 303)


async def test_who_leaves_while_sending_is_nobodys_failure(
    app: web.Application, caplog: pytest.LogCaptureFixture
) -> None:
    begun, over = asyncio.Event(), asyncio.Event()

    @web.middleware
    async def watched(request: web.Request, handler: issuer.app.Handler) -> web.StreamResponse:
        begun.set()
        try:
            return await handler(request)
        finally:
            over.set()

    app.middlewares.insert(0, watched)
    async with listening(app) as url:
        _, writer = await opened(url)
        fields = f"{FORM}Content-Length: 100\r\n"
        writer.write(f"POST /login HTTP/1.1\r\nHost: a\r\n{fields}\r\nuser=".encode())
        async with asyncio.timeout(90):
            await begun.wait()
            writer.transport.abort()
            await over.wait()
    assert [record for record in caplog.records if record.levelno >= logging.WARNING] == []


# --- Who it is ---


async def test_a_session_that_was_planted_is_replaced_by_who_logs_in(app: web.Application) -> None:
    async with listening(app) as url:
        async with aiohttp.ClientSession(url, cookie_jar=aiohttp.CookieJar(unsafe=True)) as mallory:
            await log_in(mallory, "alice")
            planted, device = cookie(mallory, "session"), cookie(mallory, "device")
        jar = aiohttp.CookieJar(unsafe=True)
        jar.update_cookies({"session": planted, "device": f"{device}\n"}, URL(url))
        async with aiohttp.ClientSession(url, cookie_jar=jar) as victim:
            form = {"user": "bob", "password": "redmesa"}
            async with victim.post("/login", data=form) as answer:
                assert "bob" in await answer.text()
            before, after = (
                jwt.decode(token, options={"verify_signature": False})
                for token in (planted, cookie(victim, "session"))
            )
    assert (before["sub"], after["sub"]) == ("alice", "bob")
    assert before["jti"] != after["jti"]
    assert before["device_id"] != after["device_id"]


@pytest.mark.parametrize(
    "cookies",
    [
        b"session=\xff\xfe.\xff.\xff",
        b'session="\\377\\015\\012"; device="\\012"',
        b"session=e30.e30.; session=a.b.c; =; ;; $Version=1",
        b"session=" + b"e30" * 1000 + b".e30.e30",
    ],
)
async def test_no_cookie_breaks_it(app: web.Application, cookies: bytes) -> None:
    for line in (b"GET /me", b"POST /logout", b"POST /logout/everywhere"):
        head = await told(app, line + b" HTTP/1.1\r\nHost: a\r\nCookie: " + cookies + b"\r\n\r\n")
        assert status(head) == 303
        assert b"\r\nLocation: /login\r\n" in head


# --- Where it leads ---


@pytest.mark.parametrize(
    ("target", "location"),
    [
        ("/?next=//evil.example", "/me"),
        ("http://evil.example/", "/me"),
        ("/me?next=https://evil.example", "/login"),
        ("/login?next=https://evil.example", None),
        ("//evil.example/", None),
        ("/%0d%0aLocation:%20https://evil.example", None),
        ("/%ff%00", None),
    ],
)
async def test_it_leads_nowhere_else(
    app: web.Application, target: str, location: str | None
) -> None:
    head = await told(app, f"GET {target} HTTP/1.1\r\nHost: evil.example\r\n\r\n".encode())
    assert status(head) == (303 if location else 200 if target.startswith("/login") else 404)
    assert (f"\r\nLocation: {location}\r\n".encode() in head) == bool(location)
    assert b"evil" not in head


@pytest.mark.parametrize("method", ["PUT", "DELETE", "TRACE", "OPTIONS", "PROPFIND"])
@pytest.mark.parametrize("path", ["/login", "/me", "/logout"])
async def test_other_methods_are_told_so(app: web.Application, method: str, path: str) -> None:
    assert status(await told(app, f"{method} {path} HTTP/1.1\r\nHost: a\r\n\r\n".encode())) == 405


@pytest.mark.parametrize("line", ["CONNECT a:80", "OPTIONS *", "GET http://[", "FOO /", "get /"])
async def test_what_is_no_request_of_a_page_is_refused(app: web.Application, line: str) -> None:
    assert status(await told(app, f"{line} HTTP/1.1\r\nHost: a\r\n\r\n".encode())) in {400, 404}


# --- Too many ---


async def test_of_a_flood_of_logins_some_are_tried_and_the_others_told_to_come_back(
    app: web.Application, monkeypatch: pytest.MonkeyPatch
) -> None:
    go_on, at_once = threading.Event(), []

    def slowly(_: Users, name: str, password: str) -> None:
        del password
        at_once.append(name)
        go_on.wait()

    monkeypatch.setattr(Users, "authenticate", slowly)
    monkeypatch.setattr(issuer.app, "MAX_LOGINS", 5)
    try:
        async with browsing(app) as browser, asyncio.TaskGroup() as clients:
            logins = [clients.create_task(log_in(browser)) for _ in range(8)]

            async def some_are_told() -> bool:
                return sum(login.done() for login in logins) == 3 and len(at_once) == 2

            await until(some_are_told, "three are sent away, two are tried")
            go_on.set()
        assert sorted(login.result() for login in logins) == [403] * 5 + [503] * 3
    finally:
        go_on.set()
