import asyncio
import json
from collections.abc import AsyncIterator
from urllib.parse import quote, unquote

import pytest
from structlog.testing import capture_logs
from yarl import URL

from proxy.credentials.account import AccountNames
from proxy.web.connections import KEEPALIVE_SECONDS
from proxy.web.revocation import BODY_SECONDS
from tests.support.loop_clock import LoopClock
from tests.support.playlists import serve_channels, serve_film
from tests.support.redis_server import RedisServer
from tests.support.stack import ADMIN_TOKEN, TICKET_SECRET, Stack

ONE, TWO = "/live/one/master.m3u8", "/live/two/master.m3u8"


@pytest.fixture
async def stack() -> AsyncIterator[Stack]:
    async with Stack() as running:
        serve_channels(running.origin, "one", "two")
        yield running


async def test_an_operator_lists_and_ends_an_accounts_streams(stack: Stack) -> None:
    account = "al ice/☺"
    entry = await stack.watch(ONE, account)
    await stack.watch(TWO, account)
    path = "/admin/v1/accounts/al%20ice%2F%E2%98%BA/streams"
    listed = (await stack.operate(path)).json["streams"]
    assert [one["route"] for one in listed] == ["live", "live"]
    one = await stack.operate(f"{path}/{entry.headers['Playgate-Stream']}", "DELETE")
    assert one.status == 204
    ended = await stack.ask(f"/live/one/{entry.uris()[0]}")
    assert (ended.json["reason"], ended.json["by"]) == ("killed", "operator")
    assert (await stack.operate(path, "DELETE")).status == 204
    assert (await stack.operate(path)).json["streams"] == []


async def test_an_account_may_have_any_character_in_its_name(stack: Stack) -> None:
    printable = [chr(code) for code in range(32, 127)]
    names = [
        *(f"a{one}b" for one in printable),
        "{",
        "}",
        "a{b}",
        "a%2Fb",
        "é",
        "名前",
        "\t\n",
        "...",
    ]
    for name in names:
        await stack.watch(ONE, name)
        url = URL(f"/admin/v1/accounts/{quote(name, safe='')}/streams", encoded=True)
        assert [len((await stack.operate(url)).json["streams"]), name] == [1, name]
        assert (await stack.operate(url, "DELETE")).status == 204
        assert [(await stack.operate(url)).json["streams"], name] == [[], name]


@pytest.mark.parametrize("store", ["memory", "redis"])
async def test_a_stream_is_listed_as_live_or_on_demand_once_that_is_known(
    redis_server: RedisServer, store: str
) -> None:
    in_redis = {"url": redis_server.url, "key_prefix": "kinds", "timeout": "10s"}
    async with Stack(store={} if store == "memory" else in_redis) as stack:
        serve_channels(stack.origin, "one")
        serve_film(stack.origin, "film")

        async def kinds() -> list[str | None]:
            listed = await stack.operate("/admin/v1/accounts/alice/streams")
            return [one["kind"] for one in listed.json["streams"]]

        live = await stack.watch(ONE)
        assert await kinds() == [None]
        for _ in range(2):
            await stack.ask(f"/live/one/{live.uris()[0]}")
        assert await kinds() == ["live"]
        film = await stack.watch("/live/film.m3u8", device="TV")
        assert await kinds() == ["live", "vod"]
        await stack.ask(f"/_playgate/heartbeat?_sid={film.ticket()}", method="POST")
        assert await kinds() == ["live", "vod"]


async def test_a_hold_keeps_new_ones_out_for_its_time(stack: Stack) -> None:
    await stack.watch(ONE)
    path = "/admin/v1/accounts/alice/streams"
    assert (await stack.operate(f"{path}?hold=10m", "DELETE")).status == 204
    assert (await stack.watch(ONE)).code == "stream_ended"
    for wrong in ("10", "soon", "-1s", "400d"):
        answer = await stack.operate(f"{path}?hold={wrong}", "DELETE")
        assert (answer.status, answer.code) == (400, "bad_request")


