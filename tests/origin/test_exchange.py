import asyncio
import gzip
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from aiohttp import web

from proxy.errors import OriginError, OriginInvalid, OriginTimeout, OriginUnreachable
from proxy.origin.client import OriginClient
from proxy.origin.exchange import Opened, Result
from proxy.origin.headers import first
from proxy.origin.health import FAILURES
from tests.origin.conftest import Serve
from tests.origin.support import (
    SEGMENT,
    Behaviour,
    Observed,
    Talk,
    always,
    response,
    until,
    upstream,
    viewer,
)
from tests.support.loop_clock import LoopClock

HEADER = b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n"
MEDIA = bytes(range(256)) * 1000


async def whole(opened: Opened) -> bytes:
    try:
        return b"".join([part async for part in opened.stream])
    finally:
        opened.close()


# --- Passed through -------------------------------------------------------------------------------


@pytest.fixture
async def media(
    tmp_path: Path,
    nothing_left: None,  # noqa: ARG001  # it looks when the origin has stopped
) -> AsyncIterator[str]:
    """Give an aiohttp origin that serves a file, with its ranges and conditions."""
    (tmp_path / "a.ts").write_bytes(MEDIA)
    application = web.Application()
    application.router.add_static("/live", tmp_path)
    runner = web.AppRunner(application)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    await runner.cleanup()


async def test_a_segment_comes_as_it_is(
    media: str, client: OriginClient, observed: Observed
) -> None:
    opened = await client.open(upstream(media), SEGMENT, viewer())
    assert opened.status == 200
    assert first(opened.headers, "content-length") == str(len(MEDIA))
    assert await whole(opened) == MEDIA
    assert observed.results == [Result.OK]


async def test_a_range_of_a_segment_is_that_range(media: str, client: OriginClient) -> None:
    opened = await client.open(upstream(media), SEGMENT, viewer(("range", "bytes=100-299")))
    assert opened.status == 206
    assert first(opened.headers, "content-range") == f"bytes 100-299/{len(MEDIA)}"
    assert await whole(opened) == MEDIA[100:300]


async def test_a_segment_the_viewer_has_already_is_not_sent_again(
    media: str, client: OriginClient
) -> None:
    opened = await client.open(upstream(media), SEGMENT, viewer())
    etag = first(opened.headers, "etag")
    assert etag
    await whole(opened)
    again = await client.open(upstream(media), SEGMENT, viewer(("If-None-Match", etag)))
    assert (again.status, await whole(again)) == (304, b"")


async def test_the_head_of_a_segment_has_its_length_and_no_body(
    media: str, client: OriginClient
) -> None:
    opened = await client.open(upstream(media), SEGMENT, viewer(method="HEAD"))
    assert first(opened.headers, "content-length") == str(len(MEDIA))
    assert await whole(opened) == b""


async def test_a_content_coding_passes_untouched(serve: Serve, client: OriginClient) -> None:
    packed = gzip.compress(b"WEBVTT")
    origin = await serve(always(response(packed, "200 OK", "Content-Encoding: gzip")))
    opened = await client.open(upstream(origin.url), SEGMENT, viewer(("Accept-Encoding", "gzip")))
    assert origin.requests[0].all("Accept-Encoding") == ["gzip"]
    assert first(opened.headers, "content-encoding") == "gzip"
    assert await whole(opened) == packed


async def test_nothing_is_asked_for_that_the_viewer_did_not_ask_for(
    serve: Serve, client: OriginClient
) -> None:
    origin = await serve(always(response()))
    await whole(await client.open(upstream(origin.url), SEGMENT, viewer()))
    names = {name for name, _ in origin.requests[0].fields}
    assert names == {
        *("Host", "Via", "Forwarded"),
        *("X-Forwarded-For", "X-Forwarded-Host", "X-Forwarded-Proto"),
    }


async def test_the_session_cookie_of_the_config_stays_here(
    serve: Serve, client: OriginClient
) -> None:
    origin = await serve(always(response()))
    route = upstream(origin.url, private_cookies=frozenset({"session"}))
    cookies = viewer(("Cookie", "a=1; session=SECRET"))
    await whole(await client.open(route, SEGMENT, cookies))
    assert origin.requests[0].all("Cookie") == ["a=1"]


async def test_a_redirect_is_not_followed(serve: Serve, client: OriginClient) -> None:
    away = "Location: https://cdn.example/a.ts"
    origin = await serve(always(response(b"", "302 Found", away)))
    opened = await client.open(upstream(origin.url), SEGMENT, viewer())
    assert (opened.status, opened.headers[-1][1]) == (302, "https://cdn.example/a.ts")
    await whole(opened)
    assert len(origin.requests) == 1


