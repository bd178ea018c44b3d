"""Rules beside the account's limit, and what only looks on: asked of the model and of Redis."""

import pytest

from proxy.admission.ceilings import MAX_STREAMS
from proxy.admission.policy import OnLimit, Policy, Rule, Takeover
from proxy.streams import EVERY_ACCOUNT, Decision, EndReason, Intent, Outcome
from tests.admission.house import Build, House
from tests.admission.samples import LIVE, TTL, attempt, policy

ONE_PPV = Rule("one-ppv", 1)
TWO_TVS = Rule("two-tvs", 2)
BOTH = ("one-ppv", "two-tvs")


def two_rules(takeover: Takeover = Takeover.QUIET, on_limit: OnLimit = OnLimit.REJECT) -> Policy:
    return policy(takeover, on_limit, rules=(ONE_PPV, TWO_TVS))


def met(told: Decision) -> tuple[Outcome, str, int, int]:
    return told.outcome, told.rule, told.limit, told.active


def ends(told: Decision) -> list[tuple[str, EndReason]]:
    return [(one.stream.id, one.reason) for one in told.ended]


# --- Of every account ---


@pytest.mark.parametrize("observes", [True, False])
def test_no_account_has_more_than_so_many_whatever_its_limit_and_who_looks_on(
    build: Build, observes: bool
) -> None:
    house = build(policy(rules=(ONE_PPV,), observes=observes))
    streams = [f"s{number}" for number in range(MAX_STREAMS)]
    first = [house.ask(attempt(stream, limit=10_000)).outcome for stream in streams]
    assert set(first) == {Outcome.ADMITTED}
    told = house.ask(attempt("one more", limit=10_000))
    assert met(told) == (Outcome.REFUSED, EVERY_ACCOUNT, MAX_STREAMS, MAX_STREAMS)
    assert house.ask(attempt("s7", limit=10_000)).outcome is Outcome.RENEWED


# --- Rules ---


def test_a_rule_bounds_the_streams_that_carry_its_name_and_no_others(build: Build) -> None:
    house = build(two_rules())
    house.ask(attempt("a", limit=9, rules=("one-ppv",)))
    house.ask(attempt("b", limit=9), after=1)
    told = house.ask(attempt("c", limit=9, rules=("one-ppv",)), after=1)
    assert met(told) == (Outcome.REFUSED, "one-ppv", 1, 1)
    assert [stream.id for stream in told.conflicts] == ["a"]
    assert told.requested == 3
    assert house.ask(attempt("c", limit=9)).outcome is Outcome.ADMITTED


@pytest.mark.parametrize(
    ("limit", "first"), [(1, "default"), (2, "one-ppv")], ids=["account", "rule"]
)
def test_the_account_s_own_limit_is_told_first_then_rules_in_their_order(
    build: Build, limit: int, first: str
) -> None:
    house = build(policy(rules=(ONE_PPV, Rule("another", 1))))
    rules = ("another", "one-ppv")
    house.ask(attempt("a", limit=limit, rules=rules))
    assert house.ask(attempt("b", limit=limit, rules=rules)).rule == first


def test_a_rule_of_none_lets_nobody_in_whatever_could_give_way(build: Build) -> None:
    rules = policy(Takeover.PROVISIONAL, OnLimit.EVICT_OLDEST, rules=(Rule("none", 0),))
    house = build(rules)
    house.ask(attempt("a", device="tv", strong=True))
    told = house.ask(attempt("b", device="tv", strong=True, limit=1, rules=("none",)))
    assert (told.outcome, told.retry_after_ms) == (Outcome.REFUSED, LIVE.ttl_ms)


def test_a_stream_counts_as_it_was_last_heard_of(build: Build) -> None:
    house = build(two_rules())
    house.ask(attempt("a", limit=9, rules=("one-ppv",)))
    house.ask(attempt("a", limit=9, rules=None, intent=Intent.TOUCH))
    assert house.ask(attempt("b", limit=9, rules=("one-ppv",))).outcome is Outcome.REFUSED
    house.ask(attempt("a", limit=9, rules=()))
    assert house.ask(attempt("b", limit=9, rules=("one-ppv",))).outcome is Outcome.ADMITTED


def test_a_rule_that_is_no_more_bounds_nobody(build: Build) -> None:
    house = build(two_rules())
    house.ask(attempt("a", limit=9, rules=("gone",)))
    assert house.ask(attempt("b", limit=9, rules=("gone",))).outcome is Outcome.ADMITTED


