"""At the limit: who zaps or starts again is let in, or told how many seconds it takes."""

import pytest

from proxy.admission.ledger import MAX_CHURN
from tests.wild.conftest import Proxy
from tests.wild.programme import broadcast, lend
from tests.wild.screens import (
    ANDROID,
    CHROME,
    IPHONE,
    TARGET_SECONDS,
    VLC,
    Household,
    retry_after,
)
from tests.wild.situations import situation

ONE, TWO, THREE, FOUR = (f"/live/{name}/master.m3u8" for name in ("one", "two", "three", "four"))
CHANNEL_MPD = "/live/one/manifest.mpd"
FILM, SEQUEL = "/live/film/master.m3u8", "/live/sequel/master.m3u8"

# When a beat is overdue (proxy/admission/slot.py): 5 s for a channel refreshed every 4 s or less,
# a quarter over the interval for a film whose player reports every 30 s.
SECONDS = {ONE: 6, CHANNEL_MPD: 6, FILM: 38}


@situation("Zapping, nothing named", "1; in after 6 s (from a film 38 s), which the refusal says")
@pytest.mark.parametrize("before", SECONDS)
async def test_who_zaps_without_a_name_waits_seconds(home: Household, before: str) -> None:
    screen = home.screen(CHROME, limit=1)
    await screen.play(before)
    old = list(screen.playing)
    wait = retry_after(await screen.play(TWO))
    assert 0 < wait <= SECONDS[before]
    home.clock.passes(wait)
    assert (await screen.play(TWO)).decision == ("takeover", "1/1")
    ended = await screen.fetch(old[0])
    assert (ended.code, ended.json["reason"]) == ("stream_ended", "superseded")
    assert await home.live_on(40, screen) == {1}


@situation("Zapping, and the page releases what it leaves", "1; in at once")
@pytest.mark.parametrize("before", SECONDS)
async def test_who_releases_zaps_at_once(home: Household, before: str) -> None:
    screen = home.screen(CHROME, limit=1)
    await screen.play(before)
    await screen.release()
    assert (await screen.play(TWO)).decision == ("admitted", "1/1")


@situation("The same, to and fro between two channels", "1; in at once")
async def test_who_flips_between_two_channels_and_releases_is_in_at_once(home: Household) -> None:
    screen = home.screen(CHROME, limit=1)
    for entry in (ONE, TWO) * 15:
        assert (await screen.play(entry)).decision == ("admitted", "1/1")
        await screen.release()
        home.clock.passes(2)


@situation(
    "The same on a named device, or with releases, again and again for minutes on end",
    "1; then in after 6 s",
)
@pytest.mark.parametrize("device", [None, "tv-1"])
async def test_who_zaps_for_minutes_on_end_waits_as_if_nothing_was_named(
    home: Household, device: str | None
) -> None:
    screen = home.screen(CHROME, limit=1, device=device)
    for number in range(MAX_CHURN + 1):
        assert (await screen.play((ONE, TWO)[number % 2])).status == 200
        if device is None:
            await screen.release()
    wait = retry_after(await screen.play(THREE))
    assert 0 < wait <= 6
    home.clock.passes(wait)
    assert (await screen.play(THREE)).decision == ("takeover", "1/1")


@situation("Zapping on a named device", "1; in at once")
@pytest.mark.parametrize("before", SECONDS)
async def test_a_named_device_zaps_at_once(home: Household, before: str) -> None:
    screen = home.screen(ANDROID, limit=1, device="tv-1")
    await screen.play(before)
    for entry in (TWO, THREE, TWO, FOUR, TWO):
        assert (await screen.play(entry)).decision == ("takeover", "1/1")
    assert (await screen.refresh()).decision == ("renewed", "1/1")
    assert await home.counted() == 1


