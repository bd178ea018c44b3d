"""On demand, a player that has everything is silent but for keep-alive: its slot must last."""

import time

import pytest

from tests.e2e.matrix import PATIENCE, counting
from tests.e2e.player import Form
from tests.e2e.stage import CLIP, TTL, Stage, lives_by_beats
from tests.e2e.web import WEB_PLAYERS, WebPlayer
from tests.support.poll import until

pytestmark = [pytest.mark.e2e, pytest.mark.matrix]

# Chromium's own player knows no content steering.
STEERED = [
    (player, form)
    for player in WEB_PLAYERS
    for form in (Form.HLS_VOD, Form.DASH_VOD)
    if form in player.forms and player.script
]


@pytest.mark.parametrize(
    ("player", "form"), STEERED, ids=[f"{player.name}-{form}" for player, form in STEERED]
)
async def test_a_film_that_is_loaded_whole_holds_one_slot_to_its_end_and_none_afterwards(
    on_stage: Stage, player: WebPlayer, form: Form
) -> None:
    viewer = on_stage.viewer(limit=5)
    async with player.play(viewer.url(form, seconds=CLIP), form) as playing:
        async with counting(viewer) as counts:
            await until(playing.ended, "it plays to its end", PATIENCE)
            ended = time.monotonic()
            (stream,) = await viewer.streams()
        await playing.close()

        async def is_free() -> bool:
            return await viewer.count() == 0

        await until(is_free, "its slot is free")
    while_playing = counts[counts.index(1) :]
    assert set(while_playing) == {1}
    # Without keep-alive it would have lapsed before the end, or be held for the film's length.
    loaded = [visit.at for visit in viewer.visits() if visit.kind != "steering"]
    assert max(loaded) < ended - TTL
    assert lives_by_beats(stream)
