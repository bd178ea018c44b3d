import asyncio
import gzip
import socket
import time
from contextlib import suppress
from dataclasses import replace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from proxy.errors import OriginError, OriginInvalid, OriginTimeout, OriginUnreachable
from proxy.origin.budget import AT_LEAST, SHARE
from proxy.origin.client import MAX_REDIRECTS, OriginClient
from proxy.origin.exchange import Fetched, Result
from proxy.origin.failover import SILENT
from proxy.origin.headers import Validators
from proxy.origin.health import FAILURES
from proxy.origin.upstream import Origin, Target
from proxy.trace import Trace, TraceContext
from tests.origin.conftest import Serve
from tests.origin.support import (
    PLAYLIST,
    Behaviour,
    Observed,
    RawOrigin,
    Talk,
    always,
    response,
    until,
    upstream,
    viewer,
)
from tests.support.loop_clock import LoopClock

BODY = b"#EXTM3U\n#EXT-X-ENDLIST\n"
TYPE = "Content-Type: application/vnd.apple.mpegurl"


# --- A manifest, whole --------------------------------------------------------------------------


async def test_a_manifest_comes_with_its_type_and_without_the_framing(
    serve: Serve, client: OriginClient, observed: Observed
) -> None:
    origin = await serve(
        always(response(BODY, "200 OK", TYPE, 'ETag: "1"', "Connection: X-Hop", "X-Hop: 1"))
    )
    fetched = await client.fetch(upstream(origin.url), PLAYLIST, viewer())
    assert (fetched.status, fetched.body) == (200, BODY)
    assert fetched.content_type == "application/vnd.apple.mpegurl"
    assert fetched.validators == Validators('"1"', None)
    assert [name.lower() for name, _ in fetched.headers] == ["content-type", "etag"]
    assert observed.results == [Result.OK]


async def test_path_and_query_reach_the_origin_as_they_were_given(
    serve: Serve, client: OriginClient
) -> None:
    origin = await serve(always(response()))
    target = Target("/live/a%2Fb%20c/~x;v=1/m.m3u8", "b=%zz&a=1&&b=%41+'\"{|}&_HLS_msn=3")
    await client.fetch(upstream(origin.url + "/base/"), target, viewer())
    assert origin.requests[0].line == f"GET /base{target.path}?{target.query} HTTP/1.1"


async def test_a_query_cannot_end_the_request_line(serve: Serve, client: OriginClient) -> None:
    origin = await serve(always(response()))
    target = Target("/a", "x=1 HTTP/1.1\r\nX-Evil: 1\r\n\r\n#é\udcff")
    await client.fetch(upstream(origin.url), target, viewer())
    assert origin.requests[0].line == (
        "GET /a?x=1%20HTTP/1.1%0D%0AX-Evil:%201%0D%0A%0D%0A%23%C3%A9%FF HTTP/1.1"
    )
    assert not origin.requests[0].all("X-Evil")


async def test_host_is_the_origins_own(serve: Serve, client: OriginClient) -> None:
    origin = await serve(always(response()))
    await client.fetch(upstream(origin.url), PLAYLIST, viewer(("Host", "tv.example")))
    assert origin.requests[0].all("Host") == [f"127.0.0.1:{origin.port}"]


async def test_user_and_password_of_an_origins_address_are_sent_as_basic_and_named_nowhere(
    serve: Serve, client: OriginClient, observed: Observed
) -> None:
    origin = await serve(always(response()))
    url = f"http://playgate:secret@127.0.0.1:{origin.port}"
    await client.fetch(upstream(url), PLAYLIST, viewer(("Authorization", "Bearer token")))
    assert origin.requests[0].all("Authorization") == ["Basic cGxheWdhdGU6c2VjcmV0"]
    assert observed.asked == [origin.url]


