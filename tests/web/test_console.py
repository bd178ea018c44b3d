import re
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from proxy.web.console.site import PAGE
from tests.support.stack import Answer, Stack

FILES = sorted(path for path in PAGE.iterdir())


@pytest.fixture
async def stack() -> AsyncIterator[Stack]:
    async with Stack() as running:
        yield running


async def served(stack: Stack, path: str) -> Answer:
    return await stack.operate(path, token=None)


async def test_the_page_is_served_with_all_that_it_names(stack: Stack) -> None:
    index = await served(stack, "/")
    assert (index.status, index.headers["Content-Type"]) == (200, "text/html; charset=utf-8")
    named = set(re.findall(r'(?:href|src)="([^"]+)"', index.text))
    for name in list(named):
        named |= imported_by(name)
    assert {"console/page.css", "console/main.js", "console/api.js"} <= named
    assert {Path(name).name for name in named} == {file.name for file in FILES} - {"index.html"}
    kinds = {".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}
    for name in named:
        answer = await served(stack, f"/{name}")
        assert answer.status == 200
        assert answer.headers["Content-Type"].split(";")[0] == kinds[Path(name).suffix]
        assert answer.body == (PAGE / Path(name).name).read_bytes()


def imported_by(name: str) -> set[str]:
    """The modules of the page that one of them needs, and those they need."""
    if not name.endswith(".js"):
        return set()
    direct = re.findall(r'from "\./([^"]+)"', (PAGE / Path(name).name).read_text())
    found = {f"console/{other}" for other in direct}
    return found.union(*map(imported_by, found))


async def test_everything_is_served_under_a_strict_policy(stack: Stack) -> None:
    for path in ("/", "/console/main.js", "/console/page.css", "/console/icon.svg"):
        headers = (await served(stack, path)).headers
        policy = headers["Content-Security-Policy"]
        for rule in (
            "default-src 'none'",
            "script-src 'self'",
            "style-src 'self'",
            "connect-src 'self'",
            "base-uri 'none'",
            "form-action 'none'",
            "frame-ancestors 'none'",
        ):
            assert rule in policy.split("; ")
        assert "unsafe" not in policy
        assert "*" not in policy
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert headers["Referrer-Policy"] == "no-referrer"
        assert headers["Server"] == "playgate"


@pytest.mark.parametrize("file", FILES, ids=lambda file: str(file.name))
def test_a_file_holds_nothing_inline_and_nothing_foreign(file: Path) -> None:
    text = file.read_text()
    assert not re.search(r"<script(?![^>]*\bsrc=)|<style|\sstyle=|\son\w+=", text)
    assert not re.search(r"\b(innerHTML|outerHTML|insertAdjacentHTML|document\.write|eval)\b", text)
    foreign = set(re.findall(r"(?:https?:)?//[\w.-]+\.\w+", text))
    assert foreign <= {"http://www.w3.org"}
    # It may be served under a path of another server's.
    assert not re.search(r"""(?:href|src)="/|fetch\(["'`]/""", text)


async def test_a_file_is_sent_again_only_when_it_has_changed(stack: Stack) -> None:
    async with stack.admin.get("/console/main.js") as first:
        etag = first.headers["ETag"]
        assert etag.startswith('"')
        assert first.headers["Cache-Control"] == "no-cache"
    for held, status in ((etag, 304), (f'"other", {etag}', 304), ('"other"', 200)):
        async with stack.admin.get("/console/main.js", headers={"If-None-Match": held}) as again:
            assert (again.status, again.headers["ETag"]) == (status, etag)
            assert bool(await again.read()) is (status == 200)
            assert "Content-Security-Policy" in again.headers
    async with stack.admin.get("/") as index:
        assert index.headers["ETag"] != etag


@pytest.mark.parametrize(
    "path",
    [
        "/console/",
        "/console/nothing.js",
        "/console/site.py",
        "/console/..%2Fsite.py",
        "/console/%2e%2e%2fsite.py",
    ],
)
async def test_what_is_no_part_of_the_page_is_not_found(stack: Stack, path: str) -> None:
    answer = await served(stack, path)
    assert (answer.status, answer.code) == (404, "not_found")


async def test_the_page_takes_no_other_method_and_is_not_on_the_players_port(stack: Stack) -> None:
    assert (await stack.operate("/", "POST", token=None)).code == "method_not_allowed"
    assert (await stack.operate("/", "HEAD", token=None)).status == 200
    assert (await stack.ask("/")).code == "not_found"
    assert (await stack.ask("/console/main.js")).code == "not_found"