@pytest.mark.parametrize(
    ("query", "detail"),
    [
        ("hodl=10m", "hodl: unknown parameter; did you mean 'hold'?"),
        ("hold=10m&by=me", "by: unknown parameter"),
        ("%0a=1", '"\\n": unknown parameter'),
        ("hold=10m&hold=1h", "hold: given more than once."),
        ("hold=10m&%68old=10m", "hold: given more than once."),
    ],
)
async def test_an_end_that_is_asked_for_otherwise_than_understood_is_none(
    stack: Stack, query: str, detail: str
) -> None:
    entry = await stack.watch(ONE)
    path = "/admin/v1/accounts/alice/streams"
    for one in (path, f"{path}/{entry.headers['Playgate-Stream']}"):
        answer = await stack.operate(URL(f"{one}?{query}", encoded=True), "DELETE")
        assert (answer.status, answer.code, answer.json["detail"]) == (400, "bad_request", detail)
    assert len((await stack.operate(path)).json["streams"]) == 1


async def test_an_end_with_a_body_is_none(stack: Stack) -> None:
    """As curl makes one of -X DELETE -d hold=10m."""
    await stack.watch(ONE)
    path = "/admin/v1/accounts/alice/streams"
    answer = await stack.operate(path, "DELETE", body=b"hold=10m")
    assert (answer.status, answer.code) == (400, "bad_request")
    assert "?hold=10m" in answer.json["detail"]
    assert (await stack.operate(path, "DELETE", body=b"")).status == 204


async def test_nothing_of_the_admin_part_ignores_a_parameter(stack: Stack) -> None:
    application = stack.service._admin.application()
    asked = [
        (route.method, route.resource.canonical.format(account="alice", stream="abc"))
        for route in application.router.routes()
        if route.resource is not None and route.resource.canonical.startswith("/admin")
    ]
    assert len(asked) > 5
    for method, path in asked:
        answer = await stack.operate(f"{path}?surprise=1", method, body=None)
        assert (method, path, answer.status) == (method, path, 400)


async def test_the_admin_part_is_closed_to_all_but_the_token(stack: Stack) -> None:
    path = "/admin/v1/accounts/alice/streams"
    missing = await stack.operate(path, token=None)
    assert (missing.status, missing.code) == (401, "token_missing")
    wrong = await stack.operate(path, token="wrong")
    assert (wrong.status, wrong.code) == (401, "token_invalid")
    for odd in (b"Bearer \xff", b"Bearer \xf0\x9f", b"\xff"):
        request = b"GET %s HTTP/1.1\r\nHost: a\r\nAuthorization: %s\r\n\r\n" % (path.encode(), odd)
        reader, writer = await asyncio.open_connection("127.0.0.1", stack.service.admin_port)
        writer.write(request)
        head = await reader.readuntil(b"\r\n\r\n")
        writer.close()
        await writer.wait_closed()
        assert head.startswith(b"HTTP/1.1 401 ")
        assert b"aiohttp" not in head
    async with Stack(admin={"token": None}) as closed:
        for token in (None, "", "None", "wrong"):
            answer = await closed.operate(path, token=token)
            assert (answer.status, answer.code) == (403, "token_forbidden")


async def test_wrong_tokens_are_told_of_once_a_minute_and_not_what_they_were() -> None:
    now = 1_800_000_000.0
    path = "/admin/v1/accounts/alice/streams"
    async with Stack(lambda: now) as stack:
        with capture_logs() as logs:
            for _ in range(5):
                await stack.operate(path, token="wrong-canary")
            await stack.operate(path, token=None)
            now += 59
            await stack.operate(path, token="wrong-canary")
            now += 1
            await stack.operate(path, token="wrong-canary")
            now -= 3600
            await stack.operate(path, token="wrong-canary")
    told = [entry for entry in logs if "admin token" in entry["event"]]
    assert [(entry["log_level"], entry["times"]) for entry in told] == [
        ("warning", 1),
        ("warning", 6),
        ("warning", 1),
    ]
    assert {entry["sender"] for entry in told} == {"127.0.0.1"}
    assert "canary" not in str(logs)


