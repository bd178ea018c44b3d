"""The corpus of attacks on tokens, through the players' port."""

import json
import re
from urllib.parse import quote

import aiohttp
import pytest
from structlog.testing import capture_logs
from yarl import URL

from tests.support import jws
from tests.support.forged_contents import forged_contents
from tests.support.forged_signatures import forged_signatures
from tests.support.origin import HLS
from tests.support.playlists import MASTER
from tests.support.redis_server import RedisServer
from tests.support.stack import Answer, Stack

PATH = "/live/one/master.m3u8"
AUTH = {"keys": jws.keys(), "issuer": jws.ISSUER, "audience": jws.AUDIENCE}
# What a header can carry at all (RFC 9110 §5.5), and what the server reads of one.
SENDABLE = re.compile(r"[!-~]{1,8000}")


async def ask(client: aiohttp.ClientSession, query: str = "", **headers: str) -> Answer:
    async with client.get(URL(f"{PATH}{query}", encoded=True), headers=headers) as response:
        return Answer(response.status, response.headers, await response.read())


def traces(text: str, *places: object) -> list[str]:
    """Which parts of a token are somewhere they must not be."""
    parts = [part for part in re.split(r"[.\s\"]", text) if len(part) > 8]
    return [part for part in parts if any(part in str(place) for place in places)]


async def test_every_forgery_is_refused_leaves_no_trace_and_never_reaches_the_origin() -> None:
    async with Stack(auth=AUTH) as proxy:
        proxy.origin.answers[PATH] = (HLS, MASTER)
        with capture_logs() as logs:
            for name, text, code in (*forged_signatures(), *forged_contents()):
                spelled = quote(text.encode("utf-8", "surrogatepass"), safe="")
                answers = []
                if len(spelled) < 8000:
                    answers.append(await ask(proxy.client, f"?token={spelled}"))
                if SENDABLE.fullmatch(text):
                    answers.append(await ask(proxy.client, Authorization=f"Bearer {text}"))
                for answer in answers:
                    assert (answer.status, answer.code) == (401, code), name
                    assert answer.headers["WWW-Authenticate"].startswith("Bearer error="), name
                    assert not traces(text, answer.text, answer.headers, *logs), name
                logs.clear()
        assert proxy.origin.requests == []
        good = jws.good(jws.claims())
        assert (await proxy.ask(f"{PATH}?token={good}")).status == 200


@pytest.mark.parametrize(
    "text",
    ["", "%20", ".", "..", "a.b.c", "null", "undefined", "[object%20Object]", "%00", "a" * 8100],
)
async def test_what_is_no_token_at_all_is_refused(text: str) -> None:
    async with Stack(auth=AUTH) as proxy:
        answer = await ask(proxy.client, f"?token={text}")
        expected = "token_missing" if not text else "token_invalid"
        assert (answer.status, answer.code) == (401, expected)


ACCOUNTS = (
    *("é", "e\u0301", "É", "ﬁ", "fi", "Ⅷ", "VIII", "ß", "ss"),
    *("alice", "Alice", "alice ", " alice", "alice\0", "alice\n", "a\u200blice", "\u202eecila"),
    *("\ufffd", "\U0001f600", "null", "{}", "a" * 256, "é" * 256),
    *("../alice", "alice/streams", "%61lice", "a{b}", "alice:streams", "*", "a\r\nSET x 1\r\n"),
)


@pytest.mark.parametrize("store", ["memory", "redis"])
async def test_accounts_are_told_apart_by_each_character(
    store: str, redis_server: RedisServer
) -> None:
    in_redis = {"url": redis_server.url, "key_prefix": "accounts", "timeout": "10s"}
    async with Stack(auth=AUTH, store={} if store == "memory" else in_redis) as proxy:
        proxy.origin.answers[PATH] = (HLS, MASTER)
        for account in ACCOUNTS:
            token = jws.good(jws.claims(sub=account))
            for decision in ("admitted", "renewed"):
                answer = await proxy.ask(f"{PATH}?token={token}")
                assert answer.status == 200, account
                assert answer.decision == (decision, "1/3"), account


@pytest.mark.parametrize("store", ["memory", "redis"])
@pytest.mark.parametrize(
    "odd", ["\ud800", "\0", "\u202e", "\r\n", "<script>", "\U0001f600", "é" * 256]
)
async def test_no_device_plan_or_id_however_odd_is_a_failure_of_ours(
    odd: str, store: str, redis_server: RedisServer
) -> None:
    in_redis = {"url": redis_server.url, "key_prefix": "odd", "timeout": "10s"}
    async with Stack(auth=AUTH, store={} if store == "memory" else in_redis) as proxy:
        proxy.origin.answers[PATH] = (HLS, MASTER)
        in_escapes = odd == "\ud800"  # nothing else can spell half a character
        account = "alice" if in_escapes else odd
        claims = jws.claims(device_id=odd, plan=odd, jti=odd, sub=account)
        token = jws.good(json.dumps(claims, ensure_ascii=in_escapes).encode())
        assert (await proxy.ask(f"{PATH}?token={token}")).status == 200
        listed = await proxy.ask(f"/_playgate/streams?token={token}")
        assert len(listed.json["streams"]) == 1
        stats = (await proxy.operate("/admin/v1/stats")).json
        assert "internal_error" not in stats["totals"]["requests"]


@pytest.mark.parametrize("account", ["\ud800", "al\udc00ice"])
async def test_an_account_that_no_operator_could_name_is_none(account: str) -> None:
    async with Stack(auth=AUTH) as proxy:
        token = jws.good(json.dumps(jws.claims(sub=account)).encode())
        answer = await proxy.ask(f"{PATH}?token={token}")
        assert (answer.status, answer.code) == (401, "token_invalid")
        assert proxy.origin.requests == []
