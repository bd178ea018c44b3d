"""The fast path: it answers what the usual one would, to the byte, and nothing else."""

import asyncio
import gc
import random
import re
import secrets
import signal
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from proxy.model import Reply
from proxy.streams import Decision, Outcome, Pace
from proxy.web.connections import KEEPALIVE_SECONDS
from proxy.web.fast_path import FastConnection, Told
from proxy.web.refusals import (
    HAMMERING,
    MAX_BODY,
    MAX_REMEMBERED,
    MEMORY_SECONDS,
    UNDER_WAY_SECONDS,
    Refusal,
    Refusals,
)
from tests.support.loop_clock import LoopClock
from tests.support.origin import HLS
from tests.support.playlists import LIVE, serve_channels, serve_dash
from tests.support.poll import until
from tests.support.redis_server import RedisServer
from tests.support.stack import Stack
from tests.web.wire import Wire, status, value

ENTRY, CHILD, MPD = "/live/one/master.m3u8", "/live/one/low/index.m3u8", "/live/dash.mpd"
# Different in each reply.
VARYING = re.compile(rb"(X-Request-Id|Date): [^\r]*")
TRUSTING = {"listen": {"trusted_proxies": ["127.0.0.1"]}}


class Taken:
    """Counts what went the fast path, and what the store said of requests that left it."""

    def __init__(self) -> None:
        self.answered = 0
        self.passed_by = 0  # of those, what was not parsed
        self.told: list[Decision | None] = []


@pytest.fixture
def taken(monkeypatch: pytest.MonkeyPatch) -> Taken:
    counts = Taken()
    answered, left = FastConnection.answered, FastConnection.left

    def noted(connection: FastConnection, reply: bytes) -> None:
        counts.answered += 1
        counts.passed_by += bool(connection._passed)
        answered(connection, reply)

    def noted_left(connection: FastConnection, told: Told | None) -> None:
        counts.told.append(told.decision if told else None)
        left(connection, told)

    monkeypatch.setattr(FastConnection, "answered", noted)
    monkeypatch.setattr(FastConnection, "left", noted_left)
    return counts


@asynccontextmanager
async def running(**settings: Any) -> AsyncIterator[Stack]:
    settings = {"origin": {"cache": "10m"}, **settings}
    async with Stack(**settings) as stack:
        serve_channels(stack.origin, "one", "two")
        serve_dash(stack.origin, "dash")
        yield stack


async def started(wire: Wire, stack: Stack, entry: str = ENTRY, *fields: str, **token: Any) -> str:
    """Begin to watch, and give the URL by which the stream's player refreshes."""
    reply = await wire.ask(f"{entry}?token={stack.token(**token)}", *fields)
    assert status(reply) == 200
    if entry == MPD:
        found = re.search(rb"<Location>[^<]*(/live/[^<]+)</Location>", reply[1])
        assert found
        return found[1].decode()
    found = re.search(rb"low/index.m3u8\?_sid=[\w.-]+", reply[1])
    assert found
    return entry.replace("master.m3u8", found[0].decode())


async def beaten(wire: Wire, target: str, *fields: str, times: int = 3) -> list[Any]:
    return [await wire.ask(target, *fields) for _ in range(times)]


def plain(reply: tuple[bytes, bytes]) -> tuple[bytes, bytes]:
    """Give a reply less what differs in each."""
    return VARYING.sub(b"", reply[0]), reply[1]


@pytest.fixture(scope="module")
def redis() -> Iterator[RedisServer]:
    with RedisServer() as server:
        yield server


@pytest.fixture(params=["memory", "redis"])
def store(request: pytest.FixtureRequest, redis: RedisServer) -> dict[str, str]:
    """Settings of a store that has nothing in it."""
    if request.param == "memory":
        return {}
    return {"url": redis.url, "timeout": "10s", "key_prefix": secrets.token_hex(8)}


# --- The same answer ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("settings", "fields"),
    [
        ({}, ()),
        ({}, ("Origin: https://tv.example",)),
        ({"cors": {"origins": ["https://tv.example"]}}, ("Origin: https://tv.example",)),
        ({"cors": {"origins": ["https://tv.example"]}}, ("Origin: https://evil.example",)),
        (TRUSTING, ("traceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",)),
        (TRUSTING, ("X-Forwarded-For: 192.0.2.7",)),
    ],
)
@pytest.mark.parametrize("entry", [ENTRY, MPD])
@pytest.mark.parametrize("by", ["ticket", "token"])
async def test_a_beat_is_answered_as_on_the_usual_path_to_the_byte(  # noqa: PLR0917  # all of them fixtures
    taken: Taken,
    store: dict[str, str],
    settings: dict[str, Any],
    fields: tuple[str, ...],
    entry: str,
    by: str,
) -> None:
    async with running(store=store, **settings) as stack, Wire(stack) as wire:
        target = await started(wire, stack, entry, *fields)
        if by == "token":
            target = f"{entry}?token={stack.token()}"
        slow = await beaten(wire, target, *fields, times=2)
        assert taken.answered == 0
        fast = await beaten(wire, target, *fields)
        assert taken.answered == 3
        assert taken.passed_by == (0 if "traceparent" in str(fields) else 2)
        assert value(fast[0], "Playgate-Decision") == "renewed"
        assert {plain(reply) for reply in fast} == {plain(slow[1])}
        ids = {value(reply, "X-Request-Id") for reply in (*slow, *fast)}
        assert len(ids) == (1 if "traceparent" in str(fields) else 5)


