"""Slots in little memory are the same slots, and renewals that are counted the same renewals."""

import gc
from collections.abc import Callable
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.admission.keys import Keys
from proxy.admission.ledger import LINGER_MS
from proxy.admission.packed import PackedSlots
from proxy.admission.shadow import Shadow
from proxy.admission.slot import Slot, opened
from proxy.admission.store import Manner, Question
from proxy.admission.words import Words
from proxy.streams import Attempt, Cadence, Decision, Outcome, Renewal
from tests.admission.samples import ACCOUNT, FILM, LIVE, TTL, attempt, policy

START_MS = 1_700_000_000_000
NETWORKS = 2
ADMITTED = Decision(Outcome.ADMITTED, "z", START_MS, 1, 2, "default", 1, 1)

texts = st.text(max_size=8)
instants = st.integers(START_MS, START_MS + 10**9)
slots = st.builds(
    Slot,
    stream=st.sampled_from(["a", "b", "c"]),
    expires_ms=instants,
    started_ms=instants,
    seen_ms=instants,
    beats=st.integers(0, 2**40),
    cadence=st.builds(
        Cadence,
        ttl_ms=instants,
        hold_ms=instants,
        self_refreshing=st.booleans(),
        guess=st.booleans(),
    ),
    device=texts,
    strong=st.booleans(),
    networks=st.lists(st.tuples(texts, instants), max_size=3).map(tuple),
    content=texts,
    route=texts,
    label=st.text(max_size=8) | st.just("\ud800"),
    rival=st.none() | texts,
    rules=st.lists(texts, max_size=2).map(tuple),
    jti=st.none() | texts,
    issued_ms=st.integers(0, 2**45),
    limit=st.integers(0, 9),
    rule=texts,
)


@given(st.lists(slots | st.sampled_from(["a", "b", "c"])))
def test_they_are_a_dictionary_of_slots(moves: list[Slot | str]) -> None:
    packed, plain = PackedSlots(ACCOUNT), dict[str, Slot]()
    for move in moves:
        if isinstance(move, Slot):
            packed[move.stream] = plain[move.stream] = move
        elif move in plain:
            del packed[move], plain[move]
        assert (list(packed), len(packed)) == (list(plain), len(plain))
        assert list(packed.values()) == list(plain.values())
        assert dict(packed.items()) == plain
        assert [packed.get(stream) for stream in "abc"] == [plain.get(stream) for stream in "abc"]


class Clocked:
    """A shadow, and how a store renews a stream that it has."""

    def __init__(self) -> None:
        self.now_ms = START_MS
        self.shadow = Shadow(policy(max_networks=NETWORKS), lambda: self.now_ms / 1000)

    def renew(self, question: Question, started_ms: int = START_MS) -> None:
        self.now_ms += 4_000
        told = Renewal(Outcome.RENEWED, "a", started_ms, 1, 2, "default", 1, 1)
        self.shadow.renew(question, told)

    def counts(self, question: Question) -> bool:
        """Tell whether the next renewal by a question would be counted only."""
        return question.slot is not None and question.slot.renewable_ms == START_MS


def asked(one: Attempt) -> Question:
    playback = one.playback
    manner = Manner(lambda _, own: own, one.limit, one.rule, playback.route, one.beat)
    return Question(manner, one.account, playback.stream, one)


in_words = Words(Keys("playgate"), policy()).question


@pytest.mark.parametrize("ask", [asked, in_words])
@given(
    st.sampled_from([LIVE, FILM]),
    st.booleans(),
    st.sampled_from([None, START_MS]),
    st.lists(st.integers(0, 1), max_size=9),
)
def test_renewals_come_to_the_same_as_if_each_was_taken_in(
    ask: Callable[[Attempt], Question],
    cadence: Cadence,
    beat: bool,
    instance_ms: int | None,
    by: list[int],
) -> None:
    """By two playlists of a stream, say."""
    one = attempt("a", cadence=cadence, beat=beat, instance_ms=instance_ms)
    questions, clocked = (ask(one), ask(replace(one))), Clocked()
    slot = opened(one, one.playback, START_MS, START_MS + 4_000)
    clocked.renew(ask(one))  # nothing was known of it before
    for number in by:
        clocked.renew(questions[number])
        slot = slot.renewed(one, NETWORKS, clocked.now_ms)
    assert all(clocked.counts(questions[number]) for number in by)
    assert clocked.shadow.holds(ACCOUNT, "a") == slot
    assert not any(clocked.counts(question) for question in questions)


