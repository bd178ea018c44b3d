"""What an issuer tells Playgate: which tokens are good no longer (its admin API)."""

from collections.abc import Mapping
from urllib.parse import quote

import aiohttp
from yarl import URL

from issuer.sessions import Session

# Somebody waits before a page for it.
TIMEOUT = aiohttp.ClientTimeout(total=5)


class NotRevoked(Exception):
    """Playgate did not take the revocation: it cannot be reached, or refuses."""


class Playgate:
    """Revokes tokens at a Playgate's admin port. One is enough: it tells the others."""

    def __init__(self, url: str, admin_token: str) -> None:
        self._url = url.rstrip("/")
        self._headers = {"Authorization": f"Bearer {admin_token}"}

    async def revoke(self, session: Session) -> None:
        """Revoke the token of one session.

        Raises:
            NotRevoked: it is as good as before.
        """
        await self._revoke(session.user.name, {"jti": session.jti, "exp": session.expires_at})

    async def revoke_all(self, account: str, until: float) -> None:
        """Revoke all tokens of an account that were issued up to a moment, its fraction included.

        Raises:
            NotRevoked: they are as good as before.
        """
        await self._revoke(account, {"issued_before": until})

    async def _revoke(self, account: str, what: Mapping[str, object]) -> None:
        path = f"/admin/v1/accounts/{quote(account, safe='')}/revoke"
        try:
            async with (
                aiohttp.ClientSession(headers=self._headers, timeout=TIMEOUT) as client,
                # What the token opens is here: whoever says "elsewhere" gets no second request.
                client.post(
                    URL(self._url + path, encoded=True), json=what, allow_redirects=False
                ) as answer,
            ):
                if answer.status != 204:
                    raise NotRevoked(f"Playgate answered {answer.status}.")
        except (aiohttp.ClientError, TimeoutError) as error:
            raise NotRevoked("Playgate cannot be reached.") from error
