import math
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.admission.policy import (
    Lifetimes,
    OnLimit,
    Policy,
    Takeover,
    cadence,
    limit_for,
)
from proxy.model import Subject
from proxy.streams import Cadence, Pace

LIFETIMES = Lifetimes(ttl=30, live_ttl_factor=4, vod_ttl=90, max_hold=4 * 3600)
PLANS = {"basic": 1, "premium": 4}


@pytest.mark.parametrize(
    ("subject", "route", "expected"),
    [
        (Subject("a", limit=7, plan="basic"), 2, (7, "token")),
        (Subject("a", limit=0, plan="basic"), 2, (0, "token")),
        (Subject("a", plan="basic"), 2, (1, "plan")),
        (Subject("a", plan="renamed"), 2, (2, "route")),
        (Subject("a"), 0, (0, "route")),
        (Subject("a", plan="renamed"), None, (3, "default")),
        (Subject("a"), None, (3, "default")),
    ],
)
def test_the_most_specific_limit_wins(
    subject: Subject, route: int | None, expected: tuple[int, str]
) -> None:
    assert limit_for(subject, plans=PLANS, route=route, default=3) == expected


def test_an_unknown_tempo_gets_the_plain_ttl() -> None:
    assert cadence(None, LIFETIMES) == Cadence(ttl_ms=30_000, interval_ms=10_000, guess=True)


def test_live_lives_for_some_refreshes_but_never_shorter_than_the_ttl() -> None:
    assert cadence(Pace(live=True, interval=2), LIFETIMES) == Cadence(30_000, 0, 2_000)
    assert cadence(Pace(live=True, interval=10), LIFETIMES) == Cadence(40_000, 0, 10_000)


def test_on_demand_is_held_for_its_length_until_it_beats() -> None:
    film = cadence(Pace(live=False, duration=5400), LIFETIMES)
    assert film == Cadence(ttl_ms=90_000, hold_ms=5_400_000, interval_ms=30_000)


def test_a_player_that_is_made_to_report_is_due_when_it_was_told_to() -> None:
    film = cadence(Pace(live=False, duration=5400), replace(LIFETIMES, vod_interval=20))
    assert film == Cadence(ttl_ms=90_000, hold_ms=5_400_000, interval_ms=20_000)


@pytest.mark.parametrize("duration", [0, -1, math.nan, math.inf, 1e9])
def test_on_demand_without_a_sane_length_is_held_for_the_longest_time(duration: float) -> None:
    held = cadence(Pace(live=False, duration=duration), LIFETIMES)
    assert held.hold_ms == 4 * 3_600_000


@given(
    st.booleans(),
    st.floats(allow_nan=True, allow_infinity=True),
    st.floats(allow_nan=True, allow_infinity=True),
    st.booleans(),
)
def test_no_manifest_makes_a_slot_outlive_max_hold(
    live: bool, interval: float, duration: float, self_refreshing: bool
) -> None:
    told = cadence(Pace(live, interval, duration), LIFETIMES, self_refreshing=self_refreshing)
    assert 30_000 <= told.ttl_ms <= 4 * 3_600_000
    assert 0 <= told.hold_ms <= 4 * 3_600_000
    assert 0 <= told.interval_ms <= 4 * 3_600_000
    assert told.self_refreshing is self_refreshing


def test_each_takeover_includes_those_before_it() -> None:
    order = [Takeover.NONE, Takeover.STRONG, Takeover.QUIET, Takeover.PROVISIONAL]
    for stronger, takeover in enumerate(order):
        included = [other for other in order if takeover.includes(other)]
        assert included == order[: stronger + 1]


@pytest.mark.parametrize(
    ("silent_after_ms", "max_networks", "tombstone_ms"), [(-1, 1, 0), (0, 0, 0), (0, 1, -1)]
)
def test_a_policy_that_makes_no_sense_is_refused(
    silent_after_ms: int, max_networks: int, tombstone_ms: int
) -> None:
    with pytest.raises(ValueError, match="must"):
        Policy(Takeover.QUIET, OnLimit.REJECT, silent_after_ms, max_networks, tombstone_ms)
