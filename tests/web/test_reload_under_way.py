"""What is under way while the configuration is replaced, and what goes on beside the requests."""

import asyncio
import gc
import os
import re
import ssl
import threading
import time
import weakref
from collections.abc import AsyncIterator, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urljoin

import aiohttp
import pytest
from aiohttp import web
from cryptography.hazmat.primitives.asymmetric import ec
from redis.asyncio import Redis
from structlog.testing import capture_logs

from proxy import file_watch, keepalive_stream, reloading, token_keys
from proxy.credentials import key_source
from proxy.redis_pipes import Pipes
from proxy.settings.load import Draft, read
from proxy.telemetry import event_stream
from tests.settings.samples import certificate, pem
from tests.support.issuer import KeyServer, SigningKey, document
from tests.support.origin import HLS, TestOrigin
from tests.support.playlists import LIVE, serve_channels, serve_film
from tests.support.poll import until
from tests.support.redis_server import RedisServer, free_port
from tests.support.stack import Answer, Stack

ONE, TWO = "/live/one/master.m3u8", "/live/two/master.m3u8"
STREAMS = "/admin/v1/accounts/alice/streams"


@pytest.fixture
async def stack(tmp_path: Path) -> AsyncIterator[Stack]:
    async with Stack(folder=tmp_path) as running:
        serve_channels(running.origin, "one", "two")
        yield running


def sample(stack: Stack, name: str, **labels: str) -> float | None:
    return stack.service.metrics.registry.get_sample_value(name, labels)


async def reloaded(stack: Stack, **settings: Any) -> None:
    answer = await stack.reload(**settings)
    assert (answer.status, answer.json.get("result")) == (200, "reloaded"), answer.text


class Gate:
    """An origin's answer that is begun, and ended once the gate is open."""

    def __init__(self) -> None:
        self.entered = 0
        self.open = asyncio.Event()

    async def held(self, _: web.Request) -> web.StreamResponse:
        self.entered += 1
        await self.open.wait()
        return web.Response(text=LIVE, headers={"Content-Type": HLS})

    async def in_two_parts(self, request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "video/mp2t"})
        await response.prepare(request)
        await response.write(b"first")
        self.entered += 1
        await self.open.wait()
        await response.write(b" second")
        return response

    async def begun(self, number: int = 1) -> None:
        async def all_of_them() -> bool:
            return self.entered >= number

        await until(all_of_them, f"{number} have begun")


# --- Connections and requests -------------------------------------------------------------------


async def test_a_connection_that_is_kept_open_is_the_same_afterwards(stack: Stack) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", stack.service.port)

    async def ask(path: str) -> bytes:
        writer.write(f"GET {path} HTTP/1.1\r\nHost: tv.test\r\n\r\n".encode())
        head = await reader.readuntil(b"\r\n\r\n")
        [length] = [
            int(line.split(b":")[1])
            for line in head.split(b"\r\n")
            if line.lower().startswith(b"content-length")
        ]
        await reader.readexactly(length)
        return head.split(b" ")[1]

    assert await ask(f"{ONE}?token={stack.token()}") == b"200"
    for limit in (7, 8):
        await reloaded(stack, limits={"default": limit}, cors={"origins": []})
        assert await ask(f"{ONE}?token={stack.token()}") == b"200"
        stack.overrides["cors"] = {"origins": ["*"]}
    await reloaded(stack, routes=stack.mapping()["routes"][1:])
    assert await ask(f"{ONE}?token={stack.token()}") == b"404"
    writer.close()


async def test_a_request_that_the_origin_holds_ends_as_it_began(stack: Stack) -> None:
    gate = Gate()
    entry = await stack.watch(ONE)
    low = urljoin(ONE, entry.uris()[0])
    await stack.ask(low)
    stack.origin.answers["/live/one/low/index.m3u8"] = gate.held
    waiting = asyncio.create_task(stack.ask(f"{low}&_HLS_msn=9"))
    await gate.begun()
    # Its route is gone, its origin, its limit; nobody may even be served any more.
    stack.overrides["routes"] = stack.mapping()["routes"][1:]
    await reloaded(stack, limits={"default": 0}, listen={"max_in_flight": 1}, cors={"origins": []})
    assert (await stack.ask("/open/x.ts")).code == "overloaded"
    gate.open.set()
    answer = await waiting
    assert (answer.status, answer.decision[0]) == (200, "renewed")
    assert answer.headers["Access-Control-Allow-Origin"] == "*"
    assert (await stack.ask(low)).code == "not_found"
    assert sample(stack, "playgate_in_flight_requests") == 0


