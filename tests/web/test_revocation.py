"""Tokens are taken back through one proxy while they are used at another; both share one Redis."""

import asyncio
import json
import time
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote

import jwt
import pytest
from aiohttp import web
from redis.asyncio import Redis
from structlog.testing import capture_logs

from proxy.credentials.account import AccountNames
from proxy.model import Subject
from tests.support.origin import DASH, HLS
from tests.support.pair import Pair, two_proxies
from tests.support.playlists import MPD_LIVE, VOD, serve_channels, serve_dash, serve_film
from tests.support.poll import until
from tests.support.redis_server import RedisServer
from tests.support.stack import ADMIN_TOKEN, JWT_SECRET, TICKET_SECRET, Answer, Stack
from tests.web.steered import SELDOM, link

ENTRY, OTHER, MPD = "/live/one/master.m3u8", "/live/two/master.m3u8", "/live/event.mpd"
FILM = "/live/film.m3u8"
REVOKE = "/admin/v1/accounts/alice/revoke"
STREAMS = "/admin/v1/accounts/alice/streams"
HOUR = 3600


@pytest.fixture
async def pair(redis: Redis, redis_server: RedisServer) -> AsyncIterator[Pair]:
    del redis  # empties the server and looks for keys without a TTL
    async with two_proxies(redis_server, tickets={"ttl": "1h"}) as pair:
        serve_channels(pair.here.origin, "one", "two")
        serve_film(pair.here.origin, "film")
        serve_dash(pair.here.origin, "event")
        yield pair


@pytest.fixture
async def stack() -> AsyncIterator[Stack]:
    async with Stack() as running:
        serve_channels(running.origin, "one")
        yield running


def token(jti: str | None = None, *, iat: float | None = None, limit: int = 3) -> str:
    """A token of alice; one without ``iat`` does not say when it was issued."""
    claims: dict[str, Any] = {"sub": "alice", "exp": int(time.time()) + HOUR, "max_streams": limit}
    if jti is not None:
        claims["jti"] = jti
    if iat is not None:
        claims["iat"] = iat
    return f"token={jwt.encode(claims, JWT_SECRET)}"


async def revoke(stack: Stack, **what: object) -> None:
    answer = await stack.operate(REVOKE, "POST", body=json.dumps(what).encode())
    assert (answer.status, answer.body) == (204, b"")


async def killed(stack: Stack) -> int:
    totals = (await stack.operate("/admin/v1/stats")).json["totals"]
    return int(totals["ended"].get("killed", 0))


def assert_revoked(answer: Answer) -> None:
    assert (answer.status, answer.code) == (401, "token_revoked")


# --- What a revocation reaches ---


async def test_a_revoked_token_and_its_tickets_are_good_for_nothing_on_any_proxy(
    pair: Pair,
) -> None:
    mine = token("one")
    entry, film, mpd = [await pair.ask(f"{path}?{mine}") for path in (ENTRY, FILM, MPD)]
    child, segment = f"/live/one/{entry.uris()[0]}", f"/live/{film.uris()[0]}"
    assert [(await pair.ask(path)).status for path in (child, segment)] == [200, 200]
    stream, ticket = entry.headers["Playgate-Stream"], f"_sid={entry.ticket()}"
    await revoke(pair.there, jti="one", exp=int(time.time()) + HOUR)
    asked = len(pair.here.origin.requests)
    for path, method in (
        *((f"{path}?{mine}", method) for path in (ENTRY, OTHER) for method in ("GET", "HEAD")),
        *((path, method) for path in (child, segment) for method in ("GET", "HEAD")),
        (f"{MPD}?_sid={mpd.ticket()}", "GET"),
        (f"/_playgate/heartbeat?{ticket}", "POST"),
        (f"/_playgate/heartbeat?{mine}&stream={stream}", "POST"),
        (f"/_playgate/release?{ticket}", "POST"),
        (f"/_playgate/release?{mine}&stream={stream}", "POST"),
        (f"/_playgate/streams?{mine}", "GET"),
        (f"/_playgate/streams?{ticket}", "HEAD"),
        (f"/_playgate/streams/{stream}?{mine}", "DELETE"),
        (f"/_playgate/streams/{stream}?{ticket}", "DELETE"),
    ):
        for proxy in (pair.here, pair.there):
            answer = await pair.ask(path, through=proxy, method=method, If_None_Match='"x"')
            assert answer.status == 401, (method, path)
            assert answer.headers["WWW-Authenticate"] == (
                'Bearer error="invalid_token", error_description="The token was revoked"'
            )
            assert method == "HEAD" or answer.code == "token_revoked"
    assert len(pair.here.origin.requests) == asked


