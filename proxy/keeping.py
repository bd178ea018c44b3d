"""A bounded memory for what can be made again, and is asked for again and again.

One that forgets whatever was longest unused fails all at once: where a little more is asked for in
turn than it holds, as players do that refresh, each thing is forgotten just before it is asked for.
Here a newcomer is let in always while there is room, and then one of many: what is kept is mostly
still there, and what nobody asks for any more is gone in the end.
"""

from collections import OrderedDict
from collections.abc import Callable, Hashable
from random import getrandbits
from typing import Generic, TypeVar

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
        if key not in self._things and len(self._things) >= self._size:
            if not self._chance():
                return
            self._things.popitem(last=False)
        self._things[key] = thing

    def drop(self, key: K) -> None:
        """Keep a thing no longer."""
        self._things.pop(key, None)
