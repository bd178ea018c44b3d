"""Queries: what is read of them, and how often."""

from urllib.parse import unquote_plus

import pytest

from tests.support.playlists import serve_channels
from tests.support.stack import Stack


async def test_a_query_is_decoded_once_as_it_came_and_once_as_it_goes_on(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    decoded: list[str] = []

    def counted(text: str) -> str:
        decoded.append(text)
        return unquote_plus(text)

    monkeypatch.setattr("proxy.query.unquote_plus", counted)
    async with Stack(auth={"uri_signing": {"enabled": True}}) as stack:
        serve_channels(stack.origin, "one")
        entry = f"/live/one/master.m3u8?%61d=1&token={stack.token()}"
        assert (await stack.ask(entry)).status == 200
        assert decoded.count("%61d") == 2
        assert stack.origin.requests[-1].raw_path.endswith("?%61d=1")


async def test_more_parameters_than_anybody_has_are_a_bad_request() -> None:
    async with Stack() as stack:
        for path in ("/live/one/master.m3u8", "/_playgate/streams"):
            answer = await stack.ask(f"{path}?{'%61&' * 7000}")
            assert (answer.status, answer.code) == (400, "bad_request")
