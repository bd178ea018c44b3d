"""A bounded memory for what can be made again, and is asked for again and again.

One that forgets whatever was longest unused fails all at once: where a little more is asked for in
turn than it holds, as players do that refresh, each thing is forgotten just before it is asked for.
Here a newcomer is let in always while there is room, and then one of many: what is kept is mostly
still there, and what nobody asks for any more is gone in the end.
"""

from array import array
from collections import OrderedDict
from collections.abc import Callable, Hashable
from random import getrandbits
from typing import Generic, TypeVar

MARK = 0xFFFF_FFFF  # of a name's hash, what tells it from others in its row
ROW_BITS = 3
ROW = 1 << ROW_BITS

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


def one_of_sixteen() -> bool:
    """Tell, of many, whether one is let in."""
    return not getrandbits(4)


class Keeping(Generic[K, V]):
    """Keeps ``size`` things at most. ``chance`` is asked about each newcomer once it is full."""

    def __init__(self, size: int, chance: Callable[[], bool] = one_of_sixteen) -> None:
        self._size = size
        self._chance = chance
        self._things: OrderedDict[K, V] = OrderedDict()

    def __len__(self) -> int:
        """How many things there are."""
        return len(self._things)

    def get(self, key: K) -> V | None:
        """Give a thing that is kept."""
        thing = self._things.get(key)
        if thing is not None:
            self._things.move_to_end(key)
        return thing

    def put(self, key: K, thing: V) -> None:
        """Keep a thing, in place of what is longest unused; or not, where there is no room."""
        if self.make_place(key):
            self._things[key] = thing

    def make_place(self, key: K) -> bool:
        """Make room for a thing, by what is longest unused; False where it is not let in."""
        if key in self._things or len(self._things) < self._size:
            return True
        if not self._chance():
            return False
        self._things.popitem(last=False)
        return True

    def drop(self, key: K) -> None:
        """Keep a thing no longer."""
        self._things.pop(key, None)


class Seen:
    """Knows most of the last ``size`` names that came, at four bytes each; they are hashes.

    Each leaves a mark in a row that it shares with some others; in a full one, in place of any.
    """

    def __init__(self, size: int) -> None:
        self._rows = -(-size // ROW)
        self._marks = array("I", bytes(4 * ROW * self._rows))

    def before(self, name: bytes) -> bool:
        """Tell whether a name came before, and take note that it came."""
        number = hash(name)
        mark, start = number & MARK or 1, (number >> 32) % self._rows * ROW
        row = self._marks[start : start + ROW]
        if mark in row:
            return True
        # Were it always the oldest one's, a few in turn would push each other out for ever.
        place = row.index(0) if 0 in row else getrandbits(ROW_BITS)
        self._marks[start + place] = mark
        return False