async def test_a_redirect_that_shows_an_origin_is_an_error(
    serve: Serve, client: OriginClient, observed: Observed, refusing: str
) -> None:
    elsewhere = f"Location: https://cdn.example/?from={refusing}/a.ts"
    origin = await serve(always(response(b"", "302 Found", elsewhere)))
    with pytest.raises(OriginInvalid):
        await client.open(upstream(origin.url, refusing), SEGMENT, viewer())
    assert observed.results == [Result.INVALID, Result.ERROR]


async def test_a_status_that_is_none_is_an_error(serve: Serve, client: OriginClient) -> None:
    origin = await serve(always(response(b"", "700 Huh")))
    with pytest.raises(OriginInvalid):
        await client.open(upstream(origin.url), SEGMENT, viewer())


async def test_a_segment_is_tried_at_another_origin_too(
    serve: Serve, client: OriginClient, refusing: str
) -> None:
    origin = await serve(always(response(b"media")))
    opened = await client.open(upstream(refusing, origin.url), SEGMENT, viewer())
    assert await whole(opened) == b"media"


async def test_an_origin_of_segments_that_is_down_is_probed_by_a_head(
    serve: Serve, client: OriginClient, observed: Observed, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("proxy.origin.probing.FIRST_PAUSE", 0.02)
    broken = True

    async def behave(talk: Talk) -> None:
        await talk.request()
        if not broken:
            await talk.send(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n")

    origin = await serve(behave)
    cookies = viewer(("Cookie", "a=1"))
    for _ in range(FAILURES):
        with pytest.raises(OriginUnreachable):
            await client.open(upstream(origin.url, retries=0), SEGMENT, cookies)
    assert observed.healthy == {origin.url: False}
    broken = False
    await until(lambda: observed.healthy[origin.url])
    probe = origin.requests[-1]
    assert probe.line == "HEAD /live/a.ts HTTP/1.1"
    assert not probe.all("Cookie") + probe.all("X-Forwarded-For"), "it is nobody's"


# --- Part by part ---------------------------------------------------------------------------------


async def test_the_first_part_is_here_while_the_origin_holds_the_rest(
    serve: Serve, client: OriginClient
) -> None:
    seen = asyncio.Event()

    async def behave(talk: Talk) -> None:
        await talk.request()
        await talk.send(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nfirst")
        await seen.wait()
        await talk.send(b" last")

    origin = await serve(behave)
    opened = await client.open(upstream(origin.url), SEGMENT, viewer())
    assert await anext(opened.stream) == b"first"
    seen.set()
    assert await whole(opened) == b" last"


async def test_a_viewer_who_does_not_read_holds_the_origin_back(
    serve: Serve, client: OriginClient
) -> None:
    size, sent = 256 * 1024 * 1024, 0

    async def behave(talk: Talk) -> None:
        nonlocal sent
        await talk.request()
        await talk.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % size)
        while sent < size:
            await talk.send(bytes(65536))
            sent += 65536

    origin = await serve(behave)
    opened = await client.open(upstream(origin.url), SEGMENT, viewer())
    await anext(opened.stream)
    before, still = -1, 0
    while still < 20:
        before, still = sent, still + 1 if sent == before else 0
        await asyncio.sleep(0.005)
    opened.close()
    assert sent < size / 4


async def test_a_segment_may_take_longer_than_the_timeout_as_long_as_it_comes(
    serve: Serve, client: OriginClient, loop_clock: LoopClock
) -> None:
    go_on = asyncio.Semaphore(0)

    async def behave(talk: Talk) -> None:
        await talk.request()
        await talk.send(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\n")
        for _ in range(4):
            await go_on.acquire()
            await talk.send(b".")

    origin = await serve(behave)
    route = upstream(origin.url)
    opened = await client.open(route, SEGMENT, viewer())
    for _ in range(4):
        waiting = asyncio.ensure_future(anext(opened.stream))
        await asyncio.sleep(0)
        loop_clock.passes(route.config.timeout / 2)
        go_on.release()
        assert await waiting == b"."
    assert await whole(opened) == b""


@pytest.mark.parametrize("pause", [False, True])
async def test_a_body_may_end_with_its_connection(
    serve: Serve, client: OriginClient, *, pause: bool
) -> None:
    async def behave(talk: Talk) -> None:
        await talk.request()
        await talk.send(b"HTTP/1.0 200 OK\r\n\r\nfirst")
        if pause:
            await asyncio.sleep(0.05)
        await talk.send(b" last")

    origin = await serve(behave)
    opened = await client.open(upstream(origin.url), SEGMENT, viewer())
    assert await whole(opened) == b"first last"


async def test_an_answer_without_a_body_is_whole_however_its_connection_ends(
    serve: Serve, client: OriginClient
) -> None:
    async def behave(talk: Talk) -> None:
        await talk.request()
        await talk.send(b"HTTP/1.1 304 Not Modified\r\n\r\n")
        talk.reset()

    origin = await serve(behave)
    opened = await client.open(upstream(origin.url), SEGMENT, viewer())
    await asyncio.sleep(0.02)  # the reset comes after the answer, and is of no consequence
    assert (opened.status, await whole(opened)) == (304, b"")


# --- Cut short ------------------------------------------------------------------------------------


async def cut_by_close(talk: Talk) -> None:
    await talk.request()
    await talk.send(HEADER + b"part")


async def cut_by_reset(talk: Talk) -> None:
    await talk.request()
    await talk.send(HEADER + b"part")
    talk.reset()


async def cut_by_reset_where_only_a_close_would_be_the_end(talk: Talk) -> None:
    await talk.request()
    await talk.send(b"HTTP/1.1 200 OK\r\n\r\npart")
    talk.reset()


async def cut_by_silence(talk: Talk) -> None:
    await talk.request()
    await talk.send(HEADER + b"part")
    await talk.gone()


async def silence(opened: Opened, clock: LoopClock, seconds: float) -> None:
    """Take what there is, and let so much time pass as soon as somebody waits for more."""
    assert await anext(opened.stream) == b"part"
    asyncio.get_running_loop().call_soon(clock.passes, seconds)


@pytest.mark.parametrize(
    ("behave", "expected"),
    [
        (cut_by_close, {OriginInvalid: Result.INVALID}),
        (cut_by_reset, {OriginInvalid: Result.INVALID, OriginUnreachable: Result.ERROR}),
        (
            cut_by_reset_where_only_a_close_would_be_the_end,
            {OriginInvalid: Result.INVALID, OriginUnreachable: Result.ERROR},
        ),
        (cut_by_silence, {OriginTimeout: Result.TIMEOUT}),
    ],
)
async def test_a_segment_that_breaks_off_never_looks_like_a_whole_one(  # noqa: PLR0917  # all of them fixtures
    serve: Serve,
    client: OriginClient,
    observed: Observed,
    behave: Behaviour,
    expected: dict[type[OriginError], Result],
    loop_clock: LoopClock,
) -> None:
    origin = await serve(behave)
    route = upstream(origin.url, retries=0)

    async def read() -> None:
        opened = await client.open(route, SEGMENT, viewer())
        if behave is cut_by_silence:
            await silence(opened, loop_clock, route.config.timeout)
        await whole(opened)

    with pytest.raises(OriginError) as caught:
        await read()
    assert observed.results == [expected[type(caught.value)]]
    await until(lambda: not origin.tasks)


async def test_a_chunk_that_is_none_breaks_the_segment_off(
    serve: Serve, client: OriginClient, loop_clock: LoopClock
) -> None:
    seen = asyncio.Event()

    async def behave(talk: Talk) -> None:
        await talk.request()
        await talk.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\npart\r\n")
        await seen.wait()
        await talk.send(b"next")
        await talk.gone()

    origin = await serve(behave)
    route = upstream(origin.url)
    opened = await client.open(route, SEGMENT, viewer())
    assert await anext(opened.stream) == b"part"
    seen.set()
    reading = asyncio.create_task(whole(opened))
    await until(lambda: not origin.tasks)
    # aiohttp tells nobody who reads.
    loop_clock.passes(route.config.timeout)
    with pytest.raises(OriginError):
        await reading


@pytest.mark.parametrize("read_something", [True, False])
async def test_a_viewer_who_goes_away_takes_the_origins_connection_along(
    serve: Serve, client: OriginClient, observed: Observed, *, read_something: bool
) -> None:
    origin = await serve(cut_by_silence)
    opened = await client.open(upstream(origin.url), SEGMENT, viewer())
    if read_something:
        await anext(opened.stream)
    opened.close()
    opened.close()
    await until(lambda: not origin.tasks)
    assert observed.results == [Result.OK]


async def test_a_wait_for_the_next_part_can_be_called_off(
    serve: Serve, client: OriginClient
) -> None:
    origin = await serve(cut_by_silence)
    opened = await client.open(upstream(origin.url), SEGMENT, viewer())
    await anext(opened.stream)
    reading = asyncio.ensure_future(anext(opened.stream))
    await asyncio.sleep(0)
    reading.cancel()
    with pytest.raises(asyncio.CancelledError):
        await reading
    opened.close()
    await until(lambda: not origin.tasks)


async def test_viewers_who_leave_a_silent_origin_do_not_make_it_look_well(
    serve: Serve, client: OriginClient, observed: Observed, loop_clock: LoopClock
) -> None:
    origin = await serve(cut_by_silence)
    for leaves_early in (False, False, True, False):
        route = upstream(origin.url)
        opened = await client.open(route, SEGMENT, viewer())
        if leaves_early:
            opened.close()
        else:
            await silence(opened, loop_clock, route.config.timeout)
            with pytest.raises(OriginTimeout):
                await whole(opened)
    assert observed.healthy == {origin.url: False}
