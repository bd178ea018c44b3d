"""A dynamic MPD renews its viewer's ticket, so that a live channel can be watched for ever."""

import time

import pytest

from proxy.credentials.ticket import Tickets
from tests.support.playlists import serve_channels, serve_dash
from tests.support.stack import Answer, Stack

MPD = "/live/one.mpd"
ELSEWHERE = {"X_Forwarded_For": "198.51.100.1", "agent": "other/2"}


def aged(stack: Stack, entry: Answer) -> str:
    """The ticket of an entry as it would be in the second half of its life."""
    key = stack.settings.tickets.key
    ticket = Tickets(key, stack.settings.tickets.ttl, time.time).read(entry.ticket())
    # What lives for an hour is as good as one of twelve hours that is eleven hours old.
    soon = Tickets(key, 3600, time.time)
    text = soon.mint(ticket.subject, ticket.playback, ticket.playback.instance_ms or 0)
    assert text != ticket.text
    return f"{ticket.seal}.{text}"


async def test_a_refresh_with_an_old_ticket_gets_a_fresh_one_of_the_same_stream() -> None:
    async with Stack() as stack:
        serve_dash(stack.origin, "one")
        entry = await stack.watch(MPD)
        old = aged(stack, entry)
        refresh = await stack.ask(f"{MPD}?_sid={old}")
        assert refresh.decision == ("renewed", "1/3")
        assert refresh.headers["Playgate-Stream"] == entry.headers["Playgate-Stream"]
        assert old.partition(".")[2] not in refresh.text
        assert refresh.text == entry.text
        again = await stack.ask(f"{MPD}?_sid={refresh.ticket()}")
        assert (again.decision, again.text) == (("renewed", "1/3"), entry.text)


async def test_a_stream_that_was_ended_stays_ended_for_its_fresh_ticket_too() -> None:
    async with Stack() as stack:
        serve_dash(stack.origin, "one")
        entry = await stack.watch(MPD)
        old = aged(stack, entry)
        fresh = (await stack.ask(f"{MPD}?_sid={old}")).ticket()
        stream = entry.headers["Playgate-Stream"]
        await stack.ask(f"/_playgate/streams/{stream}?token={stack.token()}", method="DELETE")
        for ticket in (fresh, old):
            answer = await stack.ask(f"{MPD}?_sid={ticket}")
            assert (answer.status, answer.code) == (409, "stream_ended")


async def test_who_copied_a_url_keeps_the_ticket_that_came_with_it() -> None:
    async with Stack(listen={"trusted_proxies": ["127.0.0.1"]}) as stack:
        serve_dash(stack.origin, "one")
        old = aged(stack, await stack.watch(MPD))
        copied = await stack.ask(f"{MPD}?_sid={old}", **ELSEWHERE)
        assert copied.decision == ("admitted", "2/3")
        assert old.partition(".")[2] in copied.text


@pytest.mark.parametrize("name", ["master.m3u8", "low/index.m3u8"])
async def test_the_urls_in_a_playlist_never_change(name: str) -> None:
    async with Stack() as stack:
        serve_channels(stack.origin, "one")
        old = aged(stack, await stack.watch(f"/live/one/{name}"))
        refresh = await stack.ask(f"/live/one/{name}?_sid={old}")
        assert refresh.ticket().partition(".")[2] == old.partition(".")[2]
