"""The words of the concepts' page are those of the code."""

import re
from pathlib import Path

import pytest

from proxy.streams import Outcome

pytestmark = pytest.mark.docs

PAGE = Path(__file__).parents[2] / "docs/concepts.md"


def test_every_decision_is_explained_by_its_word() -> None:
    decisions = PAGE.read_text(encoding="utf-8").partition("## Decisions")[2].partition("## ")[0]
    words = re.findall(r"^\| (\w+) \|", decisions, re.MULTILINE)[1:]
    assert sorted(words) == sorted(outcome.value for outcome in Outcome)