async def test_the_log_tells_which_streams_an_operator_ended(stack: Stack) -> None:
    path = "/admin/v1/accounts/alice/streams"
    watched = await stack.watch(ONE)
    stream = watched.headers["Playgate-Stream"]
    with capture_logs() as logs:
        await stack.operate(f"{path}/{stream}?hold=1m", "DELETE")
        assert (await stack.operate(f"{path}/{stream}", "DELETE")).code == "not_found"
        await stack.operate(path, "DELETE")
    one, all_of_them = (entry for entry in logs if entry["event"] == "an operator ended streams")
    assert (one["stream"], one["ended"], one["hold_seconds"]) == (stream, 1, 60.0)
    assert (all_of_them["stream"], all_of_them["ended"]) == ("all", 0)
    for entry in (one, all_of_them):
        assert entry["log_level"] == "info"
        assert entry["account"] == AccountNames(TICKET_SECRET.encode()).hashed("alice")
    assert ADMIN_TOKEN not in str(logs)
    assert "alice" not in str(logs)


async def test_nothing_of_it_is_on_the_players_port(stack: Stack) -> None:
    for path in ("/metrics", "/healthz", "/readyz", "/admin/v1/accounts/alice/streams"):
        assert (await stack.ask(path)).code == "not_found"


async def test_its_own_errors_are_problems_too(stack: Stack) -> None:
    assert (await stack.operate("/nowhere")).code == "not_found"
    assert (await stack.operate("/admin/nowhere")).code == "not_found"
    assert (await stack.operate("/metrics", "POST")).code == "method_not_allowed"
    gone = await stack.operate("/admin/v1/accounts/alice/streams/abc", "DELETE")
    assert gone.code == "not_found"


@pytest.mark.parametrize("path", ["/metrics", "/admin/v1/stats", "/nowhere"])
async def test_an_expectation_that_nobody_meets_is_a_problem_too(stack: Stack, path: str) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", stack.service.admin_port)
    fields = "Host: a\r\nExpect: wonders\r\nConnection: close\r\n"
    writer.write(f"GET {path} HTTP/1.1\r\n{fields}\r\n".encode())
    head, _, body = (await reader.read()).partition(b"\r\n\r\n")
    writer.close()
    await writer.wait_closed()
    assert head.startswith(b"HTTP/1.1 400 ")
    assert b"application/problem+json" in head
    assert json.loads(body)["code"] == "bad_request"


