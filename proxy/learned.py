"""What contents and players taught this process: how contents are refreshed, and who comes back.

It stays true when the configuration changes, so it outlives what it is used by.
"""

from collections import OrderedDict
from functools import lru_cache
from typing import TypeVar

from proxy.manifests.template import Template
from proxy.streams import Pace
from proxy.values import value

# Contents whose tempo is remembered, and streams of players that come back with their token. A
# forgotten one costs one more call to the store at its next start, or is noticed again at its next
# refresh, so the bound may be far below a large catalogue.
MAX_REMEMBERED = 20_000

Value = TypeVar("Value")


@value(frozen=True, slots=True)
class Tempo:
    """What a content taught when its manifests were last read."""

    pace: Pace | None = None
    self_refreshing: bool = False

    @property
    def is_live(self) -> bool:
        """Whether it is known to be live."""
        return self.pace is not None and self.pace.live


UNKNOWN = Tempo()
# A content's tempo, and whether a stream's player comes back with its token.
Habits = tuple[Tempo, bool]


class Learned:
    """Tempos by content, and the streams whose players come back with their token."""

    def __init__(self) -> None:
        self._tempos: OrderedDict[str, Tempo] = OrderedDict()
        self._returning: OrderedDict[str, None] = OrderedDict()
        # How often something was learned that may make a question another.
        self.changes = 0

    def tempo(self, content: str) -> Tempo:
        """Give what is known of a content's tempo."""
        return self._tempos.get(content, UNKNOWN)

    def note_tempo(self, content: str, pace: Pace, *, self_refreshing: bool) -> Tempo:
        """Take in what one of a content's manifests says, and give what is known with it."""
        known = self.tempo(content)
        tempo = known  # by which others see that nothing has changed
        refreshes = self_refreshing and pace.live
        if pace != known.pace or refreshes != known.self_refreshing:
            slower = Tempo(_slower(known.pace, pace), refreshes)
            tempo = known if slower == known else slower
        self._put(self._tempos, content, tempo)
        self.changes += tempo is not known
        return tempo

    def returns(self, stream: str) -> bool:
        """Tell whether a stream's player comes back with its token."""
        return stream in self._returning

    def habits(self, content: str, stream: str) -> Habits:
        """Give all that was learned of a stream and its content."""
        return _habits(self.tempo(content), self.returns(stream))

    def has_learned(self, content: str, template: Template, *, is_entry: bool) -> bool:
        """Tell whether a manifest says nothing of its content's tempo that is news."""
        known, pace = self._tempos.get(content, UNKNOWN), template.pace
        if pace is None:
            return True
        if pace is not known.pace and _slower(known.pace, pace) != known.pace:
            return False
        return not is_entry or known.self_refreshing == (template.media_playlist and pace.live)

    def note_return(self, stream: str, *, by_token: bool) -> None:
        """Take in how a stream's player came back."""
        self.changes += by_token is not self.returns(stream)
        if by_token:
            self._put(self._returning, stream, None)
        else:
            self._returning.pop(stream, None)

    def _put(self, memory: OrderedDict[str, Value], key: str, value: Value) -> None:
        """Remember, and forget what was longest unused instead."""
        memory[key] = value
        memory.move_to_end(key)
        if len(memory) > MAX_REMEMBERED:
            memory.popitem(last=False)
            self.changes += 1


@lru_cache(1024)
def _habits(tempo: Tempo, returns: bool) -> Habits:  # noqa: FBT001  # as in what it gives
    """Give the same for many, who keep it."""
    return tempo, returns


def _slower(known: Pace | None, read: Pace) -> Pace:
    """Give the slower of two tempos of one content.

    Its renditions may differ (audio in longer segments than video); a slot must live long enough
    for the slowest, and must not be corrected back and forth.
    """
    if known is None or known.live != read.live:
        return read
    return Pace(
        live=read.live,
        interval=max(known.interval, read.interval),
        duration=max(known.duration, read.duration),
    )
