from collections.abc import AsyncIterator

import pytest

from tests.support.playlists import serve_channels
from tests.support.stack import Stack

ONE, TWO = "/live/one/master.m3u8", "/live/two/master.m3u8"


@pytest.fixture
async def stack() -> AsyncIterator[Stack]:
    async with Stack(limits={"default": 1}, identity={"takeover": "none"}) as running:
        serve_channels(running.origin, "one", "two")
        yield running


async def test_a_heartbeat_keeps_the_slot_and_counts_as_a_beat(stack: Stack) -> None:
    entry = await stack.watch(ONE)
    beat = await stack.ask(f"/_playgate/heartbeat?_sid={entry.ticket()}", method="POST")
    assert (beat.status, beat.decision) == (204, ("renewed", "1/1"))
    by_token = f"/_playgate/heartbeat?stream={entry.headers['Playgate-Stream']}"
    beat = await stack.ask(by_token, method="POST", Authorization=f"Bearer {stack.token()}")
    assert beat.status == 204
    listed = await stack.ask("/_playgate/streams", Cookie=f"session={stack.token()}")
    assert listed.json["limit"] == 1
    assert listed.json["streams"][0]["beats"] == 2
    assert set(listed.json["streams"][0]) == {
        *("id", "content", "route", "device", "started_at", "last_seen_at", "expires_at", "beats"),
        "kind",
    }


async def test_a_heartbeat_of_a_stopped_stream_says_so(stack: Stack) -> None:
    entry = await stack.watch(ONE)
    stream = entry.headers["Playgate-Stream"]
    stop = await stack.ask(f"/_playgate/streams/{stream}?token={stack.token()}", method="DELETE")
    assert stop.status == 204
    beat = await stack.ask(f"/_playgate/heartbeat?_sid={entry.ticket()}", method="POST")
    assert (beat.status, beat.code) == (409, "stream_ended")
    assert beat.json["reason"] == "killed"
    child = await stack.ask(f"/live/one/{entry.uris()[0]}")
    assert child.code == "stream_ended"
    assert (await stack.watch(TWO)).status == 200


async def test_a_stopped_stream_may_be_started_again(stack: Stack) -> None:
    entry = await stack.watch(ONE)
    stream = entry.headers["Playgate-Stream"]
    await stack.ask(f"/_playgate/streams/{stream}?token={stack.token()}", method="DELETE")
    again = await stack.watch(ONE)
    assert again.decision == ("admitted", "1/1")
    assert (await stack.ask(f"/live/one/{again.uris()[0]}")).status == 200
    assert (await stack.ask(f"/live/one/{entry.uris()[0]}")).code == "stream_ended"


async def test_nobody_reaches_anothers_streams(stack: Stack) -> None:
    entry = await stack.watch(ONE)
    stream = entry.headers["Playgate-Stream"]
    bob = f"token={stack.token('bob')}"
    assert (await stack.ask(f"/_playgate/streams?{bob}")).json["streams"] == []
    stop = await stack.ask(f"/_playgate/streams/{stream}?{bob}", method="DELETE")
    assert (stop.status, stop.code) == (404, "not_found")
    for action in ("heartbeat", "release"):
        await stack.ask(f"/_playgate/{action}?stream={stream}&{bob}", method="POST")
    listed = await stack.ask(f"/_playgate/streams?token={stack.token()}")
    assert [one["beats"] for one in listed.json["streams"]] == [0]


async def test_a_ticket_shows_and_stops_the_accounts_streams(stack: Stack) -> None:
    entry = await stack.watch(ONE)
    listed = await stack.ask(f"/_playgate/streams?_sid={entry.ticket()}")
    stream = entry.headers["Playgate-Stream"]
    assert [one["id"] for one in listed.json["streams"]] == [stream]
    path = f"/_playgate/streams/{stream}?_sid={entry.ticket()}"
    assert (await stack.ask(path, method="DELETE")).status == 204


