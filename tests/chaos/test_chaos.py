"""A short run of ``make chaos``: every kind of fault once, and every claim held."""

import pytest

from tests.chaos.faults import KINDS
from tests.chaos.show import Plan, play
from tests.chaos.table import table
from tests.chaos.viewers import Habits
from tests.conftest import Tell

pytestmark = [pytest.mark.engines, pytest.mark.xdist_group("engines")]

SHORT = Plan(
    seed=1,
    viewers=40,
    lasts=0.0,  # one round
    ttl=8.0,
    habits=Habits(beat=0.4, watches=4.0, waits=(0.2, 1.0), reboots=(0.1, 0.5)),
    strikes=(0.2, 0.6),
    calms=(0.1, 0.3),
)


async def test_every_claim_holds_whatever_fails(tell: Tell) -> None:
    outcome = await play(SHORT, lambda _: None)
    assert not outcome.verdict.broken, table(outcome)
    assert [kind.name for kind in KINDS if not outcome.journal.during[kind.name].times] == []
    tell(f"chaos:\n{table(outcome)}")
