"""Log in, watch, log out: the services of docker compose together, each a process of its own."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from urllib.parse import urljoin

import aiohttp
import pytest
import pytest_asyncio
from yarl import URL

from tests.issuer.compose import Compose, up
from tests.support.poll import until

# Together, so that the processes are started once.
pytestmark = [pytest.mark.xdist_group("compose"), pytest.mark.asyncio(loop_scope="module")]

FILM = "/vod/tidewater/master.m3u8"
PASSWORDS = {"alice": "tidewater", "bob": "redmesa"}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def compose(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Compose]:
    async with up(tmp_path_factory.mktemp("compose")) as services:
        yield services


class Browser:
    """A browser of somebody's: it sends to the proxy whatever cookie the issuer has set."""

    def __init__(self, compose: Compose, client: aiohttp.ClientSession) -> None:
        self.compose = compose
        self.client = client

    async def log_in(self, user: str) -> None:
        form = {"user": user, "password": PASSWORDS[user]}
        async with self.client.post(f"{self.compose.issuer}/login", data=form) as answer:
            assert answer.url.path == "/me", await answer.text()

    async def log_out(self, where: str = "") -> None:
        async with self.client.post(f"{self.compose.issuer}/logout{where}") as answer:
            assert answer.url.path == "/login", await answer.text()

    @property
    def session(self) -> str:
        return next((kept.value for kept in self.client.cookie_jar if kept.key == "session"), "")

    async def ask(self, path: str, session: str = "") -> tuple[str, str]:
        """Ask the proxy; gives what was decided and the playlist, or a code and nothing."""
        # In front of both stands nginx, whose one host the cookie is for.
        session = session or self.session
        headers = {"Cookie": f"session={session}"} if session else {}
        async with self.client.get(f"{self.compose.proxy}{path}", headers=headers) as answer:
            if answer.status != 200:
                return str((await answer.json(content_type=None))["code"]), ""
            return answer.headers["Playgate-Decision"], await answer.text()

    async def watch(self) -> str:
        """Start the film; gives the address at which a player goes on."""
        decision, playlist = await self.ask(FILM)
        assert decision in {"admitted", "renewed"}
        child = next(line for line in playlist.splitlines() if line and line[0] != "#")
        return urljoin(FILM, child)


@asynccontextmanager
async def browser(compose: Compose) -> AsyncIterator[Browser]:
    # Its cookies are for https, which nginx would add.
    jar = aiohttp.CookieJar(unsafe=True, treat_as_secure_origin=URL(compose.issuer))
    async with aiohttp.ClientSession(cookie_jar=jar) as client:
        yield Browser(compose, client)


async def test_who_logs_out_stops_watching_there_or_everywhere(compose: Compose) -> None:
    async with (
        browser(compose) as phone,
        browser(compose) as laptop,
        browser(compose) as neighbour,
        browser(compose) as thief,
    ):
        assert await phone.ask(FILM) == ("token_missing", "")
        await phone.log_in("alice")
        await laptop.log_in("alice")
        await neighbour.log_in("bob")
        on_phone, on_laptop = await phone.watch(), await laptop.watch()
        at_neighbour = await neighbour.watch()

        stolen = phone.session
        await phone.log_out()
        assert await thief.ask(FILM, stolen) == ("token_revoked", "")
        assert await thief.ask(on_phone) == ("token_revoked", "")
        async with thief.client.get(
            f"{compose.issuer}/me", headers={"Cookie": f"session={stolen}"}
        ) as answer:
            assert answer.url.path == "/login"
        assert (await laptop.ask(on_laptop))[0] == "renewed"

        await phone.log_in("alice")
        on_phone = await phone.watch()
        stolen = laptop.session
        await phone.log_out("/everywhere")
        for address in (on_phone, on_laptop):
            assert await thief.ask(address) == ("token_revoked", "")
        assert await thief.ask(FILM, stolen) == ("token_revoked", "")
        assert (await neighbour.ask(at_neighbour))[0] == "renewed"

        await phone.log_in("alice")
        await phone.watch()


async def test_a_new_key_is_published_and_logs_nobody_out(compose: Compose) -> None:
    async with browser(compose) as phone:
        await phone.log_in("alice")

        async def published() -> int:
            url = f"{compose.issuer}/.well-known/jwks.json"
            async with phone.client.get(url) as answer:
                return len((await answer.json(content_type=None))["keys"])

        before = await published()
        compose.rotate()

        async def is_there() -> bool:
            return await published() == before + 1

        await until(is_there, "the new key is published")
        await phone.watch()
        await phone.log_in("alice")
        await phone.watch()
