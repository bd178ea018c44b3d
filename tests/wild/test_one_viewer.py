"""One viewer, one stream, whatever their player does to watch it."""

import time
from types import SimpleNamespace

import pytest

from tests.support.stack import Answer
from tests.wild.conftest import Proxy
from tests.wild.programme import broadcast, lend
from tests.wild.screens import (
    ANDROID,
    CHROME,
    FFMPEG,
    FIREFOX,
    IPHONE,
    MOBILE,
    MPV,
    Household,
    retry_after,
)
from tests.wild.situations import situation

CHANNEL, FILM = "/live/one/master.m3u8", "/live/film/master.m3u8"
CHANNEL_MPD, FILM_MPD = "/live/one/manifest.mpd", "/live/film/manifest.mpd"
ENTRIES = [CHANNEL, FILM, CHANNEL_MPD, FILM_MPD]


def id_of(answer: Answer) -> str:
    assert answer.status in (200, 206)
    return answer.headers["Playgate-Stream"]


@situation("The page is reloaded", "1")
@pytest.mark.parametrize("entry", ENTRIES)
async def test_a_reload_is_the_same_stream(home: Household, entry: str) -> None:
    first = await home.screen(CHROME).play(entry)
    home.clock.passes(3)
    # A reloaded page asks for a token of its own.
    again = await home.screen(CHROME, claims=("jti=another",)).play(entry)
    assert again.decision == ("renewed", "1/3")
    assert id_of(again) == id_of(first)
    assert await home.counted() == 1


@situation("The player fetches the entry twice (mpv, yt-dlp)", "1")
@pytest.mark.parametrize("entry", [CHANNEL, FILM])
async def test_an_entry_fetched_twice_is_one_stream(home: Household, entry: str) -> None:
    mpv = home.screen(MPV, Range="bytes=0-", Icy_MetaData="1")
    assert (await mpv.start(entry)).decision == ("admitted", "1/3")
    assert (await mpv.play(entry, "low", "audio")).decision == ("renewed", "1/3")
    assert (await mpv.segment()).status == 200
    assert await home.counted() == 1


@situation("The player opens every rendition at once (ffmpeg)", "1")
@pytest.mark.parametrize("entry", [CHANNEL, FILM])
async def test_all_renditions_at_once_are_one_stream(home: Household, entry: str) -> None:
    ffmpeg = home.screen(FFMPEG, Range="bytes=0-")
    await ffmpeg.play(entry, "audio", "text", "low", "high")
    for playlist in ffmpeg.playing:
        assert (await ffmpeg.fetch(playlist)).decision == ("renewed", "1/3")
    assert await home.counted() == 1


@situation("Quality changes; sound and subtitles are switched on late", "1")
@pytest.mark.parametrize("entry", [CHANNEL, FILM])
async def test_renditions_loaded_late_are_the_same_stream(home: Household, entry: str) -> None:
    screen = home.screen(CHROME)
    started = await screen.play(entry, "low", "audio")
    for rendition in ("high", "text", "low"):
        home.clock.passes(25)
        loaded = await screen.load(rendition)
        assert loaded.decision == ("renewed", "1/3")
        assert id_of(loaded) == id_of(started)
    assert await home.counted() == 1


@situation("An advertising break: discontinuities, segments of another host, DASH periods", "1")
async def test_an_advertising_break_changes_nothing(proxy: Proxy) -> None:
    async with proxy() as home:
        broadcast(home.stack.origin, ads=True)
        lend(home.stack.origin, ads=True)
        for entry in (CHANNEL, FILM):
            screen = home.screen(IPHONE, X_Playback_Session_Id="6A1D")
            await screen.play(entry)
            manifest = await screen.fetch(screen.playing[0])
            assert "\nhttps://ads.example/spot-1.ts\n" in manifest.text, "no ticket for a stranger"
            assert (await screen.segment(-1)).status == 200
        assert await home.counted() == 2
        dash = home.screen(CHROME)
        segments = await dash.segments_of_periods(await dash.play(FILM_MPD))
        assert [segment.status for segment in segments] == [200, 200]
        assert await home.counted() == 3


