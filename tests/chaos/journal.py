"""What is written down while it goes on: what viewers were answered, during which fault."""

import json
import time
from collections import Counter, defaultdict
from dataclasses import dataclass, field

from tests.chaos.balancer import Told
from tests.chaos.faults import CALM, KINDS
from tests.chaos.truth import Refusal, Truth

# What the proxy lets play on by itself, and what the store does.
DECISION, ALONE, RENEWED = "playgate-decision", "unchecked", "renewed"
SERVED, REFUSED, UNSERVED = 200, 429, 500
# While one of these strikes, a stream may be let in by a proxy alone.
ALONE_IN = {kind.name for kind in KINDS if kind.takes_store}


@dataclass
class During:
    """What became of the refreshes of known streams during one kind of fault.

    ``alone`` counts those that a proxy answered without the store; ``turned_away`` the streams that
    one let in by itself, and that the store refused when it was back.
    """

    times: int = 0
    refreshes: int = 0
    alone: int = 0
    turned_away: int = 0
    failed: Counter[str] = field(default_factory=Counter)
    starts_failed: Counter[str] = field(default_factory=Counter)
    seconds: list[float] = field(default_factory=list)
    # For how long a player was without a new playlist at most.
    dry: float = 0.0
    # Until the store, or all there is, was seen up again.
    back: list[float] = field(default_factory=list)

    def quantile(self, part: float) -> float:
        """Give how long one of so many refreshes took at most (seconds)."""
        took = sorted(self.seconds) or [0.0]
        return took[min(len(took) - 1, round(len(took) * part))]


@dataclass
class Playing:
    """A stream that is played: how it was let in, and when its last playlist came.

    It is ``known`` once the store let it in, as far as can be told by then, or ``renewed`` it.
    """

    account: str
    stream: str
    start: Told
    heard: float
    known: bool
    renewed: bool = False


@dataclass(frozen=True)
class Loss:
    """A refresh of a stream that was not answered by a playlist.

    ``start`` is how it was let in, and ``renewed`` whether the store renewed it since.
    """

    kind: str
    account: str
    stream: str
    told: Told
    start: Told
    renewed: bool

    def __str__(self) -> str:
        said = self.told.said.body[:900] if self.told.said else "broke off twice"
        times = f"asked at {self.told.asked:.3f}, heard at {self.told.heard:.3f}"
        since = f"since {self.start.asked:.3f}"
        return f"{self.stream} of {self.account}, {self.kind}, {since}, {times}: {said}"


@dataclass
class Journal:
    """All that was written down."""

    truth: Truth
    during: defaultdict[str, During] = field(default_factory=lambda: defaultdict(During))
    losses: list[Loss] = field(default_factory=list)
    # The fault that strikes now, and when the last one that did was over.
    kind: str = CALM
    over_at: float = field(default_factory=time.monotonic)
    requests: int = 0
    starts: int = 0
    releases: int = 0
    crashes: int = 0
    playing: set[tuple[str, str]] = field(default_factory=set)

    def begins(self, kind: str) -> None:
        """Note that a fault strikes."""
        self.kind = kind
        self.during[kind].times += 1

    def ends(self) -> None:
        """Note that it was undone, and that all is seen to be well."""
        self.kind = CALM
        self.over_at = time.monotonic()
        self.truth.settled(self.over_at)

    def kind_of(self, asked_in: str) -> str:
        """Give the fault that a request met, asked or (now) answered while it was there."""
        return self.kind if asked_in == CALM else asked_in

    def started(self, account: str, stream: str, told: Told, asked_in: str) -> Playing:
        """Note that a stream was let in."""
        self.starts += 1
        self.truth.started(account, stream, told.sent, told.heard)
        self.playing.add((account, stream))
        known = not {asked_in, self.kind} & ALONE_IN
        return Playing(account, stream, told, told.heard, known)

    def not_started(self, account: str, told: Told, asked_in: str) -> None:
        """Note that none was."""
        if told.status == REFUSED and told.said:
            plays = frozenset(one["id"] for one in json.loads(told.said.body)["streams"])
            self.truth.refusals.append(Refusal(account, told.sent, told.heard, plays))
            return
        self.during[self.kind_of(asked_in)].starts_failed[told.outcome] += 1
        if told.said:
            self.truth.start_failed(account, told.sent, told.heard)

    def refreshed(self, playing: Playing, told: Told, asked_in: str) -> None:
        """Note what a refresh came to."""
        account, stream = playing.account, playing.stream
        during = self.during[self.kind_of(asked_in)]
        playing.renewed |= told.field(DECISION) == RENEWED
        playing.known |= playing.renewed
        if playing.known:
            during.refreshes += 1
            during.seconds.append(told.heard - told.asked)
            during.dry = max(during.dry, told.heard - playing.heard)
        if told.status == SERVED:
            during.alone += told.field(DECISION) == ALONE
            playing.heard = told.heard
            self.truth.renewed(account, stream, told.sent, told.heard)
            return
        if told.status >= UNSERVED:
            self.truth.failed(account, stream, told.sent, told.heard)
        if playing.known:
            during.failed[told.outcome] += 1
        else:
            during.turned_away += 1
        kind = self.kind_of(asked_in)
        self.losses.append(Loss(kind, account, stream, told, playing.start, playing.renewed))

    def left(self, account: str, stream: str) -> None:
        """Note that a stream is played no more."""
        self.playing.discard((account, stream))
