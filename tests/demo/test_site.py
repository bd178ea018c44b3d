import os
import re
import time
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any

import aiohttp
import jwt
import pytest
import yarl

from proxy.demo.issuer import ISSUER, Issuer
from proxy.demo.library import load_library
from proxy.demo.request_log import RequestLog
from proxy.demo.site import PAGE, PLAYERS, build_site
from tests.demo.serving import listening, served

SECRET = "a-secret-of-at-least-32-bytes-for-the-tests"
TITLES = load_library()


@pytest.fixture
async def site(tmp_path: Path) -> AsyncIterator[aiohttp.ClientSession]:
    """The site on a machine where npm installed nothing."""
    app = build_site(Issuer(SECRET, time.time), TITLES, RequestLog(time.time), tmp_path)
    async with served(app) as client:
        yield client


async def fetch(site: aiohttp.ClientSession, path: str) -> tuple[int, str, bytes]:
    async with site.get(path, allow_redirects=False) as answer:
        return answer.status, answer.content_type, await answer.read()


async def document(site: aiohttp.ClientSession, path: str) -> tuple[int, Mapping[str, Any]]:
    async with site.get(path) as answer:
        return answer.status, await answer.json(content_type=None)


async def test_the_root_leads_to_the_page(site: aiohttp.ClientSession) -> None:
    async with site.get("/", allow_redirects=False) as answer:
        assert (answer.status, answer.headers["Location"]) == (302, "/demo/")
    status, kind, body = await fetch(site, "/demo/")
    assert (status, kind) == (200, "text/html")
    assert b"<title>Playgate demo</title>" in body


