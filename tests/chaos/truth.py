"""What viewers were answered, and what follows from it: the truth that counts are held against.

Nothing here asks a proxy or a store. An answer 200 is a decision that fell between the moment the
request was sent and the moment its answer was heard; from then on the slot lives for a TTL. So:

    surely  a stream holds a slot from where one 200 was heard to where the next one, at most a TTL
            later, was asked for: it had one at both ends, and nothing could have taken it meanwhile
            and given it back
    maybe   it may hold one from where it was asked for until a TTL after the last answer, or until
            its viewer was told that it is given back. A request whose connection broke off, or that
            a proxy still has which hangs, may count whenever that proxy is heard of again

What surely holds never exceeds a limit; what does not even maybe hold is never listed, counted, or
a reason to refuse somebody. Instants are those of ``time.monotonic``.
"""

import math
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field


@dataclass(slots=True)
class Span:
    """A time, both ends included (seconds)."""

    begun: float
    until: float

    def covers(self, begun: float, until: float) -> bool:
        return self.begun <= begun and until <= self.until

    def meets(self, begun: float, until: float) -> bool:
        return self.begun <= until and begun <= self.until


@dataclass(slots=True)
class Showing:
    """One stream of an account: the times at which it surely had a slot, and may have had one."""

    surely: list[Span] = field(default_factory=list)
    maybe: list[Span] = field(default_factory=list)
    heard: float = -math.inf
    # A request of it may be under way still, though nobody waits for it.
    astray: bool = False

    def may(self, begun: float, until: float) -> None:
        """Note a time in which it may have a slot."""
        last = self.maybe[-1] if self.maybe else None
        if last is not None and begun <= last.until:
            last.until = max(last.until, until)
        else:
            self.maybe.append(Span(begun, until))


@dataclass(frozen=True, slots=True)
class Refusal:
    """Somebody was told that an account has no room for these streams, between these instants."""

    account: str
    sent: float
    heard: float
    streams: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Away:
    """For these accounts, the store was away in this time."""

    span: Span
    accounts: frozenset[str]


@dataclass
class Truth:
    """All of it; ``ttl`` is how long a slot lives (seconds), ``limit`` how many an account has."""

    ttl: float
    limit: int
    showings: defaultdict[str, dict[str, Showing]] = field(
        default_factory=lambda: defaultdict(dict)
    )
    refusals: list[Refusal] = field(default_factory=list)
    entries: list[tuple[str, str, Span]] = field(default_factory=list)
    away: list[Away] = field(default_factory=list)
    # By accounts: when a start was given up that may still be decided, as a stream nobody heard of.
    unheard: defaultdict[str, list[Span]] = field(default_factory=lambda: defaultdict(list))

    # --- What viewers tell ---

    def started(self, account: str, stream: str, sent: float, heard: float) -> None:
        """Note that a stream was let in."""
        showing = self.showings[account].setdefault(stream, Showing())
        showing.surely.append(Span(heard, heard))
        showing.may(sent, heard + self.ttl)
        showing.heard = heard
        self.entries.append((account, stream, Span(sent, heard)))

    def renewed(self, account: str, stream: str, sent: float, heard: float) -> None:
        """Note that a stream was served again."""
        showing = self.showings[account][stream]
        if sent - showing.heard <= self.ttl:
            showing.surely[-1].until = sent
        else:
            showing.surely.append(Span(heard, heard))
        showing.may(sent, heard + self.ttl)
        showing.heard = heard

    def failed(self, account: str, stream: str, sent: float, heard: float) -> None:
        """Note that a stream was not served for want of a playlist; its slot was kept."""
        self.showings[account][stream].may(sent, heard + self.ttl)

    def start_failed(self, account: str, sent: float, heard: float) -> None:
        """Note that one was not served for want of a playlist.

        A slot that it took was given back at once. One that it had from before was kept.
        """
        self.unheard[account].append(Span(sent, heard + self.ttl))

    def released(self, account: str, stream: str, heard: float) -> None:
        """Note that a slot was given back, and that this was confirmed."""
        showing = self.showings[account][stream]
        if not showing.astray:
            showing.maybe[-1].until = min(showing.maybe[-1].until, heard)

    def went_astray(self, account: str, stream: str, sent: float) -> None:
        """Note that a request was given up that may still be answered, to nobody."""
        showing = self.showings[account].setdefault(stream, Showing())
        showing.may(sent, math.inf)
        showing.astray = True

    def start_went_astray(self, account: str, sent: float) -> None:
        """Note that a start was given up that may still be answered, to nobody."""
        self.unheard[account].append(Span(sent, math.inf))

    def settled(self, now: float) -> None:
        """Note that nothing is astray any more: all that was under way has come to its end."""
        for span in (one for spans in self.unheard.values() for one in spans):
            span.until = min(span.until, now + self.ttl)
        for streams in self.showings.values():
            for showing in streams.values():
                if showing.astray:
                    showing.astray = False
                    showing.maybe[-1].until = now + self.ttl

    # --- What follows ---

    def is_claimed(self, account: str, begun: float, until: float) -> bool:
        """Tell whether the store was up for an account all through."""
        return not any(
            account in away.accounts and away.span.meets(begun, until) for away in self.away
        )

    def is_heard_of(self, account: str, begun: float, until: float) -> bool:
        """Tell whether all that may have a slot is a stream of which somebody was told."""
        return not any(span.meets(begun, until) for span in self.unheard[account])

    def sure(self, account: str, begun: float, until: float) -> set[str]:
        """Give the streams that had a slot all through."""
        return {
            stream
            for stream, showing in self.showings[account].items()
            if any(span.covers(begun, until) for span in showing.surely)
        }

    def possible(self, account: str, begun: float, until: float) -> set[str]:
        """Give the streams that may have had a slot at some time between."""
        return {
            stream
            for stream, showing in self.showings[account].items()
            if any(span.meets(begun, until) for span in showing.maybe)
        }

    def last_known(self, account: str, streams: Iterable[str]) -> str:
        """Tell what is known of streams, for whoever wonders."""
        known = {stream: self.showings[account].get(stream) for stream in streams}
        return ", ".join(f"{stream} {one.maybe if one else None}" for stream, one in known.items())

    def crowded(self, account: str) -> Iterator[Span]:
        """Give the times in which more streams of an account than its limit surely had a slot."""
        spans = [span for one in self.showings[account].values() for span in one.surely]
        yield from above(self.limit, spans)


def above(limit: int, spans: Iterable[Span]) -> Iterator[Span]:
    """Give the times that more than so many spans have in common."""
    # Ends come before beginnings: who comes as another goes is not beside it.
    long = [one for one in spans if one.begun < one.until]
    turns = sorted((at, step) for one in long for at, step in ((one.begun, 1), (one.until, -1)))
    number, since = 0, 0.0
    for at, step in turns:
        before, number = number, number + step
        if before == limit and number > limit:
            since = at
        elif before > limit and number == limit and at > since:
            yield Span(since, at)
