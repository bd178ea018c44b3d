"""Tokens by an issuer's key set, through the port: rotation in the middle of everything."""

from typing import Any

from tests.support.issuer import KeyServer, SigningKey, document
from tests.support.playlists import MASTER
from tests.support.stack import Stack

OLD, NEW = SigningKey("old"), SigningKey("new")


def stack(*entries: dict[str, Any], **auth: Any) -> Stack:
    return Stack(auth={"keys": list(entries), **auth})


def by_url(server: KeyServer, **more: Any) -> dict[str, Any]:
    return {"algorithms": ["ES256"], "jwks_url": server.url, **more}


async def status(proxy: Stack, token: str) -> int:
    proxy.origin.answers["/live/a/master.m3u8"] = ("application/vnd.apple.mpegurl", MASTER)
    return (await proxy.ask(f"/live/a/master.m3u8?token={token}")).status


async def test_a_key_that_was_rotated_in_is_found_by_the_first_token_that_names_it() -> None:
    async with KeyServer(document(OLD)) as server, stack(by_url(server)) as proxy:
        assert await status(proxy, OLD.token()) == 200
        server.content = document(OLD, NEW)
        assert await status(proxy, NEW.token()) == 200
        assert await status(proxy, OLD.token()) == 200
