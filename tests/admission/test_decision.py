"""The rules one by one, as a viewer meets them: asked of the model, and of Redis at the same time.

Whatever the model answers in these tests, Redis must answer too.
"""

from dataclasses import replace

import pytest

from proxy.admission.ledger import (
    CHURN_MS,
    LINGER_MS,
    MAX_CHURN,
    MAX_TOMBSTONES,
    RECALLED_MS,
    RELEASED_MS,
)
from proxy.admission.policy import OnLimit, Policy, Takeover
from proxy.admission.slot import patience_ms
from proxy.model import Stray
from proxy.streams import Attempt, Cadence, Decision, EndReason, Intent, Outcome
from tests.admission.house import START_MS, Build, House
from tests.admission.samples import FILM, KEPT, LIVE, TTL, attempt, policy


def ends(told: Decision) -> list[tuple[str, EndReason]]:
    return [(one.stream.id, one.reason) for one in told.ended]


# --- Room, renewal, lapse ---


def test_streams_are_admitted_up_to_the_limit_and_the_next_is_refused(build: Build) -> None:
    house = build()
    house.watch("a", "b")
    told = house.ask(attempt("c"))
    assert (told.outcome, told.active, told.limit) == (Outcome.REFUSED, 2, 2)
    assert (told.rule, told.stream, told.started_ms) == ("default", "c", 0)
    assert house.playing() == ["a", "b"]


def test_a_refusal_names_the_active_streams_oldest_first(build: Build) -> None:
    house = build()
    house.watch("b")
    house.now_ms += 1
    house.watch("a")
    house.now_ms += 1
    house.watch("b")
    told = house.ask(attempt("c"))
    assert [stream.id for stream in told.conflicts] == ["b", "a"]
    assert told.conflicts[0].device == "label of b"
    assert told.conflicts[0].content == "tv.example/b.m3u8"


def test_a_reload_keeps_the_slot_and_the_instance(build: Build) -> None:
    house = build()
    first = house.ask(attempt("a", limit=1))
    again = house.ask(attempt("a", limit=1), after=5_000)
    assert (first.outcome, again.outcome) == (Outcome.ADMITTED, Outcome.RENEWED)
    assert again.started_ms == first.started_ms == START_MS


def test_a_slot_lapses_a_ttl_after_its_last_beat_and_makes_room(build: Build) -> None:
    house = build()
    house.watch("a", limit=1)
    assert house.ask(attempt("b", limit=1), after=TTL - 1).outcome is Outcome.REFUSED
    told = house.ask(attempt("b", limit=1), after=1)
    assert (told.outcome, told.active) == (Outcome.ADMITTED, 1)
    assert ends(told) == [("a", EndReason.LAPSED)]
    assert told.ended[0].at_ms == START_MS + TTL


def test_a_lapse_is_told_once(build: Build) -> None:
    house = build()
    house.watch("a")
    assert ends(house.ask(attempt("b"), after=TTL)) == [("a", EndReason.LAPSED)]
    assert ends(house.ask(attempt("b"))) == []


def test_lapses_of_an_account_that_was_away_for_long_are_not_told(build: Build) -> None:
    house = build()
    house.watch("a")
    assert ends(house.ask(attempt("b"), after=TTL + LINGER_MS)) == []
    assert house.playing() == ["b"]


def test_only_beats_are_counted(build: Build) -> None:
    house = build()
    house.ask(attempt("a"))
    house.ask(attempt("a", beat=True))
    house.ask(attempt("a"))
    house.ask(attempt("a", beat=True))
    assert house.ledger.listing(house.now_ms)[0].beats == 2


@pytest.mark.parametrize("limit", [0, -1])
def test_without_a_limit_above_zero_nothing_is_ever_let_in(build: Build, limit: int) -> None:
    house = build(policy(Takeover.PROVISIONAL, OnLimit.EVICT_OLDEST, silent_after_ms=0))
    house.ask(attempt("a", device="tv", strong=True, limit=1))
    for strong in (True, False):
        told = house.ask(attempt("b", device="tv", strong=strong, limit=limit))
        assert (told.outcome, told.retry_after_ms) == (Outcome.REFUSED, LIVE.ttl_ms)
    assert house.playing() == ["a"]


def test_what_plays_goes_on_above_a_limit_that_was_lowered(build: Build) -> None:
    house = build()
    house.watch("a", "b")
    assert house.ask(attempt("a", limit=1)).outcome is Outcome.RENEWED
    assert house.ask(attempt("c", limit=1)).outcome is Outcome.REFUSED


# --- Peek and touch ---


def test_a_peek_is_told_what_a_start_would_be_and_changes_nothing(build: Build) -> None:
    house = build(policy(on_limit=OnLimit.EVICT_OLDEST))
    house.ask(attempt("a", limit=1))
    house.now_ms += 1_000
    before = house.ledger.copy()
    told = house.ask(attempt("b", limit=1, intent=Intent.PEEK))
    assert (told.outcome, told.active, told.ended) == (Outcome.ADMITTED, 1, ())
    assert house.ledger == before


def test_a_peek_does_not_swallow_a_lapse(build: Build) -> None:
    house = build()
    house.watch("a")
    assert house.ask(attempt("b", intent=Intent.PEEK), after=TTL).ended == ()
    assert ends(house.ask(attempt("b"))) == [("a", EndReason.LAPSED)]


