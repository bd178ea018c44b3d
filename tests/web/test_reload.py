"""A configuration replaced while viewers watch, through both ports."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from redis.asyncio import Redis
from structlog.testing import capture_logs

from tests.support.good_secrets import secret as good
from tests.support.playlists import serve_channels
from tests.support.redis_server import RedisServer
from tests.support.stack import ADMIN_TOKEN, JWT_SECRET, TICKET_SECRET, Answer, Stack

ONE, TWO, THREE = (f"/live/{name}/master.m3u8" for name in ("one", "two", "three"))
STREAMS = "/admin/v1/accounts/alice/streams"
STORES = pytest.mark.parametrize("store", ["memory", "redis"], indirect=True)


@pytest.fixture(params=["memory"])
def store(
    request: pytest.FixtureRequest, redis_server: RedisServer, redis: Redis
) -> dict[str, str]:
    """Where streams are counted."""
    del redis  # emptied
    return {} if request.param == "memory" else {"url": redis_server.url, "timeout": "10s"}


@pytest.fixture
async def stack(store: dict[str, str], tmp_path: Path) -> AsyncIterator[Stack]:
    async with Stack(folder=tmp_path, store=store, limits={"default": 1}) as running:
        serve_channels(running.origin, "one", "two", "three")
        serve_channels(running.origin, "news", root="/more")
        yield running


async def watch(stack: Stack, path: str, agent: str, **claims: Any) -> Answer:
    return await stack.ask(f"{path}?token={stack.token(**claims)}", agent=agent)


async def beat(stack: Stack, entry: Answer, agent: str) -> tuple[str, str]:
    """Refresh an entry as its player does, and give what was decided."""
    answer = await stack.ask(
        f"/_playgate/heartbeat?_sid={entry.ticket()}", method="POST", agent=agent
    )
    assert answer.status == 204, answer.text
    return answer.decision


async def playing(stack: Stack) -> int:
    return len((await stack.operate(STREAMS)).json["streams"])


def sample(stack: Stack, name: str, **labels: str) -> float | None:
    return stack.service.metrics.registry.get_sample_value(name, labels)


def keys(answer: Answer, member: str = "changed") -> list[str]:
    assert answer.status == 200, answer.text
    return [change["key"] for change in answer.json[member]]


# --- What changes -------------------------------------------------------------------------------


@STORES
async def test_a_limit_holds_from_the_next_request_on_and_takes_nobodys_slot(stack: Stack) -> None:
    first = await watch(stack, ONE, "a/1")
    assert (await watch(stack, TWO, "b/1")).code == "stream_limit"
    raised = await stack.reload(limits={"default": 2})
    assert raised.json == {
        "result": "reloaded",
        "changed": [{"key": "limits.default", "old": 1, "new": 2}],
        "needs_restart": [],
        "workers_behind": 0,
    }
    second = await watch(stack, TWO, "b/1")
    assert second.decision == ("admitted", "2/2")
    await stack.reload(limits={"default": 1})
    assert await beat(stack, first, "a/1") == ("renewed", "2/1")
    assert await beat(stack, second, "b/1") == ("renewed", "2/1")
    assert (await watch(stack, THREE, "c/1")).code == "stream_limit"
    assert await playing(stack) == 2


@STORES
async def test_a_plan_may_be_added(stack: Stack) -> None:
    assert (await watch(stack, ONE, "a/1", plan="gold")).decision == ("admitted", "1/1")
    assert "limits.plans.gold" in keys(await stack.reload(limits={"plans": {"gold": 2}}))
    assert (await watch(stack, TWO, "b/1", plan="gold")).decision == ("admitted", "2/2")


@STORES
async def test_a_rule_may_begin_look_on_and_go(stack: Stack) -> None:
    await stack.reload(limits={"default": 5})
    first = await watch(stack, ONE, "a/1")
    rule = {"name": "one-live", "max": 1, "where": {"route": "live"}}
    assert keys(await stack.reload(limits={"rules": [rule]})) == ["limits.rules[one-live]"]
    # Who plays already is counted with its next beat.
    assert await beat(stack, first, "a/1") == ("renewed", "1/5")
    refused = await watch(stack, TWO, "b/1")
    assert (refused.code, refused.json["rule"]) == ("stream_limit", "one-live")
    looking_on = await stack.reload(limits={"rules": [{**rule, "mode": "observe"}]})
    assert keys(looking_on) == ["limits.rules[one-live].mode"]
    assert (await watch(stack, TWO, "b/1")).decision == ("observed", "2/1")
    await stack.reload(limits={"rules": []})
    assert (await watch(stack, THREE, "c/1")).decision == ("admitted", "3/5")
    assert await beat(stack, first, "a/1") == ("renewed", "3/5")


@STORES
async def test_what_happens_at_the_limit_may_change(stack: Stack) -> None:
    first = await watch(stack, ONE, "a/1")
    await stack.reload(limits={"on_limit": "evict_oldest", "status": 403})
    assert (await watch(stack, TWO, "b/1")).decision == ("admitted", "1/1")
    ended = await stack.ask(
        f"/_playgate/heartbeat?_sid={first.ticket()}", method="POST", agent="a/1"
    )
    assert (ended.code, ended.json["reason"]) == ("stream_ended", "evicted")
    await stack.reload(limits={"on_limit": "reject"})
    assert (await watch(stack, THREE, "c/1")).status == 403
    await stack.reload(limits={"mode": "observe"})
    assert (await watch(stack, THREE, "c/1")).decision == ("observed", "2/1")


async def test_a_route_may_come_change_and_go(stack: Stack) -> None:
    live = stack.mapping()["routes"]
    assert (await watch(stack, "/more/news/master.m3u8", "a/1")).code == "not_found"
    more = {"name": "more", "path": "/more/**", "origins": [stack.origin.url], "limits": 4}
    assert keys(await stack.reload(routes=[*live, more])) == ["routes[more]"]
    entry = await watch(stack, "/more/news/master.m3u8", "a/1")
    assert entry.decision == ("admitted", "1/4")
    low = f"/more/news/{entry.uris()[0]}"
    assert (await stack.ask(low, agent="a/1")).status == 200
    denied = await stack.reload(routes=[*live, {**more, "segments": "deny"}])
    assert keys(denied) == ["routes[more].segments"]
    child = await stack.ask(low, agent="a/1")
    assert (await stack.ask(f"/more/news/low/{child.uris()[0]}")).code == "token_forbidden"
    await stack.reload(routes=live)
    assert (await stack.ask(low, agent="a/1")).code == "not_found"
    # It is no stream of a route any more, and a stream until it lapses.
    assert await playing(stack) == 1


@STORES
async def test_a_key_may_be_replaced_and_who_plays_plays_on(stack: Stack) -> None:
    before = stack.token()
    entry = await stack.ask(f"{ONE}?token={before}", agent="a/1")
    stack.environ["NEW"] = good("another")
    rotated = await stack.reload(auth={"keys": [{"algorithm": "HS256", "secret": "${NEW}"}]})
    assert rotated.json["changed"] == [{"key": "auth.keys[0].secret"}]
    assert (await stack.ask(f"{ONE}?token={before}", agent="a/1")).code == "token_invalid"
    assert (await watch(stack, ONE, "a/1")).decision == ("renewed", "1/1")
    assert await beat(stack, entry, "a/1") == ("renewed", "1/1")


async def test_a_key_in_a_file_or_a_variable_is_read_again(stack: Stack, tmp_path: Path) -> None:
    (tmp_path / "jwt.secret").write_text(good("first"))
    await stack.reload(auth={"keys": [{"algorithm": "HS256", "secret_file": "jwt.secret"}]})
    first = stack.token()
    (tmp_path / "jwt.secret").write_text(good("second"))
    assert keys(await stack.reload()) == ["auth.keys[0].secret_file"]
    assert (await stack.ask(f"{ONE}?token={first}")).code == "token_invalid"
    assert (await watch(stack, ONE, "a/1")).status == 200


async def test_what_else_a_request_meets_may_change(stack: Stack) -> None:
    page = {"Origin": "https://tv.example"}
    assert (await stack.ask(ONE, **page)).headers["Access-Control-Allow-Origin"] == "*"
    await stack.reload(cors={"origins": ["https://other.example"]})
    assert "Access-Control-Allow-Origin" not in (await stack.ask(ONE, **page)).headers
    await stack.reload(auth={"query_param": "t"})
    assert (await watch(stack, ONE, "a/1")).code == "token_missing"
    assert (await stack.ask(f"{ONE}?t={stack.token()}", agent="a/1")).status == 200
    await stack.reload(listen={"trusted_proxies": ["127.0.0.1"]})
    forwarded = await stack.ask(
        f"{ONE}?t={stack.token('bob')}", agent="a/1", X_Forwarded_Host="tv.example", Host="x.test"
    )
    streams = (await stack.operate("/admin/v1/accounts/bob/streams")).json["streams"]
    assert (forwarded.status, streams[0]["content"]) == (200, "tv.example/live/one/master.m3u8")
    await stack.reload(admin={"token": "another-admin-token"})
    assert (await stack.operate(STREAMS)).code == "token_invalid"
    assert (await stack.operate(STREAMS, token="another-admin-token")).status == 200
    assert (await stack.operate("/admin/v1/reload", "POST")).code == "token_invalid"


# --- What does not ------------------------------------------------------------------------------


@STORES
async def test_a_bad_file_changes_nothing_and_is_told_and_counted(stack: Stack) -> None:
    entry = await watch(stack, ONE, "a/1")
    before = (await stack.operate("/admin/v1/stats")).json["config"]
    with capture_logs() as logs:
        bad = await stack.reload(limits={"default": -1}, streams={"ttl": 30})
    assert (bad.status, bad.code) == (422, "config_invalid")
    assert [error.split(": ", 2)[1:] for error in bad.json["errors"]] == [
        ["limits.default", "must be at least 0"],
        ["streams.ttl", "a duration needs a unit; write 30s, or 30ms"],
    ]
    assert all(error.startswith(f"{stack.file}:") for error in bad.json["errors"])
    [told] = [entry for entry in logs if entry["log_level"] == "error"]
    assert (told["errors"], told["by"]) == (bad.json["errors"], "the admin API")
    assert sample(stack, "playgate_config_reloads_total", result="failed") == 1
    assert sample(stack, "playgate_config_last_reload_successful") == 0
    assert (await stack.operate("/admin/v1/stats")).json["config"] == before
    assert await beat(stack, entry, "a/1") == ("renewed", "1/1")
    assert (await watch(stack, TWO, "b/1")).code == "stream_limit"
    assert stack.heard == []
    good = await stack.reload(limits={"default": 1}, streams={"ttl": "30s"})
    assert good.json["result"] == "unchanged"
    assert sample(stack, "playgate_config_last_reload_successful") == 1


async def test_reloads_are_counted_and_the_time_of_the_last_good_one_is_shown(
    tmp_path: Path,
) -> None:
    now = 1_800_000_000.0
    async with Stack(lambda: now, folder=tmp_path) as stack:

        def loaded() -> float | None:
            return sample(stack, "playgate_config_loaded_timestamp_seconds")

        def counted() -> dict[str, float | None]:
            name = "playgate_config_reloads_total"
            results = ("reloaded", "unchanged", "failed")
            return {result: sample(stack, name, result=result) for result in results}

        assert loaded() == now
        assert sample(stack, "playgate_config_last_reload_successful") == 1
        assert counted() == {"reloaded": 0, "unchanged": 0, "failed": 0}
        first = (await stack.operate("/admin/v1/stats")).json["config"]
        now += 10
        await stack.reload()
        assert loaded() == now
        now += 10
        await stack.reload(limits={"default": 7})
        assert loaded() == now
        second = (await stack.operate("/admin/v1/stats")).json["config"]
        now += 10
        await stack.reload(limits={"default": "many"})
        assert loaded() == now - 10
        assert counted() == {"reloaded": 1, "unchanged": 1, "failed": 1}
        assert first["hash"] != second["hash"]
        assert second["loaded_at"] == "2027-01-15T08:00:20.000Z"
        assert (await stack.operate("/admin/v1/config")).json["limits"]["default"] == 7


async def test_what_needs_a_restart_is_named_until_then_and_shown_as_it_is(stack: Stack) -> None:
    with capture_logs() as logs:
        answer = await stack.reload(listen={"port": 8443}, limits={"default": 2})
    port = {"key": "listen.port", "old": 0, "new": 8443}
    assert (answer.json["result"], keys(answer)) == ("reloaded", ["limits.default"])
    assert answer.json["needs_restart"] == [port]
    [warning] = [entry for entry in logs if entry["log_level"] == "warning"]
    assert warning["needs_restart"] == ["listen.port: 0 -> 8443"]
    shown = (await stack.operate("/admin/v1/config")).json
    assert (shown["listen"]["port"], shown["limits"]["default"]) == (0, 2)
    again = await stack.reload()
    assert (again.json["result"], again.json["needs_restart"]) == ("unchanged", [port])
    assert (await stack.operate("/admin/v1/stats")).json["config"]["needs_restart"] == [port]
    assert (await stack.reload(listen={"port": 0})).json["needs_restart"] == []
    assert (await stack.operate("/admin/v1/stats")).json["config"]["needs_restart"] == []


async def test_a_file_that_is_good_only_after_a_restart_is_refused(stack: Stack) -> None:
    answer = await stack.reload(
        store={"url": "redis://127.0.0.1:1"}, events={"sink": "redis-stream"}, limits={"default": 9}
    )
    assert answer.code == "config_invalid"
    assert answer.json["errors"][-1].endswith("goes together only after a restart: store.url")
    assert (await stack.operate("/admin/v1/config")).json["limits"]["default"] == 1


async def test_no_secret_is_told_logged_or_shown(stack: Stack, tmp_path: Path) -> None:
    new = "new-canary-" + good("new")
    (tmp_path / "file.secret").write_text(f"file-{new}")
    with capture_logs() as logs:
        said = [
            await stack.reload(
                admin={"token": f"token-{new}"},
                auth={
                    "keys": [
                        {"algorithm": "HS256", "secret": new},
                        {"algorithm": "HS256", "secret_file": "file.secret", "kid": "file"},
                    ]
                },
                tickets={"secret": f"tickets-{new}"},
                store={"url": f"redis://user:{new}@redis/1"},
            )
        ]
        token = f"token-{new}"
        (tmp_path / "file.secret").write_text(f"other-file-{new}")
        for path in ("/admin/v1/reload", "/admin/v1/stats", "/admin/v1/config", "/metrics"):
            method = "POST" if path.endswith("reload") else "GET"
            said.append(await stack.operate(path, method, token))
        stack.write(limits={"default": new}, tickets={"secret": "short-canary"})
        said.append(await stack.operate("/admin/v1/reload", "POST", token))
    assert keys(said[0]) == ["admin.token", "auth.keys[0].secret", "auth.keys[1]"]
    assert keys(said[0], "needs_restart") == ["store.url", "tickets.secret"]
    assert keys(said[1]) == ["auth.keys[1].secret_file"]
    assert said[-1].code == "config_invalid"
    everything = "".join(answer.text for answer in said) + repr(logs)
    for secret in ("canary", JWT_SECRET, TICKET_SECRET, ADMIN_TOKEN):
        assert secret not in everything
    assert any("auth.keys[0].secret: changed" in entry.get("changed", ()) for entry in logs)


async def test_reloads_that_are_asked_for_at_once_come_one_after_the_other(stack: Stack) -> None:
    answers = []
    for limit in range(2, 6):
        stack.write(limits={"default": limit})
        answers.append(asyncio.create_task(stack.operate("/admin/v1/reload", "POST")))
        await asyncio.sleep(0)
    done = [(await answer).json for answer in answers]
    changes = [change for answer in done for change in answer["changed"]]
    # Whichever of the files each of them found, they follow on each other.
    assert [change["old"] for change in changes] == [1, *(change["new"] for change in changes[:-1])]
    assert changes[-1]["new"] == 5
    assert (await stack.operate("/admin/v1/config")).json["limits"]["default"] == 5


async def test_without_a_file_there_is_nothing_to_reload() -> None:
    async with Stack() as stack:
        answer = await stack.operate("/admin/v1/reload", "POST")
        assert (answer.status, answer.code) == (404, "not_found")


async def test_a_configuration_that_is_sent_along_is_refused(stack: Stack) -> None:
    sent = await stack.operate("/admin/v1/reload", "POST", body=b"limits: {default: 9}")
    assert (sent.status, sent.code) == (400, "bad_request")
    assert (await stack.operate("/admin/v1/reload?dry_run=1", "POST")).code == "bad_request"
    assert (await stack.operate("/admin/v1/reload", "POST", body=b"")).status == 200


async def test_a_reload_is_for_operators_alone(stack: Stack) -> None:
    assert (await stack.operate("/admin/v1/reload", "POST", None)).code == "token_missing"
    assert (await stack.operate("/admin/v1/reload", "POST", "wrong")).code == "token_invalid"
    assert (await stack.operate("/admin/v1/reload")).code == "method_not_allowed"
    assert (await stack.ask("/admin/v1/reload", method="POST")).code == "not_found"
