"""The store while the store is away.

Stands before the shared store and is a store itself. While that one answers, it only passes on
what is asked and remembers what was said. When it does not, it is left alone for a moment, then
asked again by one request at a time, so that an outage costs a timeout now and then rather than
one for everybody. Meanwhile:

    streams known here     play on, in every mode; they are what an outage must not interrupt
    new ones, local        are counted in this process, by the same rules
    new ones, open         pass, whatever limits and rules say
    new ones, closed       StoreUnavailable

"Known" is what passed through this process and has not lapsed; what ended here stays ended, and
what was turned away as revoked is so still. When the store is back its word counts again: a stream
that was let in meanwhile claims its slot there with its next beat.
"""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from enum import StrEnum

from proxy.admission.breaker import Breaker, OnChange, untold
from proxy.admission.policy import Policy
from proxy.admission.revocations import Revocation
from proxy.admission.shadow import HOLDING, Shadow
from proxy.admission.store import Heard, Question, Store
from proxy.errors import BadRequest, StoreUnavailable
from proxy.model import Clock, Subject
from proxy.streams import Attempt, Cadence, Decision, Ended, Intent, Lapsed, Outcome, Stream

# More streams than any account has: the limit where there is none.
UNLIMITED = 1 << 30

# What is said of a stream or a credential because it passed here before.
KNOWN = frozenset({Outcome.RENEWED, Outcome.ENDED, Outcome.REVOKED})


class OnOutage(StrEnum):
    """What new streams meet while the store is away (``store.on_outage``)."""

    LOCAL = "local"
    OPEN = "open"
    CLOSED = "closed"


def _alone(policy: Policy, mode: OnOutage) -> Policy:
    """Give the policy for a time without the store.

    Open means that no rule is asked; slots keep the names of theirs for when it is over.
    """
    return replace(policy, rules=()) if mode is OnOutage.OPEN else policy


