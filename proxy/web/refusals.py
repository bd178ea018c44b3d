"""Refusals of players that ask again and again, given once more for a moment without a question.

A player that was refused may try again many times a second, and thousands of them do so at once
when a popular channel begins. What they are told is true for longer than that. Who asks for the
third time within a second is told what the second was told; who comes back after a release, or
because Retry-After said so, is always answered anew.
"""

from collections import OrderedDict
from dataclasses import dataclass

from proxy.model import Reply

# How long a refusal is given again (seconds): as long as the shortest Retry-After.
MEMORY_SECONDS = 1.0
# The first that is given again.
HAMMERING = 3
# Requests that are remembered, at some 2 KiB each.
MAX_REMEMBERED = 8192
# Bytes of what is remembered: a refusal lists the streams there are, some forty of them fit. An
# account may have hundreds, and its viewers could have thousands of such lists kept.
MAX_BODY = 8192


@dataclass(slots=True)
class Refusal:
    """What a request was told, by what it is counted, and how often lately. ``head`` is anybody's.

    ``at`` is when it was told, in seconds of a clock that never goes back.
    """

    reply: Reply
    route: str
    kind: str
    code: str
    rule: str
    at: float = 0.0
    times: int = 0
    head: object = None


class Refusals:
    """Remembers what requests were told, by their names."""

    def __init__(self) -> None:
        self._refusals: OrderedDict[bytes, Refusal] = OrderedDict()

    def note(self, name: bytes, refusal: Refusal, now: float) -> None:
        """Take note of a refusal, unless it is long."""
        if len(refusal.reply.body) > MAX_BODY:
            return
        before = self._refusals.pop(name, None)
        goes_on = before is not None and now - before.at < MEMORY_SECONDS
        refusal.times = before.times + 1 if before is not None and goes_on else 1
        refusal.at = now
        self._refusals[name] = refusal
        if len(self._refusals) > MAX_REMEMBERED:
            self._refusals.popitem(last=False)

    def find(self, name: bytes, now: float) -> Refusal | None:
        """Give what a request is to be told again, if it is."""
        refusal = self._refusals.get(name) if self._refusals else None
        if refusal is None or refusal.times < HAMMERING - 1:
            return None
        return refusal if now - refusal.at < MEMORY_SECONDS else None