def test_a_touch_keeps_a_slot_with_the_cadence_it_has(build: Build) -> None:
    house = build()
    house.watch("a")
    told = house.ask(attempt("a", intent=Intent.TOUCH, cadence=KEPT, beat=True), after=TTL - 1)
    assert told.outcome is Outcome.RENEWED
    assert house.ledger.slots["a"].expires_ms == house.now_ms + TTL


def test_a_touch_takes_no_slot(build: Build) -> None:
    house = build()
    told = house.ask(attempt("a", intent=Intent.TOUCH))
    assert (told.outcome, told.active) == (Outcome.ABSENT, 0)
    assert house.playing() == []


def test_a_report_keeps_its_slot_and_takes_it_again_where_there_is_room(build: Build) -> None:
    house = build()
    house.watch("a", limit=1)
    report = attempt("a", instance_ms=START_MS, limit=1, beat=True, intent=Intent.RESUME)
    assert house.ask(report, after=TTL - 1).outcome is Outcome.RENEWED
    assert house.ask(report, after=TTL).outcome is Outcome.ADMITTED


@pytest.mark.parametrize("after", [0, 1_000, 3_000])
def test_a_claim_takes_no_slot_that_was_given_back(build: Build, after: int) -> None:
    house = build()
    house.watch("a", limit=1)
    house.release("a", START_MS)
    claim = attempt("a", instance_ms=START_MS, limit=1, intent=Intent.CLAIM)
    assert house.ask(claim, after=after).outcome is Outcome.ABSENT
    assert house.playing() == []


def test_a_claim_takes_a_slot_that_is_not_there_and_keeps_one_that_is(build: Build) -> None:
    house = build()
    claim = attempt("a", instance_ms=START_MS, limit=1, intent=Intent.CLAIM)
    assert house.ask(claim).outcome is Outcome.ADMITTED
    assert house.ask(claim, after=1_000).outcome is Outcome.RENEWED


@pytest.mark.parametrize(
    "rules",
    [
        policy(),
        policy(Takeover.STRONG),
        policy(Takeover.PROVISIONAL),
        policy(Takeover.NONE, silent_after_ms=1_000),
        policy(Takeover.NONE, OnLimit.EVICT_OLDEST),
    ],
    ids=["quiet", "strong", "provisional", "silent", "evict"],
)
@pytest.mark.parametrize("strong", [True, False])
def test_a_report_displaces_nobody(build: Build, rules: Policy, strong: bool) -> None:
    house = build(rules)
    house.ask(attempt("b", device="tv", strong=strong, limit=1))
    report = attempt("a", device="tv", strong=strong, limit=1, intent=Intent.RESUME)
    told = house.ask(report, after=8_000)
    assert (told.outcome, told.active, told.ended) == (Outcome.REFUSED, 1, ())
    # Not before "b" lapses: nothing that would help a start helps a report.
    assert told.retry_after_ms == TTL - 8_000
    assert house.playing() == ["b"]
    entry = replace(report, intent=Intent.START)
    expected = not (rules.takeover is Takeover.STRONG and not strong)
    assert (house.ask(entry).outcome is not Outcome.REFUSED) is expected


# --- How long a slot is held ---


def test_a_film_is_held_until_its_first_beat_and_then_lives_from_beat_to_beat(build: Build) -> None:
    house = build()
    house.ask(attempt("a", cadence=FILM))
    assert house.ledger.slots["a"].expires_ms == START_MS + FILM.hold_ms
    house.ask(attempt("a", cadence=FILM, beat=True), after=FILM.hold_ms - 1)
    assert house.ledger.slots["a"].expires_ms == house.now_ms + FILM.ttl_ms


def test_an_amendment_counts_from_now_and_is_no_sign_of_life(build: Build) -> None:
    house = build()
    house.ask(attempt("a"))
    house.now_ms += 1_000
    house.amend("a", FILM)
    slot = house.ledger.slots["a"]
    assert slot.expires_ms == house.now_ms + FILM.hold_ms
    assert (slot.seen_ms, slot.beats, slot.cadence) == (START_MS, 0, FILM)


def test_an_amendment_revives_nothing(build: Build) -> None:
    house = build()
    house.ask(attempt("a"))
    house.now_ms += TTL
    house.amend("a", FILM)
    house.amend("b", FILM)
    assert ends(house.ask(attempt("c"))) == [("a", EndReason.LAPSED)]


# --- Strong takeover ---


def test_a_named_device_that_zaps_at_the_limit_replaces_its_own_stream(build: Build) -> None:
    house = build()
    house.ask(attempt("a", device="tv", strong=True))
    house.ask(attempt("b", device="phone", strong=True))
    told = house.ask(attempt("c", device="tv", strong=True), after=1)
    assert (told.outcome, told.active) == (Outcome.TAKEOVER, 2)
    assert ends(told) == [("a", EndReason.SUPERSEDED)]
    assert house.playing() == ["b", "c"]


def test_a_stream_that_was_replaced_is_stopped_at_its_next_beat_and_told_by_whom(
    build: Build,
) -> None:
    house = build()
    old = house.ask(attempt("a", device="tv", strong=True, limit=1))
    house.ask(attempt("b", device="tv", strong=True, limit=1), after=1_000)
    told = house.ask(attempt("a", device="tv", strong=True, instance_ms=old.started_ms, limit=1))
    assert (told.outcome, told.reason) == (Outcome.ENDED, EndReason.SUPERSEDED)
    assert told.by == "label of b"