# --- Rules and who gives way ---


@pytest.mark.parametrize("strong", [True, False], ids=["named", "look-alike"])
def test_a_device_replaces_only_what_counts_in_everything_that_is_full(
    build: Build, strong: bool
) -> None:
    house = build(two_rules())
    house.ask(attempt("film", limit=2, device="tv", strong=strong))
    house.ask(attempt("fight", limit=2, device="pc", rules=("one-ppv",)))
    bout = attempt("bout", limit=2, device="tv", strong=strong, rules=("one-ppv",))
    house.now_ms += TTL - 1  # long overdue
    assert house.ask(bout).outcome is Outcome.REFUSED
    series = attempt("series", limit=2, device="tv", strong=strong)
    told = house.ask(series)
    assert (told.outcome, ends(told)) == (
        Outcome.TAKEOVER,
        [("film", EndReason.SUPERSEDED)],
    )


def test_a_device_replaces_its_stream_under_a_rule_with_room_in_the_account(build: Build) -> None:
    house = build(two_rules())
    house.ask(attempt("fight", limit=9, device="tv", strong=True, rules=("one-ppv",)))
    house.ask(attempt("film", limit=9, device="tv", strong=True))
    told = house.ask(attempt("bout", limit=9, device="tv", strong=True, rules=("one-ppv",)))
    assert ends(told) == [("fight", EndReason.SUPERSEDED)]
    assert house.playing() == ["bout", "film"]


def test_as_few_as_needed_are_evicted_until_every_ceiling_has_room(build: Build) -> None:
    house = build(two_rules(on_limit=OnLimit.EVICT_OLDEST))
    for stream, rules in {"a": (), "b": ("one-ppv",), "c": ("two-tvs",), "d": ("two-tvs",)}.items():
        house.ask(attempt(stream, limit=4, rules=rules, beat=True), after=1)
    told = house.ask(attempt("e", limit=5, rules=BOTH), after=1)
    assert ends(told) == [("b", EndReason.EVICTED), ("c", EndReason.EVICTED)]
    assert (told.outcome, told.active, told.requested) == (Outcome.ADMITTED, 3, 5)


def test_nobody_is_evicted_where_one_ceiling_would_stay_full(build: Build) -> None:
    house = build(policy(rules=(ONE_PPV,), silent_after_ms=1_000))
    house.ask(attempt("silent", limit=2))
    house.ask(attempt("fight", limit=2, rules=("one-ppv",), beat=True))
    told = house.ask(attempt("bout", limit=2, rules=("one-ppv",)), after=5_000)
    assert (told.outcome, told.ended) == (Outcome.REFUSED, ())


def test_a_refusal_waits_for_every_ceiling_that_is_full(build: Build) -> None:
    house = build(policy(Takeover.NONE, rules=(ONE_PPV,), silent_after_ms=TTL))
    house.ask(attempt("a", limit=2))
    house.ask(attempt("b", limit=2, rules=("one-ppv",)), after=10_000)
    told = house.ask(attempt("c", limit=2, rules=("one-ppv",)), after=1_000)
    assert (told.rule, told.retry_after_ms) == ("default", TTL - 1_000)
    told = house.ask(attempt("c", limit=2))
    assert told.retry_after_ms == TTL - 11_000


def test_a_newcomer_on_approval_is_settled_by_the_ceilings_it_counts_in(build: Build) -> None:
    house = build(two_rules(Takeover.PROVISIONAL))
    house.ask(attempt("fight", limit=9, device="tv", rules=("one-ppv",), beat=True))
    told = house.ask(attempt("bout", limit=9, device="tv", rules=("one-ppv",)), after=1)
    assert told.outcome is Outcome.PROVISIONAL
    told = house.ask(attempt("fight", limit=9, device="tv", rules=("one-ppv",)), after=1_000)
    assert ends(told) == [("bout", EndReason.SUPERSEDED)]
    late = attempt("bout", limit=9, device="tv", rules=("one-ppv",), instance_ms=house.now_ms - 1)
    assert met(house.ask(late)) == (Outcome.REFUSED, "one-ppv", 1, 1)


def test_nobody_stands_beside_a_stream_that_is_not_what_is_full(build: Build) -> None:
    house = build(two_rules(Takeover.PROVISIONAL))
    house.ask(attempt("film", limit=9, device="tv"))
    house.ask(attempt("fight", limit=9, device="pc", rules=("one-ppv",)))
    told = house.ask(attempt("bout", limit=9, device="tv", rules=("one-ppv",)))
    assert told.outcome is Outcome.REFUSED


