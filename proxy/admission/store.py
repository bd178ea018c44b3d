"""Where an account's streams are counted: what every store can do.

A store decides by the rules of ``decision``, atomically for an account, whoever else asks at the
same time. Nobody waits for it longer than its timeout.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import structlog

from proxy.admission.packed import Remembered
from proxy.admission.revocations import Revocation
from proxy.errors import StoreUnavailable
from proxy.model import Subject
from proxy.streams import Attempt, Cadence, Decision, Ended, Lapsed, Renewal, Stream

# What can be asked of a store, as metrics call it: the protocol's methods that wait, but
# for ``close``.
OPERATIONS = (
    *("start", "ping", "decide", "amend", "release", "stop", "forget", "end", "drop_lapsed"),
    *("revoke", "is_revoked", "streams", "active"),
)


@dataclass(frozen=True, slots=True, eq=False)
class Manner:
    """How questions are asked; kept once for all that are asked so.

    ``attempt`` gives a question's attempt, by its account and what is its own. ``beat`` as there,
    and ``part`` is that of the store in which the accounts lie.
    """

    attempt: Callable[[str, Any], Attempt]
    limit: int
    rule: str
    route: str
    beat: bool
    part: int = 0
    words: Any = None


@dataclass(slots=True, eq=False)
class Question:
    """An attempt in the words of a store, which are worth keeping: players ask it all the time.

    ``own`` is what no other question says. ``slot`` is what is remembered here of the slot that it
    keeps renewing.
    """

    manner: Manner
    account: str
    stream: str
    own: Any
    slot: Remembered | None = None

    @property
    def attempt(self) -> Attempt:
        """The attempt; not to be looked at where nothing came of it, which takes some time."""
        return self.manner.attempt(self.account, self.own)


log = structlog.get_logger("playgate")

# What is said of an account of which nothing could be learned just now: it is due again at once.
ASK_AGAIN = Lapsed((), next_lapse_ms=1)

# What is told: a decision. A failure: the store was waited for in vain. None: only ``decide`` can
# tell.
Told = Decision | StoreUnavailable | None
Heard = Callable[[Told], None]


class Listeners:
    """Who is told of each answer, and what the question was, before whoever asked: in turn.

    A bug in one of them costs that one, and not those that come behind.
    """

    def __init__(self) -> None:
        self._told: list[Callable[[Question, Told], None]] = []
        self._renewed: list[Callable[[Question, Renewal], None]] = []

    def add(
        self, told: Callable[[Question, Told], None], renewed: Callable[[Question, Renewal], None]
    ) -> None:
        """Tell somebody from now on; a ``Renewal`` is told to the second alone."""
        self._told.append(told)
        self._renewed.append(renewed)

    def tell(self, question: Question, told: Told, heard: Heard) -> None:
        """Tell them, and whoever asked."""
        for one in self._renewed if told.__class__ is Renewal else self._told:
            try:
                one(question, told)  # type: ignore[arg-type]  # it is what it was looked at for
            except Exception:
                log.exception("an answer of the store could not be taken in")
        try:
            heard(told)
        except Exception:
            log.exception("an answer of the store could not be taken in")


class Store(Protocol):
    """A place that counts streams. Its ``listeners`` are told of what is heard (``hear``).

    Each of these raises ``StoreUnavailable`` where the store cannot be asked; nothing else, unless
    it says so.
    """

    @property
    def listeners(self) -> Listeners:
        """Who is told of what is heard."""

    async def start(self) -> None:
        """Get ready, so that the first request need not wait for it."""

    async def close(self) -> None:
        """Let go of everything. Never raises."""

    async def ping(self) -> None:
        """Return if the store can be asked."""

    async def decide(self, attempt: Attempt) -> Decision:
        """Decide on an attempt, and note what follows."""

    def question(self, attempt: Attempt) -> Question:
        """Put an attempt into words, for ``hear``; good until the policy changes."""

    def hear(self, question: Question, heard: Heard) -> bool:
        """Decide as ``decide`` does, and call ``heard`` as soon as it is known.

        It may be known at once. False, and it is not called, where only ``decide`` can tell. No
        ``Renewal`` is counted here: whoever asked counts it with all else that a beat counts in.
        """

    async def amend(self, account: str, stream: str, cadence: Cadence) -> None:
        """Correct how long a stream's slot lives, counted from now, once its manifest was read.

        No sign of life, and nothing at all where the stream has no slot.
        """

    async def release(
        self, account: str, stream: str, instance_ms: int | None = None
    ) -> Ended | None:
        """Give back the slot of a stream, as its player asked.

        ``instance_ms`` is the start of the playback that asks, if its ticket tells. None where it
        has no slot, where that playback was over before, or where the account's viewers ended so
        many streams lately that this one is left to lapse.
        """

    async def stop(self, account: str, stream: str, *, by: str) -> tuple[Ended, ...]:
        """Kill one stream, as a viewer of the account asked; empty where there is none.

        Empty, too, where the account's viewers ended so many streams lately that it keeps its slot
        until that lapses; it may not go on all the same.
        """

    async def forget(
        self, account: str, stream: str, started_ms: int, *, kept: bool = False
    ) -> Ended | None:
        """Take back the slot of an instance that could not be served, as if it had never been.

        It is told as released. None where the instance has no slot, or where somebody was heard of
        in it since: who gives a request up and sends it again by another proxy is the same stream.
        Unless whoever takes it back ``kept`` it meanwhile, for then nobody can tell.
        """

    async def end(
        self, account: str, stream: str | None, *, by: str, hold_ms: int = 0
    ) -> tuple[Ended, ...]:
        """Kill one stream or all of them (None), oldest first; empty where there is none.

        ``by`` is told to the victim. For ``hold_ms`` not even a token may start it again.
        """

    async def drop_lapsed(self, accounts: Sequence[str]) -> tuple[Lapsed, ...]:
        """Drop the slots whose time is up, and hand each back to one who asks; in their order.

        Where the account was not asked about for longer than ``LINGER_MS``, some may be forgotten.
        An account that could not be asked about, while others could, is to be asked about again.
        """

    async def revoke(self, account: str, revocation: Revocation) -> tuple[Ended, ...]:
        """Revoke tokens and their tickets, and end the streams that play by them, oldest first.

        Raises:
            BadRequest: more tokens of the account are revoked than can be remembered.
        """

    async def is_revoked(self, subject: Subject) -> bool:
        """Tell whether a credential's token is revoked, for what is answered without deciding."""

    async def streams(self, account: str) -> tuple[Stream, ...]:
        """List the active streams, oldest first."""

    async def active(self) -> Mapping[str, int]:
        """How many streams of all accounts are active, by route; a route without any may be absent.

        For who watches, not for who decides: one that lapsed may be counted for a moment longer
        (``tally``). No request waits for it.
        """


class PartedStore(Store, Protocol):
    """A store of one or more parts that fail apart. Each account lies in one of them."""

    parts: int

    def part(self, account: str) -> int:
        """Tell in which part an account lies: 0, 1 and so on."""

    async def ping_part(self, part: int) -> None:
        """Return if a part can be asked."""

    async def active_in(self, parts: Iterable[int]) -> Mapping[str, int]:
        """How many streams of these parts are active, by route, as ``active`` tells it."""
