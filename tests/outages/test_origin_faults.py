"""One origin of two falls ill in every way, then both: what becomes of who plays, in figures."""

import asyncio
import re
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest

from tests.conftest import Tell
from tests.engines.audience import CHANNELS, PLAYLIST, Audience
from tests.outages import sick
from tests.support.origin import HLS, TestOrigin
from tests.support.playlists import MASTER, VOD
from tests.support.poll import until
from tests.support.stack import Stack

pytestmark = pytest.mark.engines

ACCOUNTS = 8
# A quarter of it is how long who plays may have to wait for another origin, at most.
TIMEOUT_SECONDS = 6
ANSWERS = {
    f"/live/{channel}/{path}": (HLS, text)
    for channel in CHANNELS
    for path, text in (("master.m3u8", MASTER), ("low/index.m3u8", PLAYLIST))
}

FAULTS: dict[str, sick.Ailment | None] = {
    "is killed": None,
    "hangs": sick.hang,
    "resets each connection in the middle of the body": sick.reset,
    "drips": sick.drip,
    "sends bodies without end": sick.never_end,
    "says 500": sick.oops,
    "sends a web page": sick.web_page,
    "sends gzip bombs": sick.bomb,
    "redirects in a circle": sick.loop,
}


@asynccontextmanager
async def watched(first: sick.Origin) -> AsyncIterator[tuple[Stack, Audience]]:
    """Have viewers play on from two origins, without a cache: each refresh asks one of them."""
    async with sick.Origin(ANSWERS) as second, first:
        settings = {"timeout": f"{TIMEOUT_SECONDS}s", "cache": "0s"}
        async with Stack(live={"origins": [first.url, second.url]}, origin=settings) as stack:
            audience = Audience(stack)
            await audience.watch(ACCOUNTS)
            try:
                yield stack, audience
            finally:
                await audience.leave()


def is_up(stack: Stack, origin: sick.Origin, *, up: bool) -> Callable[[], Awaitable[bool]]:
    async def so() -> bool:
        value = stack.service.metrics.registry.get_sample_value
        return value("playgate_origin_up", {"origin": origin.url}) == float(up)

    return so


def more(audience: Audience, times: int) -> Callable[[], Awaitable[bool]]:
    """Tell whether each viewer was answered so many times more than by now."""
    before = [len(viewer.seconds) for viewer in audience.viewers]

    async def so() -> bool:
        now = [len(viewer.seconds) for viewer in audience.viewers]
        return all(later >= first + times for first, later in zip(before, now, strict=True))

    return so


def p99(audience: Audience, since: list[int]) -> float:
    """Give how long 99 % of the refreshes took at most that began since then (milliseconds)."""
    took = sorted(
        second
        for viewer, first in zip(audience.viewers, since, strict=True)
        for second in viewer.seconds[first:]
    )
    return 1000 * took[min(len(took) - 1, round(len(took) * 0.99))]


def by_now(audience: Audience) -> list[int]:
    return [len(viewer.seconds) for viewer in audience.viewers]


async def endure(origin: sick.Origin, ailment: sick.Ailment | None) -> str:
    """Have viewers play while an origin falls ill and gets well; give the figures."""
    async with watched(origin) as (stack, audience):
        begun = by_now(audience)
        await until(more(audience, 3), "all have played for a while")
        before = p99(audience, begun)
        ill = by_now(audience)
        fell_ill = time.monotonic()
        if ailment is None:
            await origin.kill()
        origin.ill = ailment
        await until(is_up(stack, origin, up=False), "it is left alone")
        left_alone = time.monotonic() - fell_ill
        await until(more(audience, 4), "all play on")
        during = p99(audience, ill)
        origin.ill = None
        if ailment is None:
            await origin.start()
        got_well = time.monotonic()
        await until(is_up(stack, origin, up=True), "it is used again")
        used_again = time.monotonic() - got_well
        asked = origin.asked
        await until(more(audience, 2), "all play on")
        assert origin.asked > asked
        told = sum((viewer.told for viewer in audience.viewers), Counter[str]())
    assert set(told) == {"renewed"}, told
    return (
        f"{told.total()} refreshes, 0 failed; 99 % within {during:.0f} ms, {before:.0f} before;"
        f" left alone after {left_alone:.1f} s, used again {used_again:.1f} s after it was well"
    )


@pytest.mark.parametrize("fault", FAULTS)
async def test_nobody_who_plays_notices_an_origin_that(fault: str, tell: Tell) -> None:
    tell(f"one origin of two {fault}: {await endure(sick.Origin(ANSWERS), FAULTS[fault])}")


