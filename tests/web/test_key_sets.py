"""Tokens by issuers' key sets, through the port: keys change, and issuers go away, meanwhile."""

import asyncio
import json
from pathlib import Path
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from structlog.testing import capture_logs
from structlog.typing import EventDict

from proxy import token_keys
from proxy.credentials import key_source
from tests.settings.samples import Pair
from tests.support.good_secrets import secret
from tests.support.issuer import KeyServer, SigningKey, document
from tests.support.playlists import LIVE
from tests.support.poll import until
from tests.support.stack import Stack

OLD, NEW, OTHER = SigningKey("old"), SigningKey("new"), SigningKey("old")
STATIC = {"algorithm": "HS256", "secret": secret("s")}
PATH = "/live/a/index.m3u8"


@pytest.fixture(autouse=True)
def _patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """Wait for issuers that answer, however slow the machine is."""
    monkeypatch.setattr(token_keys, "START_SECONDS", 60)
    monkeypatch.setattr(key_source, "LOOK_SECONDS", 60)


def by_url(server: KeyServer, **more: Any) -> dict[str, Any]:
    return {"algorithms": ["ES256"], "jwks_url": server.url, **more}


def stack(*entries: dict[str, Any], **auth: Any) -> Stack:
    proxy = Stack(auth={"keys": list(entries), **auth})
    proxy.origin.answers[PATH] = ("application/vnd.apple.mpegurl", LIVE)
    return proxy


async def outcome(proxy: Stack, token: str) -> str:
    """How a token fares at the players' port: ``ok``, or the code of its refusal."""
    answer = await proxy.ask(f"{PATH}?token={token}")
    return "ok" if answer.status == 200 else answer.code


def failures(logs: list[EventDict]) -> list[EventDict]:
    return [entry for entry in logs if entry["event"].startswith("token keys cannot be had")]


async def ready(proxy: Stack) -> tuple[int, bool]:
    answer = await proxy.operate("/readyz", token=None)
    return answer.status, answer.json["components"]["keys"]


async def test_a_key_that_was_rotated_in_is_found_by_the_first_token_that_names_it() -> None:
    async with KeyServer(document(OLD)) as server, stack(by_url(server)) as proxy:
        assert await outcome(proxy, OLD.token()) == "ok"
        server.content = document(OLD, NEW)
        many = await asyncio.gather(*(outcome(proxy, NEW.token()) for _ in range(20)))
        assert many == ["ok"] * 20
        assert len(server.requests) == 2
        assert await outcome(proxy, OLD.token()) == "ok"


async def test_a_stream_plays_on_by_its_ticket_after_its_key_was_withdrawn() -> None:
    async with KeyServer(document(OLD)) as server, stack(by_url(server)) as proxy:
        first = await proxy.ask(f"{PATH}?token={OLD.token()}")
        server.content = document(NEW)
        assert await outcome(proxy, NEW.token()) == "ok"
        assert await outcome(proxy, OLD.token()) == "token_invalid"
        segment = first.uris()[0]
        proxy.origin.answers["/live/a/seg7.ts"] = ("video/mp2t", b"media")
        assert (await proxy.ask(f"/live/a/{segment}")).body == b"media"


async def test_made_up_key_ids_cost_the_issuer_one_request() -> None:
    async with KeyServer(document(OLD)) as server, stack(by_url(server)) as proxy:
        made_up = [SigningKey(f"made up {number}", key=NEW.key).token() for number in range(30)]
        refused = await asyncio.gather(*(outcome(proxy, token) for token in made_up))
        assert refused == ["token_invalid"] * 30
        assert len(server.requests) == 2
        assert await outcome(proxy, OLD.token()) == "ok"


async def test_a_signature_that_is_wrong_costs_the_issuer_nothing() -> None:
    async with KeyServer(document(OLD)) as server, stack(by_url(server)) as proxy:
        assert await outcome(proxy, OTHER.token()) == "token_invalid"
        assert len(server.requests) == 1


