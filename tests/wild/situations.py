"""Binds the tests of this folder to what docs/players.md tells a service's engineer.

A situation is a row of its table; the test proves the row. Neither is without the other.
"""

from collections.abc import Callable
from typing import Any, TypeVar

Test = TypeVar("Test", bound=Callable[..., Any])


def situation(text: str, counted: str) -> Callable[[Test], Test]:
    """Mark a test as the proof of a row: its situation, and what is counted."""

    def mark(test: Test) -> Test:
        test.__dict__["situation"] = (text, counted)
        return test

    return mark
