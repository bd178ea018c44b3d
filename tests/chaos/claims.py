"""What is claimed, held against what was written down.

1   Never over the limit while the store is up. At no instant do more streams of an account than its
    limit surely hold a slot (``truth``), none is let in while as many others do, and no proxy lists
    more. Not claimed of accounts whose primary was killed or hung, from then until both proxies see
    the store up again and ``CLAIM_SECONDS`` more; nor where one says that it does not see it up,
    though nothing was done to it. Then each proxy counts by itself (``on_outage: local``), and what
    it let in claims its slot with its next beat, or is refused.
2   No known stream is interrupted. A stream is known once the store let it in, or renewed it. Each
    refresh of it is answered by a playlist, whatever is done to a proxy, to the store or to an
    origin, where one that broke off is tried once more by the other proxy; and while an origin is
    ill, no player is without a new playlist for longer than the last one held (``DRY_SECONDS``).
    Not claimed of accounts for which the store was away so long that slots lapsed in it: whoever
    comes first then has one.
3   No slot is held past its TTL. A stream that cannot hold a slot any more is never listed, and
    nobody is refused while fewer than the limit may hold one. Not claimed of accounts for which the
    store was away within a TTL: a proxy that counts by itself does not hear of what is given back
    through the other, and what is given back meanwhile is not in the store.
4   Counts are right. While the store is up, what surely plays is listed. While nothing strikes, the
    numbers of active streams are never below what surely plays, nor above what may (not claimed
    while the store is away and for a TTL more, as above). After the last fault, when nobody comes
    or goes, they are what plays: within a TTL, and what a tally may lag
    (``proxy.admission.tally``).
"""

from dataclasses import dataclass, field

from tests.chaos.faults import KINDS, On
from tests.chaos.journal import Journal, Loss
from tests.chaos.operators import Operators
from tests.chaos.origins import TARGET_SECONDS, WINDOW
from tests.chaos.truth import Truth

# Two beats, and a wait for a busy machine.
CLAIM_SECONDS = 2.0
# What the playlist before it held: from the next one a player goes on where it was.
DRY_SECONDS = float(WINDOW * TARGET_SECONDS)
# A slot's instant in the tally is up to 8 s after its end, and proxies add up every 1.5 s.
TALLY_SECONDS = 8.0
ADDED_UP_SECONDS = 2.5
# Milliseconds are rounded.
ROUNDED = 0.05

ORIGINS = {kind.name for kind in KINDS if kind.on is On.ORIGIN}


@dataclass
class Verdict:
    """What did not hold, by claim; and what did not where it is not claimed."""

    broken: list[str] = field(default_factory=list)
    unclaimed: dict[str, int] = field(default_factory=dict)
    checked: dict[str, int] = field(default_factory=dict)

    def found(self, what: str, *, claimed: bool, tell: str) -> None:
        """Note that something did not hold."""
        if claimed:
            self.broken.append(f"{what}: {tell}")
        else:
            self.unclaimed[what] = self.unclaimed.get(what, 0) + 1


OVER, INTERRUPTED = "over the limit", "interrupted"
HELD, MISCOUNTED = "held past its TTL", "miscounted"


def judge(journal: Journal, operators: Operators) -> Verdict:
    """Hold all claims against what was written down, but for how it is in the end."""
    verdict, truth = Verdict(), journal.truth
    _never_over(verdict, truth)
    _never_interrupted(verdict, journal)
    _never_held(verdict, truth)
    _listed_right(verdict, operators)
    _counted_right(verdict, operators)
    return verdict


def _never_over(verdict: Verdict, truth: Truth) -> None:
    for account in list(truth.showings):
        for span in truth.crowded(account):
            away = any(
                account in one.accounts and one.span.covers(span.begun, span.until)
                for one in truth.away
            )
            tell = f"{account} for {span.until - span.begun:.3f} s at {span.begun:.3f}"
            verdict.found(OVER, claimed=not away, tell=tell)
    for account, stream, span in truth.entries:
        # Wherever between the two it was decided, as many others had a slot.
        others = truth.sure(account, span.begun, span.until) - {stream}
        if len(others) >= truth.limit:
            claimed = truth.is_claimed(account, span.begun, span.until)
            verdict.found(OVER, claimed=claimed, tell=f"{account} let in at {span.begun:.3f}")
    verdict.checked[OVER] = len(truth.entries)


