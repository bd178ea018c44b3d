"""A viewer who moves between networks, and what looks like one."""

import pytest

from tests.wild.conftest import Proxy
from tests.wild.programme import broadcast
from tests.wild.screens import (
    ANDROID,
    CHROME,
    FIREFOX,
    HOME,
    HOTEL,
    IPHONE,
    MOBILE,
    OFFICE,
    Household,
    retry_after,
)
from tests.wild.situations import situation

CHANNEL, FILM = "/live/one/master.m3u8", "/live/film/master.m3u8"
CHANNEL_MPD = "/live/one/manifest.mpd"


@situation("Wi-Fi to mobile in the middle", "1")
@pytest.mark.parametrize("entry", [CHANNEL, CHANNEL_MPD])
async def test_a_phone_that_leaves_the_house_is_one_stream(home: Household, entry: str) -> None:
    phone = home.screen(ANDROID, limit=1)
    await phone.play(entry)
    phone.at = MOBILE
    assert await home.live_on(60, phone) == {1}
    phone.at = HOME
    assert await home.live_on(60, phone) == {1}


@situation("Wi-Fi to mobile while a film is paused", "1")
async def test_a_film_goes_on_elsewhere_after_a_pause(home: Household) -> None:
    phone = home.screen(ANDROID, limit=1)
    await phone.play(FILM)
    home.clock.passes(600)
    phone.at = MOBILE
    assert (await phone.segment()).status == 200
    assert (await phone.load("text")).decision == ("renewed", "1/1")
    assert await home.counted() == 1


@situation("A carrier that changes the address within its network (CGNAT)", "1")
async def test_an_address_of_the_same_network_is_the_same_network(home: Household) -> None:
    phone = home.screen(IPHONE, "100.64.7.1", limit=1)
    await phone.play(CHANNEL)
    for last in range(2, 12):
        phone.at = f"100.64.7.{last}"
        assert (await phone.refresh()).decision == ("renewed", "1/1")
    assert (await phone.play(CHANNEL)).decision == ("renewed", "1/1"), "a reload, too"


@situation("IPv6 addresses that change within a household's /64", "1")
async def test_privacy_addresses_are_one_network(home: Household) -> None:
    phone = home.screen(CHROME, "2001:db8:7:1:aaaa::1", limit=1)
    await phone.play(CHANNEL)
    phone.at = "2001:db8:7:1:ffff:9:8:7"
    assert (await phone.refresh()).decision == ("renewed", "1/1")
    assert (await phone.play(CHANNEL)).decision == ("renewed", "1/1")
    copied = home.screen(FIREFOX, "2001:db8:7:2::1")
    copied.playing = phone.playing
    assert (await copied.refresh()).code == "stream_limit", "the next /64 is another network"


@situation("IPv4 and IPv6 by turns", "1")
async def test_both_families_by_turns_are_one_stream(home: Household) -> None:
    screen = home.screen(CHROME, limit=1)
    await screen.play(CHANNEL)
    for at in ("2001:db8:7:1::1", HOME, "2001:db8:7:1::2", HOME):
        screen.at = at
        assert await home.live_on(8, screen) == {1}


@situation(
    "More than `identity.max_networks` networks at the same time", "the next network is 1 more"
)
async def test_a_network_too_many_is_a_stream_of_its_own(home: Household) -> None:
    screen = home.screen(CHROME)
    await screen.play(CHANNEL)
    for number, at in enumerate((HOME, MOBILE, HOTEL, OFFICE)):
        screen.at = at
        answer = await screen.refresh()
        assert answer.decision == (("renewed", "1/3") if number < 3 else ("admitted", "2/3"))
    assert await home.counted() == 2


@situation("Many networks, one after the other", "1")
async def test_a_journey_is_one_stream(home: Household) -> None:
    phone = home.screen(ANDROID, limit=1)
    await phone.play(CHANNEL)
    for stop in range(8):
        phone.at = f"198.51.{stop}.1"
        assert await home.live_on(32, phone, every=8) == {1}


@situation("A reload on another network, no device named", "2 until the old one lapses")
@pytest.mark.parametrize("entry", [CHANNEL, CHANNEL_MPD])
async def test_a_restart_elsewhere_is_told_when_the_old_stream_lapses(
    home: Household, entry: str
) -> None:
    assert (await home.screen(ANDROID).play(entry)).decision == ("admitted", "1/3")
    moved = home.screen(ANDROID, MOBILE)
    assert (await moved.play(entry)).decision == ("admitted", "2/3")
    home.clock.passes(20)
    await moved.refresh()
    home.clock.passes(11)
    assert await home.counted() == 1
    again = home.screen(ANDROID, HOTEL, limit=1)
    wait = retry_after(await again.play(entry))
    assert wait <= 30
    home.clock.passes(wait)
    assert (await again.play(entry)).decision == ("admitted", "1/1")


@situation("The same with a device claim", "1")
@pytest.mark.parametrize("entry", [CHANNEL, FILM, CHANNEL_MPD])
async def test_a_named_device_may_start_again_anywhere(home: Household, entry: str) -> None:
    await home.screen(ANDROID, limit=1, device="phone-1").play(entry)
    moved = home.screen(ANDROID, MOBILE, limit=1, device="phone-1")
    assert (await moved.play(entry)).decision == ("renewed", "1/1")
    assert await home.counted() == 1


@situation("A viewer writes X-Forwarded-For themselves", "it changes nothing")
async def test_a_forged_forwarding_field_past_the_balancer_is_not_believed(home: Household) -> None:
    forger = home.screen(CHROME, limit=1)
    await forger.play(CHANNEL)
    for number in range(5):
        # The balancer appends what it sees.
        forger.at = f"198.51.{number}.1, {HOME}"
        assert (await forger.refresh()).decision == ("renewed", "1/1")
        assert (await forger.play(CHANNEL)).decision == ("renewed", "1/1")


@situation("The same where no balancer stands before the proxy", "it changes nothing")
async def test_a_forwarding_field_of_a_stranger_is_not_believed(proxy: Proxy) -> None:
    async with proxy(listen={"trusted_proxies": ["10.0.0.0/8"]}) as home:
        broadcast(home.stack.origin)
        forger = home.screen(CHROME)
        await forger.play(CHANNEL)
        forger.at = MOBILE
        assert (await forger.play(CHANNEL)).decision == ("renewed", "1/3")


@situation(
    "A balancer that is not in `listen.trusted_proxies`", "all its viewers are on one network"
)
async def test_behind_a_balancer_nobody_trusts_all_are_at_one_place(proxy: Proxy) -> None:
    async with proxy(listen={"trusted_proxies": []}) as home:
        broadcast(home.stack.origin)
        here, away = home.screen(CHROME), home.screen(CHROME, MOBILE)
        await here.play(CHANNEL)
        assert (await away.play(CHANNEL)).decision == ("renewed", "1/3")
        assert await home.counted() == 1


@situation("The entry is itself a live playlist; Wi-Fi to mobile", "2 until the old one lapses")
async def test_an_entry_that_refreshes_itself_is_another_stream_elsewhere(home: Household) -> None:
    entry = "/live/one/low/index.m3u8"
    phone = home.screen(ANDROID)
    await phone.start(entry)
    phone.at = MOBILE
    assert (await phone.start(entry)).decision == ("admitted", "2/3")
    home.clock.passes(20)
    assert (await phone.start(entry)).decision == ("renewed", "2/3")
    home.clock.passes(11)
    assert (await phone.start(entry)).decision == ("renewed", "1/3")
