"""What a request is known by: made or taken over, told to all who see the request."""

import asyncio
import re
from collections.abc import AsyncIterator

import pytest
from aiohttp import web

from tests.support.origin import HLS
from tests.support.playlists import MASTER, serve_channels
from tests.support.poll import until
from tests.support.stack import Answer, Stack

ENTRY = "/live/one/master.m3u8"
TRACE, SPAN = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
PARENT = f"00-{TRACE}-{SPAN}-01"
MADE = re.compile("[0-9a-f]{32}")


@pytest.fixture
async def stack() -> AsyncIterator[Stack]:
    async with Stack() as running:
        serve_channels(running.origin, "one")
        serve_channels(running.origin, "one", root="/open")
        yield running


@pytest.fixture
async def behind() -> AsyncIterator[Stack]:
    """A proxy to which everybody here is a proxy it trusts."""
    async with Stack(listen={"trusted_proxies": ["127.0.0.1"]}) as running:
        serve_channels(running.origin, "one")
        yield running


def told(stack: Stack, name: str) -> list[str]:
    """Give what the origin was told last, as often as it was told."""
    return stack.origin.requests[-1].headers.getall(name, [])


async def segment(stack: Stack, **headers: str) -> Answer:
    """Fetch a segment of the entry by its ticket."""
    child = await stack.watch(ENTRY)
    playlist = await stack.ask(f"/live/one/{child.uris()[0]}")
    answer = await stack.ask(f"/live/one/low/{playlist.uris()[0]}", **headers)
    assert answer.status == 200
    return answer


async def test_every_request_has_an_id_of_its_own_that_all_are_told(stack: Stack) -> None:
    ids = set()
    for asking in (stack.watch(ENTRY), stack.watch(ENTRY), segment(stack)):
        (made,) = (await asking).headers.getall("X-Request-Id")
        assert MADE.fullmatch(made)
        assert told(stack, "X-Request-Id") == [made]
        assert told(stack, "traceparent") == []
        ids.add(made)
    assert len(ids) == 3


@pytest.mark.parametrize(
    ("path", "method", "status"),
    [
        ("/nowhere", "GET", 404),
        (ENTRY, "GET", 401),
        (ENTRY, "OPTIONS", 204),
        ("/_playgate/steering", "GET", 200),
        ("/_playgate/streams", "GET", 401),
        ("/live/../x", "GET", 400),
    ],
)
async def test_an_answer_has_an_id_whatever_it_is(
    stack: Stack, path: str, method: str, status: int
) -> None:
    answer = await stack.ask(path, method=method)
    assert answer.status == status
    assert MADE.fullmatch(answer.headers["X-Request-Id"])
    assert "X-Request-Id" in answer.headers["Access-Control-Expose-Headers"].split(", ")


async def test_a_trusted_proxys_id_is_taken_over(behind: Stack) -> None:
    answer = await behind.watch(ENTRY, X_Request_Id="edge-7:1", traceparent=PARENT)
    assert answer.headers.getall("X-Request-Id") == ["edge-7:1"]
    assert told(behind, "X-Request-Id") == ["edge-7:1"]
    answer = await segment(behind, X_Request_Id="edge-7:2")
    assert answer.headers.getall("X-Request-Id") == ["edge-7:2"]
    assert told(behind, "X-Request-Id") == ["edge-7:2"]


async def test_a_viewers_own_id_goes_nowhere(stack: Stack) -> None:
    for asking in (
        stack.watch(ENTRY, X_Request_Id="canary"),
        segment(stack, X_Request_Id="canary"),
    ):
        answer = await asking
        assert MADE.fullmatch(answer.headers["X-Request-Id"])
        assert told(stack, "X-Request-Id") == [answer.headers["X-Request-Id"]]


