"""The store as the rest of the proxy sees it: one that tells what its answers mean.

Whoever asks it cannot forget to count an end or to report a start, because it is done here.
"""

from collections.abc import Mapping, Sequence

from proxy.admission.revocations import Revocation
from proxy.admission.store import Question, Store, Told
from proxy.lapses import LapseWatch
from proxy.model import Subject
from proxy.streams import Attempt, Cadence, Decision, Ended, Intent, Lapsed, Renewal, Stream
from proxy.telemetry.journal import Journal


class ReportingStore:
    """A store before another, which tells the journal what it said, and has lapses watched."""

    def __init__(self, store: Store, journal: Journal, watch: LapseWatch) -> None:
        self._store = store
        self._journal = journal
        self._watch = watch
        self.listeners = store.listeners
        self.listeners.add(self._take_in, self._renewed)
        # They are the store's own: it has told us by the time it tells whoever asked.
        self.question, self.hear = store.question, store.hear

    async def start(self) -> None:
        """Get the store ready."""
        await self._store.start()

    async def close(self) -> None:
        """Let go of the store."""
        await self._store.close()

    async def ping(self) -> None:
        """Return if the store can be asked."""
        await self._store.ping()

    async def decide(self, attempt: Attempt) -> Decision:
        """Decide on an attempt, and tell unless nothing came of it."""
        told = await self._store.decide(attempt)
        self.tell(attempt, told)
        return told

    def _take_in(self, question: Question, told: Told) -> None:
        if isinstance(told, Decision):
            self.tell(question.attempt, told)

    def _renewed(self, question: Question, told: Renewal) -> None:
        self._watch.note(question.account, told.next_lapse_ms)

    def tell(self, attempt: Attempt, told: Decision) -> None:
        """Tell what was decided on an attempt, unless nothing came of it."""
        if attempt.intent is not Intent.PEEK:
            self._watch.note(attempt.account, told.next_lapse_ms)
            self._journal.decided(attempt, told)

    async def amend(self, account: str, stream: str, cadence: Cadence) -> None:
        """Correct how long a stream's slot lives."""
        await self._store.amend(account, stream, cadence)

    async def release(
        self, account: str, stream: str, instance_ms: int | None = None
    ) -> Ended | None:
        """Give back the slot of a stream, and tell."""
        end = await self._store.release(account, stream, instance_ms)
        self._journal.ended(account, [end] if end else [])
        return end

    async def stop(self, account: str, stream: str, *, by: str) -> tuple[Ended, ...]:
        """Kill one stream, as a viewer of the account asked, and tell."""
        ends = await self._store.stop(account, stream, by=by)
        self._journal.ended(account, ends)
        return ends

    async def forget(
        self, account: str, stream: str, started_ms: int, *, kept: bool = False
    ) -> Ended | None:
        """Take back the slot of an instance that could not be served, and tell."""
        end = await self._store.forget(account, stream, started_ms, kept=kept)
        self._journal.ended(account, [end] if end else [])
        return end

    async def end(
        self, account: str, stream: str | None, *, by: str, hold_ms: int = 0
    ) -> tuple[Ended, ...]:
        """Kill one stream or all of them, and tell."""
        ends = await self._store.end(account, stream, by=by, hold_ms=hold_ms)
        self._journal.ended(account, ends)
        return ends

    async def drop_lapsed(self, accounts: Sequence[str]) -> tuple[Lapsed, ...]:
        """Drop the slots of these accounts whose time is up, and tell."""
        found = await self._store.drop_lapsed(accounts)
        for account, lapsed in zip(accounts, found, strict=True):
            self._journal.ended(account, lapsed.ended)
        return found

    async def revoke(self, account: str, revocation: Revocation) -> tuple[Ended, ...]:
        """Revoke tokens, end what plays by them, and tell."""
        ends = await self._store.revoke(account, revocation)
        self._journal.ended(account, ends)
        return ends

    async def is_revoked(self, subject: Subject) -> bool:
        """Tell whether a credential's token is revoked."""
        return await self._store.is_revoked(subject)

    async def streams(self, account: str) -> tuple[Stream, ...]:
        """List the active streams, oldest first."""
        return await self._store.streams(account)

    async def active(self) -> Mapping[str, int]:
        """How many streams are active, by route."""
        return await self._store.active()
