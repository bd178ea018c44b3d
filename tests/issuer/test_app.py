"""The example issuer by HTTP: its form, its cookies, its keys, and whom it does not listen to."""

import time
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import jwt
import pytest

from issuer.app import build
from tests.issuer.site import URL, browsing, cookie, log_in, settings


@pytest.fixture
async def issuer(tmp_path: Path) -> AsyncIterator[aiohttp.ClientSession]:
    """A browser in front of the issuer."""
    async with browsing(build(settings(tmp_path))[0]) as browser:
        yield browser


async def test_a_login_sets_a_cookie_that_says_who_it_is(issuer: aiohttp.ClientSession) -> None:
    assert await log_in(issuer) == 200
    async with issuer.get("/.well-known/jwks.json") as answer:
        published = jwt.PyJWKSet.from_json(await answer.text())
    token = cookie(issuer, "session")
    key = published[jwt.get_unverified_header(token)["kid"]]
    claims = jwt.decode(token, key, algorithms=["ES256"], issuer=URL, audience="playgate")
    assert (claims["sub"], claims["plan"]) == ("alice", "standard")
    assert claims["device_id"] == cookie(issuer, "device")
    assert claims["jti"]
    assert 0 < claims["exp"] - time.time() <= 12 * 3600


async def test_who_comes_back_is_the_same_device_in_a_session_of_its_own(
    issuer: aiohttp.ClientSession,
) -> None:
    sessions = []
    for _ in range(2):
        await log_in(issuer)
        read = jwt.decode(cookie(issuer, "session"), options={"verify_signature": False})
        sessions.append(read)
    assert sessions[0]["device_id"] == sessions[1]["device_id"]
    assert sessions[0]["jti"] != sessions[1]["jti"]


@pytest.mark.parametrize(
    ("url", "domain", "secure"),
    [
        (URL, "", False),
        ("https://login.example.com", "example.com", True),
    ],
)
async def test_the_cookie_is_kept_from_scripts_other_sites_and_where_it_can_be_plain_http(
    tmp_path: Path, url: str, domain: str, secure: bool
) -> None:
    app, _ = build(settings(tmp_path, ISSUER_URL=url, ISSUER_COOKIE_DOMAIN=domain))
    async with browsing(app) as browser:
        form = {"user": "alice", "password": "tidewater"}
        async with browser.post("/login", data=form, allow_redirects=False) as answer:
            set_cookies = answer.headers.getall("Set-Cookie")
    for text in set_cookies:
        name, *parts = text.replace("=", "; ", 1).split("; ")
        assert {"HttpOnly", "SameSite=Lax", "Path=/"} <= set(parts)
        assert ("Secure" in parts) == secure
        # Only the token has to reach Playgate.
        told = [part for part in parts if part.startswith("Domain=")]
        assert told == ([f"Domain={domain}"] if domain and name == "session" else [])


async def test_a_wrong_password_is_said_so_and_logs_nobody_in(
    issuer: aiohttp.ClientSession,
) -> None:
    form = {"user": '"><script>alert(1)</script>', "password": "tidewater"}
    async with issuer.post("/login", data=form) as answer:
        page = await answer.text()
        assert answer.status == 403
    assert "do not belong together" in page
    assert "<script>" not in page
    assert not cookie(issuer, "session")
    async with issuer.get("/me") as answer:
        assert answer.url.path == "/login"


@pytest.mark.parametrize(
    "headers",
    [
        {"Sec-Fetch-Site": "cross-site", "Origin": "http://evil.example"},
        {"Sec-Fetch-Site": "same-site"},
        {"Origin": "http://evil.example"},
        {"Origin": "null"},
        {"Origin": "http://"},
        {"Origin": "http://["},
        {"Origin": "http://℀"},
    ],
)
async def test_a_form_of_another_site_changes_nothing(
    issuer: aiohttp.ClientSession, headers: dict[str, str]
) -> None:
    assert await log_in(issuer, **headers) == 403
    assert not cookie(issuer, "session")
    await log_in(issuer)
    async with issuer.post("/logout", headers=headers) as answer:
        assert answer.status == 403
    async with issuer.get("/me") as answer:
        assert "alice" in await answer.text()


