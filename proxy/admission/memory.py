"""The store of one process: ``memory://``.

Runs the rules of ``decision`` on ledgers it keeps in a dictionary. Nothing survives the process or
is shared with another. An account is forgotten when nothing of it is needed any more: each one
stands once in a queue by that time, and each use looks at the few whose time has come, so that no
call ever walks through all accounts.
"""

import asyncio
from collections import Counter
from collections.abc import Callable, Coroutine, Mapping, Sequence
from functools import wraps
from heapq import heappop, heappush
from time import perf_counter
from typing import Any, Concatenate, ParamSpec, TypeVar

from proxy.admission import decision
from proxy.admission.boundary import Observe, unobserved
from proxy.admission.ledger import Ledger
from proxy.admission.policy import Policy
from proxy.admission.revocations import Revocation
from proxy.admission.store import Heard, Listeners, Manner, Question
from proxy.model import Clock, Subject
from proxy.streams import (
    Attempt,
    Cadence,
    Decision,
    Ended,
    Intent,
    Lapsed,
    Outcome,
    Renewal,
    Stream,
)

# Accounts looked at for each use: more than one, so that forgetting outruns the coming of new
# ones; few, so that no request pays for many.
SWEEP = 4
# Accounts counted at one go, which takes a millisecond or two.
COUNTED = 250
# What is remembered of an account that is not known.
NOTHING = Ledger()

Given = ParamSpec("Given")
Found = TypeVar("Found")
Call = Callable[Concatenate["MemoryStore", Given], Coroutine[Any, Any, Found]]


def told(call: Call[Given, Found]) -> Call[Given, Found]:
    """Have a call measured, as one to a store that is elsewhere is; none of these can fail."""

    @wraps(call)
    async def measured(store: "MemoryStore", /, *args: Given.args, **kwargs: Given.kwargs) -> Found:
        begun = perf_counter()
        try:
            return await call(store, *args, **kwargs)
        finally:
            store.observe(call.__name__, perf_counter() - begun, True)  # noqa: FBT003  # a callback

    return measured


