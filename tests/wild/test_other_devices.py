"""Where there are two devices, or what could be taken for two."""

import pytest

from tests.wild.conftest import Proxy
from tests.wild.programme import broadcast
from tests.wild.screens import (
    ANDROID,
    APPLE_TV,
    CHROME,
    CHROMECAST,
    FIREFOX,
    HOTEL,
    IPHONE,
    MOBILE,
    SAFARI,
    Household,
    retry_after,
)
from tests.wild.situations import situation

CHANNEL, FILM, SEQUEL = (
    "/live/one/master.m3u8",
    "/live/film/master.m3u8",
    "/live/sequel/master.m3u8",
)
CHANNEL_MPD = "/live/one/manifest.mpd"
ENTRIES = [CHANNEL, FILM, CHANNEL_MPD]


@situation("One title in two tabs of a browser", "1")
@pytest.mark.parametrize("entry", ENTRIES)
async def test_two_tabs_of_one_title_are_one_stream(home: Household, entry: str) -> None:
    one, two = home.screen(CHROME, limit=1), home.screen(CHROME, limit=1)
    await one.play(entry)
    assert (await two.play(entry)).decision == ("renewed", "1/1")
    # One is closed, and says so; the other's next request takes the slot again.
    await one.release()
    home.clock.passes(4)
    assert (await two.refresh()).decision[1] == "1/1"
    assert await home.counted() == 1


@situation("Two titles in two tabs", "2")
async def test_two_titles_in_two_tabs_are_two_streams(home: Household) -> None:
    await home.screen(CHROME).play(CHANNEL)
    assert (await home.screen(CHROME).play(FILM)).decision == ("admitted", "2/3")


@situation("One title on two devices of one model in one home, nothing named", "1")
@pytest.mark.parametrize("entry", ENTRIES)
async def test_two_devices_that_look_the_same_are_one_stream(home: Household, entry: str) -> None:
    await home.screen(ANDROID).play(entry)
    assert (await home.screen(ANDROID).play(entry)).decision == ("renewed", "1/3")


@situation("The same with a device claim in the token", "2")
@pytest.mark.parametrize("entry", ENTRIES)
async def test_two_named_devices_are_two_streams(home: Household, entry: str) -> None:
    await home.screen(ANDROID, device="tv-1").play(entry)
    assert (await home.screen(ANDROID, device="tv-2").play(entry)).decision == ("admitted", "2/3")


@situation("The same with `identity.device_header`", "2")
async def test_two_devices_named_by_a_header_are_two_streams(proxy: Proxy) -> None:
    async with proxy(identity={"device_header": "X-Device"}) as home:
        broadcast(home.stack.origin)
        await home.screen(ANDROID, X_Device="tv-1").play(CHANNEL)
        two = home.screen(ANDROID, X_Device="tv-2")
        assert (await two.play(CHANNEL)).decision == ("admitted", "2/3")


@situation("The same with `identity.jti_per_playback`", "2; a page's reload, too, until one lapses")
async def test_a_token_for_each_playback_tells_them_apart(proxy: Proxy) -> None:
    async with proxy(identity={"jti_per_playback": True}) as home:
        broadcast(home.stack.origin)
        await home.screen(ANDROID, claims=("jti=one",)).play(CHANNEL)
        two = home.screen(ANDROID, claims=("jti=two",))
        assert (await two.play(CHANNEL)).decision == ("admitted", "2/3")
        assert (await two.play(CHANNEL)).decision == ("renewed", "2/3")


@situation("The same where players send a session of their own (AVPlayer, CMCD)", "2")
@pytest.mark.parametrize("said_in", ["X-Playback-Session-Id", "CMCD-Session", "query"])
@pytest.mark.parametrize("entry", ENTRIES)
async def test_two_playback_sessions_are_two_streams(
    home: Household, said_in: str, entry: str
) -> None:
    for number, session in enumerate(("6A1D", "77F0"), 1):
        screen = home.screen(IPHONE)
        if said_in == "query":
            # hls.js, dash.js and Media3 put it on each request.
            screen.query = f"CMCD=br%3D3200%2Ccid%3D%22one%22%2Csid%3D%22{session}%22"
        else:
            apple = said_in.startswith("X-")
            screen.fields[said_in] = session if apple else f'cid="one",sid="{session}"'
        assert (await screen.play(entry)).decision == ("admitted", f"{number}/3")
        # On all that it asks for the session stays, and so does the stream.
        assert (await screen.play(entry)).decision == ("renewed", f"{number}/3")
        assert (await screen.refresh()).decision == ("renewed", f"{number}/3")


