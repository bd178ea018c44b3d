"""``docker compose up``, without an engine: all of it runs, is watched, and can be replaced."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import pytest_asyncio

from tests.containers.engine import Engine
from tests.containers.files import is_lasting, services
from tests.containers.viewers import CHANNEL, Audience, Viewer
from tests.support.poll import until

# Started once, which takes most of the time.
pytestmark = [
    pytest.mark.deploy,
    pytest.mark.xdist_group("containers"),
    pytest.mark.asyncio(loop_scope="module"),
]
# There is no package of it.
NOT_HERE = {"grafana"}
PROXIES = ("proxy-a", "proxy-b")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def engine(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Engine]:
    async with Engine(tmp_path_factory.mktemp("containers")) as all_of_it:
        lasting = (name for name, service in services().items() if is_lasting(service))
        await all_of_it.well(*(name for name in lasting if name not in NOT_HERE))
        yield all_of_it


def door(engine: Engine) -> tuple[str, Path]:
    """Give nginx's address, and the certificate that it shows."""
    return engine.addresses["nginx"], engine.volume("tls") / "localhost.crt"


async def test_a_proxy_after_the_other_is_replaced_and_no_request_fails(engine: Engine) -> None:
    async with Audience(*door(engine)) as audience, Viewer(*door(engine)) as fourth:
        for user in ("alice", "alice", "alice", "carol", "carol"):
            await audience.come(user)
        await audience.more(100)
        await fourth.log_in("alice")
        await is_refused(fourth)
        for proxy in PROXIES:
            # docker compose up -d --no-deps PROXY
            assert await engine.stop(proxy) == 0
            await audience.more(50)
            await is_refused(fourth)
            await engine.well(proxy)
            await audience.more(50)
        await is_refused(fourth)
    assert set(audience.answers) == {"HTTP/2 200"}, audience.answers


async def is_refused(viewer: Viewer) -> None:
    answer = await viewer.ask(CHANNEL)
    assert answer.status_code == 429, answer.text
    assert answer.json()["code"] == "stream_limit"
    assert (answer.json()["active"], answer.json()["limit"]) == (3, 3)


async def test_prometheus_sees_both_proxies_and_knows_whom_to_tell(engine: Engine) -> None:
    async def ask(what: str) -> Any:
        address = engine.addresses["prometheus"]
        async with client.get(f"http://{address}:9090/api/v1/{what}") as answer:
            return (await answer.json())["data"]

    async with aiohttp.ClientSession() as client:

        async def both_are_up() -> bool:
            found = await ask("query?query=up")
            up = {one["metric"]["instance"]: one["value"][1] for one in found["result"]}
            return up == {f"{engine.addresses[proxy]}:9090": "1" for proxy in PROXIES}

        await until(both_are_up, "both proxies are up")

        async def alerts_have_somewhere_to_go() -> bool:
            found = await ask("alertmanagers")
            return [one["url"] for one in found["activeAlertmanagers"]] == [
                f"http://{engine.addresses['alertmanager']}:9093/api/v2/alerts"
            ]

        await until(alerts_have_somewhere_to_go, "Prometheus finds Alertmanager")
        assert (await ask("rules"))["groups"]


async def test_who_logged_out_stays_so_when_redis_was_started_anew(engine: Engine) -> None:
    async with Viewer(*door(engine)) as viewer:
        await viewer.log_in("bob")
        assert (await viewer.ask(CHANNEL)).status_code == 200
        session = viewer.session
        await viewer.log_out()
        viewer.session = session
        assert (await viewer.ask(CHANNEL)).json()["code"] == "token_revoked"
        assert await engine.stop("redis") == 0
        await engine.well("redis")

        async def is_refused() -> bool:
            # While a proxy finds Redis again, it counts by itself.
            answer = await viewer.ask(CHANNEL)
            return bool(answer.status_code == 401 and answer.json()["code"] == "token_revoked")

        await until(is_refused, "the revocation is known again")


async def test_the_proxies_believe_nginx_and_nobody_else(engine: Engine) -> None:
    async with Viewer(*door(engine)) as viewer:
        await viewer.log_in("carol")
        film = await viewer.ask("/vod/redmesa/manifest.mpd")
        # Links that players do not resolve: with the scheme and the name that the viewer used.
        assert "https://localhost:8443/_playgate/" in film.text
    for proxy in PROXIES:
        assert "listen.trusted_proxies" not in engine.log(proxy)
        url = f"http://{engine.addresses[proxy]}:8080{CHANNEL}"
        claim = {"X-Forwarded-For": "192.0.2.1"}
        async with aiohttp.request("GET", url, headers=claim) as answer:
            assert answer.status == 401

        async def warns(proxy: str = proxy) -> bool:
            return "listen.trusted_proxies" in engine.log(proxy)

        await until(warns, "a stranger is not believed")


async def test_nothing_that_opens_a_stream_is_in_a_log(engine: Engine) -> None:
    async with Viewer(*door(engine)) as viewer:
        await viewer.log_in("carol")
        session = viewer.session
        await viewer.ask(f"{CHANNEL}?token={session}")
    for name in engine.services:
        if name not in NOT_HERE:
            assert session not in engine.log(name), name
            assert "_sid=" not in engine.log(name), name
