"""The client of the admin API, against a proxy that runs."""

import pytest

from proxy.admin_client import AdminClient, AdminError
from tests.support.playlists import serve_channels
from tests.support.stack import ADMIN_TOKEN, Stack

ONE = "/live/one/master.m3u8"


async def test_streams_are_listed_and_ended() -> None:
    async with Stack() as stack:
        serve_channels(stack.origin, "one")
        client = AdminClient(f"http://127.0.0.1:{stack.service.admin_port}", ADMIN_TOKEN)
        account = "al ice/☺%"
        started = await stack.watch(ONE, account)
        [listed] = await client.streams(account)
        assert listed.id == started.headers["Playgate-Stream"]
        with pytest.raises(AdminError, match="has no such stream"):
            await client.end(account, "another", None)
        await client.end(account, listed.id, "1m")
        assert await client.streams(account) == []


async def test_who_asks_the_players_port_is_told_so() -> None:
    async with Stack() as stack:
        client = AdminClient(f"http://127.0.0.1:{stack.service.port}", ADMIN_TOKEN)
        with pytest.raises(AdminError, match="the admin port, which is not the players'"):
            await client.streams("alice")
        for stream in (None, "a-stream"):
            with pytest.raises(AdminError, match="not an admin API"):
                await client.end("alice", stream, None)


@pytest.mark.parametrize("account", [".", ".."])
async def test_an_account_that_no_path_can_name_is_refused_as_such(account: str) -> None:
    async with Stack() as stack:
        client = AdminClient(f"http://127.0.0.1:{stack.service.admin_port}", ADMIN_TOKEN)
        with pytest.raises(AdminError, match="means a folder in a path"):
            await client.streams(account)
