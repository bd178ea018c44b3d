"""Requests that came before, answered as soon as the store has answered: the daily bread.

A player that refreshes a manifest asks for the same thing each time, in the same words. What the
walk (``gateway``) finds out about it before anybody is asked, who it is and which stream that is,
comes out the same, for as long as the credential is good. So what follows is kept: the question to
the store, and what the manifest is known by. If that is fresh, nothing is waited for but the
store's answer, and where that is the usual one, that the stream goes on, the reply is made in the
turn in which it arrives: without a task, and without another look at what is known.

This answers nothing else. Everything unusual is left to the walk, which reads the request again and
is told what the store has said already, for what a store says once is not said again. So nothing is
decided here, what is done is done by the same rooms, and of what a request says itself nothing need
be kept: not even its ticket, which is the longest in it.
"""

from collections.abc import Callable
from functools import lru_cache
from hashlib import blake2b
from time import perf_counter
from typing import NamedTuple, cast

import structlog

from proxy.admission.store import Question
from proxy.admit import Admission
from proxy.attendance import Holds
from proxy.errors import StoreUnavailable
from proxy.keeping import Keeping, Seen
from proxy.learned import Learned
from proxy.manifest_caches import ManifestKey
from proxy.manifest_source import ManifestSource
from proxy.manifests.template import Template
from proxy.model import Kind
from proxy.rendering import AT_ONCE
from proxy.routing import Route
from proxy.streams import Decision, Outcome
from proxy.telemetry.metrics import Metrics
from proxy.trace import Trace
from proxy.values import value
from proxy.walker import Walker, Walkers

# Requests that came once and are remembered as such, for each that is kept. Most never come again
# (a viewer zaps, a player puts its measurements into the query), and none of those takes a place
# from one that does.
ONCE = 4
# A cryptographic hash: who found two requests with one name could be given another's manifest.
NAME_BYTES = 16
# Places of tickets in requests that are told apart.
MAX_PLACES = 4096


class Served(NamedTuple):
    """A manifest as its viewer gets it, and what was decided."""

    content_type: str
    decision: Decision
    body: bytes


# What a request comes to; else what the store has said, if anything, to go on with.
Outcomes = Served | Decision | None

log = structlog.get_logger("playgate")


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


class Beat:
    """A request that may come again, and what is kept of it from one time to the next.

    ``ticket`` is where its ticket stands in it; for all but those, there is a ``guide``.
    ``changes`` is how much had been ``learned`` when its question was last found good.
    """

    __slots__ = (
        *("_habits", "changes", "expires_at", "guide", "key"),
        *("kind", "question", "tail", "ticket"),
    )

    def __init__(
        self, visit: Visit, question: Question, ticket: slice | None, learned: Learned
    ) -> None:
        self.kind = visit.kind
        self.key = visit.key
        self.question = question
        self.expires_at = visit.walker.credential.expires_at
        self.ticket = ticket
        self.guide = None if ticket else Guide(visit.walker)
        # Of the heads of its replies, what whoever sends them has found to be the same for all.
        self.tail: bytes | None = None
        self._habits = learned.habits(visit.key.content, question.stream)
        self.changes = learned.changes

    def is_still_asked_so(self, learned: Learned) -> bool:
        """Tell whether nothing of what was learned since makes its question another."""
        if self._habits != learned.habits(self.key.content, self.question.stream):
            return False
        self.changes = learned.changes
        return True


