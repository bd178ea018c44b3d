"""A client of the admin API, for the command line."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

import aiohttp
from yarl import URL

from proxy.settings.types import BEARER
from proxy.settings.urls import parse_base
from proxy.web.account_streams import NO_SUCH_STREAM

TIMEOUT_SECONDS = 10


LISTED = ("id", "content", "device", "started_at", "beats")


@dataclass(frozen=True, slots=True)
class Listed:
    """One active stream, as the API lists it."""

    id: str
    content: str
    device: str
    started_at: str
    beats: int


class AdminError(Exception):
    """The admin API said no, or was asked wrongly."""


class AdminUnreachable(AdminError):
    """Nobody answered where the admin API should be."""


@dataclass(frozen=True, slots=True)
class AdminClient:
    """Talks to one proxy's admin port."""

    url: str
    token: str = field(repr=False)

    @classmethod
    def from_environment(cls, environ: Mapping[str, str]) -> "AdminClient":
        """Take the address and the token from the environment.

        Raises:
            AdminError: the token is missing, or one of them is none.
        """
        token = environ.get("PLAYGATE_ADMIN_TOKEN", "")
        if not token:
            raise AdminError("set PLAYGATE_ADMIN_TOKEN (and PLAYGATE_ADMIN_URL) first")
        if not BEARER.fullmatch(token):
            raise AdminError("PLAYGATE_ADMIN_TOKEN: may hold letters, digits and -._~+/= only")
        try:
            url = parse_base(environ.get("PLAYGATE_ADMIN_URL") or "http://127.0.0.1:9090")
        except ValueError as error:
            raise AdminError(f"PLAYGATE_ADMIN_URL: {error}") from error
        return cls(url, token)

    async def streams(self, account: str) -> list[Listed]:
        """List an account's active streams.

        Raises:
            AdminError: the API said no, or is not there.
        """
        document = await self._call("GET", f"/{_quoted(account)}/streams")
        try:
            return [Listed(**{name: one[name] for name in LISTED}) for one in document["streams"]]
        except (KeyError, TypeError) as error:
            raise AdminError(f"what answered at {self.url} is not an admin API") from error

    async def end(self, account: str, stream: str | None, hold: str | None) -> None:
        """End one stream of an account, or all.

        Raises:
            AdminError: the API said no, or is not there.
        """
        which = "" if stream is None else f"/{_quoted(stream)}"
        held = "" if hold is None else f"?hold={_quoted(hold)}"
        await self._call("DELETE", f"/{_quoted(account)}/streams{which}{held}")

    async def _call(self, method: str, path: str) -> Any:
        address = f"{self.url}/admin/v1/accounts{path}"
        headers = {"Authorization": f"Bearer {self.token}"}
        timeout = aiohttp.ClientTimeout(total=TIMEOUT_SECONDS)
        try:
            async with (
                aiohttp.ClientSession(timeout=timeout, headers=headers) as session,
                session.request(method, URL(address, encoded=True)) as response,
            ):
                document = await response.json() if response.status != 204 else {}
        except (aiohttp.ContentTypeError, ValueError) as error:
            raise AdminError(f"what answered at {self.url} is not an admin API") from error
        except (aiohttp.ClientError, TimeoutError) as error:
            reason = str(error) or f"no answer within {TIMEOUT_SECONDS} seconds"
            told = f"PLAYGATE_ADMIN_URL: the admin API cannot be reached at {self.url}: {reason}"
            raise AdminUnreachable(told) from error
        if response.status >= 400:
            detail = document.get("detail") if isinstance(document, dict) else None
            if response.status == 404 and detail != NO_SUCH_STREAM:
                where = "set PLAYGATE_ADMIN_URL to the admin port, which is not the players'"
                raise AdminError(f"what answered at {self.url} is not an admin API; {where}")
            raise AdminError(detail or f"the admin API answered with status {response.status}")
        return document


def _quoted(text: str) -> str:
    """Encode for a path; what the shell gave that is no UTF-8 is passed on as it is."""
    return quote(text, safe="", errors="surrogateescape")
