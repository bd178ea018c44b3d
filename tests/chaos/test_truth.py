"""What is made of viewers' answers would tell if a claim did not hold."""

import random
import time

from tests.chaos.balancer import Told
from tests.chaos.claims import HELD, INTERRUPTED, MISCOUNTED, OVER, Verdict, judge
from tests.chaos.faults import CALM
from tests.chaos.journal import Journal, Playing
from tests.chaos.operators import Listing, Operators
from tests.chaos.truth import Away, Refusal, Span, Truth
from tests.support.http_line import Said

TTL, ME = 10.0, "me"


def account_of(*streams: str, limit: int = 2) -> Truth:
    """Streams that each were let in a second after the other, and refreshed once at the end."""
    truth = Truth(TTL, limit)
    for second, stream in enumerate(streams):
        truth.started(ME, stream, second, second + 0.1)
    for stream in streams:
        truth.renewed(ME, stream, 5.0, 5.1)
    return truth


def listing(*streams: str, at: float) -> Listing:
    return Listing(ME, Span(at, at + 0.1), frozenset(streams))


def judged(truth: Truth, *listings: Listing) -> Verdict:
    operators = Operators((), (ME,), Journal(truth), random.Random(), list(listings))
    return judge(operators.journal, operators)


def told(status: int) -> Told:
    return Told(Said(status, {}, ""), 5.0, 5.0, 5.1)


def kinds(verdict: Verdict) -> set[str]:
    return {one.partition(":")[0] for one in verdict.broken}


def test_what_is_as_it_should_be_breaks_no_claim() -> None:
    truth = account_of("a", "b")
    truth.refusals.append(Refusal(ME, 3.0, 3.1))
    assert not judged(truth, listing("a", "b", at=4.0), listing("a", at=15.0)).broken


def test_one_stream_too_many_at_a_time_is_over_the_limit() -> None:
    assert kinds(judged(account_of("a", "b", "c"))) == {OVER}


def test_one_that_is_let_in_beside_as_many_as_may_be_is_over_the_limit() -> None:
    truth = account_of("a", "b")
    truth.started(ME, "c", 4.0, 4.1)
    assert kinds(judged(truth)) == {OVER}
    truth.away.append(Away(Span(3.9, 4.5), frozenset({ME})))
    verdict = judged(truth)
    assert not verdict.broken
    assert verdict.unclaimed == {OVER: 1}


def test_who_comes_after_one_that_went_is_not_beside_it() -> None:
    truth = account_of("a", "b")
    truth.started(ME, "c", 5.0, 5.2)
    truth.renewed(ME, "c", 6.0, 6.1)
    assert not judged(truth).broken


def test_a_stream_that_is_listed_after_its_time_is_held_too_long() -> None:
    truth = account_of("a")
    assert not judged(truth, listing("a", at=15.0)).broken
    assert kinds(judged(truth, listing("a", at=15.2))) == {HELD}


def test_one_that_was_given_back_is_held_too_long() -> None:
    truth = account_of("a")
    truth.released(ME, "a", 5.5)
    assert kinds(judged(truth, listing("a", at=5.6))) == {HELD}


def test_a_request_that_may_be_answered_yet_holds_a_slot_until_it_cannot() -> None:
    truth = account_of("a")
    truth.went_astray(ME, "a", 6.0)
    assert not judged(truth, listing("a", at=99.0)).broken
    truth.settled(8.0)
    assert not judged(truth, listing("a", at=18.0)).broken
    assert kinds(judged(truth, listing("a", at=18.2))) == {HELD}


def test_nobody_is_refused_where_there_is_room() -> None:
    truth = account_of("a")
    truth.refusals.append(Refusal(ME, 6.0, 6.1))
    assert kinds(judged(truth)) == {HELD}


def test_what_plays_and_is_not_listed_is_miscounted() -> None:
    assert kinds(judged(account_of("a", "b"), listing("a", at=4.0))) == {MISCOUNTED}


def test_a_refresh_that_is_refused_interrupts() -> None:
    truth = account_of("a")
    for claimed, lapsed in ((True, False), (False, True)):
        journal = Journal(truth, over_at=time.monotonic())
        playing = Playing(ME, "a", told(200), 5.0, known=True, renewed=True)
        journal.refreshed(playing, told(429), CALM)
        if lapsed:
            truth.away.append(Away(Span(0.0, TTL + 1), frozenset({ME})))
        verdict = judge(journal, Operators((), (ME,), journal, random.Random()))
        assert (kinds(verdict) == {INTERRUPTED}) is claimed