def _never_interrupted(verdict: Verdict, journal: Journal) -> None:
    truth = journal.truth
    for loss in journal.losses:
        known = loss.renewed or truth.is_claimed(loss.account, loss.start.sent, loss.start.heard)
        claimed = known and not _lapsed(loss, truth)
        verdict.found(INTERRUPTED, claimed=claimed, tell=str(loss))
    for kind in ORIGINS:
        during = journal.during[kind]
        if during.dry > DRY_SECONDS:
            verdict.found(INTERRUPTED, claimed=True, tell=f"{during.dry:.1f} s without: {kind}")
    verdict.checked[INTERRUPTED] = sum(one.refreshes for one in journal.during.values())


def _lapsed(loss: Loss, truth: Truth) -> bool:
    """Tell whether a stream was lost after the store had been away for longer than it lives there.

    Its last beat before came up to two beats earlier, and its next one as late.
    """
    return any(
        loss.account in one.accounts
        and one.span.meets(loss.told.asked, loss.told.heard)
        and one.span.until - one.span.begun > truth.ttl
        for one in truth.away
    )


def _never_held(verdict: Verdict, truth: Truth) -> None:
    for refusal in truth.refusals:
        possible = truth.possible(refusal.account, refusal.sent, refusal.heard)
        if not truth.is_heard_of(refusal.account, refusal.sent, refusal.heard):
            continue
        if len(possible) < truth.limit:
            claimed = truth.is_claimed(refusal.account, refusal.sent - truth.ttl, refusal.heard)
            tell = f"{refusal}: {truth.last_known(refusal.account, refusal.streams - possible)}"
            verdict.found(HELD, claimed=claimed, tell=tell)
    verdict.checked[HELD] = len(truth.refusals)


def _listed_right(verdict: Verdict, operators: Operators) -> None:
    truth = operators.journal.truth
    for listing in operators.listings:
        account, begun, until = listing.account, listing.span.begun, listing.span.until
        up = truth.is_claimed(account, begun, until)
        if len(listing.streams) > truth.limit:
            verdict.found(OVER, claimed=up, tell=f"{listing}")
        if truth.sure(account, begun, until) - listing.streams:
            verdict.found(MISCOUNTED, claimed=up, tell=f"{listing}")
        impossible = listing.streams - truth.possible(account, begun - ROUNDED, until)
        if impossible and truth.is_heard_of(account, begun, until):
            tell = f"{listing}: {truth.last_known(account, impossible)}"
            was_up = truth.is_claimed(account, begun - truth.ttl, until)
            verdict.found(HELD, claimed=was_up, tell=tell)
    verdict.checked[MISCOUNTED] = len(operators.listings)


def _counted_right(verdict: Verdict, operators: Operators) -> None:
    truth, accounts = operators.journal.truth, operators.accounts
    for count in operators.counts:
        if count.calm < ADDED_UP_SECONDS:
            continue
        begun, until = count.span.begun - ADDED_UP_SECONDS, count.span.until
        least = sum(len(truth.sure(account, begun, until)) for account in accounts)
        begun -= TALLY_SECONDS
        unheard = sum(not truth.is_heard_of(account, begun, until) for account in accounts)
        most = unheard + sum(len(truth.possible(account, begun, until)) for account in accounts)
        if not least <= count.active <= most:
            tell = f"{count.active} active, not {least} to {most}"
            was_up = all(
                truth.is_claimed(account, begun - truth.ttl, until) for account in accounts
            )
            verdict.found(MISCOUNTED, claimed=was_up, tell=tell)
    verdict.checked[MISCOUNTED] += len(operators.counts)