async def test_its_streams_end_at_once_and_those_of_other_tokens_play_on(pair: Pair) -> None:
    lost = await pair.ask(f"{ENTRY}?{token('one')}")
    kept = await pair.ask(f"{FILM}?{token('two')}")
    await revoke(pair.there, jti="one")
    listed = (await pair.there.operate(STREAMS)).json["streams"]
    assert [one["id"] for one in listed] == [kept.headers["Playgate-Stream"]]
    assert await killed(pair.there) == 1
    await revoke(pair.there, jti="one")
    assert await killed(pair.there) == 1
    assert_revoked(await pair.ask(f"/live/one/{lost.uris()[0]}"))
    assert (await pair.ask(f"/live/{kept.uris()[0]}")).status == 200
    stopped = (await pair.there.watch(OTHER, "bob")).status
    assert stopped == 200


async def test_who_logs_in_anew_plays_the_same_at_the_limit_at_once(pair: Pair) -> None:
    old = await pair.ask(f"{ENTRY}?{token('one', limit=1)}")
    assert (await pair.ask(f"{OTHER}?{token('two', limit=1)}")).code == "stream_limit"
    await revoke(pair.here, jti="one")
    new = await pair.ask(f"{ENTRY}?{token('two', limit=1)}", through=pair.there)
    assert new.decision == ("admitted", "1/1")
    assert new.headers["Playgate-Stream"] == old.headers["Playgate-Stream"]
    assert_revoked(await pair.ask(f"/live/one/{old.uris()[0]}"))
    assert (await pair.ask(f"/live/one/{new.uris()[0]}")).decision == ("renewed", "1/1")


@pytest.mark.parametrize("as_text", [False, True])
async def test_an_account_is_logged_out_everywhere(pair: Pair, as_text: bool) -> None:
    before = int(time.time()) - 10
    playing = [
        (await pair.ask(f"{path}?{token(iat=iat)}")).ticket()
        for path, iat in ((ENTRY, before), (FILM, None), (MPD, before + 1))
    ]
    text = datetime.fromtimestamp(before, UTC).isoformat()
    await revoke(pair.there, issued_before=text if as_text else before)
    listed = (await pair.there.operate(STREAMS)).json["streams"]
    assert [one["content"] for one in listed] == [f"tv.test{MPD}"]
    assert await killed(pair.there) == 2
    for ticket in playing[:2]:
        assert_revoked(await pair.ask(f"/_playgate/streams?_sid={ticket}"))
    for iat in (before - 1, before, None):
        assert_revoked(await pair.ask(f"{ENTRY}?{token('new id', iat=iat)}"))
    assert (await pair.ask(f"/_playgate/streams?_sid={playing[2]}")).status == 200
    assert (await pair.ask(f"{ENTRY}?{token(iat=before + 1)}")).status == 200
    assert (await pair.here.watch(ENTRY, "bob", Host="tv.test")).status == 200


# A moment, and when tokens were issued, in seconds after the same whole second.
@pytest.mark.parametrize(
    ("moment", "revoked", "good"),
    [
        # A whole second does not say what of it came first: all of it goes.
        (0, [-1, 0, 0.0, 0.001, 0.9996], [1, 1.0]),
        (0.5, [-1, 0, 0.4996, 0.5], [0.501, 0.9, 1]),
        (0.001, [0, 0.001], [0.002, 1]),
        (0.999, [0, 0.999], [1]),
    ],
)
@pytest.mark.parametrize("form", ["number", "text", "now"])
@pytest.mark.parametrize("place", ["memory", "redis"])
@pytest.mark.usefixtures("redis")
async def test_what_was_issued_up_to_a_moment_is_revoked_and_a_login_right_after_it_is_not(
    *,
    redis_server: RedisServer,
    place: str,
    form: str,
    moment: float,
    revoked: list[float],
    good: list[float],
) -> None:
    second = int(time.time()) - 10
    now = second + moment
    text = datetime.fromtimestamp(now, UTC).isoformat(timespec="milliseconds")
    store = {} if place == "memory" else {"url": redis_server.url, "timeout": "10s"}
    async with Stack(clock=lambda: now, store=store) as stack:
        serve_channels(stack.origin, "one")
        await revoke(stack, issued_before={"number": now, "text": text, "now": "now"}[form])
        for iat in revoked:
            assert_revoked(await stack.ask(f"{ENTRY}?{token(iat=second + iat)}"))
        for iat in good:
            entry = await stack.ask(f"{ENTRY}?{token(iat=second + iat)}")
            assert (await stack.ask(f"/live/one/{entry.uris()[0]}")).status == 200


