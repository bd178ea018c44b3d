"""Limits and rules through the real port, with real tokens: who is refused, and by what."""

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from structlog.testing import capture_logs

from tests.support.playlists import serve_channels
from tests.support.redis_server import RedisServer
from tests.support.stack import Answer, Stack

CHANNELS = ("one", "two", "ppv/fight", "ppv/bout")
ROKU = "Roku/DVP-12.5 (12.5.0.4178-88)"
IPHONE = "Mozilla/5.0 (iPhone; CPU iPhone OS 17_0 like Mac OS X) Safari/604.1"


@asynccontextmanager
async def playing(**settings: Any) -> AsyncIterator[Stack]:
    async with Stack(**settings) as stack:
        serve_channels(stack.origin, *CHANNELS)
        yield stack


async def watch(stack: Stack, channel: str, agent: str = "test/1", **claims: Any) -> Answer:
    more = [f"{name}={value}" for name, value in claims.items() if name not in ("plan", "limit")]
    known = {name: value for name, value in claims.items() if name in ("plan", "limit")}
    token = stack.token(claims=more, **known)
    return await stack.ask(f"/live/{channel}/master.m3u8?token={token}", agent=agent)


def rule(name: str, most: int, mode: str = "enforce", **where: Any) -> dict[str, Any]:
    return {"name": name, "max": most, "where": where, "mode": mode}


ONE_PPV = rule("one-ppv", 1, content="/live/ppv/**")
ONE_TV = rule("one-tv", 1, device_class=["tv", "console"])
ONE_HD = rule("one-hd", 1, claims={"tier": ["hd", 4]})
ONE_BASIC = rule("one-basic", 1, plan="basic")
ONE_LIVE = rule("one-live", 1, route="live")
NO_OPEN = rule("none-open", 0, route="open")


@pytest.mark.parametrize(
    ("rules", "plays", "asks", "expected"),
    [
        # Where the limit comes from, which beats what comes after it.
        ([], {"limit": 1, "plan": "two"}, {"limit": 1, "plan": "two"}, ("token", 1)),
        ([], {"plan": "one"}, {"plan": "one"}, ("plan", 1)),
        ([], {"plan": "unknown"}, {"plan": "unknown"}, None),
        # Each thing that a rule may look at, and somebody it does not count.
        ([ONE_PPV], {}, {"channel": "ppv/bout"}, ("one-ppv", 1)),
        ([ONE_PPV], {}, {"channel": "one"}, None),
        ([ONE_LIVE], {}, {}, ("one-live", 1)),
        ([NO_OPEN], {}, {}, None),
        ([ONE_TV], {"agent": ROKU}, {"agent": ROKU}, ("one-tv", 1)),
        ([ONE_TV], {"agent": ROKU}, {"agent": IPHONE}, None),
        ([ONE_TV], {"agent": ROKU}, {"agent": IPHONE, "device_class": "console"}, ("one-tv", 1)),
        ([ONE_TV], {"agent": ROKU}, {"agent": ROKU, "device_class": "mobile"}, None),
        ([ONE_HD], {"tier": "hd"}, {"tier": '["sd", "hd"]'}, ("one-hd", 1)),
        ([ONE_HD], {"tier": "hd"}, {"tier": "4"}, ("one-hd", 1)),
        ([ONE_HD], {"tier": "hd"}, {"tier": "sd"}, None),
        ([ONE_HD], {"tier": "hd"}, {"tier": '{"hd": 1}'}, None),
        ([ONE_BASIC], {"plan": "basic"}, {"plan": "basic"}, ("one-basic", 1)),
        ([ONE_BASIC], {"plan": "basic"}, {}, None),
        ([rule("all", 1)], {}, {}, ("all", 1)),
        # All must hold; the account comes first, then rules in their order.
        ([ONE_HD, ONE_PPV], {"tier": "hd"}, {"channel": "ppv/bout"}, ("one-ppv", 1)),
        ([ONE_PPV, rule("all", 1)], {}, {"channel": "ppv/bout"}, ("one-ppv", 1)),
        ([rule("all", 1), ONE_PPV], {}, {"channel": "ppv/bout"}, ("all", 1)),
        ([rule("all", 1)], {"limit": 1}, {"limit": 1}, ("token", 1)),
        ([rule("all", 1)], {"plan": "two"}, {"plan": "two"}, ("all", 1)),
    ],
)
async def test_the_first_ceiling_that_is_full_refuses_and_is_named(
    rules: list[dict[str, Any]],
    plays: dict[str, Any],
    asks: dict[str, Any],
    expected: tuple[str, int] | None,
) -> None:
    plans = {"one": 1, "two": 2, "basic": None}
    limits = {"default": 3, "plans": plans, "rules": rules}
    async with playing(limits=limits) as stack:
        first = await watch(stack, **{"channel": "ppv/fight", **plays})
        assert first.status == 200
        told = await watch(stack, **{"channel": "two", **asks})
        if expected is None:
            assert told.status == 200
            return
        assert (told.status, told.code) == (429, "stream_limit")
        document = told.json
        assert (document["rule"], document["limit"], document["active"]) == (*expected, 1)
        listed = [stream["content"].partition("/live/")[2] for stream in document["streams"]]
        assert listed == ["ppv/fight/master.m3u8"]
        assert int(told.headers["Retry-After"]) >= 1
        assert not [path for path in stack.origin.paths if "/ppv/fight/" not in path]
        labels = f'code="stream_limit",route="live",rule="{expected[0]}"'
        metrics = (await stack.operate("/metrics")).text
        assert f"playgate_refusals_total{{{labels}}} 1.0" in metrics


