import pytest

from proxy.origin.patience import is_blocking, reload_hold, segment_hold
from proxy.streams import Pace


@pytest.mark.parametrize(
    ("query", "blocking"),
    [
        ("_HLS_msn=7", True),
        ("a=1&_HLS_msn=7&_HLS_part=0", True),
        ("%5fHLS_msn=7", True),
        ("", False),
        ("_HLS_skip=YES", False),
        ("_HLS_part=1", False),
        ("x=_HLS_msn", False),
    ],
)
def test_a_reload_is_blocking_by_the_segment_it_names(query: str, blocking: bool) -> None:
    assert is_blocking(query) is blocking


@pytest.mark.parametrize(
    ("pace", "reload", "segment"),
    [
        (None, 30, 0),
        (Pace(live=True, interval=4), 12, 12),
        (Pace(live=True, interval=0), 0, 0),
        (Pace(live=True, interval=999_999_999), 60, 60),
        (Pace(live=False, duration=5400), 0, 0),
    ],
    ids=str,
)
def test_what_is_live_may_be_held_for_three_target_durations(
    pace: Pace | None, reload: float, segment: float
) -> None:
    assert reload_hold(pace) == reload
    assert segment_hold(pace) == segment
