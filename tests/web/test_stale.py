"""What stands in for a manifest that cannot be had, and for how long."""

from collections.abc import AsyncIterator
from itertools import count
from types import SimpleNamespace

import pytest
from aiohttp import web

from proxy import manifest_caches
from tests.support.origin import HLS
from tests.support.playlists import LIVE, MASTER, VOD, serve_channels, serve_film
from tests.support.stack import Answer, Stack

FILM, CHANNEL = "/live/film.m3u8", "/live/one/master.m3u8"
LOW = "/live/one/low/index.m3u8"
# It stands in for its target duration, which is longer than any test takes.
SLOW = LIVE.replace("TARGETDURATION:4", "TARGETDURATION:3600")
BUSY = web.Response(status=503, text="busy")


@pytest.fixture
async def stack(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Stack]:
    """Serve manifests that are asked for anew each time, and kept.

    Between any two looks at the cache's clock more time passes than it holds them fresh.
    """
    monkeypatch.setattr(manifest_caches, "time", SimpleNamespace(monotonic=count().__next__))
    async with Stack(origin={"cache": "1ms"}) as running:
        serve_film(running.origin, "film")
        serve_channels(running.origin, "one")
        running.origin.answers[LOW] = (HLS, SLOW)
        yield running


def film(cache_control: str) -> web.Response:
    return web.Response(text=VOD, headers={"Content-Type": HLS, "Cache-Control": cache_control})


def counted(stack: Stack) -> float:
    value = stack.service.metrics.registry.get_sample_value
    return value("playgate_manifest_cache_total", {"result": "stale"}) or 0.0


async def test_a_film_is_served_on_while_its_origin_says_5xx_or_nonsense(stack: Stack) -> None:
    before = await stack.watch(FILM)
    for ill in (BUSY, ("text/html", "<html>"), web.Response(status=302, headers={"Location": "/"})):
        stack.origin.answers[FILM] = ill
        answer = await stack.watch(FILM, "bob")
        assert (answer.status, answer.uris()[0][:8]) == (200, before.uris()[0][:8])
    assert counted(stack) == 3


async def test_what_was_never_had_has_nothing_to_stand_in(stack: Stack) -> None:
    stack.origin.answers[FILM] = BUSY
    assert (await stack.watch(FILM)).status == 503
    assert counted(stack) == 0


async def test_a_film_that_is_withdrawn_never_comes_back_in_an_outage(stack: Stack) -> None:
    assert (await stack.watch(FILM)).status == 200
    for withdrawn in (404, 410):
        stack.origin.answers[FILM] = web.Response(status=withdrawn)
        assert (await stack.watch(FILM)).status == withdrawn
    stack.origin.answers[FILM] = BUSY
    assert (await stack.watch(FILM)).status == 503


@pytest.mark.parametrize(
    ("cache_control", "status"),
    [
        *(("no-cache", 503), ("no-store", 503), ("max-age=0, must-revalidate", 503)),
        *(("private", 503), ("s-maxage=0", 503), ("max-age=0, stale-if-error=0", 503)),
        *(("max-age=0", 200), ("s-maxage=0, stale-if-error=600", 200)),
    ],
)
async def test_the_origin_may_forbid_it(stack: Stack, cache_control: str, status: int) -> None:
    stack.origin.answers[FILM] = film(cache_control)
    assert (await stack.watch(FILM)).status == 200
    stack.origin.answers[FILM] = BUSY
    assert (await stack.watch(FILM)).status == status


async def test_without_a_cache_nothing_stands_in() -> None:
    async with Stack(origin={"cache": "0s"}) as stack:
        serve_film(stack.origin, "film")
        assert (await stack.watch(FILM)).status == 200
        stack.origin.answers[FILM] = BUSY
        assert (await stack.watch(FILM)).status == 503


async def test_a_multivariant_playlist_stands_in_as_long_as_its_media_playlists(
    stack: Stack,
) -> None:
    async def ask_both() -> list[Answer]:
        return [await stack.watch(CHANNEL), await stack.ask(refresh)]

    entry = await stack.watch(CHANNEL)
    refresh = f"/live/one/{entry.uris()[0]}"
    stack.origin.answers[CHANNEL] = BUSY
    assert (await stack.watch(CHANNEL, "bob")).status == 503, "nobody knows yet what it is"
    stack.origin.answers[CHANNEL] = (HLS, MASTER)
    assert [answer.status for answer in await ask_both()] == [200, 200]
    stack.origin.answers[CHANNEL] = stack.origin.answers[LOW] = BUSY
    assert [answer.status for answer in await ask_both()] == [200, 200]


async def test_what_is_loaded_ahead_stands_in_by_the_tempo_that_is_known_by_then() -> None:
    """Which is that of its media playlists; nobody knew it when the manifest was first had."""
    async with Stack(origin={"cache": "10m"}) as stack:
        serve_channels(stack.origin, "one")
        stack.origin.answers[LOW] = (HLS, SLOW)
        entry = await stack.watch(CHANNEL)
        source = stack.service._inner.players._gateway._source
        (kept,) = source._caches._all._entries.values()
        assert kept.again is not None
        stack.origin.answers[CHANNEL] = BUSY
        assert (await kept.again(kept.value)).value.status == 503
        assert (await stack.ask(f"/live/one/{entry.uris()[0]}")).status == 200
        assert (await kept.again(kept.value)).value == kept.value