class MemoryStore:
    """Counts streams in this process. ``clock`` is in seconds, like every clock.

    ``observe`` hears of each call, as that of a store elsewhere does.
    """

    def __init__(self, policy: Policy, clock: Clock, observe: Observe = unobserved) -> None:
        self._policy = policy
        self._clock = clock
        self.observe = observe
        self.listeners = Listeners()
        self._ledgers: dict[str, Ledger] = {}
        self._due: list[tuple[int, str]] = []

    def __len__(self) -> int:
        """How many accounts are remembered."""
        return len(self._ledgers)

    def govern(self, policy: Policy) -> None:
        """Decide by another policy from now on; what is counted stays."""
        self._policy = policy

    @told
    async def start(self) -> None:
        """Nothing to get ready."""

    async def close(self) -> None:
        """Nothing to let go of."""

    @told
    async def ping(self) -> None:
        """Always there."""

    @told
    async def decide(self, attempt: Attempt) -> Decision:
        """Decide on an attempt, and note what follows."""
        return self.rule(attempt)

    def question(self, attempt: Attempt) -> Question:
        """Put an attempt into words: its own will do."""
        playback = attempt.playback
        manner = Manner(
            lambda _, own: own, attempt.limit, attempt.rule, playback.route, attempt.beat
        )
        return Question(manner, attempt.account, playback.stream, attempt)

    def hear(self, question: Question, heard: Heard) -> bool:
        """Decide, and say so at once."""
        begun = perf_counter()
        told = self.rule(question.attempt)
        goes_on = told.outcome is Outcome.RENEWED and told.stream == question.stream
        if goes_on and not told.ended:
            told = Renewal(*told)
        else:
            self.observe("decide", perf_counter() - begun, True)  # noqa: FBT003  # a callback
        self.listeners.tell(question, told, heard)
        return True

    @told
    async def amend(self, account: str, stream: str, cadence: Cadence) -> None:
        """Correct how long a stream's slot lives, counted from now."""
        now_ms = self.now_ms()
        if ledger := self._known(account):
            ledger.amend(stream, cadence, now_ms)

    @told
    async def release(
        self, account: str, stream: str, instance_ms: int | None = None
    ) -> Ended | None:
        """Give back the slot of a stream; None where it has none."""
        ledger = self._known(account)
        return ledger.release(stream, instance_ms, self.now_ms()) if ledger else None

    @told
    async def stop(self, account: str, stream: str, *, by: str) -> tuple[Ended, ...]:
        """Kill one stream, as a viewer of the account asked."""
        ledger = self._known(account)
        return ledger.stop(stream, self._policy, self.now_ms(), by=by) if ledger else ()

    @told
    async def forget(
        self, account: str, stream: str, started_ms: int, *, kept: bool = False
    ) -> Ended | None:
        """Take back the slot of an instance that could not be served; None where it has none."""
        ledger = self._known(account)
        now_ms = self.now_ms()
        return ledger.forget(stream, started_ms, now_ms, kept=kept) if ledger else None

    @told
    async def end(
        self, account: str, stream: str | None, *, by: str, hold_ms: int = 0
    ) -> tuple[Ended, ...]:
        """Kill one stream or all of them (None), oldest first."""
        ledger = self._known(account)
        if ledger is None:
            return ()
        return ledger.end(stream, self._policy, self.now_ms(), by=by, hold_ms=hold_ms)

    @told
    async def drop_lapsed(self, accounts: Sequence[str]) -> tuple[Lapsed, ...]:
        """Drop the slots of these accounts whose time is up, and hand them back."""
        now_ms = self.now_ms()
        ledgers = (self._known(account) or NOTHING for account in accounts)
        return tuple(
            Lapsed(tuple(ledger.drop_lapsed(now_ms)), ledger.next_lapse(now_ms))
            for ledger in ledgers
        )

    @told
    async def revoke(self, account: str, revocation: Revocation) -> tuple[Ended, ...]:
        """Revoke tokens and their tickets, and end the streams that play by them, oldest first.

        Raises:
            BadRequest: more tokens of the account are revoked than can be remembered.
        """
        return self.ledger(account).revoke(revocation, self._policy, self.now_ms())

    @told
    async def is_revoked(self, subject: Subject) -> bool:
        """Tell whether a credential's token is revoked."""
        ledger = self._known(subject.account)
        return ledger is not None and ledger.revocations.cover(subject, self.now_ms())

    @told
    async def streams(self, account: str) -> tuple[Stream, ...]:
        """List the active streams, oldest first."""
        ledger = self._known(account)
        return ledger.listing(self.now_ms()) if ledger else ()

    @told
    async def active(self) -> Mapping[str, int]:
        """How many streams are active, by route; what comes and goes meanwhile counts or not."""
        return await self.active_of(lambda _account: True)

    async def active_of(self, counts: Callable[[str], bool]) -> Counter[str]:
        """How many streams of the accounts that count are active, by route."""
        numbers: Counter[str] = Counter()
        for position, account in enumerate(list(self._ledgers), 1):
            ledger = (self._known(account) if counts(account) else None) or NOTHING
            numbers.update(slot.route for slot in ledger.active(self.now_ms()))
            if position % COUNTED == 0:
                await asyncio.sleep(0)
        return numbers

    def rule(self, attempt: Attempt) -> Decision:
        """Decide without waiting, for there is nothing to wait for."""
        now_ms = self.now_ms()
        if attempt.intent is Intent.PEEK and attempt.account not in self._ledgers:
            return decision.decide(Ledger(), attempt, self._policy, now_ms)
        return decision.decide(self.ledger(attempt.account), attempt, self._policy, now_ms)

    def now_ms(self) -> int:
        """The time in milliseconds; rounded, for a float's last digit may fall short of one."""
        return round(self._clock() * 1000)

    def ledger(self, account: str) -> Ledger:
        """Give an account's ledger, a new one if need be, and forget some that are not needed."""
        now_ms = self.now_ms()
        self._forget(now_ms)
        ledger = self._known(account)
        if ledger is None:
            ledger = self._ledgers[account] = self._blank(account)
            # Looked at once soon: what it will hold by then is not known yet.
            heappush(self._due, (now_ms + 1, account))
        return ledger

    def _blank(self, account: str) -> Ledger:  # noqa: ARG002  # a shadow's has it
        """Give the ledger of an account of which nothing is known yet."""
        return Ledger()

    def _known(self, account: str) -> Ledger | None:
        """Give an account's ledger; None where nothing is remembered of it."""
        return self._ledgers.get(account)

    def _drop(self, account: str) -> None:
        """Remember an account no longer."""
        del self._ledgers[account]

    def _forget(self, now_ms: int) -> None:
        for _ in range(SWEEP):
            if not self._due or self._due[0][0] > now_ms:
                return
            _, account = heappop(self._due)
            needed_until_ms = self._ledgers[account].forgotten_at()
            if needed_until_ms <= now_ms:
                self._drop(account)
            else:
                heappush(self._due, (needed_until_ms, account))