async def test_an_issuer_that_is_away_takes_no_keys_and_is_found_again() -> None:
    async with KeyServer(document(OLD)) as server, stack(by_url(server)) as proxy:
        await server.stop()
        assert await outcome(proxy, NEW.token()) == "token_invalid"
        assert await outcome(proxy, OLD.token()) == "ok"
        assert await ready(proxy) == (200, True)
        server.content = document(NEW)
        await server.start()
        (source,) = proxy.service.keys.sources
        await source.refresh()
        assert await outcome(proxy, NEW.token()) == "ok"


async def test_without_a_single_key_the_proxy_starts_and_says_that_it_is_not_ready() -> None:
    server = KeyServer(document(OLD))
    async with stack(by_url(server)) as proxy:
        assert await ready(proxy) == (503, False)
        assert await outcome(proxy, OLD.token()) == "issuer_unavailable"
        async with server:

            async def well() -> bool:
                return await ready(proxy) == (200, True)

            await until(well, "the set that was missing is had in the background")
            assert await outcome(proxy, OLD.token()) == "ok"


async def test_whose_keys_were_never_had_is_told_apart_from_whose_token_is_bad() -> None:
    server = KeyServer(document(NEW))
    assert isinstance(OLD.key, ec.EllipticCurvePrivateKey)
    public = Pair.of(OLD.key).public
    fixed = {"algorithm": "ES256", "kid": "old", "public_key": public, "issuer": "https://here"}
    away = by_url(server, issuer="https://away")
    unsigned = jwt.encode({"sub": "alice", "iss": "https://away"}, "", algorithm="none")
    async with stack(fixed, away) as proxy:
        for token, expected in (
            (OLD.token(iss="https://here"), "ok"),
            (NEW.token(iss="https://away"), "issuer_unavailable"),
            (SigningKey(None).token(iss="https://away"), "issuer_unavailable"),
            (NEW.token(iss="https://here"), "token_invalid"),
            (OTHER.token(iss="https://here"), "token_invalid"),
            (NEW.token(iss="https://third"), "token_invalid"),
            (unsigned, "token_invalid"),
            ("nonsense", "token_invalid"),
        ):
            assert (token, await outcome(proxy, token)) == (token, expected)
        answer = await proxy.ask(f"{PATH}?token={NEW.token(iss='https://away')}")
        assert (answer.status, answer.headers["Retry-After"]) == (503, "1")
        assert "WWW-Authenticate" not in answer.headers
        assert (await proxy.operate("/admin/v1/stats")).json["totals"]["refusals"] == {
            "token_invalid": 5
        }
        async with server:
            (source,) = proxy.service.keys.sources
            await source.refresh()
            assert await outcome(proxy, NEW.token(iss="https://away")) == "ok"
            assert await outcome(proxy, OTHER.token(iss="https://away")) == "token_invalid"


async def test_another_key_is_enough_to_be_ready() -> None:
    server = KeyServer()
    async with stack(STATIC, by_url(server)) as proxy:
        assert await ready(proxy) == (200, True)
        assert await outcome(proxy, proxy.token()) == "ok"


