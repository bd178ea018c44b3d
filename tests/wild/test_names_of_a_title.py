"""One title under many spellings of its URL, and two titles that look alike."""

import pytest

from tests.support.origin import HLS, TestOrigin
from tests.wild.conftest import Proxy
from tests.wild.programme import MASTER, broadcast
from tests.wild.screens import CHROME, Household
from tests.wild.situations import situation

CHANNEL = "/live/one/master.m3u8"


async def counted_after(home: Household, *requests: tuple[str, dict[str, str]]) -> int:
    for path, fields in requests:
        answer = await home.screen(CHROME).start(path, **fields)
        assert answer.status == 200, path
    return await home.counted()


@situation("A cache-buster in the query", "1")
async def test_a_cache_buster_makes_no_new_stream(home: Household) -> None:
    paths = [CHANNEL, f"{CHANNEL}?_=1", f"{CHANNEL}?_=2", f"{CHANNEL}?utm_source=mail&_=3"]
    assert await counted_after(home, *((path, {}) for path in paths)) == 1


@situation("A query parameter that names the title, listed in `content_params`", "1 for each title")
async def test_a_parameter_counts_where_the_route_lists_it(proxy: Proxy) -> None:
    async with TestOrigin() as origin:
        broadcast(origin)
        route = {"name": "live", "path": "/live/**", "origins": [origin.url]}
        async with proxy(routes=[{**route, "content_params": ["id"]}]) as home:
            titles = [f"{CHANNEL}?id=7", f"{CHANNEL}?_=1&id=7", f"{CHANNEL}?id=8"]
            assert await counted_after(home, *((path, {}) for path in titles)) == 2


@situation("Other spellings of the same path (percent-encoding)", "1")
async def test_two_spellings_of_a_path_are_one_title(home: Household) -> None:
    home.stack.origin.answers["/live/caf\u00e9 1/master.m3u8"] = (HLS, MASTER)
    spellings = [
        "/live/caf%C3%A9%201/master.m3u8",
        "/live/caf%c3%a9%201/master.m3u8",
        "/live/c%61f%C3%A9%201/%6Daster.m3u8",
    ]
    assert await counted_after(home, *((path, {}) for path in spellings)) == 1


@situation("Host in capitals, or with the scheme's own port; http, then https", "1")
@pytest.mark.parametrize(
    "fields",
    [
        {"Host": "TV.Example"},
        {"Host": "tv.example:80"},
        {"Host": "tv.example", "X-Forwarded-Proto": "https"},
        {"Host": "tv.example:443", "X-Forwarded-Proto": "https"},
        {"Host": "inner:8080", "X-Forwarded-Host": "tv.example"},
    ],
)
async def test_one_host_has_one_name(home: Household, fields: dict[str, str]) -> None:
    assert await counted_after(home, (CHANNEL, {"Host": "tv.example"}), (CHANNEL, fields)) == 1


@situation("Two host names of one service, or HLS and DASH of one title", "1 for each name")
async def test_two_names_are_two_titles(home: Household) -> None:
    names = [(CHANNEL, {"Host": "tv.example"}), (CHANNEL, {"Host": "www.tv.example"})]
    assert await counted_after(home, *names) == 2
    assert await counted_after(home, ("/live/one/manifest.mpd", {"Host": "tv.example"})) == 3
