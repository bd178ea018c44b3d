import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.origin.freshness import ON_DEMAND, Freshness, freshness, stands_in
from proxy.streams import Pace

SILENT = Freshness(None)
STALE = Freshness(0.0)
ASKED = Freshness(0.0, if_error=0.0)
UNSTORABLE = Freshness(0.0, storable=False, if_error=0.0)
PRIVATE = Freshness(0.0, shareable=False, storable=False, if_error=0.0)
NOON = "Sat, 01 Jan 2022 12:00:00 GMT"
NOON_AND_A_MINUTE = "Sat, 01 Jan 2022 12:01:00 GMT"


@pytest.mark.parametrize(
    ("cache_control", "expected"),
    [
        ("", SILENT),
        ("public, must-revalidate", Freshness(None, if_error=0.0)),
        ("max-age=6", Freshness(6)),
        ("MAX-AGE=6", Freshness(6)),
        ('max-age="6"', Freshness(6)),
        ("max-age=6, s-maxage=2", Freshness(2, if_error=0.0)),
        ("s-maxage=0,max-age=6", ASKED),
        ("max-age=6, max-age=9", Freshness(6)),
        ("max-age=6, stale-if-error=60", Freshness(6, if_error=66)),
        ("s-maxage=6, stale-if-error=60", Freshness(6, if_error=66)),
        ("max-age=6, stale-if-error=x", Freshness(6, if_error=6)),
        ("max-age=6, proxy-revalidate, stale-if-error=60", Freshness(6, if_error=0.0)),
        ("x-max-age=6", SILENT),
        ("max-age=6s", STALE),
        ("max-age=-1", STALE),
        ("max-age", STALE),
        ("max-age=1.5", STALE),
        ("max-age=" + "9" * 5000, Freshness(float("inf"))),
        ("no-cache, max-age=6", ASKED),
        ('no-cache="set-cookie"', ASKED),
        ("max-age=6, no-store", UNSTORABLE),
        ("private, max-age=6", PRIVATE),
        ('private="x", max-age=6', PRIVATE),
        ('ext="private, no-store", max-age=6', Freshness(6)),
        ('ext="a\\"private", max-age=6', Freshness(6)),
        (',;="', SILENT),
        ('max-age="6', STALE),
        ('ext="x, no-store', UNSTORABLE),
    ],
)
def test_cache_control_says_how_long_and_for_whom(cache_control: str, expected: Freshness) -> None:
    assert freshness([("Cache-Control", cache_control)]) == expected


def test_directives_may_come_in_several_fields() -> None:
    assert freshness([("cache-control", "max-age=6"), ("CACHE-CONTROL", "no-store")]) == UNSTORABLE


@pytest.mark.parametrize(
    ("age", "seconds"), [("2", 4.0), ("6", 0.0), ("60", 0.0), ("x", 6.0), ("9" * 5000, 0.0)]
)
def test_the_time_an_answer_spent_in_other_caches_is_gone(age: str, seconds: float) -> None:
    assert freshness([("Cache-Control", "max-age=6"), ("Age", age)]) == Freshness(seconds)


@pytest.mark.parametrize(
    ("expires", "date", "expected"),
    [
        (NOON_AND_A_MINUTE, NOON, Freshness(60)),
        (NOON, NOON_AND_A_MINUTE, STALE),
        (NOON_AND_A_MINUTE, None, STALE),
        ("0", NOON, STALE),
        ("-1", NOON, STALE),
        ("Sat, 01 Jan 2022 12:01:00", "Sat, 01 Jan 2022 12:00:00 -0000", Freshness(60)),
        ("Sat, 01 Jan 2022 12:01:00", NOON, STALE),
        ("Sat, 99 Jan 2022 99:99:99 -9999", NOON, STALE),
    ],
)
def test_expires_counts_from_date(expires: str, date: str | None, expected: Freshness) -> None:
    fields = [("Expires", expires)] + ([("Date", date)] if date else [])
    assert freshness(fields) == expected


def test_cache_control_beats_expires() -> None:
    fields = [("Expires", NOON_AND_A_MINUTE), ("Date", NOON), ("Cache-Control", "max-age=6")]
    assert freshness(fields) == Freshness(6)


@pytest.mark.parametrize(
    ("vary", "expected"),
    [
        ("Accept-Encoding, Origin, User-Agent", Freshness(6)),
        ("X-Forwarded-For", PRIVATE),
        ("accept, FORWARDED", PRIVATE),
        ("*", PRIVATE),
    ],
)
def test_what_varies_by_viewer_is_for_one_viewer(vary: str, expected: Freshness) -> None:
    assert freshness([("Cache-Control", "max-age=6"), ("Vary", vary)]) == expected


def test_what_is_live_stands_in_for_a_target_duration_and_what_is_on_demand_for_long() -> None:
    live, film = Pace(live=True, interval=6), Pace(live=False, duration=60)
    assert stands_in(live, None) == 6
    assert stands_in(film, None) == ON_DEMAND
    assert stands_in(None, None) == 0


def test_the_origin_can_have_it_stand_in_for_less() -> None:
    assert stands_in(Pace(live=False), 60) == 60
    assert stands_in(Pace(live=True, interval=6), 60) == 6
    assert stands_in(Pace(live=False), 0) == 0


NAMES = st.sampled_from(["Cache-Control", "Expires", "Date", "Age", "Vary"])
VALUES = st.one_of(
    st.text(max_size=40),
    st.lists(
        st.sampled_from(["max-age", "no-store", "=", '"', "\\", ",", "9", " ", NOON, "private"])
    ).map("".join),
)


@given(st.lists(st.tuples(NAMES, VALUES), max_size=4))
def test_any_fields_can_be_read(fields: list[tuple[str, str]]) -> None:
    result = freshness(fields)
    assert result.seconds is None or result.seconds >= 0