def test_zapping_back_starts_a_new_instance(build: Build) -> None:
    house = build()
    old = house.ask(attempt("a", device="tv", strong=True, limit=1))
    house.ask(attempt("b", device="tv", strong=True, limit=1))
    back = house.ask(attempt("a", device="tv", strong=True, limit=1))
    assert back.outcome is Outcome.TAKEOVER
    # In the same millisecond even: tickets of the old instance stay useless.
    assert back.started_ms > old.started_ms
    fresh = attempt("a", instance_ms=back.started_ms, limit=1)
    assert house.ask(fresh).outcome is Outcome.RENEWED
    stale = attempt("a", instance_ms=old.started_ms, limit=1)
    assert house.ask(stale).outcome is Outcome.ENDED


def test_below_the_limit_a_device_keeps_both_streams(build: Build) -> None:
    house = build()
    house.ask(attempt("a", device="tv", strong=True))
    assert house.ask(attempt("b", device="tv", strong=True)).outcome is Outcome.ADMITTED


def test_a_device_may_zap_above_a_limit_that_was_lowered(build: Build) -> None:
    house = build()
    house.ask(attempt("a", device="tv", strong=True))
    house.watch("b")
    told = house.ask(attempt("c", device="tv", strong=True, limit=1))
    assert (told.outcome, told.active) == (Outcome.TAKEOVER, 2)


def test_the_stream_unseen_for_longest_is_replaced_and_ties_go_by_id(build: Build) -> None:
    house = build()
    for stream in ("b", "a", "c"):
        house.ask(attempt(stream, device="tv", strong=True, limit=3))
    house.ask(attempt("c", device="tv", strong=True, limit=3), after=1_000)
    told = house.ask(attempt("d", device="tv", strong=True, limit=3))
    assert ends(told) == [("a", EndReason.SUPERSEDED)]


def test_a_weak_key_never_replaces_a_named_device(build: Build) -> None:
    house = build()
    house.ask(attempt("a", device="tv", strong=True, limit=1))
    told = house.ask(attempt("b", device="tv", limit=1), after=TTL - 1)
    assert told.outcome is Outcome.REFUSED


def test_takeover_none_replaces_nothing(build: Build) -> None:
    house = build(policy(Takeover.NONE))
    house.ask(attempt("a", device="tv", strong=True, limit=1))
    told = house.ask(attempt("b", device="tv", strong=True, limit=1), after=TTL - 1)
    assert told.outcome is Outcome.REFUSED


# --- Quiet takeover ---


def test_a_look_alike_replaces_a_stream_whose_beat_is_overdue(build: Build) -> None:
    house = build()
    house.ask(attempt("a", device="browser", limit=1))
    wanted = attempt("b", device="browser", limit=1)
    # 1.25 x 6 s is 7.5 s
    on_time = house.ask(wanted, after=7_500)
    assert (on_time.outcome, on_time.retry_after_ms) == (Outcome.REFUSED, 1_000)
    assert house.ask(wanted, after=1).outcome is Outcome.TAKEOVER


def test_a_refusal_says_when_a_look_alike_could_be_replaced(build: Build) -> None:
    house = build()
    house.ask(attempt("a", device="browser", limit=1))
    wanted = attempt("b", device="browser", limit=1)
    assert house.ask(wanted).retry_after_ms == 7_501
    other = attempt("b", device="another", limit=1)
    assert house.ask(replace(other, cadence=FILM)).retry_after_ms == TTL


def test_a_fast_beat_is_not_overdue_before_five_seconds(build: Build) -> None:
    house = build()
    quick = Cadence(ttl_ms=TTL, interval_ms=1_000)
    house.ask(attempt("a", device="browser", limit=1, cadence=quick))
    wanted = attempt("b", device="browser", limit=1)
    assert house.ask(wanted, after=5_000).outcome is Outcome.REFUSED
    assert house.ask(wanted, after=1).outcome is Outcome.TAKEOVER


def test_a_quarter_of_an_interval_is_rounded_down(build: Build) -> None:
    house = build()
    odd = Cadence(ttl_ms=TTL, interval_ms=8_001)  # and a quarter: 10,001.25 ms
    house.ask(attempt("a", device="browser", limit=1, cadence=odd))
    wanted = attempt("b", device="browser", limit=1)
    assert house.ask(wanted, after=10_001).outcome is Outcome.REFUSED
    assert house.ask(wanted, after=1).outcome is Outcome.TAKEOVER


def test_strong_takeover_alone_guesses_nothing(build: Build) -> None:
    house = build(policy(Takeover.STRONG))
    house.ask(attempt("a", device="browser", limit=1))
    told = house.ask(attempt("b", device="browser", limit=1), after=TTL - 1)
    assert told.outcome is Outcome.REFUSED


# --- Provisional takeover ---


def provisional_house(build: Build) -> House:
    """Where "a" plays, and "b" of the same look is let in beside it."""
    house = build(policy(Takeover.PROVISIONAL))
    house.ask(attempt("a", device="browser", limit=1, beat=True))
    told = house.ask(attempt("b", device="browser", limit=1), after=1_000)
    assert (told.outcome, told.active) == (Outcome.PROVISIONAL, 2)
    return house


