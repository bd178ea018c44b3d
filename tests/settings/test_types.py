import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.settings.types import (
    duration_text,
    parse_duration,
    parse_flag,
    parse_integer,
    parse_number,
    parse_size,
    size_text,
)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        *(("500ms", 0.5), ("30s", 30.0), ("10m", 600.0), ("12h", 43200.0), ("1d", 86400.0)),
        *(("0s", 0.0), ("1.5s", 1.5), ("0.001s", 0.001), ("1.001s", 1.001)),
    ],
)
def test_durations_are_seconds(text: str, seconds: float) -> None:
    assert parse_duration(text) == seconds


@pytest.mark.parametrize(
    "text",
    [
        "",
        "s",
        "30",
        "30 s",
        "-1s",
        "1h30m",
        "1e3s",
        "٣s",
        "30S",
        "1s\n",
        "1.0001s",
        "0.5ms",
        None,
        True,
        [],
    ],
)
def test_what_is_no_duration_is_refused(text: object) -> None:
    with pytest.raises(ValueError, match=r"must be a duration|whole number of milliseconds"):
        parse_duration(text)


@pytest.mark.parametrize(("number", "hint"), [(30, "write 30s"), (0, "write 0s"), (1.5, "1.5s")])
def test_a_number_without_a_unit_is_told_what_to_write(number: float, hint: str) -> None:
    with pytest.raises(ValueError, match=hint):
        parse_duration(number)


@given(st.integers(0, 366 * 86_400_000))
def test_a_duration_written_reads_as_itself(milliseconds: int) -> None:
    assert parse_duration(duration_text(milliseconds / 1000)) == milliseconds / 1000


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(90.0, "90s"), (120.0, "2m"), (43200.0, "12h"), (86400.0, "1d"), (0.1, "100ms"), (0, "0s")],
)
def test_a_duration_is_written_with_the_largest_whole_unit(seconds: float, text: str) -> None:
    assert duration_text(seconds) == text


@pytest.mark.parametrize(
    ("text", "size"),
    [("64KiB", 65536), ("8MiB", 8 << 20), ("1MB", 10**6), ("2GB", 2 * 10**9), (512, 512), ("7", 7)],
)
def test_sizes_are_bytes(text: object, size: int) -> None:
    assert parse_size(text) == size


@pytest.mark.parametrize("text", ["", "1 MiB", "1.5MiB", "-1", -1, 1.5, True, None, "8mib"])
def test_what_is_no_size_is_refused(text: object) -> None:
    with pytest.raises(ValueError, match="must be a size"):
        parse_size(text)


@given(st.integers(1, 2**40))
def test_a_size_written_reads_as_itself(size: int) -> None:
    assert parse_size(size_text(size)) == size


@pytest.mark.parametrize("value", [True, False, 1.0, "1.0", "", " 1", "1_000", "٣", None, "9" * 99])
def test_what_is_no_whole_number_is_refused(value: object) -> None:
    with pytest.raises(ValueError, match="must be a whole number"):
        parse_integer(value)


@pytest.mark.parametrize("text", ["true", "True", "TRUE", "false", "False", "FALSE"])
def test_true_and_false_may_be_texts_as_a_file_spells_them(text: str) -> None:
    assert parse_flag(text) is (text.lower() == "true")


@pytest.mark.parametrize("value", ["on", "yes", "1", 1, 0, 1.0, "", "true ", "tRUE", None])
def test_nothing_else_is_true_or_false(value: object) -> None:
    with pytest.raises(ValueError, match="must be true or false"):
        parse_flag(value)


@pytest.mark.parametrize("value", [True, "inf", "nan", float("nan"), float("inf"), 10**400, "1e9"])
def test_what_is_no_finite_number_is_refused(value: object) -> None:
    with pytest.raises(ValueError, match="must be a number"):
        parse_number(value)
