"""docs/players.md says of each situation what a test of this folder proves, and nothing else."""

import importlib
import re
from pathlib import Path

import pytest

PAGE = Path(__file__).parents[2] / "docs" / "players.md"
TESTS = sorted(
    path.stem for path in Path(__file__).parent.glob("test_*.py") if path != Path(__file__)
)


def documented(module: str) -> list[tuple[str, str]]:
    """Give the rows (situation, counted) of the section that names the module as its proof."""
    sections = re.split("^##+ ", PAGE.read_text(encoding="utf-8"), flags=re.MULTILINE)
    (section,) = (section for section in sections if f"tests/wild/{module}.py" in section)
    lines = [line for line in section.splitlines() if line.startswith("|")][2:]
    rows = [line.strip("|").split("|") for line in lines]
    return [(situation.strip(), counted.strip()) for situation, counted, _why in rows]


@pytest.mark.parametrize("module", TESTS)
def test_each_situation_has_its_line_and_each_line_its_test(module: str) -> None:
    functions = vars(importlib.import_module(f"tests.wild.{module}")).items()
    tests = [test for name, test in functions if name.startswith("test_")]
    assert documented(module) == [test.situation for test in tests]
