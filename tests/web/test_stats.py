from collections.abc import AsyncIterator
from typing import Any

import pytest

from proxy import __version__
from tests.support.playlists import serve_channels
from tests.support.poll import until
from tests.support.redis_server import RedisServer, free_port
from tests.support.stack import ADMIN_TOKEN, JWT_SECRET, TICKET_SECRET, Stack

ONE = "/live/one/master.m3u8"
ROUTE = {"name": "fixed", "path": "/a/**", "origins": ["http://origin.test"]}
STORE_PASSWORD = "store-password-canary"


@pytest.fixture
async def stack() -> AsyncIterator[Stack]:
    async with Stack(lambda: 1_800_000_000.25, limits={"default": 1}) as running:
        serve_channels(running.origin, "one", "two")
        yield running


async def test_the_statistics_say_what_happened_on_this_proxy(stack: Stack) -> None:
    entry = await stack.watch(ONE)
    await stack.watch("/live/two/master.m3u8")  # another title on a device whose stream is on time
    await stack.ask(ONE)
    await stack.ask(f"/_playgate/release?_sid={entry.ticket()}", method="POST")
    stats = (await stack.operate("/admin/v1/stats")).json
    assert stats["totals"]["admissions"] == {"admitted": 1, "refused": 1}
    assert stats["totals"]["refusals"] == {"stream_limit": 1, "token_missing": 1}
    assert stats["totals"]["requests"] == {"ok": 2, "refused": 1, "unauthenticated": 1}
    assert stats["totals"]["ended"]["released"] == 1
    assert stats["in_flight"] == 0


async def test_the_statistics_say_how_the_proxy_is(stack: Stack) -> None:
    stats = (await stack.operate("/admin/v1/stats")).json
    assert stats["version"] == __version__
    assert stats["started_at"] == stats["now"] == "2027-01-15T08:00:00.250Z"
    assert stats["config"]["loaded_at"] == "2027-01-15T08:00:00.250Z"
    assert (stats["ready"], stats["draining"]) == (True, False)
    assert stats["store"] == {"kind": "memory", "up": True}
    assert stats["origins"] == [{"origin": stack.origin.url, "up": True}]
    assert stats["keys"] == []
    stack.service.health.draining = True
    stats = (await stack.operate("/admin/v1/stats")).json
    assert (stats["ready"], stats["draining"]) == (False, True)


async def test_the_statistics_say_that_the_store_or_an_origin_is_away(
    redis_server: RedisServer,
) -> None:
    gone = f"http://127.0.0.1:{free_port()}"
    route = {"name": "gone", "path": "/gone/**", "origins": [gone], "segments": "open"}
    async with Stack(
        store={"url": f"redis://127.0.0.1:{free_port()}/0"}, routes=[route], origin={"retries": 0}
    ) as stack:
        for _ in range(3):
            assert (await stack.ask("/gone/one.ts")).code == "origin_unreachable"
        stats = (await stack.operate("/admin/v1/stats")).json
        assert stats["store"] == {"kind": "redis", "up": False}
        assert stats["origins"] == [{"origin": gone, "up": False}]
    async with Stack(store={"url": redis_server.url}) as stack:

        async def is_up() -> bool:
            stats = (await stack.operate("/admin/v1/stats")).json
            return bool(stats["store"] == {"kind": "redis", "up": True})

        await until(is_up, "the store is up")


async def test_the_configuration_is_shown_without_its_secrets(redis_server: RedisServer) -> None:
    url = f"redis://playgate:{STORE_PASSWORD}@127.0.0.1:{redis_server.port}/0"
    async with Stack(store={"url": url}) as stack:
        answer = await stack.operate("/admin/v1/config")
        assert answer.headers["Content-Type"] == "application/json"
        assert answer.json["store"]["url"].startswith("redis://playgate:********@")
        assert answer.json["streams"]["ttl"] == "30s"
        for page in ("/admin/v1/config", "/admin/v1/stats", "/metrics", "/readyz"):
            text = (await stack.operate(page)).text
            for secret in (JWT_SECRET, TICKET_SECRET, ADMIN_TOKEN, STORE_PASSWORD):
                assert secret not in text, page


async def test_two_configurations_have_two_hashes_and_a_secret_makes_no_difference() -> None:
    async def hash_of(**settings: Any) -> str:
        async with Stack(routes=[ROUTE], **settings) as stack:
            return str((await stack.operate("/admin/v1/stats")).json["config"]["hash"])

    plain = await hash_of()
    assert len(plain) == 12
    assert int(plain, 16)
    assert await hash_of() == plain
    assert await hash_of(tickets={"secret": TICKET_SECRET[::-1]}) == plain
    assert await hash_of(limits={"default": 2}) != plain


async def test_both_are_for_operators_alone(stack: Stack) -> None:
    for path in ("/admin/v1/stats", "/admin/v1/config"):
        assert (await stack.operate(path, token=None)).code == "token_missing"
        assert (await stack.operate(path, token="wrong")).code == "token_invalid"
        assert (await stack.operate(path, "POST")).code == "method_not_allowed"
        assert (await stack.ask(path)).code == "not_found"
