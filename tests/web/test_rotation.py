"""How a live DASH viewer stays: by refreshes and patches, with a ticket renewed on the way."""

import re
import time
from xml.sax.saxutils import unescape

import pytest
from aiohttp import web

from proxy.credentials.ticket import Tickets
from proxy.manifests.dash_patch import UNFIT_PATCH
from tests.support.origin import DASH
from tests.support.playlists import MPD_LIVE, serve_channels, serve_dash
from tests.support.redis_server import free_port
from tests.support.stack import Answer, Stack

MPD = "/live/one.mpd"
DASH_PATCH = "application/dash-patch+xml"
PATCH = """<Patch xmlns="urn:mpeg:dash:schema:mpd-patch:2020" mpdId="m"
  originalPublishTime="2026-01-01T00:00:00Z" publishTime="2026-01-01T00:00:02Z">
  <replace sel="/MPD/@publishTime">2026-01-01T00:00:02Z</replace>
  <replace sel="/MPD/PatchLocation[1]"><PatchLocation>one.mpp?t=2</PatchLocation></replace>
</Patch>
"""
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


async def test_a_ticket_is_renewed_only_while_its_stream_holds_a_slot() -> None:
    late = 0.0
    async with Stack(clock=lambda: time.time() + late) as stack:
        serve_dash(stack.origin, "one")
        old = aged(stack, await stack.watch(MPD))
        late = 100.0
        lapsed = await stack.ask(f"{MPD}?_sid={old}")
        assert (lapsed.decision, lapsed.ticket()) == (("admitted", "1/3"), old)
        going_on = await stack.ask(f"{MPD}?_sid={old}")
        assert going_on.decision == ("renewed", "1/3")
        assert going_on.ticket() != old


async def test_a_ticket_is_not_renewed_while_nobody_can_tell_who_holds_a_slot() -> None:
    async with Stack(
        store={"url": f"redis://127.0.0.1:{free_port()}", "on_outage": "open"}
    ) as stack:
        serve_dash(stack.origin, "one")
        old = aged(stack, await stack.watch(MPD))
        refresh = await stack.ask(f"{MPD}?_sid={old}")
        assert refresh.headers["Playgate-Decision"] == "unchecked"
        assert refresh.ticket() == old


async def test_on_another_device_elsewhere_a_copied_url_keeps_its_ticket() -> None:
    async with Stack(listen={"trusted_proxies": ["127.0.0.1"]}) as stack:
        serve_dash(stack.origin, "one")
        old = aged(stack, await stack.watch(MPD))
        for decided in ("admitted", "renewed"):
            copied = await stack.ask(f"{MPD}?_sid={old}", **ELSEWHERE)
            assert (copied.decision, copied.ticket()) == ((decided, "2/3"), old)


async def patching(stack: Stack, patch: web.Response | str) -> Answer:
    """Start a stream of an MPD that has patches."""
    mpd = MPD_LIVE.replace("<Period", "<PatchLocation>one.mpp?t=1</PatchLocation><Period", 1)
    stack.origin.answers[MPD] = (DASH, mpd)
    answer = (DASH_PATCH, patch) if isinstance(patch, str) else patch
    stack.origin.answers["/live/one.mpp"] = answer
    return await stack.watch(MPD)


def patch_link(entry: Answer) -> str:
    named = re.search("<PatchLocation>(.*?)</PatchLocation>", entry.text)
    assert named
    return unescape(named[1])


async def test_a_patch_is_a_beat_and_gives_way_to_the_mpd_when_the_ticket_is_old() -> None:
    async with Stack() as stack:
        entry = await patching(stack, PATCH)
        link = patch_link(entry)
        assert link.startswith("one.mpp?t=1&_sid=")
        patch = await stack.ask(f"/live/{link}")
        assert patch.decision == ("renewed", "1/3")
        assert patch.headers["Content-Type"] == DASH_PATCH
        assert patch.headers["Playgate-Stream"] == entry.headers["Playgate-Stream"]
        assert patch.text == PATCH.replace("t=2", f"t=2&amp;_sid={patch.ticket()}")
        beats = (await stack.ask(f"/_playgate/streams?token={stack.token()}")).json["streams"]
        assert [stream["beats"] for stream in beats] == [1]
        old = aged(stack, patch)
        unfit = await stack.ask(f"/live/one.mpp?t=2&_sid={old}")
        assert unfit.decision == ("renewed", "1/3")
        assert ('mpdId="m"' in patch.text, 'mpdId="m"' in unfit.text) == (True, False)
        assert "_sid" not in unfit.text
        assert stack.origin.paths[-2:] == ["/live/one.mpp?t=1", "/live/one.mpp?t=2"]


async def test_who_reloads_and_patches_is_not_taken_for_one_who_refreshes_by_token() -> None:
    async with Stack() as stack:
        await patching(stack, PATCH)
        entry = await stack.watch(MPD)
        assert entry.decision == ("renewed", "1/3")
        for _ in range(2):
            assert (await stack.ask(f"/live/{patch_link(entry)}")).status == 200
        stream = entry.headers["Playgate-Stream"]
        await stack.ask(f"/_playgate/streams/{stream}?token={stack.token()}", method="DELETE")
        assert (await stack.ask(f"/live/{patch_link(entry)}")).code == "stream_ended"
        assert (await stack.watch(MPD)).decision == ("admitted", "1/3")


@pytest.mark.parametrize("status", [404, 410])
async def test_for_a_patch_that_is_gone_there_is_the_mpd(status: int) -> None:
    async with Stack() as stack:
        entry = await patching(stack, web.Response(status=status, text="gone"))
        answer = await stack.ask(f"/live/{patch_link(entry)}")
        assert answer.decision == ("renewed", "1/3")
        assert (answer.status, answer.headers["Content-Type"]) == (200, DASH_PATCH)
        assert answer.body == UNFIT_PATCH.render(b"")
        assert (await stack.ask(f"{MPD}?_sid={entry.ticket()}")).decision == ("renewed", "1/3")


async def test_a_patch_that_fails_is_the_origins_error() -> None:
    async with Stack() as stack:
        entry = await patching(stack, web.Response(status=503, text="busy"))
        answer = await stack.ask(f"/live/{patch_link(entry)}")
        assert (answer.status, answer.text) == (503, "busy")


async def test_a_patch_that_is_asked_for_as_an_entry_and_gone_costs_no_slot() -> None:
    async with Stack() as stack:
        stack.origin.answers["/live/one.mpp"] = web.Response(status=404, text="gone")
        entry = await stack.watch("/live/one.mpp")
        assert (entry.status, entry.text) == (404, "gone")
        streams = await stack.ask(f"/_playgate/streams?token={stack.token()}")
        assert streams.json["streams"] == []


@pytest.mark.parametrize("name", ["master.m3u8", "low/index.m3u8"])
async def test_the_urls_in_a_playlist_never_change(name: str) -> None:
    async with Stack() as stack:
        serve_channels(stack.origin, "one")
        old = aged(stack, await stack.watch(f"/live/one/{name}"))
        refresh = await stack.ask(f"/live/one/{name}?_sid={old}")
        assert refresh.ticket().partition(".")[2] == old.partition(".")[2]
