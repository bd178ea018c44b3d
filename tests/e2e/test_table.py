"""The table in the documentation says what the suite expects, mark by mark."""

from tests.e2e.cast import ROWS
from tests.e2e.matrix import Column
from tests.e2e.shortcomings import SHORTCOMINGS, reasons
from tests.e2e.table import DOCUMENT, FORMS, marks


def test_the_written_marks_are_those_the_suite_holds_players_to() -> None:
    expected = []
    for player, form in ROWS:
        cells = []
        for column in Column:
            known = reasons(player.name, form, column)
            notes = "".join(f"[^{SHORTCOMINGS.index(reason) + 1}]" for reason in known)
            cells.append(f"✗{notes}" if known else "✓")
        expected.append((player.name, FORMS[form], cells))
    assert list(marks(DOCUMENT.read_text())) == expected


def test_every_shortcoming_is_in_the_table_and_has_a_public_source() -> None:
    for known in SHORTCOMINGS:
        assert known.source.startswith("https://"), known
        assert any(
            known in reasons(player.name, form, column)
            for player, form in ROWS
            for column in Column
        ), known