async def test_what_a_trusted_proxy_calls_a_request_is_told_and_makes_no_other(
    taken: Taken,
) -> None:
    async with running(**TRUSTING) as stack, Wire(stack) as wire:
        target = await started(wire, stack)
        replies = [await wire.ask(target, f"X-Request-Id: call-{n}") for n in range(4)]
        assert [value(reply, "X-Request-Id") for reply in replies] == [
            f"call-{n}" for n in range(4)
        ]
        assert (taken.answered, taken.passed_by) == (2, 0)


@pytest.mark.parametrize(
    "field",
    ["X-Request-Id: mine", "traceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"],
)
async def test_what_anybody_else_calls_it_is_read_each_time(taken: Taken, field: str) -> None:
    async with running() as stack, Wire(stack) as wire:
        target = await started(wire, stack)
        replies = await beaten(wire, target, field, times=5)
        assert {status(reply) for reply in replies} == {200}
        assert taken.answered == 0


async def test_a_beat_counts_as_on_the_usual_path(store: dict[str, str]) -> None:
    def counted(stack: Stack) -> dict[str, float | None]:
        read = stack.service.metrics.registry.get_sample_value
        route = {"route": "live"}
        names = {
            "playgate_requests_total": {**route, "kind": "child", "outcome": "ok"},
            "playgate_request_seconds_count": {**route, "kind": "child"},
            "playgate_admissions_total": {**route, "result": "renewed"},
            "playgate_manifest_cache_total": {"result": "hit"},
            "playgate_store_seconds_count": {"op": "decide"},
            "playgate_in_flight_requests": {},
            **{f"playgate_phase_seconds_count.{phase}": {"phase": phase} for phase in PHASES},
        }
        return {name: read(name.partition(".")[0], labels) for name, labels in names.items()}

    seen = []
    for fast_path in (True, False):
        listen = {"fast_path": fast_path}
        async with running(store=store, listen=listen) as stack, Wire(stack) as wire:
            await beaten(wire, await started(wire, stack), times=9)
            seen.append(counted(stack))
        store = {**store, "key_prefix": "other"} if store else {}
    assert seen[0] == seen[1]
    assert seen[0]["playgate_requests_total"] == 9


PHASES = ("auth", "store", "rewrite")


# --- Nothing else ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "fields",
    [
        ("Range: bytes=0-3",),
        ("If-None-Match: *",),
        ("Connection: close",),
        ("Content-Length: 2",),
    ],
)
async def test_what_is_not_all_of_a_manifest_goes_the_usual_way(
    taken: Taken, fields: tuple[str, ...]
) -> None:
    async with running() as stack:
        async with Wire(stack) as wire:
            target = await started(wire, stack)
        for _ in range(4):
            async with Wire(stack) as wire:
                wire.send(wire.request(target, *fields), b"{}" if "Content" in fields[0] else b"")
                await wire.reply()
        assert taken.answered == 0


@pytest.mark.parametrize("method", ["HEAD", "POST", "OPTIONS"])
async def test_another_method_is_another_request(taken: Taken, method: str) -> None:
    async with running() as stack:
        async with Wire(stack) as wire:
            target = await started(wire, stack)
            await beaten(wire, target)
        assert taken.answered == 1
        async with Wire(stack) as wire:
            wire.send(wire.request(target, "Connection: close", method=method))
            assert b"Playgate-Decision: renewed" not in await wire.rest() or method == "HEAD"
        assert taken.answered == 1


async def test_no_more_requests_are_kept_than_there_are_places_for(taken: Taken) -> None:
    async with running(listen={"fast_path_size": 2}) as stack, Wire(stack) as wire:
        for device in ("tv", "phone", "tablet"):
            await beaten(wire, await started(wire, stack, device=device), times=4)
        fast = stack.service._inner.players.fast
        assert fast is not None
        assert len(fast._beats._kept) == 2
    assert taken.answered >= 4


async def test_a_request_that_would_take_much_to_keep_goes_the_usual_way(taken: Taken) -> None:
    async with running() as stack, Wire(stack) as wire:
        ticket = (await started(wire, stack)).partition("_sid=")[2].partition(".")[2]
        for long in (1000, 8000):
            # An entry needs no seal, so whoever has a ticket may put anything in its place.
            replies = await beaten(wire, f"{ENTRY}?_sid={'s' * long}.{ticket}")
            assert {status(reply) for reply in replies} == {200}
        assert taken.answered == 1