@pytest.mark.parametrize("given", ["", "a" * 65, "a b", "a\tb", "a,b", "<b>"])
async def test_a_malformed_id_of_a_trusted_proxy_is_replaced(behind: Stack, given: str) -> None:
    answer = await behind.watch(ENTRY, X_Request_Id=given)
    assert MADE.fullmatch(answer.headers["X-Request-Id"])
    assert told(behind, "X-Request-Id") == [answer.headers["X-Request-Id"]]


async def test_of_two_ids_neither_is_taken(behind: Stack) -> None:
    fields = [("X-Request-Id", "viewers"), ("X-Request-Id", "proxys")]
    async with behind.client.get("/nowhere", headers=fields) as answer:
        assert MADE.fullmatch(answer.headers["X-Request-Id"])


async def test_a_trace_goes_on_to_the_origin_and_names_the_request(stack: Stack) -> None:
    for asking in (
        stack.watch(ENTRY, traceparent=PARENT, tracestate="a=1,b=2"),
        segment(stack, traceparent=PARENT, tracestate="a=1,b=2"),
    ):
        answer = await asking
        assert answer.headers["X-Request-Id"] == TRACE
        assert told(stack, "X-Request-Id") == [TRACE]
        assert told(stack, "traceparent") == [PARENT]
        assert told(stack, "tracestate") == ["a=1,b=2"]


async def test_a_trace_that_is_none_does_not_go_on(stack: Stack) -> None:
    for asking in (
        stack.watch(ENTRY, traceparent="00-canary", tracestate="a=1"),
        segment(stack, traceparent=f"00-{'0' * 32}-{SPAN}-01", tracestate="a=1"),
        segment(stack, tracestate="a=1"),
    ):
        answer = await asking
        assert MADE.fullmatch(answer.headers["X-Request-Id"])
        assert told(stack, "traceparent") == []
        assert told(stack, "tracestate") == []


async def test_no_viewer_makes_the_request_for_all_too_long_for_the_origin(stack: Stack) -> None:
    state = ",".join(f"k{number}={'x' * 250}" for number in range(32))
    await stack.watch(ENTRY, traceparent=f"01-{TRACE}-{SPAN}-01-{'x' * 8000}", tracestate=state)
    assert told(stack, "traceparent") == [PARENT]
    assert sum(map(len, told(stack, "tracestate"))) <= 512


async def test_a_manifest_for_many_is_fetched_as_the_first_ones_request(stack: Stack) -> None:
    async def both_are_there() -> bool:
        metrics = await stack.operate("/metrics")
        return 'playgate_manifest_cache_total{result="coalesced"} 1.0' in metrics.text

    async def hold(_request: web.Request) -> web.StreamResponse:
        await until(both_are_there, "two wait")
        return web.Response(text=MASTER, content_type=HLS)

    async def is_asked() -> bool:
        return bool(stack.origin.requests)

    stack.origin.answers[ENTRY] = hold
    waiting = asyncio.create_task(stack.watch(ENTRY, traceparent=PARENT))
    await until(is_asked, "the origin is asked")
    second = await stack.watch(ENTRY, account="bob")
    first = await waiting
    assert (first.status, first.headers["X-Request-Id"]) == (200, TRACE)
    assert second.status == 200
    assert MADE.fullmatch(second.headers["X-Request-Id"])
    assert len(stack.origin.requests) == 1
    assert told(stack, "X-Request-Id") == [TRACE]
    assert told(stack, "traceparent") == [PARENT]


@pytest.mark.parametrize("field", ["X-Request-Id", "traceparent", "tracestate"])
async def test_an_answer_that_depends_on_what_a_request_is_known_by_is_for_it_alone(
    field: str,
) -> None:
    async with Stack(origin={"cache": "1h"}) as stack:
        stack.origin.answers[ENTRY] = web.Response(
            text=MASTER, content_type=HLS, headers={"Vary": field}
        )
        await stack.watch(ENTRY)
        await stack.watch(ENTRY)
        assert stack.origin.paths == [ENTRY, ENTRY]
