"""What ``make chaos`` is told that makes no sense, it says so about, and starts nothing."""

import sys

import pytest

from tests.chaos import __main__ as chaos


@pytest.mark.parametrize(
    ("given", "why"),
    [
        ("--minutes=0", "an end to it"),
        ("--minutes=-1", "an end to it"),
        ("--minutes=nan", "an end to it"),
        ("--minutes=inf", "an end to it"),
        ("--minutes=soon", "invalid minutes value"),
        ("--viewers=0", "an account has 4"),
        ("--viewers=3", "an account has 4"),
        ("--viewers=1.5", "invalid viewers value"),
    ],
)
def test_arguments_that_make_no_sense_are_refused(
    given: str, why: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["make chaos", given])
    with pytest.raises(SystemExit) as ended:
        chaos.main()
    assert ended.value.code == 2
    assert why in capsys.readouterr().err
