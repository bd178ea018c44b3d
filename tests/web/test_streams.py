"""What the product is for, through the real port: three play, the fourth is refused."""

from collections.abc import AsyncIterator
from typing import Any

import pytest

from tests.support.playlists import serve_channels, serve_dash, serve_film
from tests.support.stack import Answer, Stack
from tests.wild.screens import TestClock

ONE, TWO, THREE, FOUR = (f"/live/{name}/master.m3u8" for name in ("one", "two", "three", "four"))


@pytest.fixture
async def stack() -> AsyncIterator[Stack]:
    async with Stack() as running:
        serve_channels(running.origin, "one", "two", "three", "four")
        serve_film(running.origin, "film")
        serve_dash(running.origin, "dash")
        yield running


def child_of(entry: str, answer: Answer, number: int = 0) -> str:
    return f"{entry.rpartition('/')[0]}/{answer.uris()[number]}"


async def test_three_streams_play_and_the_fourth_never_reaches_the_origin(stack: Stack) -> None:
    for number, entry in enumerate((ONE, TWO, THREE), 1):
        answer = await stack.watch(entry)
        assert answer.status == 200
        assert answer.decision == ("admitted", f"{number}/3")
    refused = await stack.watch(FOUR)
    assert (refused.status, refused.code) == (429, "stream_limit")
    document = refused.json
    assert (document["limit"], document["active"], document["rule"]) == (3, 3, "default")
    assert [stream["content"].partition("/")[2] for stream in document["streams"]] == [
        "live/one/master.m3u8",
        "live/two/master.m3u8",
        "live/three/master.m3u8",
    ]
    assert set(document["streams"][0]) == {
        *("id", "content", "device", "started_at", "last_seen_at")
    }
    assert int(refused.headers["Retry-After"]) >= 1
    assert refused.headers["Cache-Control"] == "no-store"
    assert refused.headers["Access-Control-Allow-Origin"] == "*"
    assert not [path for path in stack.origin.paths if "four" in path]


async def test_a_released_slot_is_free_at_once(stack: Stack) -> None:
    entries = [await stack.watch(entry) for entry in (ONE, TWO, THREE)]
    released = await stack.ask(f"/_playgate/release?_sid={entries[0].ticket()}", method="POST")
    assert released.status == 204
    assert (await stack.watch(FOUR)).decision == ("admitted", "3/3")


async def test_a_reload_and_a_second_fetch_are_the_same_stream(stack: Stack) -> None:
    first = await stack.watch(ONE)
    again = await stack.watch(ONE)
    assert again.decision == ("renewed", "1/3")
    assert first.headers["Playgate-Stream"] == again.headers["Playgate-Stream"]


async def test_accounts_do_not_share_slots(stack: Stack) -> None:
    for entry in (ONE, TWO, THREE):
        await stack.watch(entry)
    assert (await stack.watch(FOUR, "bob")).decision == ("admitted", "1/3")


async def test_a_child_is_fetched_with_the_ticket_alone_and_is_the_same_stream(
    stack: Stack,
) -> None:
    entry = await stack.watch(ONE)
    child = await stack.ask(child_of(ONE, entry))
    assert child.status == 200
    assert child.decision == ("renewed", "1/3")
    assert child.headers["Playgate-Stream"] == entry.headers["Playgate-Stream"]
    segment = await stack.ask(child_of("/live/one/low/index.m3u8", child))
    assert (segment.status, segment.body) == (200, b"\x47" * 188)


async def test_neither_token_nor_ticket_reaches_the_origin_or_a_child_url(stack: Stack) -> None:
    token = stack.token()
    entry = await stack.ask(f"{ONE}?a=1&token={token}&b=2", Cookie=f"session={token}; theme=dark")
    child = await stack.ask(child_of(ONE, entry))
    await stack.ask(child_of("/live/one/low/index.m3u8", child), Authorization=f"Bearer {token}")
    assert token not in entry.text + child.text
    assert stack.origin.paths == [
        "/live/one/master.m3u8?a=1&b=2",
        "/live/one/low/index.m3u8",
        "/live/one/low/seg7.ts",
    ]
    for request in stack.origin.requests:
        fields = str(request.headers)
        assert token not in fields
        assert "eyJ" not in fields