def test_a_newcomer_loses_its_provisional_place_when_the_older_stream_beats(build: Build) -> None:
    house = provisional_house(build)
    started_ms = house.now_ms
    told = house.ask(attempt("a", device="browser", limit=1, beat=True), after=5_000)
    assert ends(told) == [("b", EndReason.SUPERSEDED)]
    assert house.playing() == ["a"]
    wanted = attempt("b", device="browser", limit=1)
    lost = house.ask(replace(wanted, playback=replace(wanted.playback, instance_ms=started_ms)))
    assert (lost.outcome, lost.reason) == (Outcome.REFUSED, None)
    # A new entry would find nothing changed before the older stream could have lapsed.
    again = house.ask(wanted)
    assert (again.outcome, again.retry_after_ms) == (Outcome.REFUSED, TTL)
    assert house.ask(wanted, after=TTL).outcome is Outcome.ADMITTED


def test_a_newcomer_wins_when_it_beats_while_the_older_stream_is_overdue(build: Build) -> None:
    house = provisional_house(build)
    told = house.ask(attempt("b", device="browser", limit=1, beat=True), after=6_501)
    assert (told.outcome, told.active) == (Outcome.RENEWED, 1)
    assert ends(told) == [("a", EndReason.SUPERSEDED)]
    late = house.ask(attempt("a", device="browser", limit=1, instance_ms=START_MS))
    assert (late.outcome, late.by) == (Outcome.ENDED, "label of b")


def test_a_newcomer_that_beats_too_early_settles_nothing(build: Build) -> None:
    house = provisional_house(build)
    told = house.ask(attempt("b", device="browser", limit=1, beat=True), after=6_500)
    assert (told.outcome, told.active) == (Outcome.RENEWED, 2)


def test_only_one_stream_of_an_account_is_provisional(build: Build) -> None:
    house = provisional_house(build)
    told = house.ask(attempt("c", device="browser", limit=1))
    assert told.outcome is Outcome.REFUSED


def test_a_newcomer_that_room_has_come_up_for_is_provisional_until_it_is_settled(
    build: Build,
) -> None:
    house = build(policy(Takeover.PROVISIONAL))
    house.ask(attempt("a", device="browser"))
    house.watch("x")
    house.ask(attempt("b", device="browser"))
    house.release("x")
    told = house.ask(attempt("c", device="browser"))
    assert (told.outcome, house.playing()) == (Outcome.REFUSED, ["a", "b"])


def test_a_lowered_limit_lets_nobody_in_beside(build: Build) -> None:
    house = build(policy(Takeover.PROVISIONAL))
    house.ask(attempt("a", device="browser"))
    house.watch("x")
    assert house.ask(attempt("b", device="browser", limit=1)).outcome is Outcome.REFUSED


@pytest.mark.parametrize("way", ["release", "kill", "lapse"])
def test_a_newcomer_stays_when_the_older_stream_goes(build: Build, way: str) -> None:
    house = provisional_house(build)
    if way == "release":
        assert house.release("a")
    elif way == "kill":
        assert house.end("a") == ["a"]
    else:
        house.ask(attempt("b", device="browser", limit=1), after=7_400 - 1_000)
        house.ask(attempt("c", limit=1), after=TTL - 7_400)
    assert house.playing() == ["b"]
    assert house.ledger.slots["b"].rival is None


def test_both_of_a_pair_stay_where_room_has_come_up(build: Build) -> None:
    house = build(policy(Takeover.PROVISIONAL))
    house.ask(attempt("a", device="browser"))
    house.watch("x")
    assert house.ask(attempt("b", device="browser")).outcome is Outcome.PROVISIONAL
    assert house.release("x")
    told = house.ask(attempt("a", device="browser", beat=True))
    assert (told.active, told.ended) == (2, ())
    assert house.ask(attempt("b", device="browser", beat=True), after=9_000).ended == ()


def test_who_replaces_a_provisional_stream_is_provisional_too(build: Build) -> None:
    house = build(policy(Takeover.PROVISIONAL))
    slow = attempt("a", device="browser", limit=1, cadence=FILM, beat=True)
    house.ask(slow)
    house.ask(attempt("b", device="browser", limit=1))
    told = house.ask(attempt("c", device="browser", limit=1), after=7_501)
    assert (told.outcome, ends(told)) == (Outcome.TAKEOVER, [("b", EndReason.SUPERSEDED)])
    told = house.ask(slow)
    assert (ends(told), house.playing()) == ([("c", EndReason.SUPERSEDED)], ["a"])


def test_the_older_of_a_pair_is_not_replaced_a_second_time(build: Build) -> None:
    """Or its newcomer and the next one would both stay: two streams under a limit of one."""
    house = provisional_house(build)
    house.ask(attempt("b", device="browser", limit=1, beat=True), after=6_000)
    told = house.ask(attempt("c", device="browser", limit=1), after=501)
    assert (told.outcome, house.playing()) == (Outcome.REFUSED, ["a", "b"])


# --- Silence and eviction ---


def test_a_stream_that_never_beat_makes_room_after_a_while(build: Build) -> None:
    house = build()
    house.ask(attempt("a", cadence=FILM, limit=1))
    wanted = attempt("b", limit=1)
    early = house.ask(wanted, after=119_000)
    assert (early.outcome, early.retry_after_ms) == (Outcome.REFUSED, 1_000)
    told = house.ask(wanted, after=1_000)
    assert (told.outcome, ends(told)) == (Outcome.ADMITTED, [("a", EndReason.EVICTED)])
    late = house.ask(attempt("a", instance_ms=START_MS, limit=1))
    assert (late.reason, late.by) == (EndReason.EVICTED, "label of b")


