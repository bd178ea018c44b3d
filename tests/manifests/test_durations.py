import pytest

from proxy.manifests.durations import parse_duration


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("PT0S", 0.0),
        ("PT15S", 15.0),
        ("PT1H2M3.5S", 3723.5),
        ("P1DT1S", 86401.0),
        ("P1Y2M3D", (365 + 60 + 3) * 86400.0),
        ("PT0H9M56.458S", 596.458),
        (" PT2.S ", 2.0),
        ("P2D", 172800.0),
    ],
)
def test_durations_are_read(text: str, seconds: float) -> None:
    assert parse_duration(text) == pytest.approx(seconds)


@pytest.mark.parametrize(
    "text",
    [
        *("", "P", "PT", "P1DT", "15", "15S", "-PT1S", "PT1M1H", "PT1", "PTS", "P1H", "PT1e9S"),
        *("PT9999999999S", "PT\u0661S", "PTNaNS", "PT1S PT1S"),
    ],
)
def test_what_is_no_duration_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="not a duration"):
        parse_duration(text)