class OutageGuard:
    """A store that goes on without the one behind it.

    ``clock`` is in seconds. ``on_change`` is called with the failure when the store goes away, and
    with None when it is back. What went wrong is the failure's ``__cause__``, also where ``ping``
    raises it without asking again.
    """

    def __init__(
        self,
        primary: Store,
        policy: Policy,
        mode: OnOutage,
        *,
        clock: Clock,
        on_change: OnChange = untold,
    ) -> None:
        self._primary = primary
        self._shadow = Shadow(_alone(policy, mode), clock)
        self._mode = mode
        self._breaker = Breaker(clock, on_change)
        self._ask = self._breaker.ask

    def govern(self, policy: Policy, mode: OnOutage) -> None:
        """Decide alone by another policy and mode from now on; what is known here stays known."""
        self._shadow.govern(_alone(policy, mode))
        self._mode = mode

    @property
    def available(self) -> bool:
        """Whether the store answered when it was last asked."""
        return self._breaker.is_closed

    async def start(self) -> None:
        """Try to reach the store; without it the outage has begun before the first request."""
        try:
            await self._ask(self._primary.start)
        except StoreUnavailable:
            return

    async def close(self) -> None:
        """Let go of the store."""
        await self._primary.close()

    async def ping(self) -> None:
        """Return if the store can be asked.

        Raises:
            StoreUnavailable: it cannot, whatever the mode.
        """
        await self._ask(self._primary.ping)

    async def decide(self, attempt: Attempt) -> Decision:
        """Decide on an attempt, alone if need be.

        Raises:
            StoreUnavailable: the store is away, the mode is closed, and the stream is not known.
        """
        try:
            told = await self._ask(lambda: self._primary.decide(attempt))
        except StoreUnavailable:
            return self._decide_alone(attempt)
        self._shadow.adopt(attempt, told)
        return told

    def question(self, attempt: Attempt) -> Question:
        """Put an attempt into the store's words."""
        return self._primary.question(attempt)

    def hear(self, question: Question, heard: Heard) -> bool:
        """Decide as the store does; not while it is away, for then ``decide`` goes on without."""

        def told(answer: Decision | StoreUnavailable | None) -> None:
            try:
                if isinstance(answer, StoreUnavailable):
                    self._breaker.note(answer)
                elif answer is not None:
                    self._breaker.note(None)
                    self._shadow.adopt(question.attempt, answer)
            finally:
                heard(answer)

        return self.available and self._primary.hear(question, told)

    async def amend(self, account: str, stream: str, cadence: Cadence) -> None:
        """Correct how long a stream's slot lives, here at least."""
        await self._shadow.amend(account, stream, cadence)
        try:
            await self._ask(lambda: self._primary.amend(account, stream, cadence))
        except StoreUnavailable:
            return  # the slot lapses a little early or late, there

    async def release(
        self, account: str, stream: str, instance_ms: int | None = None
    ) -> Ended | None:
        """Give back the slot of a stream; None where it has none.

        Raises:
            StoreUnavailable: the store is away and the mode is closed.
        """
        try:
            ended = await self._ask(lambda: self._primary.release(account, stream, instance_ms))
        except StoreUnavailable:
            self._insist()
            return await self._shadow.release(account, stream, instance_ms)
        await self._shadow.release(account, stream, instance_ms)
        return ended

    async def stop(self, account: str, stream: str, *, by: str) -> tuple[Ended, ...]:
        """Kill one stream, as a viewer of the account asked: here at once and in the store.

        Raises:
            StoreUnavailable: the store is away, whatever the mode, as for ``end``.
        """
        await self._shadow.stop(account, stream, by=by)
        return await self._ask(lambda: self._primary.stop(account, stream, by=by))

    async def forget(self, account: str, stream: str, started_ms: int) -> Ended | None:
        """Take back the slot of an instance that could not be served, here at least."""
        here = await self._shadow.forget(account, stream, started_ms)
        try:
            return await self._ask(lambda: self._primary.forget(account, stream, started_ms))
        except StoreUnavailable:
            return here  # it lapses there

    async def end(
        self, account: str, stream: str | None, *, by: str, hold_ms: int = 0
    ) -> tuple[Ended, ...]:
        """Kill one stream or all of them (None), here at once and in the store.

        Raises:
            StoreUnavailable: the store is away, whatever the mode. It would let them play again
                when it is back, so whoever wants them ended must not be told that they are.
        """
        await self._shadow.end(account, stream, by=by, hold_ms=hold_ms)
        return await self._ask(lambda: self._primary.end(account, stream, by=by, hold_ms=hold_ms))

    async def drop_lapsed(self, accounts: Sequence[str]) -> tuple[Lapsed, ...]:
        """Drop the slots of these accounts whose time is up, and hand back the store's.

        Raises:
            StoreUnavailable: the store is away, whatever the mode: they are told once, by it.
        """
        if not self.available:
            raise StoreUnavailable from self._breaker.cause
        # Not by the breaker: a call that no request waits for says nothing of those that one does.
        lapsed = await self._primary.drop_lapsed(accounts)
        await self._shadow.drop_lapsed(accounts)
        return lapsed

    async def revoke(self, account: str, revocation: Revocation) -> tuple[Ended, ...]:
        """Revoke tokens, here at once and in the store.

        Raises:
            BadRequest: more tokens of the account are revoked than can be remembered.
            StoreUnavailable: the store is away, whatever the mode, and does not know. It would
                let them play when it is back, on every other proxy even now.
        """
        with suppress(BadRequest):  # the store's word counts, and its place may be less full
            await self._shadow.revoke(account, revocation)
        return await self._ask(lambda: self._primary.revoke(account, revocation))

    async def is_revoked(self, subject: Subject) -> bool:
        """Tell whether a credential's token is revoked: there, or as far as it is known here.

        Raises:
            StoreUnavailable: the store is away and the mode is closed.
        """
        try:
            return await self._ask(lambda: self._primary.is_revoked(subject), reads=True)
        except StoreUnavailable:
            self._insist()
            return await self._shadow.is_revoked(subject)

    async def streams(self, account: str) -> tuple[Stream, ...]:
        """List the active streams: the store's, or those that pass here.

        Raises:
            StoreUnavailable: the store is away and the mode is closed.
        """
        try:
            return await self._ask(lambda: self._primary.streams(account), reads=True)
        except StoreUnavailable:
            self._insist()
            return await self._shadow.streams(account)

    async def active(self) -> Mapping[str, int]:
        """How many streams are active, by route: the store's, or while it is away those of here.

        Raises:
            StoreUnavailable: it did not answer, but does so to requests as far as is known.
        """
        if not self.available:
            return await self._shadow.active()
        # Not by the breaker: as for lapses.
        return await self._primary.active()

    def _decide_alone(self, attempt: Attempt) -> Decision:
        if self._mode is OnOutage.CLOSED:
            # Look before anything is noted: the answer may be that there is none.
            expected = self._shadow.rule(replace(attempt, intent=Intent.PEEK))
            if expected.outcome not in KNOWN:
                raise StoreUnavailable
        # A slot that is not known here may well be there, in the store.
        unchecked = {Outcome.RENEWED, Outcome.ABSENT}
        if self._mode is OnOutage.OPEN:
            unchecked |= HOLDING
            told = self._shadow.rule(replace(attempt, limit=UNLIMITED))
            told = told._replace(limit=attempt.limit)
        else:
            told = self._shadow.rule(attempt)
        outcome = Outcome.UNCHECKED if told.outcome in unchecked else told.outcome
        return told._replace(outcome=outcome)

    def _insist(self) -> None:
        """Without the store there is no answer, in closed mode."""
        if self._mode is OnOutage.CLOSED:
            raise StoreUnavailable