@pytest.mark.parametrize("status", ["404 Not Found", "403 Forbidden", "500 Oops", "503 Busy"])
async def test_the_origins_own_errors_are_answers(
    serve: Serve, client: OriginClient, observed: Observed, status: str
) -> None:
    origin = await serve(always(response(b"why", status, "Content-Type: text/plain")))
    fetched = await client.fetch(upstream(origin.url), PLAYLIST, viewer())
    assert (fetched.status, fetched.body) == (int(status[:3]), b"why")
    assert fetched.content_type == "text/plain"
    assert observed.results == [Result.ERROR if status[0] == "5" else Result.OK]


@pytest.mark.parametrize("status", ["500 Oops", "302 Found"])
async def test_an_origin_that_answers_is_up_whatever_the_answer(
    serve: Serve, client: OriginClient, observed: Observed, status: str
) -> None:
    origin = await serve(always(response(b"", status)))
    for _ in range(FAILURES + 1):
        with suppress(OriginInvalid):
            await client.fetch(upstream(origin.url), PLAYLIST, viewer())
    assert observed.healthy == {origin.url: True}


async def test_a_manifest_is_asked_for_again_by_its_validators(
    serve: Serve, client: OriginClient
) -> None:
    async def behave(talk: Talk) -> None:
        received = await talk.request()
        assert received.all("If-None-Match") == ['W/"a"']
        assert received.all("If-Modified-Since") == ["Sat, 01 Jan 2022 00:00:00 GMT"]
        await talk.send(b"HTTP/1.1 304 Not Modified\r\nCache-Control: max-age=3\r\n\r\n")
        await talk.gone()

    origin = await serve(behave)
    validators = Validators('W/"a"', "Sat, 01 Jan 2022 00:00:00 GMT")
    fetched = await client.fetch(upstream(origin.url), PLAYLIST, viewer(), validators)
    assert (fetched.status, fetched.body) == (304, b"")
    assert fetched.freshness.seconds == 3


# --- What is no manifest --------------------------------------------------------------------------


async def refuses(
    client: OriginClient, origin: RawOrigin, kind: type[OriginError], **config: object
) -> None:
    with pytest.raises(kind) as caught:
        await client.fetch(upstream(origin.url, **config), PLAYLIST, viewer())
    assert "127.0.0.1" not in caught.value.detail


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n#EXTM3U\n", id="short"),
        pytest.param(
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n8\r\n#EXTM3U\n\r\n",
            id="no last chunk",
        ),
        pytest.param(
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n#EXTM3U\n", id="no chunk"
        ),
        pytest.param(b"220 mail.example ESMTP\r\n", id="not HTTP"),
        pytest.param(b"HTTP/1.1 200 OK\r\nX: " + b"x" * 99_999 + b"\r\n\r\n", id="huge header"),
        pytest.param(b"HTTP/1.1 200 OK\r\nX: y\r\n" * 999 + b"\r\n", id="many headers"),
        pytest.param(b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n", id="negative length"),
        pytest.param(
            b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab",
            id="two lengths",
        ),
        pytest.param(
            b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n"
            b"1\r\na\r\n0\r\n\r\n",
            id="length and chunks",
        ),
        pytest.param(response(BODY, "302 Found", "Location: http://cdn.example/"), id="redirect"),
        pytest.param(response(BODY, "304 Not Modified"), id="304 nobody asked for"),
        pytest.param(response(BODY, "206 Partial Content"), id="a part nobody asked for"),
        pytest.param(response(b"", "204 No Content"), id="nothing"),
        pytest.param(b"HTTP/1.1 101 Switching\r\nUpgrade: x\r\n\r\n", id="another protocol"),
        pytest.param(response(BODY, "999 What"), id="no such status"),
        pytest.param(response(b"abc", "200 OK", "Content-Encoding: zstd"), id="unknown coding"),
        pytest.param(response(BODY, "200 OK", "Content-Encoding: gzip"), id="not gzip at all"),
        pytest.param(
            response(gzip.compress(BODY)[:-4], "200 OK", "Content-Encoding: gzip"), id="cut gzip"
        ),
        pytest.param(
            response(gzip.compress(bytes(50_000_000)), "200 OK", "Content-Encoding: gzip"),
            id="bomb",
        ),
    ],
)
async def test_an_answer_that_is_no_whole_manifest_is_invalid(
    serve: Serve, client: OriginClient, observed: Observed, answer: bytes
) -> None:
    origin = await serve(always(answer, then_close=True))
    await refuses(client, origin, OriginInvalid)
    assert observed.results == [Result.INVALID]
    assert observed.healthy == {origin.url: True}