class Beats:
    """Keeps what came before, and answers it when it comes again: ``size`` requests at most."""

    def __init__(
        self,
        *,
        size: int,
        walkers: Walkers,
        admission: Admission,
        source: ManifestSource,
        metrics: Metrics,
        holds: Holds,
        learned: Learned,
    ) -> None:
        self._walkers = walkers
        self._now = walkers.now
        self._admission = admission
        self._source = source
        self._holds = holds
        self._learned = learned
        self._kept: Keeping[bytes, Beat] = Keeping(size)
        self._came = Seen(ONCE * size)
        self._auth, self._store, self._rewrite = map(metrics.phase.of, ("auth", "store", "rewrite"))

    def keep(self, request: bytes, visit: Visit, template: Template) -> None:
        """Keep a visit that went well, by the request's name, from the second time on.

        ``request`` is its wording: all that its answer depends on, as ``written_down``.
        """
        if not request:
            return
        name = named(request)
        known, is_led = self._kept.get(name), template.refreshes_by_location
        if not self._came.before(name) or (known and (known.guide or not is_led)):
            return
        if not self._kept.make_place(name):
            return
        walker, playback = visit.walker, visit.walker.playback
        beat = self._admission.shows_life(playback.content, by_ticket=walker.ticket is not None)
        question = self._admission.question(walker.subject, playback, beat=beat)
        ticket = None
        if walker.ticket is not None and not is_led:
            ticket = _place(request, walker.ticket.text.encode())
        self._kept.put(name, Beat(visit, question, ticket, self._learned))

    def find(self, name: bytes) -> Beat | None:
        """Give what a request comes to, by its name, if it may still."""
        beat = self._kept.get(name)
        if beat is None:
            return None
        guide, learned = beat.guide, self._learned
        is_valid = (
            beat.expires_at > self._now()
            if guide is None
            else self._walkers.still_valid(guide.walker)
        )
        if is_valid and (beat.changes == learned.changes or beat.is_still_asked_so(learned)):
            return beat
        self._kept.drop(name)
        return None

    def answer(
        self, beat: Beat, request: bytes, trace: Trace, answered: Callable[[Outcomes], None]
    ) -> bool:
        """Answer a request that came before; ``answered`` is called with what it comes to.

        False, and it is not, where there is more to be waited for than the store.
        """
        begun = perf_counter()
        question = beat.question
        account = question.account
        manifest = self._source.fresh(beat.key)
        if manifest is None or manifest.template is None:
            return False
        template = manifest.template
        if not self._holds.may_take(account, question.manner.limit):
            return False

        def heard(told: Decision | StoreUnavailable | None) -> None:
            outcome: Outcomes
            self._holds.give_back(account)
            now = perf_counter()
            self._store.observe(now - asked, now, trace)
            try:
                outcome = self._outcome(beat, request, template, told, trace)
            except Exception:
                # A bug. The walk may do better; else it has the request told so.
                log.exception("a beat could not be answered", route=beat.key.route)
                outcome = told if isinstance(told, Decision) else None
            answered(outcome)

        asked = perf_counter()
        if not self._admission.store.hear(question, heard):
            self._holds.give_back(account)
            return False
        self._auth.observe(asked - begun, asked, trace)
        return True

    def _outcome(
        self,
        beat: Beat,
        request: bytes,
        template: Template,
        told: Decision | StoreUnavailable | None,
        trace: Trace,
    ) -> Outcomes:
        if not isinstance(told, Decision):
            return None
        begun = perf_counter()
        if (
            told.outcome is not Outcome.RENEWED
            or told.stream != beat.question.stream
            or not self._learned.has_learned(
                beat.key.content, template, is_entry=beat.kind is Kind.ENTRY
            )
        ):
            return told
        if beat.ticket is not None:
            if template.refreshes_by_location:
                return told
            sealed = request[beat.ticket]
        else:
            template, sealed = self._guided(beat, told, template)
        if template.size(sealed) > AT_ONCE:
            return told
        served = Served(template.content_type, told, template.render(sealed))
        now = perf_counter()
        self._rewrite.observe(now - begun, now, trace)
        return served

    def _guided(self, beat: Beat, told: Decision, template: Template) -> tuple[Template, bytes]:
        guide = cast("Guide", beat.guide)
        self._admission.note_return(guide.walker.playback, told, template)
        template, ticket = guide.fitted(self._walkers, told, template)
        return template, ticket.encode()


def written_down(peer: str, scheme: str, request: bytes) -> bytes:
    """Write down all that the answer to a request depends on, who it is from as well."""
    # No line end is in what stands before the request.
    return f"{peer}\n{scheme}\n".encode() + request


def named(request: bytes) -> bytes:
    """Name a request that is ``written_down``."""
    return blake2b(request, digest_size=NAME_BYTES).digest()


def said(request: bytes) -> bytes:
    """Give what a request that is ``written_down`` says, whoever it is from."""
    return request.split(b"\n", 2)[2]


def _place(request: bytes, ticket: bytes) -> slice | None:
    """Give where a ticket stands in a request; None where it is written in another way."""
    start = said(request).find(ticket)
    return _slice(start, start + len(ticket)) if start >= 0 else None


# They are alike, and the same for many.
_slice = lru_cache(MAX_PLACES)(slice)
