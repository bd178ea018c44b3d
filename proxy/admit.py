"""The admission stage: from who and what, to a decision or a refusal.

Gathers what a decision depends on (the account's limit, the tempo of the content), asks the store
once, and turns a "no" into the error the player gets.
"""

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import lru_cache, partial

from proxy.admission.policy import BEATS_PER_TTL, Lifetimes, cadence, limit_for
from proxy.admission.rules import Rulebook
from proxy.admission.store import Question, Store
from proxy.errors import StoreUnavailable, StreamEnded, StreamLimit, TokenRevoked
from proxy.learned import Learned, Tempo
from proxy.manifests.template import Template
from proxy.model import Playback, Subject
from proxy.streams import Attempt, Cadence, Decision, Intent, Outcome, Pace
from proxy.telemetry.metrics import Metrics

# A manifest may promise a beat each millisecond, but a stream is not missed before it was silent
# for five seconds (``slot.MIN_PATIENCE_MS``).
MIN_BEAT_INTERVAL_MS = 1_000
# Tempos of which it is known how long slots live by them.
MAX_PACES = 1_024

NEW = frozenset({Outcome.ADMITTED, Outcome.TAKEOVER, Outcome.PROVISIONAL, Outcome.OBSERVED})


@dataclass(frozen=True, slots=True)
class Limits:
    """Where an account's limit comes from, the rules beside it, and the status of a refusal."""

    default: int
    plans: Mapping[str, int]
    routes: Mapping[str, int | None]
    status: int
    rulebook: Rulebook = field(default_factory=Rulebook)


ON_DEMAND = Pace(live=False)
# The cadence of a beat that knows nothing of its stream: the slot keeps its own.
KEPT = Cadence(ttl_ms=0, guess=True)