async def test_what_is_no_http_is_a_problem_too_and_nothing_of_it_is_told_or_logged(
    stack: Stack, caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    for request in (
        b"GET /metrics HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer %s\0\r\n\r\n",
        b"%s\r\n\r\n",
        b"GET /%s" + 9000 * b"a" + b" HTTP/1.1\r\nHost: a\r\n\r\n",
    ):
        reader, writer = await asyncio.open_connection("127.0.0.1", stack.service.admin_port)
        writer.write(request % ADMIN_TOKEN.encode())
        answer = (await reader.read()).decode()
        writer.close()
        await writer.wait_closed()
        assert answer.startswith("HTTP/1.0 400 ")
        assert '"code": "bad_request"' in answer
        assert "aiohttp" not in answer
        assert ADMIN_TOKEN not in answer + caplog.text + capsys.readouterr().out


async def test_health_says_ready_and_then_draining(stack: Stack) -> None:
    assert (await stack.operate("/healthz", token=None)).status == 200
    ready = await stack.operate("/readyz", token=None)
    assert ready.status == 200
    assert ready.json["components"] == dict.fromkeys(("config", "keys", "server", "store"), True)
    stack.service.health.draining = True
    assert (await stack.operate("/readyz", token=None)).status == 503


async def test_metrics_tell_what_happened_and_name_nobody(stack: Stack) -> None:
    entry = await stack.watch(ONE)
    await stack.ask(f"/live/one/{entry.uris()[0]}")
    for number in range(4):
        await stack.watch(f"/live/{number}/master.m3u8")
    for name in ("two", "one"):
        await stack.watch(f"/live/{name}/master.m3u8", "bob")
    text = (await stack.operate("/metrics", token=None)).text
    assert 'playgate_requests_total{kind="entry",outcome="ok",route="live"} 3.0' in text
    assert 'playgate_requests_total{kind="child",outcome="ok",route="live"} 1.0' in text
    assert 'playgate_requests_total{kind="entry",outcome="not_found",route="live"} 4.0' in text
    assert 'playgate_admissions_total{result="admitted",route="live"}' in text
    assert "playgate_account_streams_bucket" in text
    assert "playgate_store_up 1.0" in text
    for secret in ("alice", "bob", "master.m3u8", "127.0.0.1:" + str(stack.service.port), "eyJ"):
        assert secret not in text


async def test_open_requests_finish_when_the_proxy_is_stopped() -> None:
    from aiohttp import web  # noqa: PLC0415  # for this alone

    async with Stack(listen={"drain_timeout": "1h"}) as stack:
        entered, gate = asyncio.Event(), asyncio.Event()

        async def hold(_: web.Request) -> web.StreamResponse:
            entered.set()
            await gate.wait()
            return web.Response(text="late")

        stack.origin.answers["/open/late.ts"] = hold
        answer = asyncio.create_task(stack.ask("/open/late.ts"))
        await entered.wait()
        stop = asyncio.create_task(stack.service.stop())
        await asyncio.sleep(0)
        gate.set()
        assert (await answer).text == "late"
        await stop


@pytest.mark.parametrize("name", [".", "..", "%2e", "%2E%2e", ".%2e"])
async def test_an_account_whose_name_is_a_folder_is_not_to_be_had_here(name: str) -> None:
    """Sent as it is: aiohttp's client would take the folder out."""
    async with Stack() as stack:
        await stack.watch(ONE, unquote(name))
        for path, method in (("streams", "GET"), ("streams", "DELETE"), ("revoke", "POST")):
            target = f"/admin/v1/accounts/{name}/{path}"
            fields = f"Host: a\r\nAuthorization: Bearer {ADMIN_TOKEN}\r\nConnection: close"
            reader, writer = await asyncio.open_connection("127.0.0.1", stack.service.admin_port)
            writer.write(f"{method} {target} HTTP/1.1\r\n{fields}\r\n\r\n".encode())
            head, _, body = (await reader.read()).partition(b"\r\n\r\n")
            writer.close()
            await writer.wait_closed()
            assert head.startswith(b"HTTP/1.1 400 ")
            assert "means a folder" in json.loads(body)["detail"]


@pytest.mark.parametrize("name", ["%ff", "sur%ED%A0%80", "a%C3"])
async def test_an_account_that_is_no_text_is_nobodys(name: str) -> None:
    async with Stack() as stack:
        for path, method in (("streams", "GET"), ("streams", "DELETE"), ("revoke", "POST")):
            answer = await stack.operate(
                URL(f"/admin/v1/accounts/{name}/{path}", encoded=True), method
            )
            assert (answer.status, answer.code) == (400, "bad_request")


@pytest.mark.parametrize("sent", [b"", b"GET /healthz HTTP/1.1\r\nHo"], ids=["nothing", "half"])
async def test_a_connection_without_a_whole_request_is_closed(
    stack: Stack, loop_clock: LoopClock, sent: bytes
) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", stack.service.admin_port)
    writer.write(sent)
    assert (await stack.operate("/healthz")).status == 200  # what came before it was taken
    loop_clock.passes(KEEPALIVE_SECONDS)
    async with asyncio.timeout(60):
        assert await reader.read() == b""
    writer.close()


async def test_a_body_that_does_not_come_is_waited_for_no_longer_than_a_while(
    stack: Stack, loop_clock: LoopClock
) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", stack.service.admin_port)
    writer.write(
        b"POST /admin/v1/accounts/alice/revoke HTTP/1.1\r\nHost: a\r\n"
        b"Expect: 100-continue\r\nContent-Length: 9\r\n"
        b"Authorization: Bearer " + ADMIN_TOKEN.encode() + b"\r\n\r\n{"
    )
    assert b"100 Continue" in await reader.readuntil(b"\r\n\r\n")  # it is being answered
    loop_clock.passes(BODY_SECONDS)
    async with asyncio.timeout(60):
        assert b" 400 " in await reader.readline()
        assert b"did not come within" in await reader.readuntil(b"}")
    writer.close()
