"""Films whose players load everything at once and are made to report by content steering."""

import pytest

from tests.wild.conftest import Proxy
from tests.wild.programme import lend
from tests.wild.screens import (
    ANDROID,
    APPLE_TV,
    CHROME,
    FIREFOX,
    HOTEL,
    MOBILE,
    Household,
    Screen,
    retry_after,
)
from tests.wild.situations import situation

FILM, SEQUEL = "/live/film/master.m3u8", "/live/sequel/master.m3u8"
FILM_MPD = "/live/film/manifest.mpd"
LENGTH = 90 * 60


async def viewer(home: Household, agent: str = CHROME, entry: str = FILM) -> Screen:
    """Somebody whose player has loaded the whole film, and reports since."""
    screen = home.screen(agent, limit=1)
    started = await screen.play(entry, *(("low", "audio") if entry == FILM else ()))
    assert started.decision == ("admitted", "1/1")
    if entry == FILM:
        last = await screen.segment(-1)
    else:
        *_, last = await screen.segments_of_periods(started)
    assert last.status == 200
    home.clock.passes(20)
    await screen.report()
    return screen


@situation("The whole film is loaded in 20 s and watched to its end", "1 throughout")
@pytest.mark.parametrize("entry", [FILM, FILM_MPD])
async def test_a_film_that_is_loaded_at_once_is_one_stream_to_its_end(
    home: Household, entry: str
) -> None:
    screen = await viewer(home, entry=entry)
    assert await home.report_on(LENGTH, screen) == {1}
    assert (await home.screen(FIREFOX, limit=1).play(SEQUEL)).code == "stream_limit"


@situation("The tab is closed, or the player crashes", "0 after `streams.vod_ttl`")
@pytest.mark.parametrize("entry", [FILM, FILM_MPD])
async def test_a_closed_tab_frees_its_film(home: Household, entry: str) -> None:
    await viewer(home, entry=entry)
    other = home.screen(FIREFOX, limit=1)
    wait = retry_after(await other.play(SEQUEL))
    assert wait <= 90
    home.clock.passes(wait)
    assert await home.counted() == 0
    assert (await other.play(SEQUEL)).decision == ("admitted", "1/1")


@situation("A film is paused for longer than it lasts", "1 throughout")
async def test_a_pause_of_hours_keeps_the_slot(home: Household) -> None:
    screen = await viewer(home)
    assert await home.report_on(2 * LENGTH, screen, every=60) == {1}
    assert (await screen.load("text")).decision == ("renewed", "1/1"), "subtitles, now"


@situation("A background tab whose timers fire once a minute, a film", "1 throughout")
async def test_a_slowed_tab_keeps_its_film(home: Household) -> None:
    screen = await viewer(home)
    for _ in range(10):
        home.clock.passes(59)
        assert await home.counted() == 1, "also between two reports"
        home.clock.passes(1)
        await screen.report()


@situation("The lid is closed for an hour, and opened", "0, then 1")
async def test_a_computer_that_slept_takes_its_slot_again(home: Household) -> None:
    screen = await viewer(home)
    home.clock.passes(3600)
    assert await home.counted() == 0
    await screen.report()
    assert await home.counted() == 1


@situation("The same, and meanwhile somebody else took the last slot", "1; what is loaded plays on")
async def test_a_computer_that_slept_too_long_takes_nothing_from_others(home: Household) -> None:
    screen = await viewer(home)
    home.clock.passes(3600)
    other = home.screen(FIREFOX, limit=1)
    assert (await other.play(SEQUEL)).decision == ("admitted", "1/1")
    for _ in range(3):
        home.clock.passes(30)
        await screen.report()
        await other.report()
        assert [stream["content"].split("/")[2] for stream in await home.streams()] == ["sequel"]
    assert retry_after(await screen.refresh()) > 0


