"""Plain requests that are answered without aiohttp's objects: as with them, to the byte."""

import asyncio
import re
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

import pytest
from aiohttp import web
from structlog.testing import capture_logs

from proxy.admit import Admission
from proxy.beats import Beats
from proxy.web.heads import whole
from proxy.web.replies import Cors
from proxy.web.server import PlayerPort
from tests.support.origin import HLS
from tests.support.playlists import VOD, serve_channels, serve_film
from tests.support.poll import until
from tests.support.redis_server import RedisServer
from tests.support.stack import Stack
from tests.web.wire import Wire, status, value

# Different in each reply, or by what was asked for meanwhile.
VARYING = re.compile(rb"(X-Request-Id|Date|Retry-After|Playgate-Decision): [^\r]*")
# More than the kernel's buffers of both sides take, and less than a manifest may have.
LONG = 7 * 1024 * 1024
TICKET = re.compile(rb"_sid=[\w.-]+")


@contextmanager
def by_aiohttp(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Answer all that comes with aiohttp's objects."""
    with monkeypatch.context() as patched:
        patched.setattr(PlayerPort, "begin", lambda *_: False)
        yield


@pytest.fixture
def walked(monkeypatch: pytest.MonkeyPatch) -> list[bool]:
    """Give whether each request that could be answered plainly was."""
    told: list[bool] = []
    walk = PlayerPort._walk

    def noted(*args: Any) -> bool:
        told.append(walk(*args))
        return told[-1]

    monkeypatch.setattr(PlayerPort, "_walk", noted)
    return told


def serve(stack: Stack) -> None:
    answers = stack.origin.answers
    serve_channels(stack.origin, "one")
    serve_film(stack.origin, "film")
    answers["/live/tagged.m3u8"] = web.Response(
        text=VOD, headers={"Content-Type": HLS, "ETag": '"1"'}
    )
    answers["/live/long.m3u8"] = (HLS, VOD + "#" * LONG)
    answers["/live/odd.m3u8"] = web.Response(status=477, body=b"odd")
    answers["/live/bare.m3u8"] = web.Response(status=404)
    answers["/live/faulty.m3u8"] = (HLS, "no playlist")
    answers["/live/dated.m3u8"] = web.Response(
        status=403, headers={"Date": "Mon, 01 Jan 2024 00:00:00 GMT", "Content-Type": "text/plain"}
    )
    answers["/live/named.m3u8"] = web.Response(
        status=410, headers={"Content-Type": "text/plain; charset=ütf"}, body=b"gone"
    )


TOLD: list[tuple[str, tuple[str, ...], int]] = [
    ("/live/one/master.m3u8", (), 200),
    ("/live/film.m3u8", (), 200),
    ("/live/film.m3u8", ("Range: bytes=3-9",), 206),
    ("/live/film.m3u8", ("Range: bytes=99999-",), 416),
    ("/live/tagged.m3u8", ('If-None-Match: "1"',), 304),
    ("/live/tagged.m3u8", ('If-None-Match: "0"',), 200),
    ("/live/long.m3u8", (), 200),
    ("/live/long.m3u8", ("Range: bytes=0-999999",), 206),
    ("/live/odd.m3u8", (), 477),
    ("/live/bare.m3u8", (), 404),
    ("/live/named.m3u8", (), 410),
    ("/live/faulty.m3u8", (), 502),
    ("/live/none.m3u8", (), 404),
    ("/elsewhere/a.m3u8", (), 404),
    ("/live/film.m3u8", ("Via: 1.1 playgate, 1.1 playgate, 1.1 playgate",), 400),
    ("http://tv.example/live/film.m3u8", (), 200),
    ("/live/f%69lm.m3u8", (), 200),
    ("/_playgate/streams", (), 200),
    ("/_playgate/nothing", (), 404),
    ("/_playgate/steering", (), 200),
    ("/_playgate/steer%69ng", (), 200),
]


@pytest.mark.parametrize(("target", "fields", "expected"), TOLD)
@pytest.mark.parametrize("settings", [{}, {"cors": {"origins": ["https://tv.example"]}}])
async def test_a_plain_request_is_answered_as_by_aiohttp(  # noqa: PLR0917  # all of them fixtures
    walked: list[bool],
    monkeypatch: pytest.MonkeyPatch,
    settings: dict[str, Any],
    target: str,
    fields: tuple[str, ...],
    expected: int,
) -> None:
    async with Stack(**settings) as stack, Wire(stack) as wire:
        serve(stack)
        asked = f"{target}?token={stack.token()}"
        with by_aiohttp(monkeypatch):
            before = await wire.ask(asked, *fields)
        assert walked == []
        after = await wire.ask(asked, *fields)
        assert walked == [True]
        assert status(before) == expected
        told = [
            [TICKET.sub(b"", VARYING.sub(b"", part)) for part in one] for one in (before, after)
        ]
        assert told[0] == told[1]


async def test_who_is_refused_is_told_so_as_by_aiohttp(
    walked: list[bool], monkeypatch: pytest.MonkeyPatch
) -> None:
    async with Stack(limits={"default": 1}) as stack, Wire(stack) as wire:
        serve(stack)
        assert (await stack.watch("/live/film.m3u8", agent="another/1")).status == 200
        refused = f"/live/one/master.m3u8?token={stack.token()}"
        for target, expected in ((refused, 429), ("/live/film.m3u8", 401)):
            walked.clear()
            with by_aiohttp(monkeypatch):
                before = await wire.ask(target)
            after = await wire.ask(target)
            assert walked == [True]
            assert status(before) == status(after) == expected
            assert VARYING.sub(b"", before[0]) == VARYING.sub(b"", after[0])


@pytest.mark.parametrize(
    ("target", "fields", "expected"),
    [
        ("/live/one/low/seg7.ts", (), 401),
        ("/live/film.m3u8", ("Connection: close",), 200),
        ("/live/film.m3u8", ("Transfer-Encoding: ",), 400),
        ("/live/film.m3u8", ("Connection: Upgrade", "Upgrade: h2c"), 200),
        ("/live//film.m3u8", (), 400),
    ],
)
async def test_what_is_not_plain_or_has_a_long_body_is_aiohttps(
    walked: list[bool], target: str, fields: tuple[str, ...], expected: int
) -> None:
    async with Stack() as stack, Wire(stack) as wire:
        serve(stack)
        assert status(await wire.ask(f"{target}?token={stack.token()}", *fields)) == expected
        assert True not in walked


async def test_nothing_is_answered_plainly_without_the_fast_path(walked: list[bool]) -> None:
    async with Stack(listen={"fast_path": False}) as stack, Wire(stack) as wire:
        serve(stack)
        assert status(await wire.ask(f"/live/film.m3u8?token={stack.token()}")) == 200
        assert walked in ([], [False])


async def test_requests_sent_in_one_go_are_answered_in_turn(walked: list[bool]) -> None:
    async with Stack() as stack, Wire(stack) as wire:
        serve(stack)
        token = stack.token()
        targets = [
            f"/live/film.m3u8?token={token}",
            "/live/film.m3u8",
            "/live/one/low/seg7.ts",
            f"/live/odd.m3u8?token={token}",
            f"/live/film.m3u8?token={token}",
        ] * 9
        wire.send(*map(wire.request, targets))
        assert [status(await wire.reply()) for _ in targets] == [200, 401, 401, 477, 200] * 9
        assert walked.count(True) == 4 * 9


async def test_who_goes_away_waits_for_no_origin_any_longer(walked: list[bool]) -> None:
    asked, go_on = asyncio.Event(), asyncio.Event()

    async def hang(_: web.BaseRequest) -> web.StreamResponse:
        asked.set()
        await go_on.wait()
        return web.Response(text=VOD, headers={"Content-Type": HLS})

    async with Stack() as stack:
        stack.origin.answers["/live/hangs.m3u8"] = hang
        async with Wire(stack) as wire:
            wire.send(wire.request(f"/live/hangs.m3u8?token={stack.token()}"))
            await asyncio.wait_for(asked.wait(), 60)
        await until(lambda: _are_over(stack), "it waits no longer")
        assert walked == [True]
        listed = await stack.operate("/admin/v1/accounts/alice/streams")
        assert listed.json["streams"] == []
        go_on.set()


async def test_an_answer_under_way_when_the_proxy_drains_says_that_it_is_the_last(
    walked: list[bool],
) -> None:
    asked, go_on = asyncio.Event(), asyncio.Event()

    async def slow(_: web.BaseRequest) -> web.StreamResponse:
        asked.set()
        await go_on.wait()
        return web.Response(text=VOD, headers={"Content-Type": HLS})

    async with Stack(listen={"drain_timeout": "1h"}) as stack, Wire(stack) as wire:
        stack.origin.answers["/live/slow.m3u8"] = slow
        wire.send(wire.request(f"/live/slow.m3u8?token={stack.token()}"))
        await asyncio.wait_for(asked.wait(), 60)
        stopping = asyncio.create_task(stack.service.stop())
        await until(lambda: _ends(stack), "the connection is to end")
        go_on.set()
        last = await wire.reply()
        assert (status(last), value(last, "Connection")) == (200, "close")
        assert await wire.rest() == b""
        await stopping
        assert walked == [True]


async def _ends(stack: Stack) -> bool:
    return all(one.ends for one in stack.service._server.connections)  # type: ignore[attr-defined]  # ours


async def test_a_bug_in_sending_costs_one_connection(
    walked: list[bool], monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object, **__: object) -> bytes:
        raise LookupError("a bug")

    async with Stack() as stack, Wire(stack) as wire, Wire(stack) as other:
        serve(stack)
        asked = f"/live/film.m3u8?token={stack.token()}"
        with monkeypatch.context() as patched, capture_logs() as logs:
            patched.setattr("proxy.web.sending.whole", broken)
            wire.send(wire.request(asked))
            assert await wire.rest() == b""
        assert [one["event"] for one in logs if one["log_level"] == "error"] == [
            "a request could not be answered"
        ]
        assert status(await other.ask(asked)) == 200
        assert walked == [True, True]


async def test_a_bug_behind_the_store_costs_one_connection(
    redis_server: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object, **__: object) -> bool:
        raise LookupError("a bug")

    store, origin = {"url": redis_server.url, "timeout": "10s"}, {"cache": "1h"}
    async with Stack(store=store, origin=origin) as stack, Wire(stack) as wire:
        serve(stack)
        asked = f"/live/film.m3u8?token={stack.token()}"
        for _ in range(3):  # known from then on
            assert status(await wire.ask(asked)) == 200
        with monkeypatch.context() as patched, capture_logs() as logs:
            patched.setattr(Beats, "_serve", lambda *_: None)  # more than a beat
            patched.setattr(PlayerPort, "walk", broken)
            wire.send(wire.request(asked))
            assert await asyncio.wait_for(wire.rest(), 60) == b""
        assert [one["event"] for one in logs if one["log_level"] == "error"] == [
            "a request could not be looked at"
        ]
        async with Wire(stack) as other:
            assert status(await other.ask(asked)) == 200


async def test_a_bug_before_anything_is_sent_holds_nothing(
    walked: list[bool], monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object, **__: object) -> tuple[tuple[str, str], ...]:
        raise LookupError("a bug")

    async with Stack() as stack, Wire(stack) as wire:
        serve(stack)
        with monkeypatch.context() as patched:
            patched.setattr(Cors, "headers", broken)
            wire.send(wire.request(f"/live/film.m3u8?token={stack.token()}"))
            assert await wire.rest() == b""
        assert walked == [True]
        assert stack.service._inner.players._gateway._holds._held == {}


@pytest.mark.parametrize("in_one_piece", [False, True])
async def test_who_does_not_read_has_one_reply_waiting_and_no_more(
    walked: list[bool], monkeypatch: pytest.MonkeyPatch, *, in_one_piece: bool
) -> None:
    if in_one_piece:
        monkeypatch.setattr("proxy.rendering.AT_ONCE", 2 * LONG)
    async with Stack() as stack:
        serve(stack)
        async with Wire(stack) as wire:
            wire.writer.transport.pause_reading()  # type: ignore[attr-defined]  # it is a socket's
            asked = wire.request(f"/live/long.m3u8?token={stack.token()}")
            wire.send(asked, asked)
            await until(lambda: _has_begun(walked), "the first is under way")
            await stack.ask("/live/film.m3u8")
            assert walked == [True]
            in_flight = stack.service._inner._lasting.in_flight
            assert in_flight.number == 1
        await until(lambda: _are_over(stack), "the requests are over")


async def _has_begun(walked: list[bool]) -> bool:
    return bool(walked)


async def _are_over(stack: Stack) -> bool:
    return stack.service._inner._lasting.in_flight.number == 0


async def test_an_origins_date_stays_as_by_aiohttp(
    walked: list[bool], monkeypatch: pytest.MonkeyPatch
) -> None:
    async with Stack() as stack, Wire(stack) as wire:
        serve(stack)
        asked = f"/live/dated.m3u8?token={stack.token()}"
        with by_aiohttp(monkeypatch):
            before = await wire.ask(asked)
        after = await wire.ask(asked)
        assert walked == [True]
        for told in (before, after):
            assert value(told, "Date") == "Mon, 01 Jan 2024 00:00:00 GMT"


async def test_nothing_more_is_sent_to_who_went_away_in_this_very_turn(
    walked: list[bool], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def gone(*told: Any, **more: Any) -> bytes:
        for connection in stack.service._server.connections:
            connection.transport.abort()  # type: ignore[union-attr]  # connected still
        return whole(*told, **more)

    async with Stack() as stack, Wire(stack) as wire:
        serve(stack)
        monkeypatch.setattr("proxy.web.sending.whole", gone)
        wire.send(wire.request(f"/live/long.m3u8?token={stack.token()}"))
        assert await _cut_off(wire)
        assert walked == [True]
        assert "socket.send() raised exception." not in caplog.messages


async def _cut_off(wire: Wire) -> bool:
    with suppress(ConnectionError):
        assert await wire.rest() == b""
    return True


async def test_a_drain_ends_when_who_was_cut_off_has_given_its_slot_back(
    walked: list[bool], monkeypatch: pytest.MonkeyPatch
) -> None:
    asked, go_on, given_back = asyncio.Event(), asyncio.Event(), asyncio.Event()
    undo = Admission.undo

    async def hang(_: web.BaseRequest) -> web.StreamResponse:
        asked.set()
        await go_on.wait()
        return web.Response(text=VOD, headers={"Content-Type": HLS})

    async def slowly(*told: Any, **more: Any) -> None:
        for _ in range(1000):
            await asyncio.sleep(0)  # a store that is some way off
        await undo(*told, **more)
        given_back.set()

    monkeypatch.setattr(Admission, "undo", slowly)
    monkeypatch.setattr("proxy.serve.ABORT_SECONDS", 60)
    async with Stack() as stack, Wire(stack) as wire:
        stack.origin.answers["/live/hangs.m3u8"] = hang
        wire.send(wire.request(f"/live/hangs.m3u8?token={stack.token()}"))
        await asyncio.wait_for(asked.wait(), 60)
        await stack.service.stop()
        go_on.set()
        assert given_back.is_set()
        assert walked == [True]