@situation("The viewer seeks, in a film or back in a channel", "1")
@pytest.mark.parametrize("entry", [CHANNEL, FILM])
async def test_seeking_is_the_same_stream(home: Household, entry: str) -> None:
    screen = home.screen(FIREFOX)
    await screen.play(entry)
    for number in (1, -1, 0, -1):
        home.clock.passes(10)
        assert (await screen.segment(number)).status == 200
        assert await home.counted() == 1


@situation("A live channel is watched for an hour", "1 throughout")
@pytest.mark.parametrize("entry", [CHANNEL, CHANNEL_MPD])
async def test_a_channel_is_one_stream_for_as_long_as_it_is_refreshed(
    home: Household, entry: str
) -> None:
    screen = home.screen(CHROME, limit=1)
    await screen.play(entry)
    assert await home.live_on(3600, screen, every=24) == {1}


@situation("Paused for minutes, by a player that goes on refreshing (hls.js, Shaka, dash.js)", "1")
@pytest.mark.parametrize("entry", [CHANNEL, CHANNEL_MPD])
async def test_a_paused_player_that_refreshes_keeps_its_slot(home: Household, entry: str) -> None:
    screen = home.screen(CHROME, limit=1)
    await screen.play(entry)
    assert await home.live_on(300, screen, every=12) == {1}
    assert retry_after(await home.screen(FIREFOX, limit=1).play(entry)) > 0


@situation(
    "Paused for minutes, by a live player that falls silent", "0 after `streams.ttl`, then 1"
)
async def test_a_silent_pause_gives_the_slot_back_and_takes_it_again(home: Household) -> None:
    phone = home.screen(IPHONE, limit=1, X_Playback_Session_Id="6A1D")
    started = await phone.play(CHANNEL)
    home.clock.passes(31)
    assert await home.counted() == 0
    resumed = await phone.refresh()
    assert (resumed.decision, id_of(resumed)) == (("admitted", "1/1"), id_of(started))


@situation(
    "Paused and silent, and meanwhile somebody else took the last slot", "1; who resumes is refused"
)
async def test_who_comes_back_to_a_slot_that_is_taken_is_told_by_whom(home: Household) -> None:
    phone = home.screen(IPHONE, limit=1, X_Playback_Session_Id="6A1D")
    await phone.play(CHANNEL)
    home.clock.passes(31)
    television = home.screen(ANDROID, limit=1)
    assert (await television.play("/live/two/master.m3u8")).decision == ("admitted", "1/1")
    refused = await phone.refresh()
    assert 0 < retry_after(refused) <= 30
    assert [stream["content"].partition("/")[2] for stream in refused.json["streams"]] == [
        "live/two/master.m3u8"
    ]
    assert await home.live_on(40, television) == {1}


@situation("A film is paused for half an hour by a player that never reports", "1")
async def test_a_film_holds_its_slot_through_a_pause(home: Household) -> None:
    screen = home.screen(FFMPEG)
    await screen.play(FILM)
    home.clock.passes(1800)
    assert await home.counted() == 1
    assert (await screen.segment()).status == 200
    assert await home.counted() == 1


@situation("A background tab whose timers fire once a minute", "1 at each beat")
async def test_a_slowed_tab_takes_its_slot_again_at_each_beat(home: Household) -> None:
    tab = home.screen(CHROME, limit=1)
    started = await tab.play(CHANNEL)
    for _ in range(5):
        home.clock.passes(60)
        beat = await tab.refresh()
        assert (beat.decision[1], id_of(beat)) == ("1/1", id_of(started))
        assert await home.counted() == 1


@situation("A page is left and releases; the back button brings it back as it was", "0, then 1")
@pytest.mark.parametrize("entry", [CHANNEL, FILM, CHANNEL_MPD])
async def test_a_page_from_the_browsers_cache_takes_its_slot_again(
    home: Household, entry: str
) -> None:
    page = home.screen(FIREFOX, limit=1)
    started = await page.play(entry)
    await page.release()
    assert await home.counted() == 0
    home.clock.passes(10)
    back = await page.refresh()
    assert (back.decision, id_of(back)) == (("admitted", "1/1"), id_of(started))