async def test_an_issuer_that_does_not_answer_holds_up_neither_the_start_nor_other_tokens(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(token_keys, "START_SECONDS", 0.05)
    monkeypatch.setattr(key_source, "LOOK_SECONDS", 0.05)
    server = KeyServer(document(OLD))
    server.gate = asyncio.Event()
    with capture_logs() as logs:
        async with server, stack(STATIC, by_url(server)) as proxy:
            assert await outcome(proxy, OLD.token()) == "issuer_unavailable"
            assert await outcome(proxy, proxy.token()) == "ok"
            assert not failures(logs)  # the issuer may answer still
            server.gate.set()

            async def had() -> bool:
                return await outcome(proxy, OLD.token()) == "ok"

            await until(had, "the answer that came late")


async def test_no_issuer_signs_as_another_whatever_their_key_ids_are() -> None:
    async with KeyServer(document(OLD)) as one, KeyServer(document(OTHER)) as other:
        entries = by_url(one, issuer="https://one"), by_url(other, issuer="https://other")
        async with stack(*entries) as proxy:
            assert await outcome(proxy, OLD.token(iss="https://one")) == "ok"
            assert await outcome(proxy, OTHER.token(iss="https://other")) == "ok"
            for token in (
                OLD.token(iss="https://other"),
                OTHER.token(iss="https://one"),
                OLD.token(iss="https://third"),
                OLD.token(),
                OLD.token(iss=""),
            ):
                assert await outcome(proxy, token) == "token_invalid"
            assert len(one.requests) + len(other.requests) == 2


async def test_a_key_set_in_a_file_is_read_again_when_it_is_replaced(tmp_path: Path) -> None:
    path = tmp_path / "keys.json"
    path.write_bytes(document(OLD))
    async with stack({"algorithms": ["ES256"], "jwks_file": str(path)}) as proxy:
        assert await outcome(proxy, OLD.token()) == "ok"
        path.write_bytes(document(OLD, NEW)[:-20])
        assert await outcome(proxy, NEW.token()) == "token_invalid"
        path.write_bytes(document(OLD, NEW))
        (source,) = proxy.service.keys.sources
        await source.refresh()
        assert await outcome(proxy, NEW.token()) == "ok"
        path.unlink()
        await source.refresh()
        assert await outcome(proxy, NEW.token()) == "ok"


async def test_the_age_of_each_set_is_shown_under_names_that_hold_no_query(tmp_path: Path) -> None:
    (tmp_path / "keys.json").write_bytes(document(NEW))
    server = KeyServer()
    url = f"{server.url}?key=canary"
    async with stack(
        by_url(server),
        {"algorithms": ["ES256"], "jwks_url": url},
        {"algorithms": ["ES256"], "jwks_file": str(tmp_path / "keys.json")},
    ) as proxy:
        place = f"127.0.0.1:{server.port}/jwks.json"
        names = [place, f"{place}#2", str(tmp_path / "keys.json")]
        shown = (await proxy.operate("/admin/v1/stats")).json["keys"]
        assert [entry["source"] for entry in shown] == names
        first, second, file = (entry["age_seconds"] for entry in shown)
        assert (first, second) == (None, None)
        assert file >= 0
        metrics = (await proxy.operate("/metrics", token=None)).text
        for name in names:
            assert f'playgate_keys_age_seconds{{source="{name}"}}' in metrics
        assert "canary" not in json.dumps(shown) + metrics


async def test_changes_and_outages_are_logged_once_each_and_without_a_key() -> None:
    weak = {"kty": "oct", "k": "canary", "kid": "weak"}
    with capture_logs() as logs:
        async with KeyServer(document(OLD)) as server, stack(by_url(server)) as proxy:
            (source,) = proxy.service.keys.sources
            server.content = json.dumps({"keys": [OLD.jwk, NEW.jwk, weak]}).encode()
            await source.refresh()
            server.status = 500
            for _ in range(3):
                await source.refresh()
            server.status = 200
            await source.refresh()
    first, second, lost, found = (entry for entry in logs if "source" in entry)
    assert first["kids"] == ("old",)
    assert second["kids"] == ("old", "new")
    assert second["skipped"] == ("'weak' is symmetric, and no secret once it is published",)
    assert lost["cause"] == "the answer has status 500"
    assert found["event"] == "token keys can be had again"
    assert "canary" not in repr(logs)
    assert OLD.jwk["x"] not in repr(logs)


async def test_few_wait_for_a_key_at_a_time_and_hold_a_place_by_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("proxy.credentials.bearer.MAX_LOOKING", 2)
    monkeypatch.setattr(token_keys, "START_SECONDS", 0.05)
    server = KeyServer(document(OLD))
    server.gate = asyncio.Event()
    async with server, stack(STATIC, by_url(server)) as proxy:
        asked = [asyncio.create_task(outcome(proxy, OLD.token())) for _ in range(4)]

        async def are_told() -> bool:
            return sum(one.done() for one in asked) == 2

        await until(are_told, "those for whom there is no room are told at once")
        assert {one.result() for one in asked if one.done()} == {"issuer_unavailable"}
        server.gate.set()
        assert sorted(await asyncio.gather(*asked)) == ["issuer_unavailable"] * 2 + ["ok"] * 2