async def test_nobody_is_led_to_a_stranger(tell: Tell) -> None:
    async with TestOrigin() as stranger:
        figures = await endure(sick.Origin(ANSWERS), sick.leads_to(stranger.url))
        assert stranger.requests == []
    tell(f"one origin of two redirects to a stranger: {figures}")


# --- Both ---------------------------------------------------------------------------------------

TARGET_SECONDS = 6
MARK = re.compile(r"#MADE:([\d.]+)")
FILM, MOVING, START = "/live/film.m3u8", "/live/a/low/index.m3u8", "/live/a/master.m3u8"


class Moving(dict[str, tuple[str, str]]):
    """What origins serve, a live playlist among it that says when it was made."""

    def __getitem__(self, path: str) -> tuple[str, str]:
        kind, text = super().__getitem__(path)
        text = text.replace("DURATION:1", f"DURATION:{TARGET_SECONDS}")
        return kind, f"{text}#MADE:{time.monotonic()}\n" if path == MOVING else text


async def test_while_both_are_away_live_is_shown_for_a_target_duration_and_films_go_on(
    tell: Tell,
) -> None:
    answers = Moving({**ANSWERS, FILM: (HLS, VOD)})
    settings = {"timeout": "1m", "cache": "1s"}
    # When each playlist was made, and heard of first; and when they were asked for that were shown.
    heard, shown = dict[float, float](), list[tuple[float, float]]()
    async with sick.Origin(answers) as first, sick.Origin(answers) as second:
        both = [first, second]
        live = {"origins": [origin.url for origin in both]}
        async with Stack(live=live, origin=settings) as stack:
            entry = await stack.watch(START)
            refresh = f"/live/a/{entry.uris()[0]}"

            async def all_that_play() -> tuple[int, int]:
                begun = time.monotonic()
                answer = await stack.ask(refresh)
                if answer.status == 200:
                    made = float(MARK.findall(answer.text)[0])
                    heard.setdefault(made, time.monotonic())
                    shown.append((begun, made))
                return answer.status, (await stack.watch(FILM, "bob")).status

            async def is_live() -> bool:
                """Tell whether the playlist is shown; it may not be where it is old by now."""
                status, film = await all_that_play()
                is_due = time.monotonic() < max(heard) + TARGET_SECONDS
                assert film == 200
                assert status == 200 or not is_due
                return status == 200

            async def kill() -> float:
                for origin in both:
                    await origin.kill()
                return time.monotonic()

            assert await all_that_play() == (200, 200)
            assert (await stack.watch(START, "carol")).status == 200

            # Away for less than a target duration.
            went, played = await kill(), 0
            while time.monotonic() < went + 0.3 * TARGET_SECONDS:
                played += await is_live()
                await asyncio.sleep(0.05)
            for origin in both:
                await origin.start()
            back = time.monotonic()

            async def is_fresh() -> bool:
                return await is_live() and max(heard) > back

            await until(is_fresh, "the playlist goes on")
            recovered = time.monotonic() - back
            tell(
                f"both origins are away for {back - went:.1f} s, the target duration being"
                f" {TARGET_SECONDS} s: {played} refreshes and starts of films, 0 failed;"
                f" live goes on {recovered:.1f} s after they are back"
            )

            # And for more.
            went, statuses, films = await kill(), list[int](), list[int]()
            while 502 not in statuses or time.monotonic() < went + TARGET_SECONDS + 1:
                status, film = await all_that_play()
                statuses.append(status)
                films.append(film)
                await asyncio.sleep(0.05)
            refused = await stack.watch(START, "dave")
            assert (refused.status, refused.code) == (502, "origin_unreachable")
            listed = await stack.operate("/admin/v1/accounts/dave/streams")
            assert listed.json["streams"] == [], "who cannot play has no slot"
            assert set(films) == {200}
            assert set(statuses) == {200, 502}
            cut = statuses.index(502)
            assert set(statuses[cut:]) == {502}
            for origin in both:
                await origin.start()
            back = time.monotonic()

            async def goes_on() -> bool:
                return await all_that_play() == (200, 200)

            await until(goes_on, "live goes on")
            oldest = max(begun - made for begun, made in shown)
            tell(
                f"both origins are away for {back - went:.1f} s: {len(films)} starts of films,"
                f" 0 failed; live was shown until its playlist was {oldest:.1f} s old, then"
                f" {len(statuses) - cut} of {len(statuses)} refreshes failed, as they must;"
                f" it goes on {time.monotonic() - back:.1f} s after they are back"
            )
            # From when the proxy has it, which is before anybody hears of it.
            assert all(begun < heard[made] + TARGET_SECONDS for begun, made in shown)