async def test_a_body_under_way_comes_to_its_end(stack: Stack) -> None:
    gate = Gate()
    serve_film(stack.origin, "film")
    stack.origin.answers["/live/seg0.ts"] = gate.in_two_parts
    film = await stack.watch("/live/film.m3u8")
    body = asyncio.create_task(stack.ask(f"/live/{film.uris()[0]}"))
    await gate.begun()
    await reloaded(stack, routes=stack.mapping()["routes"][1:], origin={"timeout": "1ms"})
    gate.open.set()
    assert (await body).body == b"first second"


async def test_what_an_account_has_held_counts_on(
    stack: Stack, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("proxy.attendance.HELD_PER_STREAM", 1)
    gate = Gate()
    low = urljoin(ONE, (await stack.watch(ONE)).uris()[0])
    await stack.ask(low)
    stack.origin.answers["/live/one/low/index.m3u8"] = gate.held
    waiting = [asyncio.create_task(stack.ask(f"{low}&_HLS_msn={n}")) for n in (8, 9)]
    await gate.begun(2)
    await reloaded(stack, limits={"default": 2})
    assert (await stack.ask(f"{low}&_HLS_msn=10")).code == "overloaded"
    gate.open.set()
    assert [(await answer).status for answer in waiting] == [200, 200]


async def test_a_manifest_in_memory_stays_there_unless_it_would_be_another(stack: Stack) -> None:
    await reloaded(stack, origin={"cache": "1h"})

    async def asked_for(**settings: Any) -> int:
        await reloaded(stack, **settings)
        await stack.watch(ONE)
        return stack.origin.paths.count(ONE)

    assert await asked_for(limits={"default": 4}) == 1
    assert await asked_for(limits={"default": 5}, streams={"ttl": "31s"}) == 1
    assert await asked_for(streams={"keepalive": False}) == 2
    assert "SERVER-URI" not in (await stack.watch(ONE)).text
    live = {**stack.mapping()["routes"][0], "segments": "open"}
    assert await asked_for(routes=[live, *stack.mapping()["routes"][1:]]) == 3
    assert await asked_for(origin={"cache": "30m"}) == 4


async def test_what_was_learned_of_a_content_is_known_on(stack: Stack) -> None:
    """Or the first refresh after each reload would be no beat, and its slot's time a guess."""
    entry = await stack.watch(ONE)
    low = urljoin(ONE, entry.uris()[0])
    await stack.ask(low)
    await reloaded(stack, limits={"default": 4})
    stack.origin.answers["/live/one/low/index.m3u8"] = web.Response(status=503)
    assert (await stack.ask(low)).status == 503
    [stream] = (await stack.operate(STREAMS)).json["streams"]
    assert (stream["beats"], stream["kind"]) == (1, "live")


async def test_what_is_not_in_force_any_more_is_let_go(stack: Stack) -> None:
    former = weakref.ref(stack.service._inner.players)
    await stack.watch(ONE)
    await reloaded(stack, limits={"default": 4}, origin={"cache": "1s"})

    async def let_go() -> bool:
        gc.collect()
        return former() is None

    await until(let_go, "the last connection that was served by it has ended")


# --- Ends ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("shared", [False, True])
async def test_an_end_holds_as_long_as_tickets_that_were_made_before(
    tmp_path: Path, redis_server: RedisServer, redis: Redis, shared: bool
) -> None:
    del redis  # emptied
    now = 1_800_000_000.0
    store = {"url": redis_server.url, "timeout": "10s"} if shared else {}
    async with Stack(lambda: now, folder=tmp_path, store=store) as stack:
        serve_channels(stack.origin, "one")
        entry = await stack.watch(ONE)
        await reloaded(stack, tickets={"ttl": "2m"})
        assert (await stack.operate(STREAMS, "DELETE")).status == 204
        now += 3600
        late = await stack.ask(f"/live/one/{entry.uris()[0]}")
        assert late.code == "stream_ended"


# --- A file that is not read in time -------------------------------------------------------------


def readings() -> set[threading.Thread]:
    return {thread for thread in threading.enumerate() if thread.name == "reading"}


async def test_a_reading_that_was_given_up_is_told_and_waited_for(
    stack: Stack, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert stack.file is not None
    good = stack.file.read_text()
    # A pipe, which nobody writes to: storage that hangs.
    stack.file.unlink()
    os.mkfifo(stack.file)
    monkeypatch.setattr(reloading, "READ_SECONDS", 0.05)
    before = readings()
    first = await stack.operate("/admin/v1/reload", "POST")
    assert "the reading goes on, nothing will come of it" in first.text
    second = await stack.operate("/admin/v1/reload", "POST")
    assert "s ago still goes on, and none is begun beside it" in second.text
    assert len(readings() - before) == 1
    monkeypatch.setattr(reloading, "READ_SECONDS", 60.0)
    third = asyncio.create_task(stack.operate("/admin/v1/reload", "POST"))
    pipe, aside = stack.file, tmp_path / "aside"
    pipe.rename(aside)
    stack.write(limits={"default": 7})
    # What it is given at last is not put in force: the next one reads what is there now.
    await asyncio.to_thread(aside.write_text, good.replace("default: ", "default: 1"))
    answer = await third
    assert (answer.status, answer.json["result"]) == (200, "reloaded"), answer.text
    shown = await stack.operate("/admin/v1/config")
    assert shown.json["limits"]["default"] == 7


async def test_the_watch_reads_again_what_was_given_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(file_watch, "LOOK_SECONDS", 0.01)
    hold, held = threading.Event(), threading.Event()

    def slowly(path: Path, environ: Mapping[str, str]) -> Draft:
        draft = read(path, environ)
        held.set()
        hold.wait()
        return draft

    async with Stack(folder=tmp_path, watch=True) as stack:
        monkeypatch.setattr("proxy.settings.reload.read", slowly)
        monkeypatch.setattr(reloading, "READ_SECONDS", 0.05)
        stack.write(limits={"default": 7})

        async def given_up() -> bool:
            failed = "playgate_config_last_reload_successful"
            return held.is_set() and sample(stack, failed) == 0

        await until(given_up, "the reading is given up")
        monkeypatch.setattr(reloading, "READ_SECONDS", 60.0)
        hold.set()

        async def in_force() -> bool:
            return stack.service._settings().limits.default == 7

        await until(in_force, "the watch reads it again")


# --- The certificate ----------------------------------------------------------------------------


async def test_one_that_has_expired_is_taken_and_told_of(tmp_path: Path) -> None:
    private = ec.generate_private_key(ec.SECP256R1())
    (tmp_path / "cert.pem").write_text(certificate(private))
    (tmp_path / "key.pem").write_text(pem(private))
    async with Stack(
        folder=tmp_path, listen={"tls": {"cert": "cert.pem", "key": "key.pem"}}
    ) as stack:
        expiry = "playgate_tls_certificate_expiry_timestamp_seconds"
        assert (sample(stack, expiry, file="cert.pem") or 0) > time.time()
        long_ago = datetime.now(UTC) - timedelta(days=9)
        (tmp_path / "old.pem").write_text(certificate(private, long_ago, timedelta(days=1)))
        with capture_logs() as logs:
            tls = {"cert": "old.pem", "key": "key.pem"}
            assert (await stack.reload(listen={"tls": tls})).json["result"] == "reloaded"
        assert sample(stack, expiry, file="cert.pem") is None
        assert sample(stack, expiry, file="old.pem") == int(long_ago.timestamp()) + 86400
    [doubts] = [one["doubts"] for one in logs if "doubts" in one]
    assert len(doubts) == 1
    assert "listen.tls.cert: warning: has expired at " in doubts[0]


async def test_a_renewed_certificate_is_shown_to_whoever_comes_next(tmp_path: Path) -> None:
    cert, key = tmp_path / "cert.pem", tmp_path / "key.pem"

    def issue() -> str:
        private = ec.generate_private_key(ec.SECP256R1())
        cert.write_text(text := certificate(private))
        key.write_text(pem(private))
        return text

    def shown(writer: asyncio.StreamWriter) -> str:
        der = writer.get_extra_info("ssl_object").getpeercert(binary_form=True)
        return ssl.DER_cert_to_PEM_cert(der)

    trusting = ssl.create_default_context()
    trusting.check_hostname, trusting.verify_mode = False, ssl.CERT_NONE
    first = issue()
    async with Stack(
        folder=tmp_path, listen={"tls": {"cert": "cert.pem", "key": "key.pem"}}
    ) as stack:

        async def connect(name: str | None) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
            return await asyncio.open_connection(
                "127.0.0.1", stack.service.port, ssl=trusting, server_hostname=name or ""
            )

        reader, early = await connect("playgate.test")
        assert shown(early) == first
        second = issue()
        renewed = await stack.reload()
        assert [change["key"] for change in renewed.json["changed"]] == [
            "listen.tls.cert",
            "listen.tls.key",
        ]
        for name in ("playgate.test", None):
            _, late = await connect(name)
            assert shown(late) == second
            late.close()
        cert.write_text(first)  # of another key
        bad = await stack.reload()
        assert (bad.code, len(bad.json["errors"])) == ("config_invalid", 1)
        _, late = await connect("playgate.test")
        assert shown(late) == second
        early.write(b"GET /nowhere HTTP/1.1\r\nHost: tv.test\r\nConnection: close\r\n\r\n")
        assert (await reader.read()).startswith(b"HTTP/1.1 404 ")
        early.close()
        late.close()


# --- Keys that are kept fresh -------------------------------------------------------------------

OLD, NEW = SigningKey("old"), SigningKey("new")


@pytest.fixture
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Wait for issuers that answer, however slow the machine is."""
    monkeypatch.setattr(token_keys, "START_SECONDS", 60)
    monkeypatch.setattr(key_source, "LOOK_SECONDS", 60)


def key_set(server: KeyServer, **more: Any) -> dict[str, Any]:
    return {"algorithms": ["ES256"], "jwks_url": server.url, **more}


async def outcome(stack: Stack, key: SigningKey, **claims: Any) -> str:
    answer = await stack.ask(f"{ONE}?token={key.token(**claims)}")
    return "ok" if answer.status == 200 else answer.code


@pytest.mark.usefixtures("patient")
async def test_a_set_that_stays_is_not_asked_for_again_and_another_is_there_at_once(
    stack: Stack,
) -> None:
    async with KeyServer(document(OLD)) as one, KeyServer(document(NEW)) as other:
        await reloaded(stack, auth={"keys": [key_set(one)]})
        assert await outcome(stack, OLD) == "ok"
        await reloaded(stack, auth={"keys": [key_set(other), key_set(one)]})
        assert (await outcome(stack, OLD), await outcome(stack, NEW)) == ("ok", "ok")
        assert (len(one.requests), len(other.requests)) == (1, 1)
        ages = (await stack.operate("/admin/v1/stats")).json["keys"]
        assert [entry["source"] for entry in ages] == [
            f"127.0.0.1:{server.port}/jwks.json" for server in (other, one)
        ]
        await reloaded(stack, auth={"keys": [key_set(other)]})
        assert (await outcome(stack, OLD), await outcome(stack, NEW)) == ("token_invalid", "ok")
        assert len(one.requests) == 1  # and nobody looks there for what is missing
        gone = {"source": f"127.0.0.1:{one.port}/jwks.json"}
        assert sample(stack, "playgate_keys_age_seconds", **gone) is None
        assert len(stack.service.keys._kept_fresh) == 1


@pytest.mark.usefixtures("patient")
async def test_a_set_whose_rules_change_has_its_keys_also_while_its_issuer_is_away(
    stack: Stack,
) -> None:
    async with KeyServer(document(OLD)) as server:
        await reloaded(stack, auth={"keys": [key_set(server)]})
        await server.stop()
        await reloaded(stack, auth={"keys": [key_set(server, issuer="https://id.example")]})
        assert await outcome(stack, OLD) == "token_invalid"
        assert await outcome(stack, OLD, iss="https://id.example") == "ok"
        [entry] = (await stack.operate("/admin/v1/stats")).json["keys"]
        assert entry["age_seconds"] > 0
        await server.start()


async def test_keys_that_cannot_be_had_take_nobodys_in_force(stack: Stack) -> None:
    away = {"algorithms": ["ES256"], "jwks_url": f"http://127.0.0.1:{free_port()}/jwks.json"}
    answer = await stack.reload(auth={"keys": [away]})
    [error] = answer.json["errors"]
    told = "auth.keys: none of the keys can be had now; those in force stay"
    assert re.fullmatch(rf"/\S+\.yaml:[1-9][0-9]*: {told}", error)
    assert (await stack.operate("/readyz", token=None)).status == 200
    assert (await stack.watch(ONE)).status == 200
    assert stack.service.keys._kept_fresh == {}


@pytest.mark.usefixtures("patient")
async def test_a_request_that_waits_for_a_key_of_a_set_that_goes_is_answered(stack: Stack) -> None:
    static = stack.mapping()["auth"]["keys"]
    async with KeyServer(document(OLD)) as server:
        await reloaded(stack, auth={"keys": [*static, key_set(server)]})
        server.gate = asyncio.Event()
        waiting = asyncio.create_task(outcome(stack, NEW))

        async def asked() -> bool:
            return len(server.requests) == 2

        await until(asked, "the issuer is asked for the key")
        await reloaded(stack, auth={"keys": static})
        assert await waiting == "token_invalid"
        server.gate.set()
    # Not by a second try of a client whose connection was dropped.
    abandoned = {"route": "live", "kind": "entry", "outcome": "abandoned"}
    assert sample(stack, "playgate_requests_total", **abandoned) == 0


# --- Origins ------------------------------------------------------------------------------------


async def test_an_origin_that_is_taken_out_is_watched_no_more(stack: Stack) -> None:
    [live, *rest] = stack.mapping()["routes"]
    gate = Gate()

    async def broken(request: web.Request) -> web.StreamResponse:
        await gate.held(request)
        assert request.transport is not None
        request.transport.abort()
        return web.Response()

    channels = [f"/live/{name}/master.m3u8" for name in ("one", "two", "three")]
    async with TestOrigin(dict.fromkeys(channels, broken)) as dying:
        await reloaded(
            stack,
            routes=[{**live, "origins": [dying.url]}, *rest],
            origin={"retries": 0, "timeout": "60s"},
        )
        assert sample(stack, "playgate_origin_up", origin=dying.url) == 1
        waiting = [asyncio.create_task(stack.watch(channel)) for channel in channels]
        await gate.begun(3)
        await reloaded(stack, routes=[live, *rest])
        assert sample(stack, "playgate_origin_up", origin=dying.url) is None
        gate.open.set()
        assert {(await answer).code for answer in waiting} == {"origin_unreachable"}
        # What still was under way must not raise an alarm that nothing ends.
        assert sample(stack, "playgate_origin_up", origin=dying.url) is None
        await reloaded(stack, routes=[{**live, "origins": [dying.url]}, *rest])
        assert sample(stack, "playgate_origin_up", origin=dying.url) == 1


# --- A bug --------------------------------------------------------------------------------------


@pytest.mark.usefixtures("patient")
async def test_a_reload_that_fails_half_way_leaves_everything_as_it_was(
    stack: Stack, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(*_: object) -> None:
        raise RuntimeError("a bug")

    monkeypatch.setattr("proxy.configured.Configured._check", fails)
    async with KeyServer(document(OLD)) as server:
        with capture_logs():  # structlog's own would take seconds to paint the traceback
            answer = await stack.reload(auth={"keys": [key_set(server)]}, limits={"default": 1})
        assert (answer.status, answer.code) == (500, "internal_error")
        assert len(server.requests) == 1
    assert stack.service.keys._kept_fresh == {}
    assert sample(stack, "playgate_config_reloads_total", result="failed") == 1
    assert (await stack.watch(ONE)).decision == ("admitted", "1/3")


# --- What goes on beside the requests -----------------------------------------------------------


async def test_events_may_be_told_elsewhere(
    tmp_path: Path, redis_server: RedisServer, redis: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(event_stream, "CLOSE_SECONDS", 60)
    store = {"url": redis_server.url, "timeout": "10s"}
    async with Stack(folder=tmp_path, store=store) as stack:
        serve_channels(stack.origin, "one", "two")

        async def events() -> int:
            return int(await redis.xlen("playgate:events"))

        await stack.watch(ONE)
        with capture_logs() as logs:
            await reloaded(stack, events={"sink": "log"})
            await stack.watch(TWO)
        assert [entry["event"] for entry in logs if "stream" in entry] == ["stream.started"]
        assert await events() == 0
        await reloaded(stack, events={"sink": "redis-stream"})
        await stack.watch(ONE, "bob")
        # What was told before the next change is sent before that is answered.
        await reloaded(stack, events={"sink": "redis-stream", "queue": 100})
        assert await events() == 1
        await stack.watch(TWO, "bob")
        del stack.overrides["events"]["queue"]
        await reloaded(stack, events={"sink": "none"})
        await stack.watch(ONE, "carol")
        assert await events() == 2


async def test_signs_of_life_from_elsewhere_may_begin_to_count(
    tmp_path: Path, redis_server: RedisServer, redis: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(keepalive_stream, "BLOCK_SECONDS", 0.05)
    monkeypatch.setattr(keepalive_stream, "LEAVE_SECONDS", 60)
    store = {"url": redis_server.url, "timeout": "10s"}
    async with Stack(folder=tmp_path, store=store) as stack:
        serve_channels(stack.origin, "one")
        entry = await stack.watch(ONE)
        await reloaded(stack, events={"keepalive": True})
        [key] = [key async for key in redis.scan_iter("playgate:{*}:streams")]
        account = key.decode().split("{")[1].split("}")[0]
        stream = entry.headers["Playgate-Stream"]
        await redis.xadd("playgate:keepalive", {"account": account, "stream": stream})

        async def beaten() -> bool:
            [listed] = (await stack.operate(STREAMS)).json["streams"]
            return bool(listed["beats"] == 1)

        await until(beaten, "the stream is kept alive")
        await reloaded(stack, events={"keepalive": False})
        assert (await redis.xinfo_consumers("playgate:keepalive", "playgate")) == []


async def test_how_long_the_store_is_waited_for_may_change(
    tmp_path: Path, redis_server: RedisServer, redis: Redis
) -> None:
    del redis  # emptied
    async with Stack(folder=tmp_path, store={"url": redis_server.url, "timeout": "9s"}) as stack:
        serve_channels(stack.origin, "one")
        entry = await stack.watch(ONE)
        low = f"/live/one/{entry.uris()[0]}"
        answers: list[Answer] = []
        over = asyncio.Event()

        async def play() -> None:
            while not over.is_set():
                answers.append(await stack.ask(low))

        players = [asyncio.create_task(play()) for _ in range(4)]
        await reloaded(stack, store={"timeout": "10s"})
        over.set()
        await asyncio.gather(*players)
        assert {answer.headers.get("Playgate-Decision") for answer in answers} == {"renewed"}
        assert stack.service._inner._books._redis is not None
        pipes = stack.service._inner._books._redis._pipes
        assert isinstance(pipes, Pipes)
        assert pipes._timeout == 10


async def test_what_new_streams_meet_in_an_outage_may_change(tmp_path: Path) -> None:
    away = {"url": f"redis://127.0.0.1:{free_port()}", "on_outage": "closed"}
    async with Stack(folder=tmp_path, store=away) as stack:
        serve_channels(stack.origin, "one", "two")
        assert (await stack.watch(ONE)).code == "store_unavailable"
        await reloaded(stack, store={"on_outage": "local"})
        assert (await stack.watch(ONE)).decision == ("admitted", "1/3")
        await reloaded(stack, limits={"default": 1})
        assert (await stack.watch(TWO, agent="b/1")).code == "stream_limit"
        await reloaded(stack, limits={"on_limit": "evict_oldest"})
        assert (await stack.watch(TWO, agent="b/1")).decision == ("admitted", "1/1")
        await reloaded(stack, store={"on_outage": "open"})
        assert (await stack.watch(ONE, agent="b/1")).headers["Playgate-Decision"] == "unchecked"


async def test_whoever_logs_hears_of_each_configuration_once_it_is_in_force(stack: Stack) -> None:
    await reloaded(stack, log={"level": "debug", "format": "text"})
    assert [settings.log.level for settings in stack.heard] == ["debug"]
    await stack.reload()
    await stack.reload(log={"level": "loud"})
    assert len(stack.heard) == 1


async def test_the_time_for_open_requests_at_the_end_may_change(stack: Stack) -> None:
    gate = Gate()
    stack.origin.answers["/open/slow.ts"] = gate.in_two_parts
    await reloaded(stack, listen={"drain_timeout": "0s"})
    body = asyncio.create_task(stack.ask("/open/slow.ts"))
    await gate.begun()
    with capture_logs() as logs:
        await stack.service.stop()
    assert [entry["at_most"] for entry in logs if entry["event"] == "draining"] == [0]
    gate.open.set()
    with pytest.raises(aiohttp.ClientError):
        await body