async def test_every_file_of_the_page_that_is_named_is_served(site: aiohttp.ClientSession) -> None:
    page = (PAGE / "index.html").read_text()
    named = set(re.findall(r'(?:href|src)="([^"]+)"', page))
    for name in list(named):
        named |= imported_by(name)
    assert {"page.css", "main.js", "api.js", "players/hlsjs.js", "icon.svg"} <= named
    kinds = {".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}
    for name in named:
        status, kind, body = await fetch(site, f"/demo/{name}")
        assert (status, kind) == (200, kinds[Path(name).suffix])
        assert body == (PAGE / name).read_bytes()


def imported_by(name: str) -> set[str]:
    """The modules of the page that one of them needs, and those they need."""
    if not name.endswith(".js"):
        return set()
    module = PAGE / name
    direct = re.findall(r'from "([^"]+)"', module.read_text())
    found = {os.path.normpath(f"{Path(name).parent}/{other}") for other in direct}
    return found.union(*map(imported_by, found))


async def test_everything_is_served_under_a_strict_policy(site: aiohttp.ClientSession) -> None:
    for path in ("/demo/", "/demo/main.js", "/demo/catalogue", "/demo/missing"):
        async with site.get(path) as answer:
            policy = answer.headers["Content-Security-Policy"]
            assert "default-src 'none'" in policy
            assert "unsafe" not in policy
            assert answer.headers["X-Content-Type-Options"] == "nosniff"


def test_the_page_holds_nothing_inline_and_nothing_foreign() -> None:
    page = (PAGE / "index.html").read_text()
    assert not re.search(r"<script(?![^>]*\bsrc=)", page)
    assert not re.search(r"<style|\sstyle=|\son\w+=", page)
    for file in PAGE.rglob("*.*"):
        foreign = set(re.findall(r"(?:https?:)?//[\w.-]+\.\w+", file.read_text()))
        assert foreign <= {"http://www.w3.org"}, file.name


@pytest.mark.parametrize(
    "path",
    [
        "/demo/nothing.js",
        "/demo/..%2Fsite.py",
        "/demo/%2e%2e/site.py",
        "/demo/players",
        "/demo/players/",
        "/demo/posters/x.jpg",
    ],
)
async def test_what_is_no_part_of_the_page_is_404(path: str, tmp_path: Path) -> None:
    app = build_site(Issuer(SECRET, time.time), TITLES, RequestLog(time.time), tmp_path)
    async with listening(app) as url:
        raw = yarl.URL(url + path, encoded=True)  # or the path would be normalised
        async with aiohttp.request("GET", raw) as answer:
            assert answer.status == 404


async def test_the_catalogue_says_what_who_and_with_which_players(
    site: aiohttp.ClientSession,
) -> None:
    status, catalogue = await document(site, "/demo/catalogue")
    assert status == 200
    assert [title["slug"] for title in catalogue["titles"]] == list(TITLES)
    assert {one["user"]: one["limit"] for one in catalogue["viewers"]} == {
        "alice": 3,
        "bob": 1,
        "carol": 5,
    }
    assert catalogue["players"] == dict.fromkeys(PLAYERS, False)


@pytest.mark.parametrize("player", PLAYERS)
async def test_a_player_is_offered_once_npm_installed_it(
    site: aiohttp.ClientSession, tmp_path: Path, player: str
) -> None:
    assert (await fetch(site, f"/demo/npm/{player}.js"))[0] == 404
    script = tmp_path / PLAYERS[player]
    script.parent.mkdir(parents=True)
    script.write_text("player()")
    assert (await fetch(site, f"/demo/npm/{player}.js")) == (
        200,
        "text/javascript",
        b"player()",
    )
    assert (await document(site, "/demo/catalogue"))[1]["players"][player] is True


async def test_a_poster_is_a_picture(site: aiohttp.ClientSession) -> None:
    status, kind, body = await fetch(site, "/demo/posters/greenwood.jpg")
    assert (status, kind, body[:3]) == (200, "image/jpeg", b"\xff\xd8\xff")


async def test_login_gives_a_token_and_the_same_as_a_cookie(site: aiohttp.ClientSession) -> None:
    async with site.get("/demo/login", params={"user": "alice"}) as answer:
        body = await answer.json()
        cookie = answer.cookies["session"]
        assert answer.headers["Cache-Control"] == "no-store"
    assert body["viewer"] == {"user": "alice", "name": "Alice", "plan": "standard"}
    assert (body["limit"], body["token_type"], body["expires_in"]) == (3, "Bearer", 14_400)
    assert cookie.value == body["token"]
    assert (cookie["httponly"], cookie["samesite"], cookie["path"]) == (True, "Lax", "/")
    assert claims(body["token"])["iss"] == ISSUER


async def test_login_in_a_shell_gives_the_bare_token(site: aiohttp.ClientSession) -> None:
    status, kind, body = await fetch(site, "/demo/login?user=bob&device=tv&format=text")
    assert (status, kind) == (200, "text/plain")
    assert claims(body.decode())["device_id"] == "tv"


def claims(token: str) -> Mapping[str, Any]:
    read: Mapping[str, Any] = jwt.decode(token, SECRET, algorithms=["HS256"])
    return read


@pytest.mark.parametrize(
    ("query", "status", "code"),
    [
        ("user=mallory", 404, "unknown_viewer"),
        ("", 404, "unknown_viewer"),
        ("user=mallory&format=text", 404, "unknown_viewer"),
        ("user=alice&device=" + "x" * 49, 400, "bad_request"),
        ("user=alice&device=a%0Ab", 400, "bad_request"),
        ("user=alice&device=%FF", 200, None),
    ],
)
async def test_a_login_that_cannot_be_says_why(
    site: aiohttp.ClientSession, query: str, status: int, code: str | None
) -> None:
    async with site.get(f"/demo/login?{query}") as answer:
        assert answer.status == status
        body = await answer.json(content_type=None)
        assert body.get("code") == code
        if code:
            assert answer.content_type == "application/problem+json"
            assert body["status"] == status
            assert body["detail"]


async def test_the_origins_log_can_be_read_through_the_site(tmp_path: Path) -> None:
    log = RequestLog(time.time)
    app = build_site(Issuer(SECRET, time.time), TITLES, log, tmp_path)
    async with served(app) as client:
        assert await document(client, "/demo/origin-log") == (200, {"total": 0, "requests": []})