async def test_its_own_forms_work_with_and_without_fetch_metadata(
    issuer: aiohttp.ClientSession,
) -> None:
    assert await log_in(issuer, **{"Sec-Fetch-Site": "same-origin"}) == 200
    async with issuer.get("/login") as answer:
        own = str(answer.url.origin())
    assert await log_in(issuer, Origin=own) == 200


@pytest.mark.parametrize("path", ["/logout", "/logout/everywhere"])
async def test_a_logout_that_playgate_was_not_told_of_can_be_tried_again(
    issuer: aiohttp.ClientSession, path: str
) -> None:
    await log_in(issuer)
    async with issuer.post(path) as answer:
        assert answer.status == 503
        assert "still logged in" in await answer.text()
    async with issuer.get("/me") as answer:
        assert "alice" in await answer.text()


async def test_unchanged_keys_are_not_sent_again(tmp_path: Path) -> None:
    app, keys = build(settings(tmp_path))
    async with browsing(app) as browser:
        async with browser.get("/.well-known/jwks.json") as answer:
            tag = answer.headers["ETag"]
        known = {"If-None-Match": tag}
        async with browser.get("/.well-known/jwks.json", headers=known) as answer:
            assert (answer.status, await answer.read()) == (304, b"")
            assert answer.headers["ETag"] == tag
        keys.rotate()
        async with browser.get("/.well-known/jwks.json", headers=known) as answer:
            assert answer.status == 200
            assert len((await answer.json(content_type=None))["keys"]) == 2


async def test_a_session_outlives_the_rotation_of_its_key_and_a_restart(tmp_path: Path) -> None:
    app, keys = build(settings(tmp_path))
    async with browsing(app) as browser:
        await log_in(browser)
        session = cookie(browser, "session")
    keys.rotate()
    again, _ = build(settings(tmp_path))
    known = {"Cookie": f"session={session}"}
    async with browsing(again) as browser, browser.get("/me", headers=known) as answer:
        assert "alice" in await answer.text()


@pytest.mark.parametrize(
    ("body", "content_type", "status"),
    [
        (b"{}", "application/json", 415),
        (b"--x", "multipart/form-data; boundary=x", 415),
        (b"\xff\xfe", "application/x-www-form-urlencoded", 400),
        (b"a=1&" * 9, "application/x-www-form-urlencoded", 400),
        (b"user=" + b"a" * 5000, "application/x-www-form-urlencoded", 413),
        (b"", "application/x-www-form-urlencoded", 403),
        (b"user=%ff&password=%00", "application/x-www-form-urlencoded", 403),
    ],
)
async def test_no_form_breaks_it(
    issuer: aiohttp.ClientSession, body: bytes, content_type: str, status: int
) -> None:
    headers = {"Content-Type": content_type}
    async with issuer.post("/login", data=body, headers=headers) as answer:
        assert answer.status == status


@pytest.mark.parametrize("value", ["", "x", "a.b.c", "e30.e30.", "x" * 3000])
async def test_a_cookie_that_is_none_of_ours_leads_to_the_login(
    issuer: aiohttp.ClientSession, value: str
) -> None:
    async with issuer.get("/me", headers={"Cookie": f"session={value}"}) as answer:
        assert (answer.status, answer.url.path) == (200, "/login")


async def test_every_answer_has_a_strict_policy(issuer: aiohttp.ClientSession) -> None:
    for path in ("/login", "/me", "/nothing", "/style.css"):
        async with issuer.get(path) as answer:
            assert "default-src 'none'" in answer.headers["Content-Security-Policy"]