async def test_another_client_with_the_same_url_is_looked_at_anew(taken: Taken) -> None:
    listen = {"trusted_proxies": ["127.0.0.1"]}
    async with running(listen=listen) as stack, Wire(stack) as wire:
        target = await started(wire, stack)
        home = "X-Forwarded-For: 192.0.2.7"
        await beaten(wire, target, home)
        assert taken.answered == 1
        stranger = wire.request(target, "X-Forwarded-For: 198.51.100.7").replace(b"test/1", b"b/1")
        for number in range(3):
            wire.send(stranger)
            reply = await wire.reply()
            decision = value(reply, "Playgate-Decision")
            assert decision == ("renewed" if number else "admitted")
            assert value(reply, "Playgate-Streams") == "2/3"
        assert value((await wire.ask(target, home)), "Playgate-Streams") == "2/3"


async def test_a_stream_that_was_ended_is_told_so_and_the_store_is_asked_once(
    taken: Taken, store: dict[str, str]
) -> None:
    async with running(store=store) as stack, Wire(stack) as wire:
        target = await started(wire, stack)
        await beaten(wire, target)
        await stack.operate("/admin/v1/accounts/alice/streams", "DELETE")
        calls = store_calls(stack)
        ended = await wire.ask(target)
        assert (status(ended), b"stream_ended" in ended[1]) == (409, True)
        assert [told and told.outcome for told in taken.told] == [Outcome.ENDED]
        assert store_calls(stack) == calls + 1


def store_calls(stack: Stack) -> float:
    name, labels = "playgate_store_seconds_count", {"op": "decide"}
    return stack.service.metrics.registry.get_sample_value(name, labels) or 0


async def test_a_revoked_token_is_refused_at_the_next_beat(store: dict[str, str]) -> None:
    async with running(store=store) as stack, Wire(stack) as wire:
        target = await started(wire, stack, claims=["jti=one"])
        assert [status(reply) for reply in await beaten(wire, target)] == [200] * 3
        body = b'{"jti": "one"}'
        answer = await stack.operate("/admin/v1/accounts/alice/revoke", "POST", body=body)
        assert answer.status == 204
        revoked = await wire.ask(target)
        assert (status(revoked), b"token_revoked" in revoked[1]) == (401, True)


@pytest.mark.parametrize("by", ["ticket", "token"])
async def test_a_credential_that_has_expired_is_refused(taken: Taken, by: str) -> None:
    late = 0.0
    settings: dict[str, Any] = {"streams": {"ttl": "1h"}, "tickets": {"ttl": "1h"}}
    async with running(clock=lambda: time.time() + late, **settings) as stack, Wire(stack) as wire:
        target = await started(wire, stack)
        if by == "token":
            target = f"{ENTRY}?token={stack.token(ttl=60)}"
        await beaten(wire, target, times=4)
        assert taken.answered
        before, late = taken.answered, 2 * 3600.0
        reply = await wire.ask(target)
        assert taken.answered == before
        # PyJWT goes by the system's clock.
        assert status(reply) == (401 if by == "ticket" else 200)


async def test_settings_that_were_reloaded_count_from_the_next_beat(
    taken: Taken, tmp_path: Path
) -> None:
    async with running(folder=tmp_path) as stack, Wire(stack) as wire:
        target = await started(wire, stack)
        assert value((await beaten(wire, target))[-1], "Playgate-Streams") == "1/3"
        assert taken.answered == 1
        stack.overrides["limits"] = {"default": 7}
        stack.write()
        await stack.service.reload(by="a test")
        replies = await beaten(wire, target)
        assert {value(reply, "Playgate-Streams") for reply in replies} == {"1/7"}
        assert taken.answered == 2


async def test_a_question_that_is_another_by_what_was_learned_is_kept_anew(
    taken: Taken, store: dict[str, str]
) -> None:
    async with running(store=store) as stack, Wire(stack) as wire:
        target = await started(wire, stack)
        await beaten(wire, target)
        assert taken.answered == 1
        learned = stack.service._inner._lasting.learned
        for interval in (20.0, 30.0):
            pace = Pace(live=True, interval=interval)
            learned.note_tempo("tv/live/one/master.m3u8", pace, self_refreshing=False)
            before = taken.answered
            await beaten(wire, target)
            assert taken.answered == before + 2, "the first goes the usual way"
            answer = await stack.operate("/admin/v1/accounts/alice/streams")
            (stream,) = answer.json["streams"]
            seen, expires = (
                datetime.fromisoformat(stream[name]) for name in ("last_seen_at", "expires_at")
            )
            assert (expires - seen).total_seconds() >= 2 * interval


async def test_renditions_of_another_tempo_are_answered_as_well(taken: Taken) -> None:
    async with running() as stack, Wire(stack) as wire:
        slow = LIVE.replace("TARGETDURATION:4", "TARGETDURATION:6")
        stack.origin.answers["/live/one/high/index.m3u8"] = (HLS, slow)
        entry = await wire.ask(f"{ENTRY}?token={stack.token()}")
        found = re.findall(rb"(?:low|high)/index.m3u8\?_sid=[\w.-]+", entry[1])
        targets = [f"/live/one/{uri.decode()}" for uri in found]
        for target in targets * 2:  # the second tells that the first's slot lives longer
            await beaten(wire, target)
        before = taken.answered
        for target in targets * 2:
            await wire.ask(target)
        assert taken.answered == before + 4


