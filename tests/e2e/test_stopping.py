"""A live stream is stopped from a page, through a proxy that its player has never talked to."""

import time

import pytest

from tests.e2e.player import Form
from tests.e2e.stage import Stage, second_proxy
from tests.e2e.web import WEB_PLAYERS
from tests.support.poll import until

pytestmark = pytest.mark.e2e

# As the page of a service would: it is of another origin, so the browser asks first (CORS).
STOP = """async ([api, token]) => {
    const headers = { Authorization: `Bearer ${token}` };
    const { streams } = await (await fetch(api, { headers })).json();
    const stop = await fetch(`${api}/${streams[0].id}`, { method: 'DELETE', headers });
    return [streams.length, stop.status];
}"""
HAS_RUN_DRY = "document.querySelector('video').readyState <= HTMLMediaElement.HAVE_CURRENT_DATA"


async def test_a_live_player_stops_when_its_stream_is_ended_through_another_proxy(
    on_stage: Stage,
) -> None:
    viewer = on_stage.viewer()
    hls_js = WEB_PLAYERS[0]
    url = viewer.url(Form.HLS_LIVE)
    async with second_proxy(on_stage) as other, hls_js.play(url, Form.HLS_LIVE) as playing:
        page = playing.browser.page

        async def plays() -> bool:
            return await playing.position() > 1

        await until(plays, "it plays")
        api = f"http://127.0.0.1:{other.port}/_playgate/streams"
        assert await page.evaluate(STOP, [api, viewer.token()]) == [1, 204]
        ended = time.monotonic()

        async def gives_up() -> bool:
            return await playing.failure() is not None

        await until(gives_up, "it gives up")
        assert (await playing.failure() or "").endswith(" 409")

        async def has_run_dry() -> bool:
            return bool(await page.evaluate(HAS_RUN_DRY))

        await until(has_run_dry, "it stops")
    answers = {visit.status for visit in viewer.visits(since=ended) if visit.kind != "steering"}
    assert answers - {0} == {409}  # 0: it hung up
    assert await viewer.count() == 0