def test_a_stream_that_beat_once_is_not_silent(build: Build) -> None:
    house = build()
    house.ask(attempt("a", cadence=FILM, limit=1, beat=True))
    house.ask(attempt("a", cadence=FILM, limit=1), after=80_000)
    assert house.ask(attempt("b", limit=1), after=80_000).outcome is Outcome.REFUSED


def test_the_silent_are_evicted_oldest_first_and_no_more_than_needed(build: Build) -> None:
    house = build()
    for stream in ("b", "a", "c"):
        house.ask(attempt(stream, cadence=FILM, limit=3))
    told = house.ask(attempt("d", limit=3), after=120_000)
    assert ends(told) == [("a", EndReason.EVICTED)]


def test_nobody_is_evicted_where_that_would_not_make_room(build: Build) -> None:
    house = build()
    house.ask(attempt("a", cadence=FILM))
    house.ask(attempt("b", cadence=FILM, beat=True))
    house.ask(attempt("b", cadence=FILM, beat=True), after=80_000)
    told = house.ask(attempt("c", limit=1), after=40_000)
    assert (told.outcome, house.playing()) == (Outcome.REFUSED, ["a", "b"])


def test_the_oldest_makes_room_where_the_operator_said_so(build: Build) -> None:
    house = build(policy(on_limit=OnLimit.EVICT_OLDEST))
    house.watch("a")
    house.now_ms += 1
    house.watch("b")
    house.watch("a")
    told = house.ask(attempt("c"))
    assert (told.outcome, told.active) == (Outcome.ADMITTED, 2)
    assert (ends(told), house.playing()) == ([("a", EndReason.EVICTED)], ["b", "c"])


def test_as_many_are_evicted_as_a_lowered_limit_needs(build: Build) -> None:
    house = build(policy(on_limit=OnLimit.EVICT_OLDEST))
    house.watch("a", "b", "c", limit=3)
    told = house.ask(attempt("d", limit=1))
    assert (len(told.ended), house.playing()) == (3, ["d"])


# --- Ends that last ---


def test_killing_all_streams_gives_the_oldest_first(build: Build) -> None:
    house = build()
    house.watch("b")
    house.now_ms += 1
    house.watch("a")
    assert house.end(None) == ["b", "a"]
    assert house.end(None) == []


def test_killing_a_stream_nobody_knows_ends_nothing(build: Build) -> None:
    house = build()
    house.watch("a")
    assert house.end("b") == []
    assert house.playing() == ["a"]


def test_a_kill_ends_this_instance_and_allows_a_new_one(build: Build) -> None:
    house = build()
    house.watch("a")
    house.end("a", by="the operator")
    old = house.ask(attempt("a", instance_ms=START_MS))
    assert (old.outcome, old.reason, old.by) == (
        Outcome.ENDED,
        EndReason.KILLED,
        "the operator",
    )
    assert house.ask(attempt("a")).outcome is Outcome.ADMITTED


def test_a_kill_with_hold_refuses_entries_too_until_it_is_over(build: Build) -> None:
    house = build()
    house.watch("a")
    house.end("a", hold_ms=60_000)
    assert house.ask(attempt("a"), after=59_999).outcome is Outcome.ENDED
    assert house.ask(attempt("a"), after=1).outcome is Outcome.ADMITTED
    assert house.ask(attempt("a", instance_ms=START_MS)).outcome is Outcome.ENDED


def test_an_end_is_remembered_for_as_long_as_a_ticket_could_be_used(build: Build) -> None:
    house = build(policy(tombstone_ms=100_000))
    house.watch("a")
    house.end("a")
    old = attempt("a", instance_ms=START_MS)
    assert house.ask(old, after=99_999).outcome is Outcome.ENDED
    assert house.ask(old, after=1).outcome is Outcome.ADMITTED


def test_a_hold_longer_than_that_is_remembered_to_its_end(build: Build) -> None:
    house = build(policy(tombstone_ms=1_000))
    house.watch("a")
    house.end("a", hold_ms=60_000)
    assert house.ask(attempt("a"), after=59_999).outcome is Outcome.ENDED


def test_a_kill_reaches_instances_from_before_the_clock_was_set_back(build: Build) -> None:
    house = build()
    house.watch("a")
    house.now_ms -= 5_000
    house.end("a")
    assert house.ask(attempt("a", instance_ms=START_MS)).outcome is Outcome.ENDED
    assert house.ask(attempt("a")).started_ms > START_MS


def test_an_entry_that_refreshes_itself_stays_ended_until_two_beats_are_missed(
    build: Build,
) -> None:
    house = build()
    itself = Cadence(TTL, interval_ms=6_000, self_refreshing=True)
    house.ask(attempt("a", device="tv", strong=True, limit=1, cadence=itself))
    house.ask(attempt("b", device="tv", strong=True, limit=1, cadence=itself))
    again = attempt("a", device="tv", strong=True, limit=1, cadence=itself)
    assert house.ask(again, after=14_999).outcome is Outcome.ENDED
    assert house.ask(again, after=14_999).outcome is Outcome.ENDED
    assert house.ask(again, after=15_000).outcome is Outcome.ADMITTED


def test_trying_again_and_again_does_not_keep_a_stream_ended_for_ever(build: Build) -> None:
    house = build()
    itself = attempt("a", cadence=Cadence(TTL, interval_ms=6_000, self_refreshing=True))
    house.ask(itself)
    house.end("a")
    refused = [house.ask(itself, after=6_000) for _ in range(9)]
    assert {told.outcome for told in refused} == {Outcome.ENDED}
    # Two beats, and less as the minute runs out.
    waits = [told.retry_after_ms for told in refused]
    assert waits == [15_000] * 7 + [12_000, 6_000]
    assert house.ask(replace(itself, intent=Intent.PEEK), after=5_999).retry_after_ms == 1
    assert house.ask(itself, after=1).outcome is Outcome.ADMITTED