async def test_a_player_that_reports_is_told_to_come_seldom(pair: Pair) -> None:
    entry = await pair.ask(f"{ENTRY}?{token('one')}")
    await revoke(pair.here, jti="one")
    for method in ("GET", "HEAD"):
        answer = await pair.ask(link(entry), method=method)
        assert answer.status == 200
        assert "Playgate-Decision" not in answer.headers
    assert (await pair.ask(link(entry))).json["TTL"] == SELDOM


async def test_who_waits_for_a_live_playlist_is_told_at_once(stack: Stack) -> None:
    news, held = asyncio.Event(), asyncio.Event()
    playlist = VOD.replace("DURATION:10", "DURATION:1").replace("#EXT-X-PLAYLIST-TYPE:VOD\n", "")
    live = playlist.replace("#EXT-X-ENDLIST\n", "")

    async def answer(request: web.Request) -> web.Response:
        if "_HLS_msn" in request.raw_path:
            held.set()
            await news.wait()
        return web.Response(text=live, headers={"Content-Type": HLS})

    stack.origin.answers["/live/low.m3u8"] = answer
    path = f"/live/low.m3u8?{token('one')}"
    assert (await stack.ask(path)).status == 200
    waiting = asyncio.create_task(stack.ask(f"{path}&_HLS_msn=9"))
    try:
        await held.wait()
        await revoke(stack, jti="one")
        assert_revoked(await waiting)
    finally:
        news.set()


async def test_an_mpd_that_would_renew_its_ticket_is_refused_like_any(pair: Pair) -> None:
    pair.here.origin.answers[MPD] = (DASH, MPD_LIVE)
    entry = await pair.ask(f"{MPD}?{token('one')}")
    refreshed = await pair.ask(f"{MPD}?_sid={entry.ticket()}")
    assert refreshed.decision == ("renewed", "1/3")
    await revoke(pair.there, jti="one")
    assert_revoked(await pair.ask(f"{MPD}?_sid={refreshed.ticket()}"))


# --- For how long ---


@pytest.mark.parametrize(
    ("what", "seconds"),
    [
        ({"jti": "one"}, 720 * HOUR),
        ({"jti": "one", "exp": 5 * HOUR}, 5 * HOUR),
        ({"jti": "one", "exp": 60}, HOUR),  # its tickets live for longer
        ({"jti": "one", "exp": -60}, HOUR),
        ({"issued_before": 0}, 720 * HOUR),
        ({"issued_before": -90 * 24 * HOUR}, 720 * HOUR),
    ],
)
async def test_a_revocation_is_kept_for_as_long_as_its_tokens_and_tickets_could_be_used(
    pair: Pair, redis: Redis, what: dict[str, Any], seconds: int
) -> None:
    now = int(time.time())
    await revoke(
        pair.here, **{name: v + now if isinstance(v, int) else v for name, v in what.items()}
    )
    account = AccountNames(TICKET_SECRET.encode()).hashed("alice")
    left = await redis.pttl(f"playgate:{{{account}}}:revoked")
    assert seconds - 60 < left / 1000 < seconds + 300  # an issuer's clock may be off


@pytest.mark.parametrize(
    "what",
    [{"jti": "one", "exp": 100}, {"jti": "one"}, {"issued_before": 0}, {"issued_before": "now"}],
)
async def test_it_is_kept_for_as_long_as_the_issuers_clock_may_be_off(what: dict[str, Any]) -> None:
    begun = time.time()
    now = begun
    auth = {"leeway": "30s", "revocation_ttl": "100s"}
    async with Stack(clock=lambda: now, auth=auth, tickets={"ttl": "2m"}) as stack:
        await revoke(
            stack, **{name: v + begun if isinstance(v, int) else v for name, v in what.items()}
        )
        accounts = AccountNames(TICKET_SECRET.encode())
        bearer = Subject(accounts.hashed("alice"), jti=accounts.hashed_jti("one"))
        for seconds, expected in ((129, True), (131, False)):
            now = begun + seconds
            assert await stack.service.store.is_revoked(bearer) is expected