async def test_a_ticket_opens_nothing_but_its_own_content(stack: Stack) -> None:
    entry = await stack.watch(ONE)
    child = await stack.ask(child_of(ONE, entry))
    for elsewhere in (
        f"{TWO}?_sid={entry.ticket()}",
        f"/live/two/low/index.m3u8?_sid={entry.ticket()}",
        f"/live/one/high/index.m3u8?_sid={entry.ticket()}",
        f"/live/two/low/seg7.ts?_sid={child.ticket()}",
        f"/live/two/low/index.m3u8?_sid={child.ticket()}",
        "/live/one/low/seg7.ts",
        "/live/one/low/seg7.ts?_sid=rubbish",
        f"/live/one/low/seg7.ts?token={stack.token()}",
    ):
        answer = await stack.ask(elsewhere)
        assert (answer.status, answer.code) == (401, "ticket_invalid"), elsewhere
    assert len(stack.origin.paths) == 2


async def test_a_ticket_opens_no_directory_of_that_name_on_another_host(stack: Stack) -> None:
    """Where hosts tell channels apart, another route and another origin serve it."""
    entry = await stack.ask(f"{ONE}?token={stack.token()}", Host="one.test")
    child = await stack.ask(child_of(ONE, entry), Host="one.test")
    segment = f"/live/one/low/{child.uris()[0]}"
    assert (await stack.ask(segment, Host="other.test")).code == "ticket_invalid"
    assert (await stack.ask(segment, Host="one.test")).status != 401
    assert [path for path in stack.origin.paths if path.startswith(segment.partition("?")[0])] == [
        segment.partition("?")[0]
    ]


async def test_a_ticket_that_is_changed_anywhere_is_invalid(stack: Stack) -> None:
    ticket = (await stack.watch(ONE)).ticket()
    for position in range(0, len(ticket), 7):
        if ticket[position] == ".":
            continue
        letter = "A" if ticket[position] != "A" else "B"
        # The last letter of a part encodes fewer than six bits; some changes of it change nothing.
        if ticket[position + 1 : position + 2] in (".", ""):
            continue
        forged = ticket[:position] + letter + ticket[position + 1 :]
        answer = await stack.ask(f"/live/one/low/index.m3u8?_sid={forged}")
        assert answer.code == "ticket_invalid", position


async def test_a_copied_url_on_another_device_elsewhere_costs_a_slot() -> None:
    async with Stack(listen={"trusted_proxies": ["127.0.0.1"]}) as stack:
        serve_channels(stack.origin, "one")
        entry = await stack.watch(ONE, X_Forwarded_For="203.0.113.1")
        child = child_of(ONE, entry)
        same = await stack.ask(child, X_Forwarded_For="198.51.100.1")
        assert same.decision == ("renewed", "1/3")
        copied = await stack.ask(child, agent="other/2", X_Forwarded_For="198.51.100.1")
        assert copied.decision == ("admitted", "2/3")
        assert copied.headers["Playgate-Stream"] != entry.headers["Playgate-Stream"]


async def test_one_url_cannot_feed_a_crowd_of_networks() -> None:
    async with Stack(
        listen={"trusted_proxies": ["127.0.0.1"]}, identity={"max_networks": 2}
    ) as stack:
        serve_channels(stack.origin, "one")
        child = child_of(ONE, await stack.watch(ONE, X_Forwarded_For="203.0.1.1"))
        answers = [
            await stack.ask(child, X_Forwarded_For=f"203.0.{network}.1") for network in range(1, 6)
        ]
        assert [answer.status for answer in answers] == [200, 200, 200, 200, 429]
        assert [answer.decision[1] for answer in answers[:4]] == ["1/3", "1/3", "2/3", "3/3"]