async def test_known_streams_play_on_while_the_store_is_away(
    taken: Taken, loop_clock: LoopClock
) -> None:
    with RedisServer() as redis:
        store = {"url": redis.url, "timeout": "10s", "on_outage": "closed"}
        async with running(store=store) as stack, Wire(stack) as wire:
            target = await started(wire, stack)
            await until(lambda: beats_fast(wire, target, taken), "a beat on the fast path")
            async with asked(stack, redis, wire, target):
                loop_clock.passes(10)
                replies = [await wire.reply(), *await beaten(wire, target, times=4)]
            assert {status(reply) for reply in replies} == {200}
            assert {value(reply, "Playgate-Decision") for reply in replies} == {"unchecked"}
            assert taken.told[-1] is None
            await until(lambda: beats_fast(wire, target, taken), "the store is back")


async def beats_fast(wire: Wire, target: str, taken: Taken) -> bool:
    before = taken.answered
    assert status(await wire.ask(target)) == 200
    return taken.answered > before


async def leave_while_asked(stack: Stack, redis: RedisServer, wire: Wire, target: str) -> None:
    """Ask for something, and go away before the store has answered; it has when this returns."""
    assert redis.process is not None
    redis.process.send_signal(signal.SIGSTOP)
    wire.send(wire.request(target))
    await until(lambda: under_way(stack, 1), "it is under way")
    wire.writer.transport.abort()
    await until(lambda: connections(stack, 0), "it has gone")
    redis.process.send_signal(signal.SIGCONT)
    await until(lambda: under_way(stack, 0), "it is over")


async def test_a_slot_that_was_given_to_who_has_gone_away_is_given_back(
    taken: Taken, redis: RedisServer
) -> None:
    store = {"url": redis.url, "timeout": "10s", "key_prefix": "gone"}
    async with running(store=store) as stack:
        target = f"{ENTRY}?token={stack.token()}"
        async with Wire(stack) as wire:
            await beaten(wire, target, times=4)
            assert taken.answered == 1
            await stack.operate("/admin/v1/accounts/alice/streams", "DELETE")
            await leave_while_asked(stack, redis, wire, target)
        assert [told and told.outcome for told in taken.told] == []
        await until(lambda: nothing_held(stack), "the slot is given back")


async def test_who_has_gone_away_before_the_store_answered_is_counted_as_such(
    taken: Taken, redis: RedisServer
) -> None:
    store = {"url": redis.url, "timeout": "10s", "key_prefix": secrets.token_hex(8)}
    async with running(store=store) as stack:
        async with Wire(stack) as wire:
            target = await started(wire, stack)
            await beaten(wire, target)
            assert taken.answered == 1
            await leave_while_asked(stack, redis, wire, target)
        read = stack.service.metrics.registry.get_sample_value
        labels = {"route": "live", "kind": "child", "outcome": "abandoned"}
        assert read("playgate_requests_total", labels) == 1


async def test_who_goes_away_in_the_turn_in_which_a_request_is_handed_over_is_no_error(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    errors: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: errors.append(context))
    hand_over = FastConnection._hand_over

    def and_gone(connection: FastConnection) -> None:
        hand_over(connection)
        connection.connection_lost(None)

    async with running() as stack:
        async with Wire(stack) as wire:
            monkeypatch.setattr(FastConnection, "_hand_over", and_gone)
            wire.send(wire.request("/nowhere"))
            await until(lambda: connections(stack, 0), "it has gone")
            assert await wire.rest() == b""
        monkeypatch.undo()
        gc.collect()
        async with Wire(stack) as wire:
            assert status(await wire.ask("/nowhere")) == 404
    assert errors == []


async def test_a_slot_is_given_back_where_its_request_is_refused_before_the_walk(
    redis: RedisServer,
) -> None:
    store = {"url": redis.url, "timeout": "10s", "key_prefix": secrets.token_hex(8)}
    async with running(store=store) as stack, Wire(stack) as wire:
        target = f"{ENTRY}?token={stack.token()}"
        await beaten(wire, target, times=4)
        await stack.operate("/admin/v1/accounts/alice/streams", "DELETE")
        assert redis.process is not None
        redis.process.send_signal(signal.SIGSTOP)
        wire.send(wire.request(target))
        await until(lambda: under_way(stack, 1), "it is under way")
        stack.service._inner.players._max_in_flight = 0
        redis.process.send_signal(signal.SIGCONT)
        assert status(await wire.reply()) == 503
        await until(lambda: nothing_held(stack), "the slot is given back")


async def nothing_held(stack: Stack) -> bool:
    listed = await stack.operate("/admin/v1/accounts/alice/streams")
    return not listed.json["streams"]


async def under_way(stack: Stack, number: int) -> bool:
    name = "playgate_in_flight_requests"
    return stack.service.metrics.registry.get_sample_value(name) == number


async def connections(stack: Stack, number: int) -> bool:
    return len(stack.service._server.connections) == number