@situation("The session changes in the middle (AirPlay to a device of the same kind)", "1")
async def test_a_session_that_changes_on_the_way_is_the_same_stream(home: Household) -> None:
    phone = home.screen(IPHONE, limit=1, X_Playback_Session_Id="6A1D")
    await phone.play(CHANNEL)
    phone.fields["X-Playback-Session-Id"] = "77F0"
    phone.agent = APPLE_TV
    assert await home.live_on(40, phone) == {1}


@situation("AirPlay, and the television fetches the entry", "2 until the phone's lapses")
async def test_a_television_that_starts_for_a_phone_is_a_stream(home: Household) -> None:
    phone = home.screen(IPHONE, X_Playback_Session_Id="6A1D")
    await phone.play(CHANNEL)
    television = home.screen(APPLE_TV, X_Playback_Session_Id="77F0")
    assert (await television.play(CHANNEL)).decision == ("admitted", "2/3")
    assert await home.live_on(32, television, every=8) == {2, 1}


@situation("AirPlay with a device claim", "1")
@pytest.mark.parametrize("entry", [CHANNEL, FILM])
async def test_a_television_with_the_phones_token_is_the_phone(home: Household, entry: str) -> None:
    phone = home.screen(IPHONE, limit=1, device="phone-1", X_Playback_Session_Id="6A1D")
    await phone.play(entry)
    television = home.screen(APPLE_TV, X_Playback_Session_Id="77F0")
    television.token = phone.token
    assert (await television.play(entry)).decision == ("renewed", "1/1")


@situation("Cast to a receiver that starts anew, at the limit", "1; let in as the page releases")
@pytest.mark.parametrize("entry", ENTRIES)
async def test_a_cast_is_let_in_as_soon_as_the_page_releases(home: Household, entry: str) -> None:
    page = home.screen(CHROME, limit=1)
    await page.play(entry)
    receiver = home.screen(CHROMECAST, limit=1)
    assert retry_after(await receiver.play(entry)) <= 120
    await page.release()
    assert (await receiver.play(entry)).decision == ("admitted", "1/1")


@situation("A ticket URL on another device of the same home", "1")
async def test_a_url_handed_on_within_a_home_is_the_same_stream(home: Household) -> None:
    page, receiver = home.screen(CHROME, limit=1), home.screen(CHROMECAST, limit=1)
    await page.play(CHANNEL)
    receiver.playing = page.playing
    assert await home.live_on(40, receiver) == {1}


@situation("A ticket URL copied to another device elsewhere", "2; at the limit it is refused")
@pytest.mark.parametrize("entry", ENTRIES)
@pytest.mark.parametrize("device", [None, "phone-1"])
async def test_a_copied_url_costs_a_slot(home: Household, entry: str, device: str | None) -> None:
    page = home.screen(CHROME, limit=1, device=device)
    await page.play(entry)
    copy = home.screen(FIREFOX, HOTEL)
    copy.playing = page.playing
    assert retry_after(await copy.refresh()) > 0
    assert (await page.refresh()).decision == ("renewed", "1/1")
    page.token = home.screen(CHROME, limit=2, device=device).token
    await page.play(entry)
    copy.playing = page.playing
    assert (await copy.refresh()).decision == ("admitted", "2/2")
    assert (await page.refresh()).decision == ("renewed", "2/2")


@situation("A ticket URL cast from a phone on mobile to a television on Wi-Fi", "2; 1 if released")
@pytest.mark.parametrize("entry", ENTRIES)
async def test_a_url_handed_to_another_network_is_a_stream(home: Household, entry: str) -> None:
    phone = home.screen(CHROME, MOBILE, limit=1)
    await phone.play(entry)
    television = home.screen(CHROMECAST)
    television.playing = phone.playing
    assert (await television.refresh()).code == "stream_limit"
    await phone.release()
    assert (await television.refresh()).decision == ("admitted", "1/1")