@situation("The same; the old player refreshes its MPD by the URL it was given", "1; in at once")
async def test_a_player_that_refreshes_by_token_does_not_take_its_slot_back(
    home: Household,
) -> None:
    vlc = home.screen(VLC, limit=1, device="tv-1")
    for _refresh in range(3):
        await vlc.start(CHANNEL_MPD)
        home.clock.passes(TARGET_SECONDS)
    other = home.screen(ANDROID, limit=1, device="tv-1")
    assert (await other.play(TWO)).decision == ("takeover", "1/1")
    for _refresh in range(10):
        await home.live_on(TARGET_SECONDS, other)
        assert (await vlc.start(CHANNEL_MPD)).code == "stream_ended"
    assert (await other.refresh()).decision == ("renewed", "1/1")


@situation("The same, to and fro, from an MPD that was reloaded", "1; in at once")
async def test_a_reload_does_not_make_a_player_one_that_refreshes_by_token(
    home: Household,
) -> None:
    screen = home.screen(CHROME, limit=1, device="tv-1")
    await screen.play(CHANNEL_MPD)
    await screen.play(CHANNEL_MPD)
    await screen.refresh()
    for entry in (TWO, CHANNEL_MPD, TWO, CHANNEL_MPD):
        assert (await screen.play(entry)).decision == ("takeover", "1/1")


@situation(
    "Zapping through many channels, one a second, nothing named", "1; each in, or told at most 13 s"
)
async def test_who_zaps_fast_without_a_name_is_in_or_told_seconds(home: Household) -> None:
    screen = home.screen(CHROME, limit=1)
    refusals = 0
    for entry in (ONE, TWO, THREE, FOUR) * 5:
        home.clock.passes(1)
        answer = await screen.play(entry)
        if answer.status != 200:
            wait = retry_after(answer)
            # A channel nobody has watched yet is taken to be slower than it will turn out to be.
            assert wait <= 13
            refusals += 1
            home.clock.passes(wait)
            assert (await screen.play(entry)).decision == ("takeover", "1/1")
        assert await home.counted() == 1
    assert refusals


@situation("Zapping with `identity.takeover: none`", "1; in when the old one lapses")
@pytest.mark.parametrize("device", [None, "tv-1"])
async def test_without_takeover_who_zaps_waits_for_the_lapse(
    proxy: Proxy, device: str | None
) -> None:
    async with proxy(identity={"takeover": "none"}) as home:
        broadcast(home.stack.origin)
        screen = home.screen(CHROME, limit=1, device=device)
        await screen.play(ONE)
        wait = retry_after(await screen.play(TWO))
        assert 6 < wait <= 30
        home.clock.passes(wait)
        assert (await screen.play(TWO)).decision == ("admitted", "1/1")


@situation("Zapping with `identity.takeover: provisional`, nothing named", "2 for a beat, then 1")
async def test_who_zaps_plays_beside_what_was_left_until_a_beat_settles_it(proxy: Proxy) -> None:
    async with proxy(identity={"takeover": "provisional"}) as home:
        broadcast(home.stack.origin)
        screen = home.screen(CHROME, limit=1)
        await screen.play(ONE)
        left = list(screen.playing)
        assert (await screen.play(TWO)).decision == ("provisional", "2/1")
        assert 1 in await home.live_on(12, screen)
        assert await home.counted() == 1
        assert (await screen.fetch(left[0])).code == "stream_ended"
        # A neighbour who looks the same and plays on is not replaced.
        neighbour = home.screen(CHROME, limit=1)
        assert (await neighbour.play(THREE)).decision == ("provisional", "2/1")
        assert await home.live_on(4, screen) == {1}
        assert (await neighbour.refresh()).code == "stream_limit"


@situation("Any other device with `limits.on_limit: evict_oldest`", "1; in at once")
@pytest.mark.parametrize("before", SECONDS)
async def test_the_oldest_makes_room_where_the_operator_said_so(proxy: Proxy, before: str) -> None:
    async with proxy(limits={"on_limit": "evict_oldest"}) as home:
        broadcast(home.stack.origin)
        lend(home.stack.origin)
        television, phone = home.screen(ANDROID, limit=1), home.screen(IPHONE, limit=1)
        await television.play(before)
        assert (await phone.play(TWO)).decision == ("admitted", "1/1")
        ended = await television.refresh()
        assert (ended.code, ended.json["reason"]) == ("stream_ended", "evicted")
        assert await home.counted() == 1


