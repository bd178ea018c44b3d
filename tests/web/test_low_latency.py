"""Low-latency HLS through the real port: requests that the origin holds until there is news."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from urllib.parse import urljoin

import aiohttp
import pytest
from aiohttp import web
from structlog.testing import capture_logs

from proxy.admission.ledger import RELEASED_MS
from proxy.origin.patience import HELD_TARGETS, LONGEST_TARGET
from tests.support.loop_clock import LoopClock
from tests.support.origin import HLS
from tests.support.playlists import serve_film
from tests.support.poll import until
from tests.support.stack import Answer, Stack
from tests.wild.screens import TestClock

MASTER = """#EXTM3U
#EXT-X-STREAM-INF:BANDWIDTH=800000
low/index.m3u8
#EXT-X-STREAM-INF:BANDWIDTH=2000000
high/index.m3u8?v=1
"""
HEAD = """#EXTM3U
#EXT-X-TARGETDURATION:1
#EXT-X-SERVER-CONTROL:CAN-BLOCK-RELOAD=YES,PART-HOLD-BACK=0.6,CAN-SKIP-UNTIL=6
#EXT-X-PART-INF:PART-TARGET=0.2
#EXT-X-MEDIA-SEQUENCE:7
"""
TAIL = """#EXT-X-PART:DURATION=0.2,URI="part8.0.m4s",INDEPENDENT=YES
#EXT-X-PART:DURATION=0.2,URI="part8.1.m4s"
#EXT-X-PRELOAD-HINT:TYPE=PART,URI="part8.2.m4s"
#EXT-X-RENDITION-REPORT:URI="../high/index.m3u8?v=1",LAST-MSN=8,LAST-PART=1
"""
PLAYLIST = f'{HEAD}#EXT-X-MAP:URI="init.mp4"\n#EXTINF:1,\nseg7.m4s\n{TAIL}'
DELTA = f"{HEAD}#EXT-X-SKIP:SKIPPED-SEGMENTS=1\n{TAIL}"
ENTRY, LOW = "/live/one/master.m3u8", "/live/one/low/index.m3u8"
NEXT = "_HLS_msn=8&_HLS_part=2"
LONGEST_HOLD = HELD_TARGETS * LONGEST_TARGET


@dataclass
class Channel:
    """A low-latency channel whose origin holds what is not there yet until it is let go."""

    stack: Stack
    loop_clock: LoopClock
    target: int = 1  # seconds
    news: asyncio.Event = field(default_factory=asyncio.Event)
    held: list[web.Request] = field(default_factory=list)

    def serve(self) -> None:
        answers = self.stack.origin.answers
        answers[ENTRY] = (HLS, MASTER)
        answers[LOW] = self.playlist
        answers["/live/one/low/part8.1.m4s"] = ("video/mp4", b"part 1")
        answers["/live/one/low/part8.2.m4s"] = self.part
        answers["/open/part8.2.m4s"] = self.part

    async def playlist(self, request: web.Request) -> web.Response:
        if "_HLS_msn" in request.raw_path:
            await self.hold(request)
        body = DELTA if "_HLS_skip" in request.raw_path else PLAYLIST
        text = body.replace("TARGETDURATION:1", f"TARGETDURATION:{self.target}")
        return web.Response(text=text, headers={"Content-Type": HLS})

    async def part(self, request: web.Request) -> web.Response:
        await self.hold(request)
        return web.Response(body=b"part 2", content_type="video/mp4")

    async def trickle(self, request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        await self.hold(request)
        return response

    async def hold(self, request: web.Request) -> None:
        self.held.append(request)
        await self.news.wait()

    async def watch(self, account: str = "alice", device: str | None = None) -> str:
        """Begin to watch, as a player does, and give the address of the low rendition."""
        entry = await self.stack.watch(ENTRY, account, device=device)
        low = urljoin(ENTRY, entry.uris()[0])
        assert (await self.stack.ask(low)).status == 200
        return low

    async def count(self, number: int) -> None:
        async def arrived() -> bool:
            return len(self.held) >= number

        await until(arrived, f"{number} requests are held")

    async def gone(self) -> None:
        """Wait until the proxy has let go of all that the origin holds."""

        async def closed() -> bool:
            return all(request.transport is None for request in self.held)

        await until(closed, "the origin's connections are closed")

    async def outlast(self, path: str = "/live/hangs.m3u8") -> None:
        """Wait for as long as the origin has for any request that it may not hold."""
        self.stack.origin.answers[path] = self.part
        number = len(self.held)
        asked = asyncio.create_task(self.stack.watch(path, "somebody-else"))
        await self.count(number + 1)
        self.time_out()
        assert (await asked).code == "origin_timeout"
        del self.held[number:]

    def time_out(self, more: float = 0) -> None:
        """Let as much time pass as the origin has, and more."""
        self.loop_clock.passes(self.stack.settings.origin.timeout + more)


@asynccontextmanager
async def channel(loop_clock: LoopClock, **settings: Any) -> AsyncIterator[Channel]:
    async with Stack(**{"origin": {"cache": "1s"}, **settings}) as stack:
        running = Channel(stack, loop_clock)
        running.serve()
        try:
            yield running
        finally:
            running.news.set()


@pytest.fixture
async def live(loop_clock: LoopClock) -> AsyncIterator[Channel]:
    async with channel(loop_clock) as running:
        yield running


@pytest.fixture
async def hasty(loop_clock: LoopClock) -> AsyncIterator[Channel]:
    """A proxy that gives an origin less time than it may hold what is live: a minute, and more.

    A quarter of a target duration is longer than any delay here, and shorter than that.
    """
    async with channel(loop_clock, origin={"timeout": "30s"}) as running:
        running.target = 60
        yield running


def sample(stack: Stack, name: str, **labels: str) -> float:
    return stack.service.metrics.registry.get_sample_value(name, labels) or 0.0


def renewals(stack: Stack) -> float:
    return sample(stack, "playgate_admissions_total", route="live", result="renewed")


async def listed(stack: Stack, account: str = "alice") -> list[dict[str, str]]:
    answer = await stack.ask(f"/_playgate/streams?token={stack.token(account)}")
    streams: list[dict[str, str]] = answer.json["streams"]
    return streams


def asking(stack: Stack, path: str, **more: Any) -> asyncio.Task[Answer]:
    return asyncio.create_task(stack.ask(path, **more))


# --- Held open ----------------------------------------------------------------------------------


async def test_a_blocking_reload_is_held_for_longer_than_an_origin_has_otherwise(
    hasty: Channel,
) -> None:
    reload = asking(hasty.stack, f"{await hasty.watch()}&{NEXT}")
    await hasty.count(1)
    await hasty.outlast()
    assert not reload.done()
    hasty.news.set()
    answer = await reload
    assert (answer.status, answer.decision) == (200, ("renewed", "1/3"))


async def test_the_directives_reach_the_origin_as_they_were_written(live: Channel) -> None:
    live.news.set()
    low = await live.watch()
    path, _, ticket = low.partition("?")
    await live.stack.ask(f"{path}?_HLS_skip=YES&{ticket}&_HLS_msn=8&_HLS_part=2&CMCD=x")
    assert live.stack.origin.paths[-1] == f"{LOW}?_HLS_skip=YES&_HLS_msn=8&_HLS_part=2"


async def test_a_proxy_that_has_read_nothing_yet_holds_a_reload_too(hasty: Channel) -> None:
    entry = await hasty.stack.watch(ENTRY)
    reload = asking(hasty.stack, f"{urljoin(ENTRY, entry.uris()[0])}&{NEXT}")
    await hasty.count(1)
    await hasty.outlast()
    hasty.news.set()
    assert (await reload).status == 200


async def test_a_held_part_is_waited_for(hasty: Channel) -> None:
    playlist = await hasty.stack.ask(await hasty.watch())
    hint = next(line for line in playlist.text.splitlines() if "PRELOAD-HINT" in line)
    part = asking(hasty.stack, urljoin(LOW, hint.split('"')[1]))
    await hasty.count(1)
    await hasty.outlast()
    assert not part.done()
    hasty.news.set()
    assert (await part).body == b"part 2"


async def test_a_reload_that_is_held_for_too_long_is_a_timeout_and_no_fault_of_the_origin(
    hasty: Channel,
) -> None:
    low = await hasty.watch()
    reloads = [asking(hasty.stack, f"{low}&_HLS_msn={number}") for number in range(9, 13)]
    await hasty.count(4)
    await hasty.outlast()
    assert not any(reload.done() for reload in reloads)
    hasty.time_out(more=LONGEST_HOLD)
    assert {answer.code for answer in await asyncio.gather(*reloads)} == {"origin_timeout"}
    origin = hasty.stack.origin.url
    assert sample(hasty.stack, "playgate_origin_up", origin=origin) == 1
    assert (await hasty.stack.ask(low)).status == 200


async def test_viewers_who_wait_for_the_same_are_one_request_at_the_origin(live: Channel) -> None:
    lows = [await live.watch(f"viewer-{number}") for number in range(40)]
    reloads = [asking(live.stack, f"{low}&{NEXT}") for low in lows]
    await live.count(1)

    async def coalesced() -> bool:
        return sample(live.stack, "playgate_manifest_cache_total", result="coalesced") >= 39

    await until(coalesced, "all wait")
    reloads[0].cancel()  # whose request it was at the origin
    await asyncio.wait((reloads[0],))
    live.news.set()
    answers = await asyncio.gather(*reloads[1:])
    assert [answer.status for answer in answers] == [200] * 39
    assert len(live.held) == 1


async def test_as_many_requests_may_be_held_as_may_be_in_flight(loop_clock: LoopClock) -> None:
    many = 105  # more connections than aiohttp would open by itself; an eighth is for who plays
    async with channel(loop_clock, listen={"max_in_flight": 120}) as live:
        parts = [asking(live.stack, "/open/part8.2.m4s") for _ in range(many)]
        await live.count(many)
        assert (await live.stack.ask("/open/part8.2.m4s")).code == "overloaded"
        live.news.set()
        assert {answer.status for answer in await asyncio.gather(*parts)} == {200}


# --- Let go -------------------------------------------------------------------------------------


@pytest.mark.parametrize("what", ["reload", "part", "open part"])
async def test_a_viewer_who_goes_away_lets_the_origin_go_and_is_nobodys_failure(
    live: Channel, what: str
) -> None:
    stack, low = live.stack, await live.watch()
    part = urljoin(LOW, (await stack.ask(low)).uris()[0]).replace("seg7", "part8.2")
    path = {"reload": f"{low}&{NEXT}", "part": part, "open part": "/open/part8.2.m4s"}[what]
    with capture_logs() as logs:
        request = asking(stack, path)
        await live.count(1)
        request.cancel()
        await live.gone()

        async def over() -> bool:
            return sample(stack, "playgate_in_flight_requests") == 0

        await until(over, "nothing is in flight")
    kind = "child" if what == "reload" else "segment"
    route = "open" if what == "open part" else "live"
    ended = {
        outcome: sample(stack, "playgate_requests_total", route=route, kind=kind, outcome=outcome)
        for outcome in ("abandoned", "origin_error")
    }
    assert ended == {"abandoned": 1, "origin_error": 0}
    assert {entry["log_level"] for entry in logs} <= {"debug"}
    assert (await stack.ask(low)).status == 200


async def test_a_part_whose_header_is_here_and_whose_body_is_held_is_let_go_too(
    live: Channel,
) -> None:
    live.stack.origin.answers["/open/trickle.m4s"] = live.trickle
    async with live.stack.client.get("/open/trickle.m4s") as response:
        assert response.status == 200
        await live.count(1)
    await live.gone()


async def test_a_viewer_who_goes_away_before_the_entry_came_leaves_no_slot_behind(
    loop_clock: LoopClock,
) -> None:
    async with channel(loop_clock, origin={"timeout": "1m"}, streams={"ttl": "10m"}) as live:
        live.stack.origin.answers["/live/slow.m3u8"] = live.part
        request = asking(live.stack, f"/live/slow.m3u8?token={live.stack.token()}")
        await live.count(1)
        assert len(await listed(live.stack)) == 1
        request.cancel()
        await live.gone()

        async def freed() -> bool:
            return not await listed(live.stack)

        await until(freed, "the slot is free")


async def test_a_drain_does_not_wait_for_what_is_held(live: Channel) -> None:
    reload = asking(live.stack, f"{await live.watch()}&{NEXT}")
    await live.count(1)
    async with asyncio.timeout(30):
        await live.stack.service.stop()  # listen.drain_timeout is one second
    assert not live.news.is_set()
    with pytest.raises(aiohttp.ClientError):
        await reload
    await live.gone()


# --- Touched at both ends -----------------------------------------------------------------------

# A slot lives for three seconds, and is to be heard of every second.
SHORT = {"ttl": "3s", "live_ttl_factor": 1}


@pytest.mark.parametrize("what", ["reload", "part"])
async def test_a_viewer_who_waits_for_longer_than_the_ttl_keeps_the_slot(
    what: str, loop_clock: LoopClock
) -> None:
    clock = TestClock()
    settings: dict[str, Any] = {"clock": clock, "streams": SHORT, "limits": {"default": 1}}
    async with channel(loop_clock, **settings) as live:
        low = await live.watch()
        part = urljoin(LOW, (await live.stack.ask(low)).uris()[0]).replace("seg7", "part8.2")
        request = asking(live.stack, f"{low}&{NEXT}" if what == "reload" else part)
        await live.count(1)
        (before,) = await listed(live.stack)

        async def heard_of() -> bool:
            (now,) = await listed(live.stack)
            return _seen(now) > clock.now - 1

        for _ in range(4):
            loop_clock.passes(1)
            clock.passes(1)
            await until(heard_of, "the stream is heard of")
        assert clock.now > datetime.fromisoformat(before["expires_at"]).timestamp()
        assert (await live.stack.watch("/live/one/low/index.m3u8")).code == "stream_limit"
        live.news.set()
        assert (await request).status == 200
        (after,) = await listed(live.stack)
        assert (after["id"], after["started_at"]) == (before["id"], before["started_at"])


@pytest.mark.parametrize("what", ["reload", "part", "entry"])
async def test_a_stream_that_is_ended_while_it_waits_is_told_so_at_once(
    what: str, loop_clock: LoopClock
) -> None:
    # No slot lapses here; what waits is heard of by the loop's time.
    async with channel(loop_clock, clock=TestClock(), streams=SHORT) as live:
        stack = live.stack
        if what == "entry":  # a live media playlist, refreshed with its token
            token = stack.token()
            await stack.ask(f"{LOW}?token={token}")
            path = f"{LOW}?token={token}&{NEXT}"
        else:
            low = await live.watch()
            part = urljoin(LOW, (await stack.ask(low)).uris()[0]).replace("seg7", "part8.2")
            path = f"{low}&{NEXT}" if what == "reload" else part
        request = asking(stack, path)
        await live.count(1)
        await stack.operate("/admin/v1/accounts/alice/streams", "DELETE")
        answer = await request
        assert (answer.status, answer.code) == (409, "stream_ended")
        assert answer.json["reason"] == "killed"
        assert not live.news.is_set()
        await live.gone()


async def test_a_short_wait_is_one_call_to_the_store_and_a_long_one_is_two(hasty: Channel) -> None:
    low = await hasty.watch()
    hasty.news.set()
    before = renewals(hasty.stack)
    assert (await hasty.stack.ask(f"{low}&_HLS_msn=8&_HLS_part=0")).status == 200
    assert renewals(hasty.stack) == before + 1
    hasty.news.clear()
    reload = asking(hasty.stack, f"{low}&{NEXT}")
    await hasty.count(2)
    await hasty.outlast()  # longer than a quarter of the target duration
    hasty.news.set()
    assert (await reload).status == 200
    assert renewals(hasty.stack) >= before + 3


async def test_a_wait_never_takes_a_slot_again_that_was_given_back(loop_clock: LoopClock) -> None:
    clock = TestClock()
    async with channel(loop_clock, clock=clock, streams=SHORT) as live:
        low = await live.watch()
        reload = asking(live.stack, f"{low}&{NEXT}")
        await live.count(1)
        ticket = low.partition("_sid=")[2]
        await live.stack.ask(f"/_playgate/release?_sid={ticket}", method="POST")
        clock.passes(RELEASED_MS / 1000)  # the farewell

        async def absent() -> bool:
            labels = {"route": "live", "result": "absent"}
            return sample(live.stack, "playgate_admissions_total", **labels) > 0

        await until(absent, "the wait found no slot")
        assert not await listed(live.stack)
        live.news.set()
        assert (await reload).status == 200
        assert not await listed(live.stack)


# --- What is in the playlists -------------------------------------------------------------------


async def test_a_rendition_report_names_a_rendition_exactly_as_the_master_does(
    live: Channel,
) -> None:
    entry = await live.stack.watch(ENTRY)
    high = urljoin(ENTRY, entry.uris()[1])
    low = await live.stack.ask(urljoin(ENTRY, entry.uris()[0]))
    report = next(line for line in low.text.splitlines() if "RENDITION-REPORT" in line)
    assert urljoin(LOW, report.split('"')[1]) == high


async def test_a_hinted_part_is_named_as_it_will_be(live: Channel) -> None:
    low = await live.watch()
    before = await live.stack.ask(low)
    hint = next(line for line in before.text.splitlines() if "PRELOAD-HINT" in line)
    made = PLAYLIST.replace("PRELOAD-HINT:TYPE=PART", "PART:DURATION=0.2")
    live.stack.origin.answers[LOW] = (HLS, made)
    after = await live.stack.ask(f"{low}&_HLS_msn=8")
    part = [line for line in after.text.splitlines() if "#EXT-X-PART:" in line][-1]
    assert "part8.2.m4s" in part
    assert part.split('"')[1] == hint.split('"')[1]


async def test_a_delta_update_teaches_no_other_tempo(live: Channel) -> None:
    low = await live.watch()
    (before,) = await listed(live.stack)
    live.news.set()
    delta = await live.stack.ask(f"{low}&{NEXT}&_HLS_skip=YES")
    assert (delta.status, delta.uris()) == (200, [])
    assert "#EXT-X-SKIP:SKIPPED-SEGMENTS=1" in delta.text
    (after,) = await listed(live.stack)
    assert _life(after) == pytest.approx(_life(before), abs=0.5)


def _seen(stream: dict[str, str]) -> float:
    return datetime.fromisoformat(stream["last_seen_at"]).timestamp()


def _life(stream: dict[str, str]) -> float:
    ends, seen = (datetime.fromisoformat(stream[name]) for name in ("expires_at", "last_seen_at"))
    return (ends - seen).total_seconds()


async def test_an_on_demand_segment_is_not_waited_for_like_a_live_one(hasty: Channel) -> None:
    serve_film(hasty.stack.origin, "film")
    hasty.stack.origin.answers["/live/seg0.ts"] = hasty.part
    film = await hasty.stack.watch("/live/film.m3u8")
    segment = asking(hasty.stack, urljoin("/live/", film.uris()[0]))
    await hasty.count(1)
    hasty.time_out()
    assert (await segment).code == "origin_timeout"


# --- From memory --------------------------------------------------------------------------------


async def test_a_low_latency_playlist_is_not_served_from_memory_until_it_is_old(
    loop_clock: LoopClock,
) -> None:
    async with channel(loop_clock, origin={"cache": "1h"}) as live:
        low = await live.watch()
        live.stack.origin.answers[LOW] = (HLS, PLAYLIST.replace("part8.1", "part8.9"))

        async def renewed() -> bool:
            return "part8.9" in (await live.stack.ask(low)).text

        await until(renewed, "the next part is seen")


async def test_the_answer_to_a_blocking_reload_is_kept_for_those_who_come_late(
    loop_clock: LoopClock,
) -> None:
    async with channel(loop_clock, origin={"cache": "1h"}) as live:
        low = await live.watch()
        live.news.set()
        first = await live.stack.ask(f"{low}&{NEXT}")
        await live.stack.ask(f"{low}&{NEXT}&_HLS_skip=YES")
        assert (await live.stack.ask(f"{low}&{NEXT}")).text == first.text
        assert len(live.held) == 2


# --- Bounded ------------------------------------------------------------------------------------


@pytest.mark.parametrize("what", ["reload", "part", "part whose header came"])
async def test_one_account_never_takes_the_port(
    monkeypatch: pytest.MonkeyPatch, what: str, loop_clock: LoopClock
) -> None:
    monkeypatch.setattr("proxy.attendance.HELD_PER_STREAM", 3)
    async with channel(loop_clock, limits={"default": 2}) as live:
        stack, low = live.stack, await live.watch()
        part = urljoin(LOW, (await stack.ask(low)).uris()[0]).replace("seg7", "part8.2")
        if what == "part whose header came":
            stack.origin.answers["/live/one/low/part8.2.m4s"] = live.trickle

        def path(number: int) -> str:  # each is a request of its own at the origin
            return f"{low}&_HLS_msn={number}" if what == "reload" else f"{part}&number={number}"

        held = [asking(stack, path(number)) for number in range(6)]
        await live.count(6)
        answer = await stack.ask(path(6))
        assert (answer.status, answer.code) == (503, "overloaded")
        assert answer.headers["Retry-After"] == "1"
        assert len(live.held) == 6
        other = await live.watch("bob")  # nobody else has to wait for that
        reload = asking(stack, f"{other}&_HLS_msn=99")
        await live.count(7)
        live.news.set()
        answers = await asyncio.gather(*held, reload)
        assert [answer.status for answer in answers] == [200] * 7
        assert (await stack.ask(path(6))).status == 200


async def test_a_request_that_is_given_up_makes_room_for_another(
    monkeypatch: pytest.MonkeyPatch, loop_clock: LoopClock
) -> None:
    monkeypatch.setattr("proxy.attendance.HELD_PER_STREAM", 1)
    async with channel(loop_clock, limits={"default": 1}) as live:
        low = await live.watch()
        request = asking(live.stack, f"{low}&{NEXT}")
        await live.count(1)
        assert (await live.stack.ask(f"{low}&_HLS_msn=9")).code == "overloaded"
        request.cancel()
        await live.gone()
        request = asking(live.stack, f"{low}&_HLS_msn=9")
        await live.count(2)
        live.news.set()
        assert (await request).status == 200


async def test_a_stream_given_back_makes_no_room_for_what_another_may_have_held(
    monkeypatch: pytest.MonkeyPatch, loop_clock: LoopClock
) -> None:
    monkeypatch.setattr("proxy.attendance.HELD_PER_STREAM", 1)
    async with channel(loop_clock, limits={"default": 1}) as live:
        low = await live.watch()
        reload = asking(live.stack, f"{low}&{NEXT}")
        await live.count(1)
        released = f"/_playgate/release?_sid={low.partition('_sid=')[2]}"
        assert (await live.stack.ask(released, method="POST")).status == 204
        assert (await live.stack.watch(ENTRY, device="tv")).code == "overloaded"
        assert not await listed(live.stack)  # nor does a stream that is turned away keep a slot
        live.news.set()
        assert (await reload).status == 200


async def test_who_plays_above_a_limit_that_is_observed_may_have_as_much_held(
    monkeypatch: pytest.MonkeyPatch, loop_clock: LoopClock
) -> None:
    monkeypatch.setattr("proxy.attendance.HELD_PER_STREAM", 1)
    async with channel(loop_clock, limits={"default": 1, "mode": "observe"}) as live:
        streams = [await live.watch(device=device) for device in ("tv", "phone")]
        reloads = [asking(live.stack, f"{low}&{NEXT}") for low in streams]
        await live.count(1)
        live.news.set()
        assert [answer.status for answer in await asyncio.gather(*reloads)] == [200, 200]


async def test_head_is_never_held(hasty: Channel) -> None:
    low = await hasty.watch()
    asked = len(hasty.stack.origin.paths)
    assert (await hasty.stack.ask(f"{low}&{NEXT}&_HLS_skip=YES", method="HEAD")).status == 200
    assert hasty.held == []
    assert hasty.stack.origin.paths[asked:] == [f"{LOW}?_HLS_skip=YES"]
    part = urljoin(LOW, (await hasty.stack.ask(low)).uris()[0]).replace("seg7", "part8.2")
    asked_for = asking(hasty.stack, part, method="HEAD")
    await hasty.count(1)
    hasty.time_out()
    assert (await asked_for).status == 504
