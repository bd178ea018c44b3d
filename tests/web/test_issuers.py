"""Accounts of several issuers, through both ports."""

import time
from typing import Any
from urllib.parse import quote

import jwt
import pytest

from tests.support.good_secrets import secret
from tests.support.playlists import serve_channels
from tests.support.stack import JWT_SECRET, Stack

A, B = "https://a.example/tv", "https://b.example"
SECRETS = {A: secret("a"), B: secret("b")}
ENTRY = "/live/one/master.m3u8"
LISTED = "/_playgate/streams"


def stack(**auth: Any) -> Stack:
    keys = [
        {"algorithm": "HS256", "secret": secret, "issuer": issuer}
        for issuer, secret in SECRETS.items()
    ]
    return Stack(auth={"keys": keys, **auth}, limits={"default": 1})


def query(issuer: str, **claims: Any) -> str:
    every = {"iss": issuer, "sub": "alice", "exp": int(time.time()) + 600, **claims}
    return f"token={jwt.encode(every, SECRETS[issuer])}"


async def test_equal_names_of_two_issuers_are_one_account() -> None:
    async with stack() as proxy:
        serve_channels(proxy.origin, "one")
        assert (await proxy.ask(f"{ENTRY}?{query(A)}", agent="a/1")).status == 200
        assert len((await proxy.ask(f"{LISTED}?{query(B)}")).json["streams"]) == 1
        assert (await proxy.ask(f"{ENTRY}?{query(B)}", agent="b/1")).code == "stream_limit"


async def test_equal_names_of_two_issuers_may_be_two_accounts() -> None:
    async with stack(account_per_issuer=True) as proxy:
        serve_channels(proxy.origin, "one")
        for issuer, agent in ((A, "a/1"), (B, "b/1")):
            answer = await proxy.ask(f"{ENTRY}?{query(issuer, jti=agent)}", agent=agent)
            assert answer.headers["Playgate-Streams"] == "1/1"
        assert len((await proxy.ask(f"{LISTED}?{query(B)}")).json["streams"]) == 1
        ours, theirs = (
            f"/admin/v1/accounts/{quote(f'{issuer} alice', safe='')}" for issuer in (A, B)
        )
        for account in (ours, theirs):
            assert len((await proxy.operate(f"{account}/streams")).json["streams"]) == 1
        # And what is done to one is not done to the other.
        body = b'{"jti": "b/1"}'
        assert (await proxy.operate(f"{theirs}/revoke", "POST", body=body)).status == 204
        assert (await proxy.ask(f"{LISTED}?{query(B, jti='b/1')}")).code == "token_revoked"
        assert (await proxy.ask(f"{LISTED}?{query(A, jti='b/1')}")).status == 200


@pytest.mark.parametrize("issuer", [None, "", "https://a.example alice"])
async def test_a_token_of_no_issuer_that_an_account_can_be_known_by_is_none(
    issuer: str | None,
) -> None:
    async with Stack(auth={"account_per_issuer": True}) as proxy:
        serve_channels(proxy.origin, "one")
        claims = {"sub": "alice", "exp": int(time.time()) + 600}
        good, bad = ({**claims, "iss": each} for each in ("https://a.example", issuer))
        for each, code in ((good, None), (bad, "token_invalid")):
            told = {name: value for name, value in each.items() if value is not None}
            answer = await proxy.ask(f"{ENTRY}?token={jwt.encode(told, JWT_SECRET)}")
            assert (answer.code if answer.status == 401 else None) == code