class Admission:
    """Decides on requests, through the store; ``learned`` is what was known before, if anything."""

    def __init__(
        self,
        store: Store,
        limits: Limits,
        lifetimes: Lifetimes,
        metrics: Metrics,
        learned: Learned | None = None,
    ) -> None:
        self.store = store
        self._limits = limits
        self._cadence = lru_cache(MAX_PACES)(partial(cadence, lifetimes=lifetimes))
        self._metrics = metrics
        self._learned = learned or Learned()

    async def decide(
        self,
        subject: Subject,
        playback: Playback,
        *,
        beat: bool,
        intent: Intent = Intent.START,
    ) -> Decision:
        """Decide on one request of a playback.

        Raises:
            TokenRevoked: the credential's token was revoked.
            StreamLimit: the account has no room for it.
            StreamEnded: this stream was ended and may not go on.
            StoreUnavailable: nobody can say, and ``store.on_outage`` is ``closed``.
        """
        lifetime = self._lifetime(playback)
        return await self._ask(self._attempt(subject, playback, lifetime, beat=beat, intent=intent))

    async def keep_alive(
        self, subject: Subject, playback: Playback, *, intent: Intent = Intent.RESUME
    ) -> Decision:
        """Take the beat of a player that was made to report, and so is on demand if in doubt.

        Its viewer may have gone, or be watching something else by now: no START.

        Raises:
            TokenRevoked, StreamLimit, StreamEnded, StoreUnavailable: as for ``decide``.
        """
        pace = self.tempo(playback.content).pace
        lifetime = self._cadence(pace or ON_DEMAND, self_refreshing=False)
        if pace is None:
            lifetime = replace(lifetime, guess=True)
        return await self._ask(self._attempt(subject, playback, lifetime, beat=True, intent=intent))

    async def touch(self, subject: Subject, playback: Playback) -> Decision:
        """Keep a stream that is known by its id alone, for as long as it was kept before.

        Raises:
            TokenRevoked, StreamEnded, StoreUnavailable: as for ``decide``.
        """
        return await self._ask(
            self._attempt(subject, playback, KEPT, beat=True, intent=Intent.TOUCH)
        )

    async def vouch(self, account: str, playback: Playback) -> Decision:
        """Keep a stream of which somebody else tells, in whose word no viewer's credential comes.

        So there is none to be turned away; the streams of revoked ones have ended already.

        Raises:
            StreamEnded, StoreUnavailable: as for ``decide``.
        """
        attempt = self._attempt(
            Subject(account),
            playback,
            KEPT,
            beat=True,
            intent=Intent.TOUCH,
            by_credential=False,
        )
        return await self._ask(attempt)

    async def keep(
        self, subject: Subject, playback: Playback, held: Decision, *, beat: bool
    ) -> None:
        """Keep the slot that a request was given when it came, while it waits for its answer.

        Never takes one again: it may have been given back meanwhile.

        Raises:
            TokenRevoked, StreamEnded, StreamLimit, StoreUnavailable: as for ``decide``. Whoever
                came with a token hears of the end of this playback, too, not only of one of a
                ticket.
        """
        instance_ms = playback.instance_ms or held.started_ms
        mine = replace(playback, instance_ms=instance_ms)
        await self.decide(subject, mine, beat=beat, intent=Intent.TOUCH)

    async def check(self, subject: Subject) -> None:
        """Turn a revoked credential away where nothing is to be decided.

        Raises:
            TokenRevoked, StoreUnavailable: as for ``decide``.
        """
        if await self.store.is_revoked(subject):
            raise TokenRevoked

    def beat_interval(self, content: str) -> float:
        """Give how often a stream is to be heard of, so that nobody takes it for gone (seconds)."""
        lifetime = self._cadence(self.tempo(content).pace, self_refreshing=False)
        often_enough = lifetime.ttl_ms / BEATS_PER_TTL
        promised = max(lifetime.interval_ms, MIN_BEAT_INTERVAL_MS)
        return min(promised if lifetime.interval_ms else often_enough, often_enough) / 1000

    def limit(self, subject: Subject, route: str = "") -> tuple[int, str]:
        """Give an account's limit on a route, and the name of where it comes from."""
        return limit_for(
            subject,
            plans=self._limits.plans,
            route=self._limits.routes.get(route),
            default=self._limits.default,
        )

    async def _ask(self, attempt: Attempt) -> Decision:
        with self._metrics.phase("store"):
            decision = await self.store.decide(attempt)
        return self.judged(decision)

    def judged(self, decision: Decision) -> Decision:
        """Give a decision that lets a request pass.

        Raises:
            TokenRevoked, StreamLimit, StreamEnded: it does not.
        """
        if decision.outcome is Outcome.REVOKED:
            raise TokenRevoked
        if decision.outcome is Outcome.REFUSED:
            raise StreamLimit(decision, self._limits.status)
        if decision.outcome is Outcome.ENDED:
            raise StreamEnded(decision)
        return decision

    def _attempt(
        self,
        subject: Subject,
        playback: Playback,
        lifetime: Cadence,
        *,
        beat: bool,
        intent: Intent,
        by_credential: bool = True,
    ) -> Attempt:
        limit, rule = self.limit(subject, playback.route)
        return Attempt(
            account=subject.account,
            playback=playback,
            limit=limit,
            rule=rule,
            cadence=lifetime,
            beat=beat,
            intent=intent,
            jti=subject.jti,
            issued_ms=subject.issued_ms if by_credential else None,
            rules=self._limits.rulebook.applying(subject, playback),
        )

    def question(self, subject: Subject, playback: Playback, *, beat: bool) -> Question:
        """Put a request into the store's words; good as long as ``Learned.habits`` are the same."""
        lifetime = self._lifetime(playback)
        return self.store.question(
            self._attempt(subject, playback, lifetime, beat=beat, intent=Intent.START)
        )

    def _lifetime(self, playback: Playback) -> Cadence:
        tempo = self.tempo(playback.content)
        returns = tempo.self_refreshing or self._learned.returns(playback.stream)
        return self._cadence(tempo.pace, self_refreshing=returns)

    def tempo(self, content: str) -> Tempo:
        """Give what is known of a content's tempo."""
        return self._learned.tempo(content)

    def shows_life(self, content: str, *, by_ticket: bool) -> bool:
        """Tell whether a request is a beat: one of many that come for as long as somebody watches.

        Only what is live is asked for so. Something on demand is read ahead, manifests and
        segments alike, and then nothing is heard of it while it plays to its end: its requests
        keep the slot, for its whole length again, but promise no next one.
        """
        tempo = self.tempo(content)
        return tempo.is_live and (by_ticket or tempo.self_refreshing)

    def refreshes(self, content: str) -> bool:
        """Tell whether a content is known to be live, so that its players come by themselves."""
        return self.tempo(content).is_live

    async def learn(
        self,
        subject: Subject,
        playback: Playback,
        decision: Decision,
        template: Template,
        *,
        is_entry: bool,
    ) -> None:
        """Take in what a manifest says of its tempo, and correct the slot if that is news."""
        self.note_return(playback, decision, template)
        if template.pace is None:
            return
        known = self.tempo(playback.content)
        # A rendition that a media playlist reports on says nothing of how the entry is refreshed.
        refreshes_itself = template.media_playlist if is_entry else known.self_refreshing
        tempo = self._learned.note_tempo(
            playback.content, template.pace, self_refreshing=refreshes_itself
        )
        if tempo == known or decision.outcome is Outcome.UNCHECKED:
            return
        corrected = self._lifetime(playback)
        with suppress(StoreUnavailable):
            await self.store.amend(subject.account, decision.stream, corrected)

    def note_return(self, playback: Playback, decision: Decision, template: Template) -> None:
        """Tell players that refresh an MPD where it sends them from those that never look there.

        ffmpeg, VLC 3 and GStreamer 1.22 ask for the entry again, with its token: each refresh
        looks like a new start, and would undo a takeover or an operator's end.
        """
        if not template.refreshes_by_location:
            return
        if playback.instance_ms is not None:
            self._learned.note_return(playback.stream, by_token=False)
        elif decision.outcome is Outcome.RENEWED:
            self._learned.note_return(playback.stream, by_token=True)

    async def undo(self, subject: Subject, decision: Decision, *, kept: bool = False) -> None:
        """Give back the slot of a stream that was let in but could not be served.

        ``kept`` says that it was kept meanwhile.
        """
        if decision.outcome in NEW:
            account, stream, started_ms = subject.account, decision.stream, decision.started_ms
            with suppress(StoreUnavailable):
                await self.store.forget(account, stream, started_ms, kept=kept)