@pytest.mark.parametrize(
    ("claims", "route", "expected"),
    [
        ({"limit": 1, "plan": "two"}, 2, ("token", 1)),
        ({"limit": 0, "plan": "two"}, 2, ("token", 0)),
        ({"plan": "one"}, 2, ("plan", 1)),
        ({"plan": "unknown"}, 1, ("route", 1)),
        ({}, 1, ("route", 1)),
        ({}, 0, ("route", 0)),
        ({}, None, ("default", 1)),
    ],
)
async def test_a_token_s_limit_beats_its_plan_which_beats_the_route_which_beats_the_default(
    claims: dict[str, Any], route: int | None, expected: tuple[str, int]
) -> None:
    limits = {"default": 1, "plans": {"one": 1, "two": 2}, "rules": [rule("all", 9)]}
    async with playing(live={"limits": route}, limits=limits) as stack:
        answers = [await watch(stack, channel, **claims) for channel in ("one", "two")]
        assert [answer.status for answer in answers] == [200] * expected[1] + [429] * (
            2 - expected[1]
        )
        document = answers[-1].json
        assert (document["rule"], document["limit"]) == expected


async def test_a_refusal_by_a_rule_says_so_in_words() -> None:
    async with playing(limits={"rules": [ONE_PPV]}) as stack:
        await watch(stack, "ppv/fight")
        detail = (await watch(stack, "ppv/bout")).json["detail"]
        assert detail == (
            "This account may watch 1 stream of the rule 'one-ppv' at a time and is watching 1."
        )


LONG = "x" * 200


@pytest.mark.parametrize(
    ("content", "channels", "host"),
    [
        # A long host, which is the viewer's to choose, and a long path.
        ("/live/ppv/**", ("ppv/fight", "ppv/bout"), ".".join(["a" * 60] * 4)),
        ("/live/**/uhd/master.m3u8", (f"{LONG}/one/uhd", f"{LONG}/two/uhd"), "tv.example"),
    ],
)
async def test_a_rule_about_content_counts_whatever_the_content_s_name_was_cut_to(
    content: str, channels: tuple[str, str], host: str
) -> None:
    now = time.time()
    rules = [rule("one-of-these", 1, content=content)]
    async with playing(clock=lambda: now, limits={"rules": rules}) as stack:
        serve_channels(stack.origin, *channels)
        one, two = [f"/live/{channel}/" for channel in channels]
        path = f"{{}}master.m3u8?token={stack.token()}"
        first = await stack.ask(path.format(one), Host=host)
        assert first.status == 200
        assert (await stack.ask(path.format(two), Host=host)).json["rule"] == "one-of-these"
        now += 60  # its ticket has the rule, too
        assert (await stack.ask(path.format(two), Host=host)).status == 200
        child = await stack.ask(f"{one}{first.uris()[0]}", Host=host)
        assert child.json["rule"] == "one-of-these"


async def test_children_count_in_the_rules_of_their_entry() -> None:
    """Their tickets have what rules look at, for when the stream lapsed and wants a slot again."""
    now = time.time()
    rules = [rule("one-hd-tv", 1, claims={"tier": "hd"}, device_class="tv")]
    async with playing(clock=lambda: now, limits={"rules": rules}) as stack:
        first = await watch(stack, "one", tier="hd", device_class="tv")
        assert first.status == 200
        now += 60
        second = await watch(stack, "two", tier="hd", device_class="tv")
        assert second.decision == ("admitted", "1/3")
        child = await stack.ask(f"/live/one/{first.uris()[0]}")
        assert child.json["rule"] == "one-hd-tv"


