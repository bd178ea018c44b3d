"""The store while the store is away.

Stands before the shared store and is a store itself. While that one answers, it passes on what is
asked and remembers what was said. When it does not, it is left alone for a moment, then asked by
one request at a time: an outage costs a timeout now and then, and not everybody. Meanwhile:

    streams known here     play on, in every mode; they are what an outage must not interrupt
    new ones, local        are counted in this process; with a ticket (of another's) they pass
    new ones, open         pass, whatever limits and rules say
    new ones, closed       StoreUnavailable

"Known" is what passed through this process and has not lapsed; what ended here stays ended, and
what was turned away as revoked is so still. When the store is back its word counts again: streams
that play on claim their slots there, before a newcomer gets one (``claims``). A store of several
parts is away by parts: what one does not answer is nothing to accounts that lie in others.
"""

from collections.abc import Mapping, Sequence
from contextlib import suppress

from proxy.admission.alone import Alone
from proxy.admission.breaker import Breaker, Breakers, OnChange, untold
from proxy.admission.claims import Claims, Granted, unheard
from proxy.admission.policy import OnOutage, Policy
from proxy.admission.revocations import Revocation
from proxy.admission.shadow import Shadow
from proxy.admission.store import ASK_AGAIN, Heard, PartedStore, Question, Told
from proxy.admission.tally import total
from proxy.errors import BadRequest, StoreUnavailable
from proxy.model import Clock, Subject
from proxy.streams import Attempt, Cadence, Decision, Ended, Lapsed, Outcome, Renewal, Stream


