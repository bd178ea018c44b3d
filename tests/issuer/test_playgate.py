"""What the example issuer sends to Playgate's admin port, and what it makes of the answer."""

from pathlib import Path
from typing import Any

import jwt
import pytest
from aiohttp import web

from issuer.app import build
from tests.demo.serving import listening
from tests.issuer.site import browsing, cookie, log_in, settings


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
@pytest.mark.parametrize("path", ["/logout", "/logout/everywhere"])
async def test_the_admin_token_goes_where_it_is_meant_to_and_no_further(
    tmp_path: Path, path: str, status: int
) -> None:
    asked = []

    async def answer(request: web.Request) -> web.Response:
        asked.append((request.path, request.headers["Authorization"]))
        if request.path == "/elsewhere":
            return web.Response(status=204)
        return web.Response(status=status, headers={"Location": "/elsewhere"})

    admin = web.Application()
    admin.router.add_route("*", "/{path:.*}", answer)
    async with listening(admin) as url:
        app, _ = build(settings(tmp_path, PLAYGATE_ADMIN_URL=url))
        async with browsing(app) as browser:
            await log_in(browser)
            async with browser.post(path) as told:
                assert told.status == 503
                assert f"Playgate answered {status}." in await told.text()
    assert asked == [("/admin/v1/accounts/alice/revoke", "Bearer admin-token")]


async def test_logging_out_everywhere_names_a_moment_between_old_logins_and_new_ones(
    tmp_path: Path,
) -> None:
    told: list[Any] = []

    async def take(request: web.Request) -> web.Response:
        told.append(await request.json())
        return web.Response(status=204)

    admin = web.Application()
    admin.router.add_post("/admin/v1/accounts/alice/revoke", take)
    async with listening(admin) as url:
        app, _ = build(settings(tmp_path, PLAYGATE_ADMIN_URL=url))
        async with browsing(app) as browser:
            issued = []
            for _ in range(2):
                await log_in(browser)
                token = jwt.decode(cookie(browser, "session"), options={"verify_signature": False})
                issued.append(token["iat"])
                async with browser.post("/logout/everywhere") as answer:
                    assert answer.url.path == "/login"
    moments = [document.pop("issued_before") for document in told]
    assert told == [{}, {}]
    assert issued[0] <= moments[0] < issued[1] <= moments[1]
    # With their fractions: whole seconds would mean the login that follows, too.
    assert all(moment != int(moment) for moment in moments)