async def test_a_claim_of_any_size_leaves_no_trace_in_tickets() -> None:
    async with playing(limits={"rules": [ONE_HD]}) as stack:
        plain = await watch(stack, "one")
        huge = await watch(stack, "one", tier="x" * 4_000)
        assert len(huge.ticket()) == len(plain.ticket())


# --- Trying out ---


async def test_nobody_is_refused_where_limits_are_observed_and_all_is_told() -> None:
    async with playing(limits={"default": 1, "mode": "observe"}) as stack:
        assert (await watch(stack, "one")).decision == ("admitted", "1/1")
        with capture_logs() as logs:
            told = await watch(stack, "two")
        assert (told.status, told.decision) == (200, ("observed", "2/1"))
        line = next(entry for entry in logs if entry["event"].startswith("observed"))
        assert (line["rule"], line["limit"], line["active"]) == ("default", 1, 1)
        assert line["stream"] == told.headers["Playgate-Stream"]
        child = await stack.ask(f"/live/two/{told.uris()[0]}")
        assert child.decision == ("renewed", "2/1")
        metrics = (await stack.operate("/metrics")).text
        assert 'playgate_admissions_total{result="observed",route="live"} 1.0' in metrics
        assert 'playgate_observed_total{route="live",rule="default"} 1.0' in metrics
        assert 'playgate_requested_streams_bucket{le="1.0"} 1.0' in metrics
        assert 'playgate_requested_streams_bucket{le="2.0"} 2.0' in metrics


async def test_what_would_be_observed_is_told_to_who_only_asks() -> None:
    async with playing(limits={"default": 0, "mode": "observe"}) as stack:
        path = f"/live/one/master.m3u8?token={stack.token()}"
        assert (await stack.ask(path, method="HEAD")).decision == ("observed", "1/0")
        assert (await stack.ask(path)).decision == ("observed", "1/0")


async def test_an_operator_s_end_holds_where_limits_are_observed() -> None:
    async with playing(limits={"default": 1, "mode": "observe"}) as stack:
        first = await watch(stack, "one")
        stream = first.headers["Playgate-Stream"]
        await stack.operate(f"/admin/v1/accounts/alice/streams/{stream}", "DELETE")
        ended = await stack.ask(f"/live/one/{first.uris()[0]}")
        assert (ended.status, ended.code) == (409, "stream_ended")


async def test_a_rule_that_is_observed_stands_beside_those_that_are_enforced() -> None:
    rules = [rule("one-ppv", 1, "observe", content="/live/ppv/**"), ONE_TV]
    async with playing(limits={"default": 3, "rules": rules}) as stack:
        await watch(stack, "ppv/fight", agent=ROKU)
        told = await watch(stack, "ppv/bout", agent=IPHONE)
        assert told.decision == ("observed", "2/1")
        assert (await watch(stack, "one", agent=ROKU)).json["rule"] == "one-tv"
        metrics = (await stack.operate("/metrics")).text
        assert 'playgate_observed_total{route="live",rule="one-ppv"} 1.0' in metrics


async def test_a_refused_player_that_tries_again_is_one_request_for_a_stream() -> None:
    async with playing(limits={"default": 1}) as stack:
        await watch(stack, "one")
        for _ in range(3):
            assert (await watch(stack, "two")).code == "stream_limit"
        metrics = (await stack.operate("/metrics")).text
        assert 'playgate_requested_streams_bucket{le="1.0"} 1.0' in metrics
        assert "playgate_requested_streams_count 2.0" in metrics


async def test_two_proxies_that_share_a_redis_share_their_rules_counts(
    redis_server: RedisServer,
) -> None:
    store = {"url": redis_server.url, "timeout": "10s", "key_prefix": "rules"}
    settings = {"store": store, "limits": {"rules": [ONE_PPV]}}
    async with playing(**settings) as one, playing(**settings) as two:
        assert (await watch(one, "ppv/fight")).decision == ("admitted", "1/3")
        assert (await watch(two, "ppv/bout")).json["rule"] == "one-ppv"
        assert (await watch(two, "two")).decision == ("admitted", "2/3")
