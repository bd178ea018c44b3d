"""Values that are made at each request.

A dataclass that is frozen sets each of its fields by a call, and takes four times as long to make
as one that is not. A request has two dozen such values, with a hundred and fifty fields. So these
are frozen to who reads the code, and to mypy, which lets nobody set a field; Python would.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING

__all__ = ["value"]

if TYPE_CHECKING:
    from dataclasses import dataclass as value
else:

    def value(*, frozen, slots):
        """Make a class a dataclass that compares and hashes as if it were frozen."""
        return dataclass(slots=slots, unsafe_hash=frozen)