@pytest.mark.parametrize(
    "broken",
    [
        "proxy.web.heads.manifest_headers",
        "proxy.telemetry.journal.Journal.decided",
        "proxy.telemetry.beat_tally.BeatTally.note",
    ],
)
async def test_a_bug_costs_the_request_it_hits_and_no_other(
    redis: RedisServer, broken: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = {"url": redis.url, "timeout": "10s", "key_prefix": secrets.token_hex(8)}
    async with running(store=store) as stack, Wire(stack) as wire, Wire(stack) as other:
        target = await started(wire, stack)
        theirs = await started(other, stack, account="bob")
        await beaten(wire, target)
        await beaten(other, theirs)
        # The fields are made anew where there is something else to be shown.
        await started(wire, stack, "/live/two/master.m3u8")
        with monkeypatch.context() as patched:

            def fails(*_: object) -> None:
                raise RuntimeError("a bug")

            patched.setattr(broken, fails)
            wire.send(wire.request(target))
            assert status(await wire.reply()) in (200, 500)
        assert [status(reply) for reply in await beaten(other, theirs)] == [200] * 3
        assert [status(reply) for reply in await beaten(wire, target)] == [200] * 3
        await until(lambda: under_way(stack, 0), "nothing is left under way")


# --- Refusals -------------------------------------------------------------------------------------


@pytest.fixture
def lasting(monkeypatch: pytest.MonkeyPatch) -> None:
    """Remember refusals for longer than a busy machine is busy with a request."""
    monkeypatch.setattr("proxy.web.refusals.MEMORY_SECONDS", 3600)


@pytest.mark.usefixtures("lasting")
@pytest.mark.parametrize("what", ["refused", "ended"])
async def test_who_hammers_after_a_refusal_is_told_the_same_without_asking_the_store(
    taken: Taken, store: dict[str, str], what: str
) -> None:
    limit = 0 if what == "refused" else 3
    async with running(store=store, limits={"default": limit}) as stack, Wire(stack) as wire:
        if what == "refused":
            target = f"{ENTRY}?token={stack.token()}"
        else:
            target = await started(wire, stack)
            await stack.operate("/admin/v1/accounts/alice/streams", "DELETE")
        told = [await wire.ask(target) for _ in range(4)]
        assert taken.answered == 0
        calls = store_calls(stack)
        told += [await wire.ask(target) for _ in range(5)]
        assert taken.answered >= 4
        assert {plain(reply) for reply in told} == {plain(told[0])}
        assert status(told[0]) == (429 if what == "refused" else 409)
        assert store_calls(stack) <= calls + 1
        read = stack.service.metrics.registry.get_sample_value
        kind = "entry" if what == "refused" else "child"
        labels = {"route": "live", "kind": kind, "outcome": "refused"}
        assert read("playgate_requests_total", labels) == 9


@pytest.mark.usefixtures("lasting")
async def test_room_that_was_made_here_is_found_at_once(taken: Taken) -> None:
    async with running(limits={"default": 1}) as stack, Wire(stack) as wire:
        await started(wire, stack, device="tv")
        target = f"/live/two/master.m3u8?token={stack.token(device='phone')}"
        while not taken.answered:
            assert status(await wire.ask(target)) == 429
        await stack.operate("/admin/v1/accounts/alice/streams", "DELETE")
        assert status(await wire.ask(target)) == 200


async def test_room_that_was_made_elsewhere_is_found_a_second_later(
    taken: Taken, redis: RedisServer
) -> None:
    store = {"url": redis.url, "timeout": "10s", "key_prefix": secrets.token_hex(8)}
    one, other = (running(store=store, limits={"default": 1}) for _ in range(2))
    async with one as stack, other as elsewhere, Wire(stack) as wire:
        await started(wire, stack, device="tv")
        target = f"/live/two/master.m3u8?token={stack.token(device='phone')}"
        while not taken.answered:
            assert status(await wire.ask(target)) == 429
        await elsewhere.operate("/admin/v1/accounts/alice/streams", "DELETE")

        async def let_in() -> bool:
            return status(await wire.ask(target)) == 200

        await until(let_in, "it is let in")


def test_refusals_are_bounded_and_forgotten_by_account() -> None:
    refusals = Refusals()
    for number in range(3 * MAX_REMEMBERED):
        told = Refusal(Reply(429), f"account-{number % 7}", "live", "entry", "stream_limit", "")
        for _ in range(HAMMERING):
            refusals.note(str(number).encode(), told, 0.0)
    kept = [n for n in range(3 * MAX_REMEMBERED) if refusals.find(str(n).encode(), 0.5)]
    assert kept == list(range(2 * MAX_REMEMBERED, 3 * MAX_REMEMBERED))
    refusals.forget("account-3")
    kept = [n for n in kept if n % 7 != 3]
    assert [n for n in range(3 * MAX_REMEMBERED) if refusals.find(str(n).encode(), 0.5)] == kept
    for number in range(7):
        refusals.forget(f"account-{number}")
    assert (refusals._refusals, refusals._names) == ({}, {})


def test_one_asks_anew_and_the_others_are_told_the_same_meanwhile() -> None:
    def told() -> Refusal:
        return Refusal(Reply(429), "alice", "live", "entry", "stream_limit", "")

    refusals, name, late = Refusals(), b"name", MEMORY_SECONDS + UNDER_WAY_SECONDS
    for _ in range(HAMMERING):
        refusals.note(name, told(), 0.0)
    assert refusals.find(name, MEMORY_SECONDS / 2)
    for _ in range(2):  # by its bytes, and then parsed
        assert not refusals.find(name, MEMORY_SECONDS)
    refusals.asked(name)
    assert refusals.find(name, late - 0.01)
    assert not refusals.find(name, late), "whoever asked has heard nothing"
    refusals.note(name, told(), late)
    assert refusals.find(name, late + MEMORY_SECONDS / 2)
    assert not refusals.find(name, late + MEMORY_SECONDS)


async def test_of_many_connections_that_repeat_a_refused_request_one_asks_anew(
    taken: Taken, redis: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = {"url": redis.url, "timeout": "10s", "key_prefix": secrets.token_hex(8)}
    async with running(store=store) as stack, Wire(stack) as one, Wire(stack) as other:
        target = f"{ENTRY}?token={stack.token(limit=0)}"
        await beaten(one, target, times=HAMMERING)
        before = taken.answered, store_calls(stack)
        assert before[0]
        monkeypatch.setattr("proxy.web.refusals.MEMORY_SECONDS", 0.0)
        monkeypatch.setattr("proxy.web.refusals.UNDER_WAY_SECONDS", 3600.0)
        async with asked(stack, redis, one, target):
            assert {status(reply) for reply in await beaten(other, target)} == {429}
        assert status(await one.reply()) == 429
        assert (taken.answered, store_calls(stack)) == (before[0] + 3, before[1] + 1)


async def test_a_refusal_that_lists_many_streams_is_not_remembered(taken: Taken) -> None:
    async with running(limits={"default": 60}, log={"level": "warning"}) as stack:
        async with Wire(stack) as wire:
            for number in range(60):
                await started(wire, stack, device=f"tv {number}")
            target = f"{ENTRY}?token={stack.token(device='phone')}"
            told = await beaten(wire, target, times=2 * HAMMERING)
        assert {status(reply) for reply in told} == {429}
        assert len(told[0][1]) > MAX_BODY
        assert taken.answered == 0


# --- What passes the parser by --------------------------------------------------------------------


@asynccontextmanager
async def passing_by(taken: Taken, redis: RedisServer) -> AsyncIterator[tuple[Stack, Wire, str]]:
    """A viewer whose refresh passes the parser by."""
    store = {"url": redis.url, "timeout": "10s", "key_prefix": secrets.token_hex(8)}
    async with running(store=store) as stack, Wire(stack) as wire:
        target = await started(wire, stack)
        await beaten(wire, target, times=4)
        assert taken.passed_by == 1
        yield stack, wire, target


@asynccontextmanager
async def asked(stack: Stack, redis: RedisServer, wire: Wire, target: str) -> AsyncIterator[None]:
    """Send a request, which Redis answers once this is left."""
    assert redis.process is not None
    redis.process.send_signal(signal.SIGSTOP)
    try:
        wire.send(wire.request(target))
        await until(lambda: under_way(stack, 1), "it is under way")
        yield
    finally:
        redis.process.send_signal(signal.SIGCONT)


async def test_whoever_writes_a_request_in_another_way_is_parsed_each_time(taken: Taken) -> None:
    async with running() as stack, Wire(stack) as wire:
        target = await started(wire, stack)
        await beaten(wire, target)
        odd = wire.request(target).replace(b"User-Agent: test/1", b"User-Agent:  test/1 ")
        for _ in range(2):
            wire.send(odd)
            assert status(await wire.reply()) == 200
        assert (taken.answered, taken.passed_by) == (3, 0)


async def test_the_head_of_a_request_with_a_body_waits_for_the_body(taken: Taken) -> None:
    async with running() as stack:
        async with Wire(stack) as wire:
            target = await started(wire, stack)
        for field, body in (("Content-Length: 2", b"{}"), ("Transfer-Encoding: chunked", CHUNKED)):
            async with Wire(stack) as wire:
                head = wire.request(target, field)
                for _ in range(4):  # in one piece: it is read before it is answered
                    wire.send(head, body)
                    assert status(await wire.reply()) == 200
                wire.send(head)
                await asyncio.sleep(0)
                wire.send(body, wire.request("/nowhere"))
                assert [status(await wire.reply()) for _ in range(2)] == [200, 404]
        assert taken.answered == 0


CHUNKED = b"2\r\n{}\r\n0\r\n\r\n"


async def test_what_comes_behind_a_request_under_way_is_parsed_behind_it(
    taken: Taken, redis: RedisServer
) -> None:
    async with passing_by(taken, redis) as (stack, wire, target):
        known, unknown = wire.request(target), wire.request("/nowhere")
        async with asked(stack, redis, wire, target):
            wire.send(unknown[:20])
            wire.send(unknown[20:], known)
        assert [status(await wire.reply()) for _ in range(3)] == [200, 404, 200]


@pytest.mark.parametrize("is_over", [False, True])
async def test_what_is_no_http_behind_a_request_under_way_leaves_that_its_answer(
    taken: Taken, redis: RedisServer, *, is_over: bool
) -> None:
    async with passing_by(taken, redis) as (stack, wire, target):
        if is_over:
            await stack.operate("/admin/v1/accounts/alice/streams", "DELETE")
        async with asked(stack, redis, wire, target):
            (connection,) = stack.service._server.connections
            connection.data_received(b"nonsense\r\n\r\n")
        async with asyncio.timeout(60):
            assert status(await wire.reply()) == (409 if is_over else 200)
            assert status(await wire.reply()) == 400
            assert await wire.rest() == b""


async def test_what_cannot_be_answered_at_once_is_parsed_after_all(
    taken: Taken, redis: RedisServer
) -> None:
    async with passing_by(taken, redis) as (stack, wire, target):
        await stack.operate("/admin/v1/accounts/alice/streams", "DELETE")
        assert status(await wire.ask(target)) == 409
        assert [told and told.outcome for told in taken.told] == [Outcome.ENDED]
        assert status(await wire.ask(f"{ENTRY}?token={stack.token()}")) == 200


async def test_what_is_under_way_as_a_drain_ends_is_answered(
    taken: Taken, redis: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("proxy.web.connections.LATE_SECONDS", 0.1)
    async with passing_by(taken, redis) as (stack, wire, target):
        await stack.operate("/admin/v1/accounts/alice/streams", "DELETE")
        async with asked(stack, redis, wire, target):
            stack.service._server.pre_shutdown()
            (connection,) = stack.service._server.connections

            async def is_closing() -> bool:
                return bool(connection._close)

            await until(is_closing, "the drain is over")
        assert status(await wire.reply()) == 409
        assert await wire.rest() == b""


async def test_what_comes_as_a_connection_is_shut_down_leaves_what_is_under_way_its_answer(
    taken: Taken, redis: RedisServer
) -> None:
    async with passing_by(taken, redis) as (stack, wire, target):
        async with asked(stack, redis, wire, target):
            (connection,) = stack.service._server.connections
            shutting_down = asyncio.create_task(connection.shutdown(60))
            await asyncio.sleep(0)
            connection.data_received(wire.request(target))
        async with asyncio.timeout(60):
            assert status(await wire.reply()) == 200
        connection.force_close()
        await shutting_down
        assert await wire.rest() == b""


PLAIN = b"GET / HTTP/1.1\r\nHost: tv\r\n\r\n"


@pytest.mark.parametrize(
    ("pieces", "between"),
    [
        ([PLAIN], True),
        ([PLAIN, PLAIN], True),
        ([PLAIN * 3], True),
        ([PLAIN[:-2], PLAIN[-2:]], False),
        ([PLAIN + PLAIN[:9]], False),
        ([PLAIN + b"\r\n"], True),  # which is read over in front of a request, as here
        ([PLAIN + b"\r"], False),
        ([b"\r\n" + PLAIN], True),
        ([PLAIN.replace(b"GET", b"POST")], True),
        ([PLAIN[:-2] + b"Content-Length: 4\r\n\r\n"], False),
        ([PLAIN[:-2] + b"Content-Length: 4\r\n\r\n\r\n\r\n"], False),
        ([PLAIN[:-2] + b"Transfer-Encoding: chunked\r\n\r\n"], False),
        ([PLAIN[:-2] + b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n"], False),
        ([PLAIN[:-2] + b"Connection: close\r\n\r\n"], False),
        ([PLAIN[:-2] + b"Upgrade: h2c\r\nConnection: Upgrade\r\n\r\n"], False),
        ([PLAIN.replace(b"1.1", b"1.0")], False),
        ([b"CONNECT tv:443 HTTP/1.1\r\nHost: tv\r\n\r\n"], False),
        ([PLAIN * 200], False),  # more than the parser gives at a time
        ([b"nonsense\r\n\r\n"], False),
    ],
)
async def test_it_is_known_whether_the_parser_stands_between_two_requests(
    pieces: list[bytes], between: bool
) -> None:
    async with running() as stack, Wire(stack):
        await until(lambda: connections(stack, 1), "it is there")
        (connection,) = stack.service._server.connections
        assert isinstance(connection, FastConnection)
        for piece in pieces:
            connection._parse(piece)
        assert connection._is_between is between


@pytest.mark.parametrize("seed", range(4))
async def test_whatever_comes_in_pieces_is_answered_as_without_the_fast_path(
    seed: int, taken: Taken
) -> None:
    """Beats that pass the parser by, between all else that there is."""
    told = []
    for fast_path in (True, False):
        async with running(listen={"fast_path": fast_path}) as stack:
            async with Wire(stack) as wire:
                target = await started(wire, stack)
                await beaten(wire, target, times=4)
            chance, said = random.Random(seed), []
            for _ in range(12):
                said += await some_requests(stack, target, chance)
            told.append(said)
    assert told[0] == told[1]
    assert taken.passed_by > 15


async def some_requests(stack: Stack, target: str, chance: random.Random) -> list[int]:
    """Send requests on a connection, each in a piece or more; give what was answered."""
    async with Wire(stack) as wire:
        kinds = [
            *[wire.request(target)] * 9,
            wire.request("/nowhere"),
            wire.request(target, "Range: bytes=0-3"),
            wire.request(target, method="HEAD"),
            wire.request("/nowhere", "Content-Length: 3", method="POST") + b"a\r\n",
            wire.request(target, "Content-Length: 3") + b"\r\n\r",
            wire.request(target) * 3,
        ]
        found = []
        for _ in range(20):
            request = chance.choice(kinds)
            cut = chance.randrange(len(request)) if chance.random() < 0.1 else 0
            for piece in filter(None, (request[:cut], request[cut:])):
                wire.send(piece)
                for _ in range(chance.randrange(4)):
                    await asyncio.sleep(0)
            for _ in range(3 if request.count(b"GET") == 3 else 1):
                reply = await (wire.head() if request.startswith(b"HEAD") else wire.reply())
                found.append(status(reply))
        return found


# --- On one connection ----------------------------------------------------------------------------


async def test_requests_in_a_row_are_answered_in_order_whichever_way_each_goes(
    taken: Taken, store: dict[str, str]
) -> None:
    async with running(store=store) as stack, Wire(stack) as wire:
        target = await started(wire, stack)
        await beaten(wire, target)
        known, unknown = wire.request(target), wire.request("/nowhere")
        refused = wire.request(f"{ENTRY}?token=none")
        chance = random.Random(7)
        row = chance.choices((known, unknown, refused), (8, 1, 1), k=400)
        stream = b"".join(row)
        sending = asyncio.create_task(piecemeal(wire, stream, chance))
        replies = [await wire.reply() for _ in row]
        await sending
        expected = {known: 200, unknown: 404, refused: 401}
        assert [status(reply) for reply in replies] == [expected[request] for request in row]
        assert taken.answered > 200


@pytest.mark.usefixtures("lasting")
@pytest.mark.parametrize("seed", range(4))
async def test_a_row_of_beats_and_hammered_refusals_is_answered_to_its_end(
    taken: Taken, redis: RedisServer, seed: int
) -> None:
    """Some answers wait for the store and some for nothing; the parser holds back what is more."""
    store = {"url": redis.url, "timeout": "10s", "key_prefix": secrets.token_hex(8)}
    async with running(store=store) as stack, Wire(stack) as wire:
        target = await started(wire, stack)
        await beaten(wire, target)
        known = wire.request(target)
        refused = wire.request(f"{ENTRY}?token={stack.token('bob', limit=0)}")
        wire.send(*[refused] * 2 * HAMMERING)
        for _ in range(2 * HAMMERING):
            assert status(await wire.reply()) == 429
        row = random.Random(seed).choices((known, refused), (1, 3), k=400)
        before = taken.answered
        wire.send(*row)
        async with asyncio.timeout(60):
            replies = [await wire.reply() for _ in row]
        expected = {known: 200, refused: 429}
        assert [status(reply) for reply in replies] == [expected[request] for request in row]
        assert taken.answered > before + 300


@pytest.mark.parametrize("fast_path", [True, False])
async def test_requests_behind_one_whose_body_comes_late_are_all_answered(
    fast_path: bool,
) -> None:  # a parameter
    async with running(listen={"fast_path": fast_path}) as stack, Wire(stack) as wire:
        target = await started(wire, stack)
        await beaten(wire, target)
        for _ in range(40):  # more than the parser has places for
            wire.send(wire.request(target, "Content-Length: 2", method="POST"))
            assert status(await wire.reply()) == 405
            wire.send(b"{}")
        row = [wire.request(target)] * 100
        wire.send(*row)
        async with asyncio.timeout(60):
            assert [status(await wire.reply()) for _ in row] == [200] * 100


async def piecemeal(wire: Wire, stream: bytes, chance: random.Random) -> None:
    """Send something in pieces of any size: from a few bytes to a hundred requests."""
    while stream:
        size = int(2 ** chance.uniform(3, 16))
        wire.send(stream[:size])
        stream = stream[size:]
        await asyncio.sleep(0)


async def test_a_drain_says_in_the_next_answer_that_it_is_the_last(taken: Taken) -> None:
    async with running() as stack, Wire(stack) as wire:
        target = await started(wire, stack)
        await beaten(wire, target)
        assert taken.answered == 1
        stack.service._server.pre_shutdown()
        last = await wire.ask(target)
        assert (status(last), value(last, "Connection")) == (200, "close")
        assert await wire.rest() == b""
        assert taken.answered == 1


async def test_a_connection_that_was_idle_for_long_is_closed(
    loop_clock: LoopClock, taken: Taken
) -> None:
    async with running() as stack, Wire(stack) as wire:
        target = await started(wire, stack)
        await beaten(wire, target)
        loop_clock.passes(KEEPALIVE_SECONDS / 2)
        await beaten(wire, target, times=1)
        loop_clock.passes(KEEPALIVE_SECONDS / 2)
        await beaten(wire, target, times=1)
        assert taken.answered == 3
        loop_clock.passes(KEEPALIVE_SECONDS)
        async with asyncio.timeout(60):
            assert await wire.rest() == b""
