"""Refusals of players that ask again and again, given once more for a moment without a question.

A player that was refused may try again many times a second, and thousands of them do so at once
when a popular channel begins. What they are told is true for longer than that. So who asks again
and again, each time within a second or two, is told for a second what the last was told. Who comes
back because Retry-After said so, or a few times, is always answered anew; and so is everybody once
a stream of the account has ended, as far as is known here.
"""

from collections import OrderedDict
from dataclasses import dataclass

from proxy.model import Reply

# How long a refusal is given again (seconds): as long as the shortest Retry-After.
MEMORY_SECONDS = 1.0
# How long it is given for while one asks anew (seconds): several times what that takes. A player
# that hammers on many connections would ask on all of them in one moment.
UNDER_WAY_SECONDS = 0.1
# The first of a row that is given again: more than a person tries in such a time.
HAMMERING = 5
# Requests that are remembered, at some 2 KiB each.
MAX_REMEMBERED = 8192
# Bytes of what is remembered: a refusal lists the streams there are, some forty of them fit. An
# account may have hundreds, and its viewers could have thousands of such lists kept.
MAX_BODY = 8192


@dataclass(slots=True)
class Refusal:
    """What a request was told, by what it is counted, and how often lately.

    ``at`` is when it was told, in seconds of a clock that never goes back; ``is_asked`` whether
    somebody asks anew since. ``head`` and ``tail`` are what whoever sends it has found to be the
    same each time.
    """

    reply: Reply
    account: str
    route: str
    kind: str
    code: str
    rule: str
    at: float = 0.0
    times: int = 0
    is_asked: bool = False
    head: bytes = b""
    tail: bytes | None = None


class Refusals:
    """Remembers what requests were told, by their names."""

    def __init__(self) -> None:
        self._refusals: OrderedDict[bytes, Refusal] = OrderedDict()
        self._names: dict[str, set[bytes]] = {}

    def note(self, name: bytes, refusal: Refusal, now: float) -> None:
        """Take note of a refusal, unless it is long."""
        before = self._pop(name)
        if len(refusal.reply.body) > MAX_BODY:
            return
        goes_on = before is not None and now - before.at < 2 * MEMORY_SECONDS
        refusal.times = before.times + 1 if before is not None and goes_on else 1
        refusal.at = now
        self._refusals[name] = refusal
        self._names.setdefault(refusal.account, set()).add(name)
        if len(self._refusals) > MAX_REMEMBERED:
            self._pop(next(iter(self._refusals)))

    def find(self, name: bytes, now: float) -> Refusal | None:
        """Give what a request is to be told again, if it is."""
        refusal = self._refusals.get(name)
        if refusal is None or refusal.times < HAMMERING - 1:
            return None
        past = now - refusal.at - MEMORY_SECONDS
        if past < 0 or (refusal.is_asked and past < UNDER_WAY_SECONDS):
            return refusal
        return None

    def asked(self, name: bytes) -> None:
        """Take note that what a request is to be told is asked anew."""
        refusal = self._refusals.get(name)
        if refusal is not None:
            refusal.is_asked = True

    def forget(self, account: str) -> None:
        """Answer an account's requests anew: there may be room."""
        for name in self._names.pop(account, ()):
            del self._refusals[name]

    def _pop(self, name: bytes) -> Refusal | None:
        refusal = self._refusals.pop(name, None)
        if refusal is not None:
            names = self._names[refusal.account]
            names.discard(name)
            if not names:
                del self._names[refusal.account]
        return refusal