class OutageGuard:
    """A store that goes on without the one behind it.

    ``clock`` is in seconds. ``on_change`` is called with the failure when the store goes away, were
    it a part of it, and with None when all of it is back; what went wrong is its ``__cause__``, as
    where ``ping`` raises it without asking again. ``granted`` hears of ``claims`` that were.
    """

    def __init__(
        self,
        primary: PartedStore,
        policy: Policy,
        mode: OnOutage,
        *,
        clock: Clock,
        on_change: OnChange = untold,
        granted: Granted = unheard,
    ) -> None:
        self._primary = primary
        self._shadow = Shadow(policy, clock)
        self._alone = Alone(self._shadow, policy, mode)
        self._claims = Claims(primary, self._shadow, granted)
        self._breakers = Breakers(primary.parts, clock, on_change, self._claims.note)
        self.listeners = primary.listeners
        self.listeners.add(self._take_in, self._renewed)

    def govern(self, policy: Policy, mode: OnOutage) -> None:
        """Decide alone by another policy and mode from now on; what is known here stays known."""
        self._alone.govern(policy, mode)

    @property
    def available(self) -> bool:
        """Whether all of the store answered when it was last asked."""
        return not self._breakers.away()

    async def start(self) -> None:
        """Try to reach the store; without it the outage has begun before the first request."""
        with suppress(StoreUnavailable):
            try:
                await self._primary.start()
            except StoreUnavailable as failure:
                if self._primary.parts == 1:
                    self._breakers.each[0].note(failure)
                else:
                    await self.ping()  # which of them?

    async def close(self) -> None:
        """Let go of the store."""
        await self._claims.close()
        await self._primary.close()

    async def ping(self) -> None:
        """Return if all of the store can be asked.

        Raises:
            StoreUnavailable: it cannot, whatever the mode.
        """
        await self._breakers.ask_each(self._primary.ping_part)

    async def decide(self, attempt: Attempt) -> Decision:
        """Decide on an attempt, alone if need be.

        Raises:
            StoreUnavailable: the store is away, the mode is closed, and the stream is not known.
        """
        part = self._primary.part(attempt.account)
        breaker = self._breakers.each[part]
        store = self._claims if part in self._claims.due_ms else self._primary
        try:
            told = await breaker.ask(lambda: store.decide(attempt))
        except StoreUnavailable:
            return self._alone.decide(attempt)
        if told.outcome is Outcome.ADMITTED:
            self._claims.admitted(attempt, told, part)
        self._shadow.adopt(attempt, told)
        return told

    def question(self, attempt: Attempt) -> Question:
        """Put an attempt into the store's words."""
        return self._primary.question(attempt)

    def hear(self, question: Question, heard: Heard) -> bool:
        """Decide as the store does; not while it is away, for then ``decide`` goes on without."""
        part = question.manner.part
        if not self._breakers.each[part].is_closed:
            return False
        due_ms = self._claims.due_ms
        if part in due_ms and not self._shadow.heard_since(question, due_ms[part]):
            return False
        return self._primary.hear(question, heard)

    def _take_in(self, question: Question, told: Told) -> None:
        if told is None:
            return
        part = question.manner.part
        breaker = self._breakers.each[part]
        if isinstance(told, StoreUnavailable):
            breaker.note(told)
            return
        breaker.note(None)
        attempt = question.attempt
        if told.outcome is Outcome.ADMITTED:
            self._claims.admitted(attempt, told, part)
        self._shadow.adopt(attempt, told)

    def _renewed(self, question: Question, told: Renewal) -> None:
        breaker = self._breakers.each[question.manner.part]
        if not breaker.is_closed:
            breaker.note(None)
        self._shadow.renew(question, told)

    async def amend(self, account: str, stream: str, cadence: Cadence) -> None:
        """Correct how long a stream's slot lives, here at least."""
        await self._shadow.amend(account, stream, cadence)
        try:
            await self._breaker(account).ask(lambda: self._primary.amend(account, stream, cadence))
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
            ended = await self._breaker(account).ask(
                lambda: self._primary.release(account, stream, instance_ms)
            )
        except StoreUnavailable:
            self._alone.insist()
            return await self._shadow.release(account, stream, instance_ms)
        await self._shadow.release(account, stream, instance_ms)
        return ended

    async def stop(self, account: str, stream: str, *, by: str) -> tuple[Ended, ...]:
        """Kill one stream, as a viewer of the account asked: here at once and in the store.

        Raises:
            StoreUnavailable: the store is away, whatever the mode, as for ``end``.
        """
        await self._shadow.stop(account, stream, by=by)
        return await self._breaker(account).ask(lambda: self._primary.stop(account, stream, by=by))

    async def forget(
        self, account: str, stream: str, started_ms: int, *, kept: bool = False
    ) -> Ended | None:
        """Take back the slot of an instance that could not be served; here in any case."""
        here = await self._shadow.forget(account, stream, started_ms, kept=True)
        try:
            return await self._breaker(account).ask(
                lambda: self._primary.forget(account, stream, started_ms, kept=kept)
            )
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
        return await self._breaker(account).ask(
            lambda: self._primary.end(account, stream, by=by, hold_ms=hold_ms)
        )

    async def drop_lapsed(self, accounts: Sequence[str]) -> tuple[Lapsed, ...]:
        """Drop the slots of these accounts whose time is up, and hand back the store's.

        Raises:
            StoreUnavailable: the store is away, whatever the mode: they are told once, by it.
        """
        asked = [account for account in accounts if self._breaker(account).is_closed]
        if accounts and not asked:
            raise StoreUnavailable from self._breaker(accounts[0]).cause
        # Not by a breaker: a call that no request waits for says nothing of those that one does.
        lapsed = dict(zip(asked, await self._primary.drop_lapsed(asked), strict=True))
        await self._shadow.drop_lapsed(asked)
        return tuple(lapsed.get(account, ASK_AGAIN) for account in accounts)

    async def revoke(self, account: str, revocation: Revocation) -> tuple[Ended, ...]:
        """Revoke tokens, here at once and in the store.

        Raises:
            BadRequest: more tokens of the account are revoked than can be remembered.
            StoreUnavailable: the store is away, whatever the mode, and does not know. It would
                let them play when it is back, on every other proxy even now.
        """
        with suppress(BadRequest):  # the store's word counts, and its place may be less full
            await self._shadow.revoke(account, revocation)
        return await self._breaker(account).ask(lambda: self._primary.revoke(account, revocation))

    async def is_revoked(self, subject: Subject) -> bool:
        """Tell whether a credential's token is revoked: there, or as far as it is known here.

        Raises:
            StoreUnavailable: the store is away and the mode is closed.
        """
        try:
            return await self._breaker(subject.account).ask(
                lambda: self._primary.is_revoked(subject), reads=True
            )
        except StoreUnavailable:
            self._alone.insist()
            return await self._shadow.is_revoked(subject)

    async def streams(self, account: str) -> tuple[Stream, ...]:
        """List the active streams: the store's, or those that pass here.

        Raises:
            StoreUnavailable: the store is away and the mode is closed.
        """
        try:
            return await self._breaker(account).ask(
                lambda: self._primary.streams(account), reads=True
            )
        except StoreUnavailable:
            self._alone.insist()
            return await self._shadow.streams(account)

    async def active(self) -> Mapping[str, int]:
        """How many streams are active, by route: the store's, or while it is away those of here.

        Raises:
            StoreUnavailable: it did not answer, but does so to requests as far as is known.
        """
        away = self._breakers.away()
        if not away:
            # Not by a breaker: as for lapses.
            return await self._primary.active()
        here = await self._shadow.active_of(lambda one: self._primary.part(one) in away)
        rest = set(range(self._primary.parts)) - away
        return total((here, await self._primary.active_in(rest) if rest else {}))

    def _breaker(self, account: str) -> Breaker:
        return self._breakers.each[self._primary.part(account)]