# --- One rule that looks on ---


def looked_on() -> Policy:
    return policy(rules=(Rule("one-ppv", 1, observed=True), TWO_TVS))


def test_a_rule_that_looks_on_lets_in_and_is_named(build: Build) -> None:
    house = build(looked_on())
    house.ask(attempt("a", limit=3, rules=("one-ppv",)))
    house.ask(attempt("b", limit=3))
    told = house.ask(attempt("c", limit=3, rules=("one-ppv",)))
    assert met(told) == (Outcome.OBSERVED, "one-ppv", 1, 2)
    assert (told.requested, house.playing()) == (3, ["a", "b", "c"])


def test_a_rule_that_looks_on_gives_no_room_that_others_have_not(build: Build) -> None:
    house = build(looked_on())
    house.ask(attempt("a", limit=1, rules=("one-ppv",)))
    assert met(house.ask(attempt("b", limit=1, rules=("one-ppv",))))[:2] == (
        Outcome.REFUSED,
        "default",
    )


def test_a_stream_that_took_over_may_still_be_one_too_many_for_who_looks_on(build: Build) -> None:
    house = build(looked_on())
    house.ask(attempt("film", limit=2, device="tv", strong=True))
    house.ask(attempt("fight", limit=2, rules=("one-ppv",)))
    bout = attempt("bout", limit=2, device="tv", strong=True, rules=("one-ppv",))
    told = house.ask(bout)
    assert met(told) == (Outcome.OBSERVED, "one-ppv", 1, 2)
    assert ends(told) == [("film", EndReason.SUPERSEDED)]


def test_whom_a_newcomer_stands_beside_may_give_way_to_it_under_a_rule_that_looks_on(
    build: Build,
) -> None:
    """The older stream goes in the same moment, and nobody is left to wait for."""
    rules = policy(
        Takeover.PROVISIONAL, rules=(Rule("one-ppv", 1, observed=True),), silent_after_ms=0
    )
    house = build(rules)
    house.ask(attempt("fight", limit=1, device="tv", rules=("one-ppv",)))
    told = house.ask(attempt("bout", limit=1, device="tv", rules=("one-ppv",)), after=1)
    assert told.outcome is Outcome.PROVISIONAL
    assert ends(told) == [("fight", EndReason.LAPSED)]
    assert house.playing() == ["bout"]
    assert house.ask(attempt("bout", limit=1, device="tv", beat=True)).outcome is Outcome.RENEWED


# --- Everything looks on ---


def observing(on_limit: OnLimit = OnLimit.REJECT, takeover: Takeover = Takeover.QUIET) -> Policy:
    return policy(takeover, on_limit, rules=(ONE_PPV,), observes=True)


def full_house(build: Build, rules: Policy) -> House:
    house = build(rules)
    house.ask(attempt("a", beat=True))
    house.ask(attempt("b", beat=True), after=1)
    house.now_ms += 1
    return house


@pytest.mark.parametrize("intent", [Intent.START, Intent.RESUME, Intent.PEEK])
@pytest.mark.parametrize("on_limit", OnLimit)
def test_where_nothing_is_enforced_a_stream_too_many_is_let_in_and_told(
    build: Build, intent: Intent, on_limit: OnLimit
) -> None:
    house = full_house(build, observing(on_limit))
    told = house.ask(attempt("c", intent=intent))
    assert met(told) == (Outcome.OBSERVED, "default", 2, 3)
    assert (told.requested, told.ended) == (3, ())
    assert len(house.playing()) == (2 if intent is Intent.PEEK else 3)


def test_even_a_limit_of_none_lets_in(build: Build) -> None:
    assert build(observing()).ask(attempt("a", limit=0)).outcome is Outcome.OBSERVED


def test_who_would_be_replaced_loses_the_slot_and_may_come_back(build: Build) -> None:
    house = build(observing())
    first = house.ask(attempt("a", limit=1, device="tv", strong=True))
    told = house.ask(attempt("b", limit=1, device="tv", strong=True), after=1)
    assert (told.outcome, ends(told)) == (Outcome.TAKEOVER, [("a", EndReason.LAPSED)])
    beat = attempt("a", limit=1, device="tv", strong=True, instance_ms=first.started_ms)
    assert house.ask(beat).outcome is Outcome.TAKEOVER


