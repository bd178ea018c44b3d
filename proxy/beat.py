"""A request that may come again: what is kept of it, and what it is while it is answered.

There may be a million of them, and one is answered at each beat: so they are small, and no more is
made of them than is used. Who keeps and answers them is told in ``beats``.
"""

from collections.abc import Callable
from functools import lru_cache
from typing import Generic, TypeVar

from proxy.admission.store import Question
from proxy.learned import Learned
from proxy.manifest_caches import ManifestKey
from proxy.manifests.template import Template
from proxy.model import Kind
from proxy.routing import Route
from proxy.streams import Decision
from proxy.trace import Trace
from proxy.values import value
from proxy.walker import Walker, Walkers

# Instants at which tickets expire, or tokens: the same for many.
MAX_INSTANTS = 4096

Who = TypeVar("Who")


@value(frozen=True, slots=True)
class Visit:
    """What a request for a manifest is, before anybody is asked."""

    route: Route
    kind: Kind
    walker: Walker
    key: ManifestKey


class Guide:
    """Who walks, where a reply takes more than the ticket that came; and the ticket it has."""

    __slots__ = ("_due", "_ticket", "walker")

    def __init__(self, walker: Walker) -> None:
        self.walker = walker
        self._due: tuple[int, int] | None = None
        self._ticket = ""

    def fitted(
        self, walkers: Walkers, decision: Decision, template: Template
    ) -> tuple[Template, str]:
        """Give the manifest as it suits the viewer, and its ticket, minted anew only if need be."""
        walker = self.walker
        if walker.ticket is not None:
            return walkers.fitted(walker, decision, template)
        due = (decision.started_ms, walkers.expiry())
        if due != self._due:
            self._ticket, self._due = walkers.ticket(walker, decision, template), due
        return template, self._ticket


class Beat(Question):
    """A request that may come again, and what is kept of it from one time to the next.

    It is its question to the store: there is one of each, and each object takes some bytes more.
    ``ticket`` is where its ticket stands in it; for all but those, there is a ``guide``.
    ``changes`` is how much had been ``learned`` when its question was last found good.
    """

    __slots__ = (
        *("_habits", "changes", "expires_at", "guide", "key"),
        *("kind", "tail", "ticket", "used"),
    )

    def __init__(
        self, visit: Visit, question: Question, ticket: slice | None, learned: Learned
    ) -> None:
        super().__init__(question.manner, question.account, question.stream, question.own)
        self.kind = visit.kind
        self.key = visit.key
        self.expires_at = _instant(visit.walker.credential.expires_at)
        self.ticket = ticket
        self.guide = None if ticket else Guide(visit.walker)
        # Of the heads of its replies, what whoever sends them has found to be the same for all.
        self.tail: bytes | None = None
        self._habits = learned.habits(visit.key.content, self.stream)
        self.changes = learned.changes
        self.used = False

    def is_still_asked_so(self, learned: Learned) -> bool:
        """Tell whether nothing of what was learned since makes its question another."""
        if self._habits != learned.habits(self.key.content, self.stream):
            return False
        self.changes = learned.changes
        return True


class Turn(Generic[Who]):
    """A request that came before, of ``who`` it is, while it is answered.

    ``trace`` is what it is known by, if that is more than its ``request_id``. Instants are seconds
    of a clock that never goes back: when it came (``begun``), when the store was asked (``asked``),
    and when that had answered (``heard``). ``body`` is what its viewer gets, of ``template``; None
    where that is left to the walk.
    """

    __slots__ = (
        *("_trace", "asked", "beat", "begun", "body", "heard"),
        *("request", "request_id", "template", "who"),
    )

    asked: float
    heard: float
    template: Template

    def __init__(  # noqa: PLR0917  # one is made at each beat, and names take longer
        self,
        who: Who,
        beat: Beat,
        request: bytes,
        request_id: str,
        trace: Trace | None,
        begun: float,
    ) -> None:
        self.who = who
        self.beat = beat
        self.request = request
        self.request_id = request_id
        self._trace = trace
        self.begun = begun
        self.body: bytes | None = None

    @property
    def trace(self) -> Trace:
        """What it is known by."""
        return self._trace or Trace(self.request_id)


# Is told of a turn once the store has answered, and what it has said, if anything, to go on with.
Answered = Callable[[Turn[Who], Decision | None], None]

_instant = lru_cache(MAX_INSTANTS)(float)