@situation("An entry is fetched again after an hour", "1")
@pytest.mark.parametrize("entry", [CHANNEL, FILM])
async def test_an_entry_fetched_again_after_an_hour_is_the_same_stream(
    home: Household, entry: str
) -> None:
    screen = home.screen(ANDROID, limit=1)
    started = await screen.play(entry)
    await home.live_on(3600, screen, every=24)
    again = await screen.play(entry)
    assert (again.decision, id_of(again)) == (("renewed", "1/1"), id_of(started))


@situation("The token is renewed in the middle", "1")
@pytest.mark.parametrize("entry", ENTRIES)
async def test_a_renewed_token_is_the_same_stream(home: Household, entry: str) -> None:
    screen = home.screen(CHROME, limit=1, claims=("jti=first",))
    started = await screen.play(entry)
    screen.token = home.screen(CHROME, limit=1, claims=("jti=second",)).token
    renewed = await screen.play(entry)
    assert (renewed.decision, id_of(renewed)) == (("renewed", "1/1"), id_of(started))


@situation("The token expires in the middle", "1")
@pytest.mark.parametrize("entry", [CHANNEL, FILM, CHANNEL_MPD])
async def test_a_token_is_needed_for_the_entry_alone(
    proxy: Proxy, entry: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with proxy(auth={"leeway": "0s"}) as home:
        broadcast(home.stack.origin)
        lend(home.stack.origin)
        screen = home.screen(CHROME)
        screen.token = home.stack.token(ttl=3600)
        assert (await screen.play(entry)).decision == ("admitted", "1/3")
        # Tokens go by the system's clock, and not by the household's.
        later = time.time() + 3601
        monkeypatch.setattr("proxy.credentials.token.time", lambda: later)
        monkeypatch.setattr("proxy.credentials.bearer.time", SimpleNamespace(time=lambda: later))
        assert (await screen.fetch(screen.url(entry))).code == "token_expired"
        assert (await screen.refresh()).decision == ("renewed", "1/3")


@situation("A channel is left on for longer than `tickets.ttl`, HLS", "0, then 1 with a new token")
async def test_a_playlist_ends_with_its_ticket(proxy: Proxy) -> None:
    async with proxy(tickets={"ttl": "10m"}) as home:
        broadcast(home.stack.origin)
        screen = home.screen(CHROME, limit=1)
        started = await screen.play(CHANNEL)
        assert await home.live_on(288, screen, every=24) == {1}
        home.clock.passes(600)
        assert (await screen.refresh()).code == "ticket_invalid"
        assert await home.counted() == 0
        again = await home.screen(CHROME, limit=1).play(CHANNEL)
        assert (again.decision, id_of(again)) == (("admitted", "1/1"), id_of(started))


@situation("The same, DASH", "1 throughout")
async def test_an_mpd_outlives_its_ticket(proxy: Proxy) -> None:
    async with proxy(tickets={"ttl": "10m"}) as home:
        broadcast(home.stack.origin)
        screen = home.screen(CHROME, limit=1)
        await screen.play(CHANNEL_MPD)
        assert await home.live_on(1800, screen, every=24) == {1}


@situation("Manifests are asked for in ranges (ffmpeg, Chromium's own HLS)", "1")
@pytest.mark.parametrize("entry", ENTRIES)
async def test_a_range_of_a_manifest_is_a_request_like_any_other(
    home: Household, entry: str
) -> None:
    native = home.screen(CHROME, Range="bytes=0-")
    started = await native.play(entry)
    assert (started.status, started.decision) == (206, ("admitted", "1/3"))
    rest = await native.fetch(native.url(entry), Range="bytes=100-")
    assert rest.decision == ("renewed", "1/3")
    assert await home.counted() == 1


@situation("HEAD, then GET", "0, then 1")
@pytest.mark.parametrize("entry", ENTRIES)
async def test_head_asks_and_takes_nothing(home: Household, entry: str) -> None:
    screen = home.screen(CHROME, limit=1)
    assert (await screen.fetch(screen.url(entry), method="HEAD")).status == 200
    assert await home.counted() == 0
    assert (await screen.play(entry)).decision == ("admitted", "1/1")
    # Who asks by HEAD at the limit is told what a GET would be told.
    other = home.screen(FIREFOX, MOBILE, limit=1)
    assert (await other.fetch(other.url(entry), method="HEAD")).status == 429
    assert await home.counted() == 1