async def test_a_named_device_zaps_at_the_limit_and_its_old_stream_is_stopped() -> None:
    async with Stack(limits={"default": 1}) as stack:
        serve_channels(stack.origin, "one", "two")
        first = await stack.watch(ONE, device="tv-1")
        second = await stack.watch(TWO, device="tv-1")
        assert second.decision == ("takeover", "1/1")
        ended = await stack.ask(child_of(ONE, first))
        assert (ended.status, ended.code) == (409, "stream_ended")
        assert (ended.json["reason"], ended.json["by"]) == ("superseded", "tv-1")
        assert (await stack.watch(ONE, device="tv-2")).code == "stream_limit"


async def test_plans_tokens_and_routes_set_the_limit_in_that_order() -> None:
    async with Stack(limits={"default": 3, "plans": {"solo": 1}, "status": 403}) as stack:
        serve_channels(stack.origin, "one", "two", "three", "four")
        for claims, rule, limit in (
            ({"plan": "solo", "limit": 2}, "token", 2),
            ({"plan": "solo"}, "plan", 1),
            ({"plan": "unheard of"}, "default", 3),
        ):
            account = f"{rule}-viewer"
            answers = [
                await stack.ask(f"{entry}?token={stack.token(account, **claims)}")
                for entry in (ONE, TWO, THREE, FOUR)
            ]
            assert [answer.status for answer in answers] == [200] * limit + [403] * (4 - limit)
            assert answers[-1].json["rule"] == rule


async def test_evict_oldest_ends_the_oldest_for_the_newcomer() -> None:
    async with Stack(limits={"default": 1, "on_limit": "evict_oldest"}) as stack:
        serve_channels(stack.origin, "one", "two")
        first = await stack.watch(ONE)
        assert (await stack.watch(TWO)).decision == ("admitted", "1/1")
        assert (await stack.ask(child_of(ONE, first))).json["reason"] == "evicted"


async def test_a_slot_lives_as_long_as_the_manifest_says(stack: Stack) -> None:
    entry = await stack.watch(ONE)
    await stack.ask(child_of(ONE, entry))
    await stack.watch("/live/film.m3u8")
    await stack.watch("/live/dash.mpd")
    listed = await stack.ask(f"/_playgate/streams?token={stack.token()}")
    lives = {
        stream["content"].rpartition("/")[2]: _seconds(stream) for stream in listed.json["streams"]
    }
    assert lives["film.m3u8"] == pytest.approx(15.5, abs=1)
    assert lives["dash.mpd"] == pytest.approx(30, abs=1)
    assert lives["master.m3u8"] == pytest.approx(30, abs=1)


def _seconds(stream: dict[str, str]) -> float:
    from datetime import datetime  # noqa: PLC0415  # for this alone

    ends, seen = (datetime.fromisoformat(stream[name]) for name in ("expires_at", "last_seen_at"))
    return (ends - seen).total_seconds()


async def test_a_slot_lapses_when_nothing_is_heard_of_its_stream() -> None:
    clock = TestClock()
    settings: dict[str, Any] = {"streams": {"ttl": "30s"}, "limits": {"default": 1}}
    async with Stack(clock, **settings) as stack:
        serve_film(stack.origin, "film")
        serve_channels(stack.origin, "one")
        await stack.watch(ONE)
        for seconds in (0, 29.9):
            clock.passes(seconds)
            assert (await stack.watch("/live/film.m3u8", agent="a/1")).code == "stream_limit"
        clock.passes(0.1)
        answer = await stack.watch("/live/film.m3u8", agent="a/1")
        assert answer.decision == ("admitted", "1/1")


async def test_a_dash_refresh_follows_its_location_with_the_ticket(stack: Stack) -> None:
    entry = await stack.watch("/live/dash.mpd")
    assert "<Location>" in entry.text
    refresh = await stack.ask(f"/live/dash.mpd?_sid={entry.ticket()}")
    assert refresh.decision == ("renewed", "1/3")
    assert refresh.text == entry.text


async def test_a_live_playlist_as_entry_keeps_its_urls_from_refresh_to_refresh(
    stack: Stack,
) -> None:
    refreshed = f"/live/one/low/index.m3u8?token={stack.token()}"
    first, again = await stack.ask(refreshed), await stack.ask(refreshed)
    assert again.decision == ("renewed", "1/3")
    assert again.text == first.text