def test_an_operators_hold_is_neither_cut_short_nor_prolonged_by_attempts(build: Build) -> None:
    house = build()
    itself = attempt("a", cadence=Cadence(TTL, interval_ms=6_000, self_refreshing=True))
    house.ask(itself)
    house.end("a", hold_ms=600_000)
    told = house.ask(itself, after=599_999)
    assert (told.outcome, told.retry_after_ms) == (Outcome.ENDED, 1)
    assert house.ask(itself, after=1).outcome is Outcome.ADMITTED


def test_a_ticket_of_a_stream_that_was_ended_is_not_told_to_wait(build: Build) -> None:
    house = build()
    house.watch("a")
    house.end("a", hold_ms=60_000)
    assert house.ask(attempt("a")).retry_after_ms == 60_000
    assert house.ask(attempt("a", instance_ms=START_MS)).retry_after_ms == 0


def test_the_tombstones_of_an_account_are_bounded_and_the_last_ones_kept(build: Build) -> None:
    house = build()
    for number in range(MAX_TOMBSTONES + 20):
        house.now_ms += 1
        house.watch(f"{number:03}", limit=1)
        house.end(f"{number:03}")
    assert len(house.ledger.tombstones) == MAX_TOMBSTONES
    first_kept = min(house.ledger.tombstones)
    assert first_kept == "020"


# --- Release ---


def test_a_released_slot_is_free_at_once(build: Build) -> None:
    house = build()
    house.watch("a", limit=1)
    assert house.release("a")
    assert not house.release("a")
    assert house.ask(attempt("b", limit=1)).outcome is Outcome.ADMITTED


def test_a_stream_that_lapsed_has_nothing_to_release(build: Build) -> None:
    house = build()
    house.watch("a")
    house.now_ms += TTL
    assert not house.release("a")
    assert ends(house.ask(attempt("b"))) == [("a", EndReason.LAPSED)]


def test_the_last_requests_of_a_released_stream_are_served_and_take_no_slot(build: Build) -> None:
    house = build()
    house.watch("a")
    house.release("a")
    told = house.ask(attempt("a", instance_ms=START_MS), after=RELEASED_MS - 1)
    assert (told.outcome, told.active) == (Outcome.RENEWED, 0)
    assert told.started_ms == START_MS
    assert house.playing() == []


def test_a_second_tab_of_a_released_stream_takes_the_slot_again(build: Build) -> None:
    house = build()
    house.watch("a")
    house.release("a")
    told = house.ask(attempt("a", instance_ms=START_MS), after=RELEASED_MS)
    assert (told.outcome, house.playing()) == (Outcome.ADMITTED, ["a"])


def test_a_stream_that_was_ended_once_is_released_like_any_other(build: Build) -> None:
    house = build()
    house.watch("a")
    house.end("a")
    second = house.ask(attempt("a"), after=1_000).started_ms
    house.release("a", second)
    last = attempt("a", instance_ms=second)
    assert house.ask(last, after=RELEASED_MS - 1).active == 0
    assert house.ask(last, after=1).active == 1


def test_a_released_title_can_be_opened_again_at_once(build: Build) -> None:
    house = build()
    house.watch("a")
    house.release("a")
    told = house.ask(attempt("a"))
    assert (told.outcome, told.started_ms) == (Outcome.ADMITTED, START_MS + 1)


def test_a_late_release_of_an_instance_that_is_over_frees_nothing(build: Build) -> None:
    house = build()
    house.watch("a")
    house.end("a")
    house.watch("a")
    assert not house.release("a", START_MS)
    assert house.release("a")
    house.watch("a")
    assert not house.release("a", START_MS + 1)
    assert house.playing() == ["a"]


def test_a_release_does_not_shorten_an_earlier_end(build: Build) -> None:
    house = build()
    house.watch("a")
    house.end("a")
    house.now_ms += 1_000
    house.watch("a")
    house.release("a")
    told = house.ask(attempt("a", instance_ms=START_MS), after=RECALLED_MS)
    assert (told.outcome, told.reason) == (Outcome.ENDED, EndReason.KILLED)


# --- Churn ---


def churn(house: House, times: int = MAX_CHURN) -> None:
    """Come and go, each time as another stream and all in one millisecond, as doctored players."""
    for number in range(times):
        told = house.ask(attempt(f"churn {number:03}", limit=1))
        assert told.outcome is Outcome.ADMITTED
        assert house.release(told.stream)


def test_players_that_come_and_go_are_soon_down_to_one_in_ten_seconds(build: Build) -> None:
    """However they call themselves; what is not released lapses like any stream."""
    house = build()
    churn(house)
    house.watch("kept", limit=1)
    assert not house.release("kept")
    assert house.ask(attempt("other", limit=1)).outcome is Outcome.REFUSED
    house.now_ms += CHURN_MS - 1
    assert not house.release("kept")
    house.now_ms += 1
    assert house.release("kept")
    house.watch("next", limit=1)
    assert not house.release("next")
    told = house.ask(attempt("other", limit=1), after=TTL)
    assert ends(told) == [("next", EndReason.LAPSED)]