async def test_a_manifest_over_the_limit_is_invalid_and_one_at_the_limit_is_not(
    serve: Serve, client: OriginClient
) -> None:
    origin = await serve(always(response(bytes(1000))))
    await refuses(client, origin, OriginInvalid, max_manifest=999)
    fetched = await client.fetch(upstream(origin.url, max_manifest=1000), PLAYLIST, viewer())
    assert len(fetched.body) == 1000


async def test_an_endless_manifest_is_stopped(serve: Serve, client: OriginClient) -> None:
    async def behave(talk: Talk) -> None:
        await talk.request()
        await talk.send(b"HTTP/1.1 200 OK\r\n\r\n")
        while True:
            await talk.send(bytes(65536))

    origin = await serve(behave)
    await refuses(client, origin, OriginInvalid, max_manifest=1_000_000)
    await until(lambda: not origin.tasks)


# --- Attempts, and whom they are made at ----------------------------------------------------------


async def test_an_attempt_that_was_refused_is_made_at_another_origin(
    serve: Serve, client: OriginClient, observed: Observed, refusing: str
) -> None:
    origin = await serve(always(response(BODY)))
    fetched = await client.fetch(upstream(refusing, origin.url), PLAYLIST, viewer())
    assert fetched.body == BODY
    assert observed.asked == [refusing, origin.url]
    assert observed.results == [Result.ERROR, Result.OK]


async def test_a_second_attempt_goes_elsewhere_though_it_is_the_failed_ones_turn(
    serve: Serve, client: OriginClient, refusing: str
) -> None:
    origin = await serve(always(response(BODY)))
    both = upstream(refusing, origin.url)
    fetches = (client.fetch(both, PLAYLIST, viewer()) for _ in range(2))
    assert [fetched.body for fetched in await asyncio.gather(*fetches)] == [BODY, BODY]


@pytest.mark.parametrize("retries", [0, 1, 3])
async def test_attempts_are_as_many_as_the_retries_say(
    client: OriginClient, observed: Observed, refusing: str, retries: int
) -> None:
    with pytest.raises(OriginUnreachable):
        await client.fetch(upstream(refusing, retries=retries), PLAYLIST, viewer())
    assert observed.results == [Result.ERROR] * (1 + retries)


async def test_nobody_but_the_config_retries(
    serve: Serve, client: OriginClient, observed: Observed
) -> None:
    async def behave(talk: Talk) -> None:
        await talk.request()  # and closes

    origin = await serve(behave)
    await refuses(client, origin, OriginUnreachable, retries=0)
    assert len(origin.requests) == 1
    assert observed.results == [Result.ERROR]


