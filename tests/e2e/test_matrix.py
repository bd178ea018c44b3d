"""The matrix: every player, unmodified, in every form it plays."""

import pytest

from proxy.demo.site import PLAYERS as ON_THE_PAGE
from tests.e2e.cast import ROWS
from tests.e2e.matrix import Column, look
from tests.e2e.player import Form, Player
from tests.e2e.shortcomings import reasons
from tests.e2e.stage import Stage
from tests.e2e.table import save
from tests.e2e.web import WEB_PLAYERS


@pytest.mark.e2e
@pytest.mark.matrix
@pytest.mark.parametrize(
    ("player", "form"), ROWS, ids=[f"{player.name}-{form}" for player, form in ROWS]
)
async def test_a_player_is_counted_once_refused_stopped_and_forgotten(
    on_stage: Stage, player: Player, form: Form
) -> None:
    row = await look(on_stage, player, form)
    save(row)
    expected = {column for column in Column if reasons(player.name, form, column)}
    assert row.bad == expected, row.findings


def test_the_players_of_the_demo_page_are_in_the_matrix() -> None:
    scripts = {player.script for player in WEB_PLAYERS}
    assert {str(file) for file in ON_THE_PAGE.values()} <= scripts