@situation("A film is left open, and another is watched on the same named device", "1; that one")
@pytest.mark.parametrize("settings", [{}, {"limits": {"on_limit": "evict_oldest"}}])
async def test_a_report_ends_nothing_that_is_watched(
    proxy: Proxy, settings: dict[str, dict[str, str]]
) -> None:
    async with proxy(**settings) as home:
        lend(home.stack.origin)
        left, other = (home.screen(CHROME, limit=1, device="pc-1") for _ in range(2))
        await left.play(FILM)
        await left.report()
        home.clock.passes(3600)
        assert (await other.play(SEQUEL)).decision == ("admitted", "1/1")
        await other.report()
        beat = left.steering.replace("steering", "heartbeat")
        for _ in range(3):
            home.clock.passes(30)
            await left.report()
            assert retry_after(await left.fetch(beat, method="POST")) > 0
            assert (await other.segment()).status == 200
            await other.report()


@situation("The same, while a player that never reports shows a film", "1; that one")
async def test_a_report_takes_no_slot_from_a_silent_player(home: Household) -> None:
    laptop = await viewer(home)
    home.clock.passes(3600)
    television = home.screen(APPLE_TV, limit=1)
    assert (await television.play(SEQUEL)).decision == ("admitted", "1/1")
    home.clock.passes(150)
    await laptop.report()
    assert (await television.segment()).status == 200


@situation("A film is reloaded in the middle", "1")
async def test_a_reloaded_film_is_the_same_stream(home: Household) -> None:
    before = await viewer(home)
    again = home.screen(CHROME, limit=1)
    assert (await again.play(FILM)).decision == ("renewed", "1/1")
    # The old page's last report may come late.
    assert await home.report_on(90, again, before) == {1}


@situation("One film in two tabs, one is closed and releases", "1; 0 until the other reports")
async def test_the_other_tab_takes_the_slot_again(home: Household) -> None:
    one = await viewer(home)
    two = home.screen(CHROME, limit=1)
    await two.play(FILM)
    await one.release()
    assert await home.counted() == 0
    assert await home.report_on(60, two) == {1}


@situation("Wi-Fi to mobile, a film that is loaded", "1")
@pytest.mark.parametrize("entry", [FILM, FILM_MPD])
async def test_reports_from_another_network_are_the_same_stream(
    home: Household, entry: str
) -> None:
    phone = await viewer(home, ANDROID, entry)
    phone.at = MOBILE
    assert await home.report_on(300, phone) == {1}


@situation("A film's URLs copied to another device elsewhere", "2; at the limit it is refused")
async def test_a_copy_that_only_reports_takes_nothing(home: Household) -> None:
    screen = await viewer(home)
    copy = home.screen(FIREFOX, HOTEL)
    # It is told to stay, like everybody, and counted by nobody.
    copy.playing, copy.steering = screen.playing, screen.steering
    assert await home.report_on(60, screen, copy) == {1}
    assert (await copy.refresh()).code == "stream_limit"


@situation("The film has ended, and the tab stays open (Shaka, video.js)", "1 until it is closed")
async def test_a_player_that_reports_on_after_the_end_is_counted(home: Household) -> None:
    screen = await viewer(home)
    await home.report_on(LENGTH, screen, every=60)
    assert await home.report_on(1800, screen, every=60) == {1}
    await screen.release()
    assert await home.counted() == 0


@situation("`streams.keepalive: false`", "1 to the end of the film; evicted when silent")
@pytest.mark.parametrize("entry", [FILM, FILM_MPD])
async def test_without_keep_alive_a_film_is_held_for_its_length(proxy: Proxy, entry: str) -> None:
    async with proxy(streams={"keepalive": False}) as home:
        lend(home.stack.origin)
        screen = home.screen(CHROME, limit=1)
        await screen.play(entry)
        assert not screen.steering
        home.clock.passes(LENGTH - 1)
        assert await home.counted() == 1
        home.clock.passes(2)
        assert await home.counted() == 0
        await screen.play(entry)
        other = home.screen(FIREFOX, limit=1)
        wait = retry_after(await other.play(SEQUEL))
        assert wait <= 120
        home.clock.passes(wait)
        assert (await other.play(SEQUEL)).decision == ("admitted", "1/1")