def test_who_is_silent_makes_room_as_ever(build: Build) -> None:
    house = build(policy(silent_after_ms=5_000, observes=True))
    house.ask(attempt("a", limit=1))
    told = house.ask(attempt("b", limit=1), after=5_000)
    assert (told.outcome, ends(told)) == (Outcome.ADMITTED, [("a", EndReason.LAPSED)])


def test_nobody_is_let_in_on_approval_where_nothing_is_enforced(build: Build) -> None:
    house = build(observing(takeover=Takeover.PROVISIONAL))
    house.ask(attempt("a", limit=1, device="tv", beat=True))
    told = house.ask(attempt("b", limit=1, device="tv"), after=1)
    assert told.outcome is Outcome.OBSERVED
    assert house.ask(attempt("a", limit=1, device="tv", beat=True), after=1).ended == ()
    assert house.playing() == ["a", "b"]


def test_what_was_displaced_before_plays_again_and_what_was_killed_does_not(build: Build) -> None:
    house = build(policy(on_limit=OnLimit.EVICT_OLDEST))
    evicted = house.ask(attempt("a", limit=1))
    killed = house.ask(attempt("b", limit=1), after=1)
    house.end("b")
    house.change(observing())
    back = attempt("a", limit=1, instance_ms=evicted.started_ms)
    assert house.ask(back, after=1).outcome is Outcome.ADMITTED
    gone = house.ask(attempt("b", limit=1, instance_ms=killed.started_ms))
    assert (gone.outcome, gone.reason) == (Outcome.ENDED, EndReason.KILLED)


def test_a_pair_that_was_to_be_settled_both_stay(build: Build) -> None:
    house = build(policy(Takeover.PROVISIONAL))
    house.ask(attempt("a", limit=1, device="tv", beat=True))
    assert house.ask(attempt("b", limit=1, device="tv")).outcome is Outcome.PROVISIONAL
    house.change(observing())
    assert house.ask(attempt("a", limit=1, device="tv", beat=True)).ended == ()
    house.change(policy(Takeover.PROVISIONAL))
    assert house.ask(attempt("a", limit=1, device="tv", beat=True)).ended == ()
    assert house.playing() == ["a", "b"]


# --- How many there are, and were asked for ---


def test_what_plays_is_counted_without_who_was_made_to_go_whatever_ceiling_is_met(
    build: Build,
) -> None:
    rules = (Rule("one-ppv", 1, observed=True),)
    house = build(policy(on_limit=OnLimit.EVICT_OLDEST, rules=rules))
    for stream, carried in (("a", ()), ("b", ("one-ppv",))):
        house.ask(attempt(stream, limit=2, beat=True, rules=carried), after=1)
    told = house.ask(attempt("c", limit=2, rules=("one-ppv",)), after=1)
    assert (met(told), ends(told)) == (
        (Outcome.OBSERVED, "one-ppv", 1, 2),
        [("a", EndReason.EVICTED)],
    )
    assert (told.playing, told.requested, house.playing()) == (2, 3, ["b", "c"])
    told = house.ask(attempt("d", limit=3), after=1)
    assert (told.outcome, told.active, told.playing) == (Outcome.ADMITTED, 3, 3)
    told = house.ask(attempt("c", limit=2, beat=True, rules=("one-ppv",)), after=1)
    assert (told.outcome, told.playing) == (Outcome.RENEWED, 3)
    told = house.ask(attempt("e", limit=0, rules=("one-ppv",)), after=1)
    assert (told.outcome, told.playing, told.requested) == (Outcome.REFUSED, 3, 4)
    told = house.ask(attempt("e", limit=9, intent=Intent.PEEK), after=1)
    assert (told.outcome, told.playing, len(house.playing())) == (Outcome.ADMITTED, 4, 3)


def test_what_was_asked_for_counts_who_was_made_to_go_but_not_who_was_gone(build: Build) -> None:
    house = build(policy(on_limit=OnLimit.EVICT_OLDEST, silent_after_ms=10_000))
    assert house.ask(attempt("a", limit=1)).requested == 1
    assert house.ask(attempt("b", limit=1, beat=True), after=10_000).requested == 1
    assert house.ask(attempt("c", limit=1), after=1).requested == 2
    assert house.ask(attempt("d", limit=0)).requested == 2


def test_a_device_that_zaps_asked_for_one_stream(build: Build) -> None:
    house = build()
    house.ask(attempt("a", limit=1, device="tv", strong=True))
    assert house.ask(attempt("b", limit=1, device="tv", strong=True)).requested == 1