def test_churn_is_forgiven_in_time_and_never_more_than_all_of_it(build: Build) -> None:
    house = build()
    churn(house)
    house.now_ms += 2 * MAX_CHURN * CHURN_MS
    churn(house)
    house.watch("kept", limit=1)
    assert not house.release("kept")


def test_churn_is_remembered_however_many_streams_end(build: Build) -> None:
    house = build()
    churn(house)
    for number in range(MAX_TOMBSTONES + 1):
        house.watch(f"{number:03}", limit=1)
        house.end(f"{number:03}")
    house.watch("kept", limit=1)
    assert not house.release("kept")


@pytest.mark.parametrize("viewers", [1, 4])
def test_a_family_that_changes_the_channel_every_two_seconds_for_a_minute_is_in_each_time(
    build: Build, viewers: int
) -> None:
    house = build()
    for second in range(0, 60, 2):
        for viewer in range(viewers):
            told = house.ask(attempt(f"{viewer} at {second}", limit=viewers))
            assert told.outcome is Outcome.ADMITTED
        house.now_ms += 2_000
        assert all(house.release(stream) for stream in house.playing())


def test_a_stream_of_ones_own_is_stopped_and_makes_room(build: Build) -> None:
    house = build()
    house.watch("forgotten", limit=1)
    assert house.stop("forgotten") == ["forgotten"]
    house.watch("elsewhere", limit=1)
    told = house.ask(attempt("forgotten", instance_ms=START_MS, limit=1))
    assert (told.outcome, told.reason, told.by) == (Outcome.ENDED, EndReason.KILLED, "phone")
    assert house.stop("nobody's") == []


def test_after_too_much_churn_a_stream_that_is_stopped_keeps_its_slot_until_it_lapses(
    build: Build,
) -> None:
    house = build()
    churn(house)
    house.watch("a", limit=1)
    assert house.stop("a") == []
    player = attempt("a", instance_ms=START_MS, beat=True, limit=1)
    assert house.ask(player).reason is EndReason.KILLED
    assert house.ask(attempt("b", limit=1), after=TTL - 1).outcome is Outcome.REFUSED
    told = house.ask(attempt("b", limit=1), after=1)
    assert (told.outcome, ends(told)) == (Outcome.ADMITTED, [("a", EndReason.LAPSED)])


def test_streams_that_are_stopped_are_churn_like_those_that_are_released(build: Build) -> None:
    house = build()
    churn(house, MAX_CHURN - 1)
    house.watch("a", limit=1)
    assert house.stop("a") == ["a"]
    house.watch("b", limit=1)
    assert not house.release("b")


def test_a_stream_that_was_stopped_and_kept_its_slot_is_started_again_in_it(build: Build) -> None:
    house = build()
    churn(house)
    house.watch("a", limit=1)
    house.stop("a")
    again = house.ask(attempt("a", limit=1))
    assert (again.outcome, again.started_ms) == (Outcome.RENEWED, START_MS + 1)
    beat = attempt("a", instance_ms=START_MS + 1, beat=True, limit=1)
    assert house.ask(beat).outcome is Outcome.RENEWED
    assert house.ask(attempt("a", instance_ms=START_MS, limit=1)).outcome is Outcome.ENDED


def test_operators_end_streams_however_much_churn_there_was(build: Build) -> None:
    house = build()
    churn(house)
    house.watch("a", limit=1)
    assert house.end("a") == ["a"]
    assert house.playing() == []


def test_after_too_much_churn_a_named_device_waits_until_its_stream_is_overdue(
    build: Build,
) -> None:
    house = build()
    zaps = [attempt(f"zap {n:03}", device="tv", strong=True, limit=1) for n in range(MAX_CHURN + 2)]
    assert house.ask(zaps[0]).outcome is Outcome.ADMITTED
    for zap in zaps[1:-1]:
        assert house.ask(zap).outcome is Outcome.TAKEOVER
    told = house.ask(zaps[-1])
    overdue_ms = patience_ms(LIVE) + 1
    assert (told.outcome, told.retry_after_ms) == (Outcome.REFUSED, overdue_ms)
    assert house.ask(zaps[-1], after=overdue_ms - 1).outcome is Outcome.REFUSED
    assert house.ask(zaps[-1], after=1).outcome is Outcome.TAKEOVER
    # That cost nothing, for a device without a name may do so too.
    assert house.ask(zaps[0], after=CHURN_MS - overdue_ms).outcome is Outcome.TAKEOVER


def test_a_named_device_is_told_to_wait_no_longer_than_until_churn_is_forgiven(
    build: Build,
) -> None:
    house = build()
    churn(house)
    slow = replace(LIVE, interval_ms=20_000)
    zaps = [attempt(name, device="tv", strong=True, limit=1, cadence=slow) for name in ("a", "b")]
    house.ask(zaps[0])
    told = house.ask(zaps[1])
    assert (told.outcome, told.retry_after_ms) == (Outcome.REFUSED, CHURN_MS)
    assert house.ask(zaps[1], after=CHURN_MS).outcome is Outcome.TAKEOVER


def test_after_too_much_churn_the_oldest_makes_no_room(build: Build) -> None:
    house = build(policy(on_limit=OnLimit.EVICT_OLDEST))
    for number in range(MAX_CHURN + 1):
        assert house.ask(attempt(f"{number:03}", limit=1)).outcome is Outcome.ADMITTED
    told = house.ask(attempt("one more", limit=1))
    assert (told.outcome, told.retry_after_ms) == (Outcome.REFUSED, CHURN_MS)
    assert house.ask(attempt("one more", limit=1), after=CHURN_MS).outcome is Outcome.ADMITTED