async def test_a_ticket_out_of_anothers_log_shows_and_stops_nothing() -> None:
    home, elsewhere = {"X_Forwarded_For": "192.0.2.7"}, {"X_Forwarded_For": "198.51.100.7"}
    async with Stack(listen={"trusted_proxies": ["127.0.0.1"]}) as proxy:
        serve_channels(proxy.origin, "one")
        entry = await proxy.watch(ONE, **home)
        list_ = f"/_playgate/streams?_sid={entry.ticket()}"
        stop = f"/_playgate/streams/{entry.headers['Playgate-Stream']}?_sid={entry.ticket()}"
        for method, path in (("GET", list_), ("DELETE", stop)):
            answer = await proxy.ask(path, method=method, agent="curl/8", **elsewhere)
            assert (answer.status, answer.code) == (403, "token_forbidden")
        for here in ({"agent": "curl/8", **home}, elsewhere):  # the page, the way home
            assert len((await proxy.ask(list_, **here)).json["streams"]) == 1


async def test_closing_one_of_two_tabs_does_not_stop_the_other(stack: Stack) -> None:
    """Both are one stream; the other's next request takes the slot again."""
    entry = await stack.watch(ONE)
    await stack.ask(f"/_playgate/release?_sid={entry.ticket()}", method="POST")
    other = await stack.ask(f"/live/one/{entry.uris()[0]}")
    assert other.status == 200


async def test_a_late_release_of_an_earlier_playback_frees_nothing(stack: Stack) -> None:
    first = await stack.watch(ONE)
    stream = first.headers["Playgate-Stream"]
    await stack.ask(f"/_playgate/streams/{stream}?token={stack.token()}", method="DELETE")
    await stack.watch(ONE)
    late = await stack.ask(f"/_playgate/release?_sid={first.ticket()}", method="POST")
    assert late.status == 204
    assert (await stack.watch(TWO)).code == "stream_limit"


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/_playgate/heartbeat", 405),
        ("POST", "/_playgate/streams", 405),
        ("POST", "/_playgate/heartbeat", 401),
        ("POST", "/_playgate/release", 401),
        ("GET", "/_playgate/streams", 401),
        ("DELETE", "/_playgate/streams/abc", 401),
        ("DELETE", "/_playgate/streams/", 404),
        ("DELETE", "/_playgate/streams/x%20y", 404),
        ("POST", "/_playgate/heartbeat/x", 404),
        ("GET", "/_playgate/", 404),
    ],
)
async def test_what_is_not_asked_rightly_is_told_so(
    stack: Stack, method: str, path: str, status: int
) -> None:
    assert (await stack.ask(path, method=method)).status == status


@pytest.mark.parametrize("stream", ["", "not hex", "a" * 65, "abc"])
async def test_a_token_must_name_a_stream_of_its_own(stack: Stack, stream: str) -> None:
    path = f"/_playgate/heartbeat?token={stack.token()}&stream={stream.replace(' ', '+')}"
    answer = await stack.ask(path, method="POST")
    assert answer.code == ("not_found" if stream == "abc" else "bad_request")


async def test_a_stream_that_is_named_otherwise_than_understood_is_told_so(stack: Stack) -> None:
    entry = await stack.watch(ONE)
    mine = entry.headers["Playgate-Stream"]
    for query in (
        f"token={stack.token()}&stream={mine}&stream={mine}",
        f"_sid={entry.ticket()}&stream=abc",
    ):
        for action in ("heartbeat", "release"):
            answer = await stack.ask(f"/_playgate/{action}?{query}", method="POST")
            assert (answer.status, answer.code) == (400, "bad_request")
    listed = await stack.ask(f"/_playgate/streams?token={stack.token()}")
    assert [one["beats"] for one in listed.json["streams"]] == [0]


async def test_what_is_no_id_is_told_so_also_beside_a_ticket(stack: Stack) -> None:
    entry = await stack.watch(ONE)
    for action in ("heartbeat", "release"):
        path = f"/_playgate/{action}?_sid={entry.ticket()}&stream="
        answer = await stack.ask(path + "not-hex", method="POST")
        assert (answer.status, answer.code) == (400, "bad_request")
        good = await stack.ask(path + entry.headers["Playgate-Stream"], method="POST")
        assert good.status == 204