async def test_a_name_that_does_not_resolve_is_unreachable(
    client: OriginClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    def nowhere(*_: object, **__: object) -> None:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    # No name server is asked, which may be slow, or have an answer of its own for any name.
    monkeypatch.setattr(socket, "getaddrinfo", nowhere)
    with pytest.raises(OriginUnreachable):
        await client.fetch(upstream("http://origin.invalid"), PLAYLIST, viewer())


async def test_origins_take_turns(serve: Serve, client: OriginClient, observed: Observed) -> None:
    origins = [await serve(always(response())) for _ in range(3)]
    urls = [origin.url for origin in origins]
    for _ in range(6):
        await client.fetch(upstream(*urls), PLAYLIST, viewer())
    assert observed.asked == urls * 2


@pytest.fixture
def often(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("proxy.origin.probing.FIRST_PAUSE", 0.02)
    monkeypatch.setattr("proxy.origin.probing.LONGEST_PAUSE", 0.02)


@pytest.mark.usefixtures("often")
async def test_an_origin_that_keeps_failing_is_skipped_until_a_request_of_ours_is_answered(
    serve: Serve, observed: Observed, client: OriginClient
) -> None:
    broken = True

    async def behave(talk: Talk) -> None:
        while True:
            await talk.request()
            if broken:
                return
            await talk.send(response(BODY))

    weak, strong = await serve(behave), await serve(always(response(BODY)))
    both = upstream(weak.url, strong.url)
    while observed.healthy.get(weak.url, True):
        await client.fetch(both, PLAYLIST, viewer())
    await until(lambda: len(weak.requests) > FAILURES)
    probe = weak.requests[-1]
    assert probe.line == "GET /live/a.m3u8 HTTP/1.1"
    assert not probe.all("X-Forwarded-For"), "no viewer asked"
    asked = [one for one in observed.asked if one == weak.url]
    for _ in range(5):
        assert (await client.fetch(both, PLAYLIST, viewer())).body == BODY
    assert len([one for one in observed.asked if one == weak.url]) - len(asked) <= 1
    broken = False
    await until(lambda: observed.healthy[weak.url])
    done = len(weak.requests)
    for _ in range(4):
        await client.fetch(both, PLAYLIST, viewer())
    assert len(weak.requests) == done + 2


@pytest.mark.usefixtures("often")
async def test_an_origin_that_is_no_routes_any_more_is_probed_no_more(
    serve: Serve, client: OriginClient
) -> None:
    origin = await serve(always(b"", then_close=True))
    for _ in range(FAILURES):
        await refuses(client, origin, OriginUnreachable, retries=0)
    await until(lambda: len(origin.requests) > FAILURES)
    client.keep([])
    await until(lambda: not client._probing._tasks)


@pytest.mark.usefixtures("often")
async def test_an_origin_that_went_down_while_nobody_knew_what_to_ask_it_is_probed_in_the_end(
    serve: Serve, client: OriginClient
) -> None:
    origin = await serve(always(b"", then_close=True))
    other = await serve(always(response(BODY)))
    both = upstream(origin.url, other.url)
    client.keep(both.origins)
    for _ in range(FAILURES):
        client._health.failed(both.origins[0], "refused")
    assert not client._probing._tasks
    asked = len(origin.requests)
    await client.fetch(both, PLAYLIST, viewer())
    await until(lambda: len(origin.requests) > asked)


GOOD = response(BODY, "200 OK", TYPE)


def is_playlist(fetched: Fetched) -> None:
    if not fetched.body.startswith(b"#EXTM3U"):
        raise OriginInvalid


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(response(b"", "500 Oops"), id="its own error"),
        pytest.param(response(b"<html>", "200 OK"), id="something else"),
        pytest.param(response(b"", "302 Found", "Location: http://a.test/"), id="elsewhere"),
        pytest.param(b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n#EXTM3U\n", id="short"),
        pytest.param(
            response(gzip.compress(bytes(50_000_000)), "200 OK", "Content-Encoding: gzip"),
            id="bomb",
        ),
    ],
)
async def test_where_one_origin_s_answer_is_no_good_another_s_is_heard_and_it_goes_down(
    serve: Serve, client: OriginClient, observed: Observed, answer: bytes
) -> None:
    weak, strong = await serve(always(answer, then_close=True)), await serve(always(GOOD))
    both = upstream(weak.url, strong.url)
    for _ in range(2 * FAILURES):
        fetched = await client.fetch(both, PLAYLIST, viewer(), check=is_playlist)
        assert (fetched.status, fetched.body) == (200, BODY)
    assert observed.healthy == {weak.url: False, strong.url: True}


async def test_what_is_no_good_anywhere_is_nobody_s_fault_and_the_first_answer(
    serve: Serve, client: OriginClient, observed: Observed
) -> None:
    origins = [await serve(always(response(b"off", f"50{number} Off"))) for number in (3, 4)]
    both = upstream(*(origin.url for origin in origins))
    for _ in range(2 * FAILURES):
        assert (await client.fetch(both, PLAYLIST, viewer())).status == 503
    assert set(observed.healthy.values()) == {True}
    opened = await client.open(both, PLAYLIST, viewer())
    assert opened.status == 503
    opened.close()


async def test_a_segment_is_asked_for_elsewhere_where_an_origin_has_its_own_error(
    serve: Serve, client: OriginClient, observed: Observed
) -> None:
    weak, strong = await serve(always(response(b"", "500 Oops"))), await serve(always(GOOD))
    for _ in range(2 * FAILURES):
        opened = await client.open(upstream(weak.url, strong.url), PLAYLIST, viewer())
        assert opened.status == 200
        assert b"".join([part async for part in opened.stream]) == BODY
        opened.close()
    assert observed.healthy == {weak.url: False, strong.url: True}


@pytest.mark.parametrize("behave", ["hang", "drip_header", "drip_body"])
async def test_where_one_origin_is_silent_for_long_another_is_asked_as_well(
    serve: Serve, client: OriginClient, observed: Observed, behave: str, loop_clock: LoopClock
) -> None:
    silent, strong = await serve(globals()[behave]), await serve(always(GOOD))
    both = upstream(silent.url, strong.url)
    for _ in range(2 * FAILURES):
        asked = len(silent.requests)
        fetch = asyncio.create_task(client.fetch(both, PLAYLIST, viewer()))
        await until(lambda: fetch.done() or len(silent.requests) > asked)  # noqa: B023  # awaited
        if not fetch.done():
            loop_clock.passes(both.config.timeout * SILENT)
        assert (await fetch).body == BODY
    assert observed.healthy == {silent.url: False, strong.url: True}
    assert Result.TIMEOUT in observed.results
    await until(lambda: not silent.tasks)


async def test_who_waits_for_an_origin_that_holds_it_waits_no_more_once_it_is_down(
    serve: Serve, client: OriginClient, loop_clock: LoopClock
) -> None:
    held, strong = await serve(hang), await serve(always(GOOD))
    both = upstream(held.url, strong.url)
    fetch = asyncio.create_task(client.fetch(both, PLAYLIST, viewer(), hold=60))
    await until(lambda: bool(held.requests))
    for _ in range(FAILURES):
        client._health.failed(both.origins[0], "refused")
    # It would be held for a minute more before it is silent.
    loop_clock.passes(both.config.timeout * SILENT)
    async with asyncio.timeout(30):
        assert (await fetch).body == BODY
    await until(lambda: not held.tasks)


async def test_an_origin_that_is_slow_is_heard_where_the_other_is_slower(
    serve: Serve, client: OriginClient, observed: Observed, loop_clock: LoopClock
) -> None:
    asked = asyncio.Event()

    async def slow(talk: Talk) -> None:
        await talk.request()
        await asked.wait()
        await talk.send(GOOD)
        await talk.gone()

    async def slower(talk: Talk) -> None:
        await talk.request()
        asked.set()
        await talk.gone()

    first, second = await serve(slow), await serve(slower)
    both = upstream(first.url, second.url)
    fetch = asyncio.create_task(client.fetch(both, PLAYLIST, viewer()))
    await until(lambda: bool(first.requests))
    loop_clock.passes(both.config.timeout * SILENT)
    assert (await fetch).body == BODY
    assert observed.results == [Result.OK]
    assert observed.healthy == {first.url: True, second.url: True}


async def test_what_is_asked_again_is_a_share_of_what_is_asked(
    observed: Observed, refusing: str
) -> None:
    async with OriginClient(observed, clock=lambda: 0.0) as client:
        for _ in range(2 * AT_LEAST):
            with suppress(OriginUnreachable):
                await client.fetch(upstream(refusing, retries=1), PLAYLIST, viewer())
    assert len(observed.asked_again) == AT_LEAST + SHARE * 2 * AT_LEAST


# --- Redirects ------------------------------------------------------------------------------------


def moved(where: str) -> bytes:
    return response(b"", "302 Found", f"Location: {where}")


async def test_a_manifest_is_followed_to_another_origin_of_its_route_in_the_same_folder(
    serve: Serve, client: OriginClient, observed: Observed
) -> None:
    async def second(talk: Talk) -> None:
        while True:
            received = await talk.request()
            assert received.line.split()[1] in ("/live/b.m3u8?x=1", "/live/c.m3u8")
            await talk.send(GOOD if "c.m3u8" in received.line else moved("c.m3u8"))

    there = await serve(second)
    here = await serve(always(moved(f"{there.url}/live/b.m3u8?x=1")))
    client._health._record(Origin.parse(there.url)).turn = 1  # it is the other's
    fetched = await client.fetch(upstream(here.url, there.url, retries=0), PLAYLIST, viewer())
    assert fetched.body == BODY
    assert (len(here.requests), len(there.requests)) == (1, 2)
    assert observed.results == [Result.OK]


@pytest.mark.parametrize(
    "where",
    [
        *(
            "http://evil.test/live/a.m3u8",
            "//evil.test/live/a.m3u8",
            "http://127.0.0.1/live/a.m3u8",
        ),
        *("/other/a.m3u8", "/live/../a.m3u8", "deeper/a.m3u8", "/live/a.m3u8", "ftp://x/", "//["),
        *("file:///etc/passwd", ""),
    ],
)
async def test_a_manifest_is_not_followed_to_strangers_other_folders_or_for_ever(
    serve: Serve, client: OriginClient, where: str
) -> None:
    origin = await serve(always(moved(where)))
    await refuses(client, origin, OriginInvalid)
    assert len(origin.requests) <= 1 + MAX_REDIRECTS


# --- Time -----------------------------------------------------------------------------------------


async def hang(talk: Talk) -> None:
    await talk.request()
    await talk.gone()


async def drip_header(talk: Talk) -> None:
    await talk.request()
    await talk.send(b"HTTP/1.1 200 OK\r\n")
    while True:
        await talk.send(b"X: y\r\n")
        await asyncio.sleep(0.05)


async def drip_body(talk: Talk) -> None:
    await talk.request()
    await talk.send(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n")
    while True:
        await talk.send(b".")
        await asyncio.sleep(0.05)


@pytest.mark.parametrize("behave", [hang, drip_header, drip_body])
async def test_a_manifest_that_takes_too_long_is_given_up_and_not_asked_for_again(
    serve: Serve, client: OriginClient, observed: Observed, behave: Behaviour
) -> None:
    origin = await serve(behave)
    await refuses(client, origin, OriginTimeout, timeout=1, retries=3)
    assert observed.results == [Result.TIMEOUT]
    await until(lambda: not origin.tasks)


async def test_a_connection_that_takes_too_long_counts_as_refused(
    serve: Serve, client: OriginClient, observed: Observed, loop_clock: LoopClock
) -> None:
    async def no_handshake(talk: Talk) -> None:
        await talk.gone()

    deaf, origin = await serve(no_handshake), await serve(always(response(BODY)))
    both = upstream(f"https://127.0.0.1:{deaf.port}", origin.url, timeout=3600)
    fetch = asyncio.create_task(client.fetch(both, PLAYLIST, viewer()))
    await until(lambda: bool(deaf.connections))
    loop_clock.passes(both.config.connect_timeout + 1)  # aiohttp rounds up to whole seconds
    assert (await fetch).body == BODY
    assert observed.results == [Result.ERROR, Result.OK]


async def test_a_fetch_that_is_called_off_closes_its_connection_and_counts_as_nothing(
    serve: Serve, client: OriginClient, observed: Observed
) -> None:
    origin = await serve(hang)
    fetch = asyncio.create_task(client.fetch(upstream(origin.url), PLAYLIST, viewer()))
    await until(lambda: bool(origin.requests))
    fetch.cancel()
    with pytest.raises(asyncio.CancelledError):
        await fetch
    await until(lambda: not origin.tasks)
    assert observed.results == []
    assert observed.statuses == [None]  # whoever follows the attempt hears of its end


async def test_each_attempt_tells_the_origin_what_it_is_known_by(
    serve: Serve, client: OriginClient
) -> None:
    async def silent_once(talk: Talk) -> None:
        await talk.request()
        if talk.number > 1:
            await talk.send(response(BODY))

    origin = await serve(silent_once)
    context = TraceContext("0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331", 1, "a=1")
    request = replace(viewer(), trace=Trace("one", context))
    assert (await client.fetch(upstream(origin.url), PLAYLIST, request)).body == BODY
    for received in origin.requests:
        assert received.all("X-Request-Id") == ["one"]
        assert received.all("traceparent") == [context.traceparent]
        assert received.all("tracestate") == ["a=1"]
    assert len(origin.requests) == 2


async def test_a_closed_client_is_not_connected(serve: Serve, observed: Observed) -> None:
    origin = await serve(always(response()))
    client = OriginClient(observed, clock=time.monotonic)
    for _ in range(2):
        await refuses(client, origin, OriginUnreachable)
        await client.start()
        await client.fetch(upstream(origin.url), PLAYLIST, viewer())
        await client.close()
        await client.close()


# --- Anything at all ------------------------------------------------------------------------------

LINES = st.sampled_from(
    [
        *("Content-Length: 5", "Content-Length: x", "Transfer-Encoding: chunked", "Connection: ,"),
        *("Content-Encoding: gzip", "Content-Encoding: br", "Content-Encoding: deflate, br"),
        *("Location: //[", "Location: \x00", "Vary: ,", 'Cache-Control: ="', "Age: -1", "\udcff: "),
        *("Expires: Thu, 99 Jan 0000 00:00:00 -9999", "Content-Type: \xe9", ": x", " folded"),
    ]
)
ANSWERS = st.one_of(
    st.binary(max_size=200),
    st.builds(
        lambda status, lines, body: (
            "\r\n".join((f"HTTP/1.1 {status} X", *lines, "", "")).encode("utf-8", "surrogateescape")
            + body
        ),
        st.one_of(st.sampled_from([200, 203, 301, 304, 404]), st.integers(0, 1000)),
        st.lists(LINES, max_size=4),
        st.one_of(st.binary(max_size=50), st.just(b"5\r\nabcde\r\n0\r\n\r\n"), st.just(b"abcde")),
    ),
)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(ANSWERS)
def test_whatever_an_origin_sends_is_an_answer_or_an_origin_error(answer: bytes) -> None:
    async def ask() -> None:
        observed = Observed()
        async with (
            RawOrigin(always(answer, then_close=True)) as origin,
            OriginClient(observed, clock=time.monotonic) as client,
        ):
            route = upstream(origin.url, retries=0)
            try:
                fetched = await client.fetch(route, PLAYLIST, viewer())
                assert fetched.status in {200, 203} or 400 <= fetched.status < 600
                assert fetched.freshness.seconds is None or fetched.freshness.seconds >= 0
            except OriginError:
                pass
            try:
                opened = await client.open(route, PLAYLIST, viewer())
                try:
                    async for _ in opened.stream:
                        pass
                finally:
                    opened.close()
            except OriginError:
                pass
            assert len(observed.results) == 2

    asyncio.run(ask())