# --- Without the store ---


async def test_without_the_store_a_revocation_fails_and_holds_here(redis: Redis) -> None:
    del redis
    with RedisServer() as server:
        async with Stack(store={"url": server.url, "timeout": "10s"}) as stack:
            serve_channels(stack.origin, "one")
            entry = await stack.ask(f"{ENTRY}?{token('one')}")
            child = f"/live/one/{entry.uris()[0]}"
            server.stop()
            answer = await stack.operate(REVOKE, "POST", body=b'{"jti": "one"}')
            assert (answer.status, answer.code) == (503, "store_unavailable")
            assert_revoked(await stack.ask(child))
            assert (await stack.ask(f"{ENTRY}?{token('two')}")).status == 200
            server.start()

            async def taken() -> bool:
                again = await stack.operate(REVOKE, "POST", body=b'{"jti": "one"}')
                return again.status == 204

            await until(taken, "the store is back")
            assert_revoked(await stack.ask(child))


# --- What is asked of the operators' port ---


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"nonsense",
        b"\xff",
        b"[]",
        b'"one"',
        b"null",
        b"{}",
        b"[" * 4000,
        b'{"jti": "' + b"x" * 4096 + b'"}',
        b'{"jti": ""}',
        b'{"jti": "' + b"x" * 257 + b'"}',
        b'{"jti": 5}',
        b'{"jti": null}',
        b'{"jti": "one", "jti": "two"}',
        b'{"jti": "one", "issued_before": 5}',
        b'{"jti": "one", "expires": 5}',
        b'{"jti": "one", "exp": "tomorrow"}',
        b'{"jti": "one", "exp": null}',
        b'{"jti": "one", "exp": true}',
        b'{"jti": "one", "exp": NaN}',
        b'{"jti": "one", "exp": 1e999}',
        b'{"jti": "one", "exp": 0}',
        b'{"jti": "one", "exp": 1700000000000}',
        b'{"jti": "one", "exp": 9' + b"9" * 400 + b"}",
        b'{"exp": 1700000000}',
        b'{"issued_before": 1700000000, "exp": 1700000000}',
        b'{"issued_before": 1700000000000}',
        b'{"issued_before": -1}',
        b'{"issued_before": false}',
        b'{"issued_before": "1700000000"}',
        b'{"issued_before": "NOW"}',
        b'{"issued_before": null}',
        b'{"jti": "one", "exp": "now"}',
        b'{"issued_before": "2024-02-30T12:00:00Z"}',
        b'{"issued_before": "2024-02-20"}',
        b'{"issued_before": "2024-02-20T12:00:00"}',
        b'{"issued_before": "9999-12-31T23:59:59Z"}',
        b'{"issued_before": "0001-01-01T00:00:00+23:59"}',
        b'{"issued_before": [1700000000]}',
    ],
    ids=lambda body: body[:60].decode(errors="replace"),
)
async def test_what_is_not_understood_is_refused_and_revokes_nothing(
    stack: Stack, body: bytes
) -> None:
    answer = await stack.operate(REVOKE, "POST", body=body)
    assert (answer.status, answer.code) == (400, "bad_request")
    assert "1700000000" not in answer.json["detail"]
    assert (await stack.ask(f"{ENTRY}?{token('one')}")).status == 200


async def test_a_member_that_is_not_known_is_named(stack: Stack) -> None:
    answer = await stack.operate(REVOKE, "POST", body=b'{"jti": "one", "expires": 5}')
    assert answer.json["detail"].startswith("expires: unknown member; known are jti, ")


@pytest.mark.parametrize("text", ["Z", ".123456789z", "+00:00", "-00:00"])
async def test_an_instant_may_be_written_as_rfc_3339_has_it(stack: Stack, text: str) -> None:
    now = datetime.now(UTC)
    await revoke(stack, issued_before=now.strftime("%Y-%m-%dT%H:%M:%S") + text)
    assert_revoked(await stack.ask(f"{ENTRY}?{token(iat=int(now.timestamp()) - 1)}"))
    assert (await stack.ask(f"{ENTRY}?{token(iat=int(now.timestamp()) + 1)}")).status == 200