@situation("A player is started again after a crash, same title", "1; in at once")
@pytest.mark.parametrize("entry", SECONDS)
@pytest.mark.parametrize("device", [None, "tv-1"])
async def test_a_crashed_player_takes_up_its_title_at_once(
    home: Household, entry: str, device: str | None
) -> None:
    await home.screen(ANDROID, limit=1, device=device).play(entry)
    home.clock.passes(1)
    again = home.screen(ANDROID, limit=1, device=device)
    assert (await again.play(entry)).decision == ("renewed", "1/1")


@situation("The same with a new playback session (AVPlayer, CMCD)", "1; in after 6 s (a film 38 s)")
@pytest.mark.parametrize("entry", SECONDS)
async def test_a_crashed_session_waits_seconds(home: Household, entry: str) -> None:
    await home.screen(IPHONE, limit=1, X_Playback_Session_Id="6A1D").play(entry)
    again = home.screen(IPHONE, limit=1, X_Playback_Session_Id="77F0")
    wait = retry_after(await again.play(entry))
    assert wait <= SECONDS[entry]
    home.clock.passes(wait)
    assert (await again.play(entry)).decision == ("takeover", "1/1")


@situation("The same, and below the limit", "2 until the old one lapses")
async def test_a_new_session_below_the_limit_is_a_second_stream_for_a_while(
    home: Household,
) -> None:
    await home.screen(CHROME, CMCD_Session='sid="6a1d"').play(ONE)
    again = home.screen(CHROME, CMCD_Session='sid="77f0"')
    assert (await again.play(ONE)).decision == ("admitted", "2/3")
    assert await home.live_on(32, again, every=8) == {2, 1}


@situation("Two devices of one model, one of them zaps at the limit", "both play on as they may")
async def test_a_neighbour_that_beats_is_never_ended_by_a_guess(home: Household) -> None:
    living_room, bedroom = home.screen(ANDROID, limit=1), home.screen(ANDROID, limit=1)
    await living_room.play(ONE)
    for _ in range(10):
        await home.live_on(4, living_room)
        assert retry_after(await bedroom.play(TWO)) <= 6
    assert await home.counted() == 1


@situation(
    "A film whose player never reported, and is gone", "1; evicted after `streams.silent_after`"
)
async def test_a_film_that_was_left_makes_room(home: Household) -> None:
    await home.screen(ANDROID, limit=1).play(FILM)
    other = home.screen(CHROME, limit=1)
    wait = retry_after(await other.play(SEQUEL))
    assert wait <= 120
    home.clock.passes(wait)
    assert (await other.play(SEQUEL)).decision == ("admitted", "1/1")
    assert await home.counted() == 1


@situation(
    "The entry is itself a live playlist and was ended; its viewer starts it again and again",
    "0, then 1 within a minute; each refusal says when",
)
async def test_a_viewer_who_tries_again_gets_in_within_a_minute(home: Household) -> None:
    screen = home.screen(CHROME, limit=1)
    entry = "/live/one/low/index.m3u8"
    await screen.start(entry)
    await screen.start(entry)
    (stream,) = await home.streams()
    stop = f"/_playgate/streams/{stream['id']}?token={screen.token}"
    assert (await screen.fetch(stop, method="DELETE")).status == 204
    for _ in range(59):
        home.clock.passes(1)
        ended = await screen.start(entry)
        assert ended.code == "stream_ended"
        assert 1 <= int(ended.headers["Retry-After"]) <= 10
    home.clock.passes(1)
    assert (await screen.start(entry)).decision == ("admitted", "1/1")
