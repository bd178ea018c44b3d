"""A steering server of the origin's own, asked in the player's place."""

import asyncio
import json
from collections.abc import AsyncIterator
from urllib.parse import parse_qsl, urlsplit

import pytest
from aiohttp import web

from proxy import origin_steering
from tests.support.origin import TestOrigin
from tests.support.playlists import MASTER, serve_channels
from tests.support.poll import until
from tests.support.stack import Stack
from tests.web.steered import (
    CHILD,
    ENTRY,
    INTERVAL,
    link,
    serve,
    steer,
    steered_stack,
    stream_of,
)


@pytest.fixture
async def stack(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Stack]:
    # A busy machine may let a second go by; how long an answer is waited for has a test of its own.
    monkeypatch.setattr(origin_steering, "TIMEOUT", 60.0)
    async with steered_stack() as running:
        serve(running.origin)
        yield running


SERVERS = MASTER.replace(
    "#EXTM3U\n", '#EXTM3U\n#EXT-X-CONTENT-STEERING:SERVER-URI="/live/steer?key=1"\n'
)


def says(stack: Stack, document: object, path: str = "/live/steer") -> None:
    body = document if isinstance(document, str) else json.dumps(document)
    stack.origin.answers[path] = ("application/json", body)


async def test_the_origins_steering_is_passed_on_often_enough(stack: Stack) -> None:
    serve(stack.origin, master=SERVERS)
    says(stack, {"VERSION": 1, "TTL": 500, "PATHWAY-PRIORITY": ["b", "a"], "PATHWAY-CLONES": [{}]})
    entry = await stack.watch(ENTRY)
    told = "&_HLS_pathway=%22a%22&_HLS_throughput=500"
    document = await steer(stack, link(entry) + told)
    assert document == {"VERSION": 1, "TTL": INTERVAL, "PATHWAY-PRIORITY": ["b", "a"]}
    assert stack.origin.paths[-1] == f"/live/steer?key=1{told}"
    assert (await stream_of(stack))["beats"] == 1
    says(stack, {"VERSION": 1, "TTL": 2, "PATHWAY-PRIORITY": ["b"]})
    assert (await steer(stack, link(entry)))["TTL"] == 2


async def test_where_the_origins_server_leads_elsewhere_players_go_through_us(stack: Stack) -> None:
    serve(stack.origin, master=SERVERS)
    says(stack, {"VERSION": 1, "PATHWAY-PRIORITY": ["a"], "RELOAD-URI": "two?x=1#f"})
    says(stack, {"VERSION": 1, "PATHWAY-PRIORITY": ["z"]}, "/live/two")
    entry = await stack.watch(ENTRY)
    onward = (await steer(stack, link(entry)))["RELOAD-URI"]
    assert urlsplit(onward).path == "/_playgate/steering"
    assert (await steer(stack, onward))["PATHWAY-PRIORITY"] == ["z"]
    assert (await stream_of(stack))["beats"] == 2


@pytest.mark.parametrize(
    "said",
    [
        web.Response(status=503),
        "<html>",
        "[]",
        '{"VERSION": 1, "TTL": 5}',
        '{"VERSION": 1, "TTL": NaN, "PATHWAY-PRIORITY": ["a"]}',
        '{"PATHWAY-PRIORITY": [1]}',
        '{"PATHWAY-PRIORITY": ["a"], "RELOAD-URI": "http://[::1"}',
        "[" * 100_000,
        "9" * 10_000,
    ],
)
async def test_where_the_origins_server_fails_players_stay_where_they_are(
    stack: Stack, said: web.Response | str
) -> None:
    serve(stack.origin, master=SERVERS)
    if isinstance(said, str):
        says(stack, said)
    else:
        stack.origin.answers["/live/steer"] = said
    entry = await stack.watch(ENTRY)
    document = await steer(stack, f"{link(entry)}&_HLS_pathway=%22a%22")
    assert (document["TTL"], document["PATHWAY-PRIORITY"]) == (INTERVAL, ["a"])
    assert (await stream_of(stack))["beats"] == 1


async def test_an_answer_of_no_version_still_keeps_players_coming(stack: Stack) -> None:
    serve(stack.origin, master=SERVERS)
    entry = await stack.watch(ENTRY)
    odd = {"VERSION": 2, "SERVICE-LOCATION-PRIORITY": "a", "RELOAD-URI": None, "X": 1}
    says(stack, {**odd, "PATHWAY-PRIORITY": ["a"]})
    document = await steer(stack, link(entry))
    assert document == {"VERSION": 1, "TTL": INTERVAL, "PATHWAY-PRIORITY": ["a"], "X": 1}
    says(stack, {"PATHWAY-PRIORITY": ["a"], "RELOAD-URI": "x" * 40_000})
    assert "RELOAD-URI" not in await steer(stack, link(entry))