def test_a_peek_costs_no_churn(build: Build) -> None:
    house = build(policy(on_limit=OnLimit.EVICT_OLDEST))
    churn(house, MAX_CHURN - 1)
    house.watch("a", limit=1)
    for _time in range(2):
        peek = attempt("b", limit=1, intent=Intent.PEEK)
        assert house.ask(peek).outcome is Outcome.ADMITTED
    assert house.ask(attempt("b", limit=1)).outcome is Outcome.ADMITTED


def test_takeover_that_only_looks_on_is_not_bounded_by_churn(build: Build) -> None:
    house = build(policy(observes=True))
    churn(house)
    house.ask(attempt("a", device="tv", strong=True, limit=1))
    told = house.ask(attempt("b", device="tv", strong=True, limit=1))
    assert (told.outcome, house.playing()) == (Outcome.TAKEOVER, ["b"])


def test_takeover_that_only_looks_on_is_no_churn(build: Build) -> None:
    house = build(policy(observes=True))
    zaps = [attempt(f"zap {n:03}", device="tv", strong=True, limit=1) for n in range(MAX_CHURN + 3)]
    told = [house.ask(zap).outcome for zap in zaps]
    assert told == [Outcome.ADMITTED, *[Outcome.TAKEOVER] * (MAX_CHURN + 2)]
    assert house.release(zaps[-1].playback.stream)


# --- Networks ---

STRAY = Stray("a at the neighbour's", "neighbour")


def roaming(network: str, *, beat: bool = True) -> Attempt:
    return attempt("a", network=network, stray=STRAY, limit=1, beat=beat, instance_ms=START_MS)


def test_a_stream_roams_over_as_many_networks_as_it_may(build: Build) -> None:
    house = build()
    house.watch("a", limit=1)
    assert house.ask(roaming("mobile")).outcome is Outcome.RENEWED
    assert house.ask(roaming("home")).outcome is Outcome.RENEWED
    told = house.ask(roaming("neighbour"))
    assert (told.outcome, told.stream) == (Outcome.REFUSED, STRAY.stream)


def test_a_stray_is_a_weak_stream_of_its_own(build: Build) -> None:
    house = build()
    house.watch("a")
    house.ask(roaming("mobile"))
    told = house.ask(replace(roaming("neighbour"), limit=2))
    assert (told.outcome, told.stream, told.active) == (Outcome.ADMITTED, STRAY.stream, 2)
    slot = house.ledger.slots[STRAY.stream]
    assert (slot.device, slot.strong, slot.content) == ("neighbour", False, "tv.example/a.m3u8")


def test_a_network_that_was_left_makes_room_for_the_next(build: Build) -> None:
    house = build()
    house.watch("a", limit=1)
    house.ask(roaming("mobile"), after=1_000)
    house.ask(roaming("mobile"), after=TTL - 1_000)
    told = house.ask(roaming("office"))
    assert (told.outcome, told.stream) == (Outcome.RENEWED, "a")


def test_a_stream_without_a_slot_has_no_networks_to_be_astray_from(build: Build) -> None:
    house = build()
    told = house.ask(roaming("neighbour"))
    assert (told.outcome, told.stream) == (Outcome.ADMITTED, "a")


def test_a_stream_that_was_heard_of_lately_is_not_silent(build: Build) -> None:
    """Segments on demand are no beats, but who loads them is watching."""
    house = build()
    segment = attempt("a", cadence=FILM, limit=1)
    house.ask(segment)
    house.ask(segment, after=100_000)
    assert house.ask(attempt("b", limit=1), after=100_000).outcome is Outcome.REFUSED
    assert house.ask(attempt("b", limit=1), after=20_000).outcome is Outcome.ADMITTED


def test_a_guess_never_overrides_what_a_slot_knows(build: Build) -> None:
    house = build()
    house.ask(attempt("a", cadence=FILM))
    known = house.ledger.slots["a"]
    guess = Cadence(ttl_ms=TTL, interval_ms=1_000, guess=True)
    house.ask(attempt("a", cadence=guess), after=1_000)
    slot = house.ledger.slots["a"]
    assert (slot.cadence, slot.expires_ms) == (FILM, known.expires_ms + 1_000)
    house.ask(attempt("b", cadence=guess))
    assert house.ledger.slots["b"].expires_ms == house.now_ms + TTL


@pytest.mark.parametrize("started_ms", [START_MS, START_MS + 1])
def test_only_the_instance_that_could_not_be_served_is_forgotten(
    build: Build, started_ms: int
) -> None:
    house = build()
    house.watch("a")
    house.forget("a", started_ms)
    assert house.playing() == ([] if started_ms == START_MS else ["a"])
    again = house.ask(attempt("a", instance_ms=START_MS))
    assert again.outcome is (Outcome.ADMITTED if started_ms == START_MS else Outcome.RENEWED)


@pytest.mark.parametrize("after", [0, 1])
@pytest.mark.parametrize("kept", [False, True])
def test_a_slot_in_which_somebody_was_heard_of_since_is_not_forgotten(
    build: Build, after: int, *, kept: bool
) -> None:
    """But by who kept it, for that is heard of in the same way.

    Two of one player's requests may well come in the same millisecond.
    """
    house = build()
    house.watch("a")
    house.ask(attempt("a"), after=after)
    house.forget("a", START_MS, kept=kept)
    assert house.playing() == ([] if kept else ["a"])
