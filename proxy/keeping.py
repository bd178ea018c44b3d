"""A bounded memory for what can be made again, and is asked for again and again.

One that forgets whatever was longest unused fails all at once: where a little more is asked for in
turn than it holds, as players do that refresh, each thing is forgotten just before it is asked for.
Here a newcomer is let in always while there is room, and then one of many: what is kept is mostly
still there, and what nobody asks for any more is gone in the end.
"""

from array import array
from collections.abc import Callable, Hashable
from itertools import islice
from random import getrandbits
from typing import Generic, Protocol, TypeVar

MARK = 0xFFFF_FFFF  # of a name's hash, what tells it from others in its row
ROW_BITS = 3
ROW = 1 << ROW_BITS
# Things that are looked at, at most, to find one that was not used.
LOOKED_AT = 8
# Names that are taken from the front of a dictionary at a time: to find it, Python passes all
# places whose things have gone from there, which may become more than there are things.
AT_A_TIME = 1024


class Marked(Protocol):
    """A thing that is kept; whoever uses it marks it as ``used``."""

    used: bool


K = TypeVar("K", bound=Hashable)
V = TypeVar("V", bound=Marked)


def one_of_sixteen() -> bool:
    """Tell, of many, whether one is let in."""
    return not getrandbits(4)


class Keeping(Generic[K, V]):
    """Keeps ``size`` things at most. ``chance`` is asked about each newcomer once it is full.

    ``find`` gives what is kept by a name, or None. A thing gives way once it was not used since the
    others were looked at: to keep all in the order of their last use would cost each use more than
    a mark does, and each thing some memory.
    """

    def __init__(self, size: int, chance: Callable[[], bool] = one_of_sixteen) -> None:
        self._size = size
        self._chance = chance
        self._things: dict[K, V] = {}
        self._first: list[K] = []  # those that are looked at next, the first one last
        self.find: Callable[[K], V | None] = self._things.get

    def __len__(self) -> int:
        """How many things there are."""
        return len(self._things)

    def put(self, key: K, thing: V) -> None:
        """Keep a thing, in place of one that was not used; or not, where there is no room."""
        if self.make_place(key):
            self._things[key] = thing

    def make_place(self, key: K) -> bool:
        """Make room for a thing, by one that was not used; False where it is not let in."""
        if key in self._things or len(self._things) < self._size:
            return True
        if not self._chance():
            return False
        self._let_one_go()
        return True

    def drop(self, key: K) -> None:
        """Keep a thing no longer."""
        self._things.pop(key, None)

    def _let_one_go(self) -> None:
        """Let go of the first that was not used; those before it go to the end, marks taken off."""
        things, looked_at = self._things, 0
        while True:
            if not self._first:
                self._first = list(islice(things, AT_A_TIME))[::-1]
            key = self._first.pop()
            thing = things.pop(key, None)
            if thing is None:
                continue  # it was dropped meanwhile
            looked_at += 1
            if not thing.used or looked_at == LOOKED_AT:
                return
            thing.used = False
            things[key] = thing


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
