"""Requests that came before, answered as soon as the store has answered: the daily bread.

A player that refreshes a manifest asks for the same thing each time, in the same words. What the
walk (``gateway``) finds out about it before anybody is asked, who it is and which stream that is,
comes out the same, for as long as the credential is good. So it is kept (``Visit``), and with it
the question to the store. If the manifest is fresh, nothing is waited for but the store's answer,
and where that is the usual one, that the stream goes on, the reply is made in the turn in which it
arrives: without a task, and without another look at what is known.

This answers nothing else. Everything unusual is left to the walk, which is told what the store has
said already, for what a store says once is not said again. So nothing is decided here, and what is
done is done by the same rooms.
"""

from collections.abc import Callable
from dataclasses import dataclass
from time import perf_counter

import structlog

from proxy.admission.store import Question
from proxy.admit import Admission
from proxy.attendance import Holds
from proxy.errors import StoreUnavailable
from proxy.keeping import Keeping
from proxy.learned import Habits, Learned
from proxy.manifest_source import ManifestKey, ManifestSource
from proxy.manifests.template import Template
from proxy.model import Kind, Reply
from proxy.rendering import AT_ONCE, manifest_headers
from proxy.routing import Route
from proxy.streams import Decision, Outcome
from proxy.telemetry.metrics import Metrics
from proxy.trace import Trace
from proxy.walker import Walker, Walkers

# Requests that are kept, at some 4 KiB each: 70 MiB, of the 512 that a container has.
MAX_KEPT = 16_384
# Of requests that came once: most that do never come again (a viewer zaps, a player puts its
# measurements into the query), and none of those takes a place from one that does.
MAX_ONCE = 65_536

# What a request comes to: a reply; or what the store has said, if anything, to go on with.
Outcomes = Reply | Decision | None


log = structlog.get_logger("playgate")

Headers = tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Visit:
    """What a request for a manifest is, before anybody is asked."""

    route: Route
    kind: Kind
    walker: Walker
    key: ManifestKey


class Beat:
    """A visit that may come again, and what is kept from one time to the next."""

    __slots__ = ("_due", "_habits", "_headers", "_question", "_shown", "_ticket", "head", "visit")

    def __init__(self, visit: Visit) -> None:
        self.visit = visit
        # What whoever sends the replies makes of their fields.
        self.head: object = None
        self._habits: Habits | None = None
        self._question: Question | None = None
        self._due: tuple[int, int] | None = None
        self._ticket = ""
        self._shown: tuple[str, int, int] | None = None
        self._headers: Headers = ()

    def question(self, admission: Admission, learned: Learned) -> Question:
        """Give the question to the store; the same as before, unless something was learned."""
        walker = self.visit.walker
        habits = learned.habits(walker.playback.content, walker.playback.stream)
        if self._question is None or habits != self._habits:
            content, by_ticket = walker.playback.content, walker.ticket is not None
            beat = admission.shows_life(content, by_ticket=by_ticket)
            self._question = admission.question(walker.subject, walker.playback, beat=beat)
            self._habits = habits
        return self._question

    def fitted(
        self, walkers: Walkers, decision: Decision, template: Template
    ) -> tuple[Template, str]:
        """Give the manifest as it suits the viewer, and its ticket, minted anew only if need be."""
        walker = self.visit.walker
        if walker.ticket is not None:
            return walkers.fitted(walker, decision, template)
        due = (decision.started_ms, walkers.expiry())
        if due != self._due:
            self._ticket, self._due = walkers.ticket(walker, decision, template), due
        return template, self._ticket

    def headers(self, template: Template, decision: Decision) -> Headers:
        """Give the fields of the reply: the very same as before, if they are."""
        shown = (template.content_type, decision.active, decision.limit)
        if shown != self._shown:
            self._headers, self._shown = manifest_headers(template, decision), shown
        return self._headers


class Beats:
    """Keeps what came before, and answers it when it comes again."""

    def __init__(
        self,
        *,
        walkers: Walkers,
        admission: Admission,
        source: ManifestSource,
        metrics: Metrics,
        holds: Holds,
        learned: Learned,
    ) -> None:
        self._walkers = walkers
        self._admission = admission
        self._source = source
        self._holds = holds
        self._learned = learned
        self._kept: Keeping[bytes, Beat] = Keeping(MAX_KEPT)
        self._once: set[int] = set()
        self._auth, self._store, self._rewrite = map(metrics.phase.of, ("auth", "store", "rewrite"))

    def keep(self, name: bytes, visit: Visit) -> None:
        """Keep a visit that went well, by the request's name, from the second time on."""
        if not name:
            return
        if hash(name) not in self._once:
            if len(self._once) >= MAX_ONCE:
                self._once.clear()
            self._once.add(hash(name))
            return
        self._kept.put(name, Beat(visit))

    def find(self, name: bytes) -> Beat | None:
        """Give what a request comes to, by its name, if it may still."""
        beat = self._kept.get(name)
        if beat is not None and not self._walkers.still_valid(beat.visit.walker):
            self._kept.drop(name)
            return None
        return beat

    def answer(self, beat: Beat, trace: Trace, answered: Callable[[Outcomes], None]) -> bool:
        """Answer a request that came before; ``answered`` is called with what it comes to.

        False, and it is not, where there is more to be waited for than the store.
        """
        begun = perf_counter()
        visit = beat.visit
        account = visit.walker.subject.account
        question = beat.question(self._admission, self._learned)
        if self._holds.are_taken(account, question.attempt.limit):
            return False
        manifest = self._source.fresh(visit.key)
        if manifest is None or manifest.template is None:
            return False
        template = manifest.template

        def heard(told: Decision | StoreUnavailable | None) -> None:
            outcome: Outcomes
            self._holds.give_back(account)
            now = perf_counter()
            self._store.observe(now - asked, now, trace)
            try:
                outcome = self._outcome(beat, template, told, trace)
            except Exception:
                # A bug. The walk may do better; else it has the request told so.
                log.exception("a beat could not be answered", route=visit.route.name)
                outcome = told if isinstance(told, Decision) else None
            answered(outcome)

        self._holds.take(account)
        asked = perf_counter()
        if not self._admission.store.hear(question, heard):
            self._holds.give_back(account)
            return False
        self._auth.observe(asked - begun, asked, trace)
        return True

    def _outcome(
        self,
        beat: Beat,
        template: Template,
        told: Decision | StoreUnavailable | None,
        trace: Trace,
    ) -> Outcomes:
        if not isinstance(told, Decision):
            return None
        begun = perf_counter()
        walker, is_entry = beat.visit.walker, beat.visit.kind is Kind.ENTRY
        playback = walker.playback
        if (
            told.outcome is not Outcome.RENEWED
            or told.stream != playback.stream
            or not self._learned.has_learned(playback.content, template, is_entry=is_entry)
        ):
            return told
        self._admission.note_return(playback, told, template)
        template, ticket = beat.fitted(self._walkers, told, template)
        sealed = ticket.encode()
        if template.size(sealed) > AT_ONCE:
            return told
        reply = Reply(200, beat.headers(template, told), template.render(sealed))
        now = perf_counter()
        self._rewrite.observe(now - begun, now, trace)
        return reply