async def test_a_steering_server_leads_on_to_its_own_host_only(stack: Stack) -> None:
    async with TestOrigin() as elsewhere, TestOrigin() as inside:
        inside.answers["/secret"] = ("application/json", '{"PATHWAY-PRIORITY": ["secret"]}')
        reload = f'"RELOAD-URI": "{inside.url}/secret"'
        elsewhere.answers["/s"] = ("application/json", f'{{"PATHWAY-PRIORITY": ["e"], {reload}}}')
        serve(stack.origin, master=SERVERS.replace("/live/steer?key=1", f"{elsewhere.url}/s"))
        entry = await stack.watch(ENTRY)
        assert "RELOAD-URI" not in await steer(stack, link(entry))
        moved = '{"PATHWAY-PRIORITY": ["e"], "RELOAD-URI": "/t?x=1"}'
        elsewhere.answers["/s"] = ("application/json", moved)
        onward = (await steer(stack, link(entry)))["RELOAD-URI"]
        await steer(stack, onward)
        assert elsewhere.paths[-1] == "/t?x=1"
        assert inside.paths == []


async def test_a_server_that_failed_is_left_alone_for_a_while(stack: Stack) -> None:
    serve(stack.origin, master=SERVERS)
    entry = await stack.watch(ENTRY)
    for _ in range(5):
        assert (await steer(stack, link(entry)))["PATHWAY-PRIORITY"] == ["."]
    assert len([path for path in stack.origin.paths if "steer" in path]) == 1


async def test_a_server_that_hangs_is_waited_for_a_second_at_most() -> None:
    over = asyncio.Event()

    async def hangs(_: web.Request) -> web.Response:
        await over.wait()
        return web.Response()

    async with Stack(origin={"timeout": "1h"}) as stack:
        stack.origin.answers["/live/steer"] = hangs
        serve(stack.origin, master=SERVERS)
        asked = asyncio.create_task(steer(stack, link(await stack.watch(ENTRY))))

        async def is_answered() -> bool:
            return asked.done()

        await until(is_answered, "the player is answered, whatever origin.timeout allows")
        assert (await asked)["PATHWAY-PRIORITY"] == ["."]
        over.set()


async def test_odd_members_of_the_origins_answer_are_put_right(stack: Stack) -> None:
    serve(stack.origin, master=SERVERS)
    entry = await stack.watch(ENTRY)
    for ttl in (True, 0, -5, "9", 2.5, None):
        says(stack, {"VERSION": 1, "TTL": ttl, "PATHWAY-PRIORITY": ["a"]})
        document = await steer(stack, link(entry))
        assert (document["TTL"], document["PATHWAY-PRIORITY"]) == (INTERVAL, ["a"])


async def test_only_what_a_manifest_named_is_asked(stack: Stack) -> None:
    serve(stack.origin)
    says(stack, {"VERSION": 1, "PATHWAY-PRIORITY": ["secret"]})
    entry = await stack.watch(ENTRY)
    for server in ("/live/steer", stack.origin.url + "/live/steer", "//x", "?", "http://h:99999/"):
        document = await steer(stack, f"{link(entry)}&_server={server}")
        assert document["PATHWAY-PRIORITY"] == ["."]
    assert not [path for path in stack.origin.paths if "steer" in path]
    # Nor is a seal for one place good for another.
    serve(stack.origin, master=SERVERS)
    wrapped = link(await stack.watch(ENTRY))
    ticket = dict(parse_qsl(urlsplit(wrapped).query))["_sid"]
    document = await steer(stack, f"/_playgate/steering?_server=/live/other&_sid={ticket}")
    assert document["PATHWAY-PRIORITY"] == ["."]


async def test_a_server_elsewhere_is_asked_without_credentials(stack: Stack) -> None:
    async with TestOrigin() as elsewhere:
        elsewhere.answers["/s"] = ("application/json", '{"VERSION": 1, "PATHWAY-PRIORITY": ["e"]}')
        serve(stack.origin, master=SERVERS.replace("/live/steer?key=1", f"{elsewhere.url}/s?k=1"))
        entry = await stack.watch(ENTRY)
        document = await steer(stack, link(entry), Cookie=f"session={stack.token()}")
        assert document["PATHWAY-PRIORITY"] == ["e"]
        assert elsewhere.paths == ["/s?k=1"]
        assert "Cookie" not in elsewhere.requests[0].headers
    metrics = (await stack.operate("/metrics", token=None)).text
    assert 'origin="elsewhere"' in metrics
    assert str(elsewhere.port) not in metrics
    # It is gone now: players go on.
    assert (await steer(stack, link(entry)))["PATHWAY-PRIORITY"] == ["."]


async def test_a_seal_for_steering_opens_nothing_else(stack: Stack) -> None:
    serve_channels(stack.origin, "one")
    entry = await stack.watch(ENTRY)
    ticket = dict(parse_qsl(urlsplit(link(entry)).query))["_sid"]
    assert (await stack.ask(f"{CHILD}?_sid={ticket}")).code == "ticket_invalid"
    assert (await stack.ask(f"/live/film/low/seg0.ts?_sid={ticket}")).code == "ticket_invalid"