async def test_a_clock_that_is_a_little_ahead_may_name_its_own_time(stack: Stack) -> None:
    now = int(time.time())
    await revoke(stack, issued_before=now + 5)
    assert_revoked(await stack.ask(f"{ENTRY}?{token(iat=now)}"))
    late = json.dumps({"issued_before": time.time() + HOUR}).encode()
    assert (await stack.operate(REVOKE, "POST", body=late)).status == 400


async def test_an_id_and_an_account_may_be_any_text(stack: Stack) -> None:
    answer = await stack.operate(
        f"/admin/v1/accounts/{quote('al ice/☺', safe='')}/revoke",
        "POST",
        body=json.dumps({"jti": "\ud83d one/☺"}).encode(),
    )
    assert answer.status == 204
    claims = {"sub": "al ice/☺", "exp": int(time.time()) + HOUR, "jti": "\ud83d one/☺"}
    refused = await stack.ask(f"{ENTRY}?token={jwt.encode(claims, JWT_SECRET)}")
    assert_revoked(refused)


async def test_only_who_has_the_admin_token_revokes(stack: Stack) -> None:
    for given, status in ((None, 401), ("wrong", 401)):
        answer = await stack.operate(REVOKE, "POST", given, body=b'{"jti": "one"}')
        assert answer.status == status
    assert (await stack.operate(REVOKE)).code == "method_not_allowed"
    assert (await stack.ask(f"{ENTRY}?{token('one')}")).status == 200


@pytest.mark.parametrize(
    ("fields", "body"),
    [
        (b"Transfer-Encoding: chunked\r\n", b"zz\r\n{}\r\n"),
        (b"Content-Encoding: gzip\r\nContent-Length: 4\r\n", b"nope"),
        (b"Content-Encoding: deflate\r\nContent-Length: 4\r\n", b"nope"),
        (b"Content-Length: 100000\r\n", b"{" * 5000),
    ],
)
async def test_a_body_that_cannot_be_read_is_told_so(
    stack: Stack, fields: bytes, body: bytes
) -> None:
    head = f"POST {REVOKE} HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer admin-token-canary\r\n"
    reader, writer = await asyncio.open_connection("127.0.0.1", stack.service.admin_port)
    writer.write(head.encode() + fields + b"\r\n" + body)
    answer = await reader.readuntil(b"\r\n\r\n")
    writer.close()
    await writer.wait_closed()
    assert answer.split()[1] == b"400"


async def test_a_client_that_leaves_before_its_body_ends_is_nobodys_failure(stack: Stack) -> None:
    head = f"POST {REVOKE} HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer admin-token-canary\r\n"
    server: Any = stack.service._runners[1].server

    async def asked() -> bool:
        return any(connection._current_request for connection in server.connections)

    async def answered() -> bool:
        return bool(handling.done())

    with capture_logs() as logs:
        _, writer = await asyncio.open_connection("127.0.0.1", stack.service.admin_port)
        writer.write(head.encode() + b'Content-Length: 100\r\n\r\n{"jti": ')
        await until(asked, "the request arrives")
        [handling] = [connection._task_handler for connection in server.connections]
        writer.transport.abort()
        await until(answered, "the request is given up")
    assert logs == []


async def test_the_log_tells_what_was_revoked_and_neither_name_nor_id(stack: Stack) -> None:
    await stack.ask(f"{ENTRY}?{token('id-canary')}")
    with capture_logs() as logs:
        await revoke(stack, jti="id-canary")
        await revoke(stack, issued_before=1_700_000_000)
    one, many = (entry for entry in logs if entry["event"] == "an operator revoked tokens")
    names = AccountNames(TICKET_SECRET.encode())
    for entry in (one, many):
        assert (entry["log_level"], entry["account"]) == ("info", names.hashed("alice"))
    assert (one["jti"], one["ended"]) == (names.hashed_jti("id-canary"), 1)
    assert (many["issued_before"], many["ended"]) == ("2023-11-14T22:13:21.000Z", 0)
    for secret in ("alice", "id-canary", ADMIN_TOKEN):
        assert secret not in str(logs)