@situation("A ticket URL given to a crowd", "each network past `identity.max_networks` is 1 more")
async def test_a_crowd_with_one_ticket_is_held_to_the_limit(home: Household) -> None:
    page = home.screen(CHROME)
    await page.play(CHANNEL)
    crowd = [home.screen(CHROME, f"198.51.{number}.1") for number in range(20)]
    for one in crowd:
        one.playing = page.playing
    served = [one for one in crowd if (await one.refresh()).status == 200]
    # The page's stream on two networks beside its own, and a stream of its own for two more.
    assert len(served) == 4
    assert await home.counted() == 3
    assert await home.live_on(40, page, *served) == {3}


@situation("A token URL given to a crowd", "1 for each device")
async def test_a_crowd_with_one_token_is_held_to_the_limit(home: Household) -> None:
    page = home.screen(CHROME)
    await page.play(CHANNEL)
    crowd = [home.screen(CHROME, f"198.51.{number}.1") for number in range(10)]
    for one in crowd:
        one.token = page.token
    assert [(await one.play(CHANNEL)).status for one in crowd] == [200] * 2 + [429] * 8


@situation(
    "A token URL with a device claim given to a crowd", "1 for three networks, then 1 for each"
)
async def test_a_crowd_with_one_devices_token_is_held_to_the_limit(home: Household) -> None:
    page = home.screen(ANDROID, device="tv-1")
    await page.play(CHANNEL)
    crowd = [home.screen(FIREFOX, f"198.51.{number}.1") for number in range(10)]
    for one in crowd:
        one.token = page.token
    assert [(await one.play(CHANNEL)).status for one in crowd] == [200] * 4 + [429] * 6


@situation("A page fetches the entry, then its `<video>` (Chromium)", "1")
async def test_a_page_and_its_own_player_are_one_stream(home: Household) -> None:
    page, video = home.screen(CHROME, limit=1), home.screen(CHROME, limit=1, Range="bytes=0-")
    await page.start(CHANNEL)
    assert (await video.play(CHANNEL)).decision == ("renewed", "1/1")


@situation("A page fetches the entry, then its `<video>` (Safari)", "2; with HEAD 1")
async def test_a_page_asks_by_head_where_its_player_has_another_name(home: Household) -> None:
    page = home.screen(SAFARI)
    video = home.screen(IPHONE, X_Playback_Session_Id="6A1D")
    await page.fetch(page.url(CHANNEL), method="HEAD")
    assert (await video.play(CHANNEL)).decision == ("admitted", "1/3")
    await page.start(CHANNEL)
    assert await home.counted() == 2


@situation(
    "An app whose player has another User-Agent than what fetched the entry",
    "1; 2 on another network",
)
async def test_a_player_of_another_name_is_taken_for_a_copy_once_it_moves(home: Household) -> None:
    app = home.screen("tv.example/4.1 CFNetwork/1498.700.2 Darwin/23.6.0")
    await app.start(CHANNEL)
    app.agent = IPHONE
    await app.load("low")
    assert await home.live_on(40, app) == {1}
    app.at = MOBILE
    assert (await app.refresh()).decision == ("admitted", "2/3")
    assert await home.live_on(32, app, every=8) == {2, 1}


@situation("The next episode is loaded before this one ends", "2")
async def test_a_preloaded_episode_is_a_stream(home: Household) -> None:
    await home.screen(CHROME).play(FILM)
    assert (await home.screen(CHROME).play(SEQUEL)).decision == ("admitted", "2/3")


@situation("The same at the limit, nothing named", "1; the next one is refused")
async def test_a_preloaded_episode_is_refused_at_the_limit(home: Household) -> None:
    screen = home.screen(CHROME, limit=1)
    await screen.play(FILM)
    assert retry_after(await home.screen(CHROME, limit=1).play(SEQUEL)) <= 38
    assert (await screen.segment()).status == 200


@situation("The same at the limit, on a named device", "1; the one that plays is ended")
async def test_a_preloaded_episode_ends_the_one_that_plays_on_a_named_device(
    home: Household,
) -> None:
    screen = home.screen(CHROME, limit=1, device="pc-1")
    await screen.play(FILM)
    preload = home.screen(CHROME, limit=1, device="pc-1")
    assert (await preload.fetch(preload.url(SEQUEL), method="HEAD")).status == 200
    assert (await screen.segment()).status == 200, "a HEAD ends nothing"
    assert (await preload.play(SEQUEL)).decision == ("takeover", "1/1")
    assert (await screen.refresh()).code == "stream_ended"