@pytest.mark.parametrize("ask", [asked, in_words])
def test_what_a_question_says_is_not_written_down_besides(
    ask: Callable[[Attempt], Question],
) -> None:
    question, clocked = ask(attempt("a", beat=True, instance_ms=START_MS)), Clocked()
    for _ in range(3):
        clocked.renew(question)
        assert any(one is question.own for one in gc.get_referents(question.slot))
    once_more = ask(replace(question.attempt, limit=7))
    clocked.renew(once_more)
    assert any(one is once_more.own for one in gc.get_referents(once_more.slot))


@pytest.mark.parametrize("ask", [asked, in_words])
def test_what_a_question_does_not_say_is_written_down(
    ask: Callable[[Attempt], Question],
) -> None:
    """That it was seen elsewhere as well, say, which is forgotten there after a while."""
    here, there = (
        ask(attempt("a", beat=True, instance_ms=START_MS, network=network)) for network in "ht"
    )
    clocked = Clocked()
    for question in (here, there, there, here):
        clocked.renew(question)
    slot = clocked.shadow.holds(ACCOUNT, "a")
    assert slot is not None
    assert slot.networks == (("h", clocked.now_ms), ("t", clocked.now_ms - 4_000))


@pytest.mark.parametrize("ask", [asked, in_words])
def test_an_account_that_plays_on_is_looked_through_and_goes_on_being_counted_only(
    ask: Callable[[Attempt], Question],
) -> None:
    question, clocked = ask(attempt("a", beat=True, instance_ms=START_MS)), Clocked()
    clocked.renew(question)
    for number in range(TTL // 4_000 + LINGER_MS // 4_000 + 2):
        clocked.renew(question)
        # Some are looked through whenever somebody comes.
        clocked.shadow.adopt(attempt("z", account=f"other {number}"), ADMITTED)
        assert clocked.counts(question)
    slot = clocked.shadow.holds(ACCOUNT, "a")
    assert slot is not None
    assert slot.seen_ms == clocked.now_ms


@pytest.mark.parametrize("ask", [asked, in_words])
def test_an_account_that_was_forgotten_is_remembered_with_its_next_renewal(
    ask: Callable[[Attempt], Question],
) -> None:
    question, clocked = ask(attempt("a", beat=True, instance_ms=START_MS)), Clocked()
    for _ in range(3):
        clocked.renew(question)
    clocked.now_ms += TTL + LINGER_MS + 1
    for number in range(3):
        clocked.shadow.adopt(attempt("z", account=f"other {number}"), ADMITTED)
    assert ACCOUNT not in clocked.shadow.accounts()
    clocked.renew(question)
    assert clocked.shadow.holds(ACCOUNT, "a") is not None


OTHERS = {
    "elsewhere": attempt("a", network="elsewhere"),
    "by another tempo": attempt("a", cadence=FILM),
    "with another token": attempt("a", jti="one", issued_ms=1),
    "within another limit": attempt("a", limit=7),
}


@pytest.mark.parametrize("is_looked_at", [True, False])
@pytest.mark.parametrize("ask", [asked, in_words])
@pytest.mark.parametrize("other", OTHERS.values(), ids=OTHERS)
def test_what_says_something_else_is_taken_in(
    other: Attempt, ask: Callable[[Attempt], Question], *, is_looked_at: bool
) -> None:
    clocked = Clocked()
    one, another = (
        ask(replace(one, playback=replace(one.playback, instance_ms=START_MS)))
        for one in (attempt("a"), other)
    )
    for question in (one, another, one):
        clocked.renew(question)
        if is_looked_at:
            assert clocked.shadow.holds(ACCOUNT, "a")
        clocked.renew(question)
        assert clocked.counts(question)
    slot = clocked.shadow.holds(ACCOUNT, "a")
    assert slot is not None
    said = one.attempt
    assert (slot.here, slot.cadence) == (said.playback.network, said.cadence)
    assert (slot.jti, slot.limit) == (said.jti, said.limit)


def test_another_instance_is_taken_in() -> None:
    question, clocked = asked(attempt("a")), Clocked()
    for started_ms in (START_MS, START_MS + 1):
        for _ in range(3):
            clocked.renew(question, started_ms=started_ms)
        slot = clocked.shadow.holds(ACCOUNT, "a")
        assert slot is not None
        assert slot.started_ms == started_ms
