"""Which streams a rule counts."""

from dataclasses import replace

import pytest

from proxy.admission.rules import Rulebook, Where
from proxy.model import DeviceClass, Subject
from proxy.settings.patterns import PathPattern
from tests.admission.samples import attempt

SUBJECT = Subject("a" * 32, plan="basic", claims=(("region", "eu"), ("tier", "4"), ("tier", "hd")))
PLAYBACK = replace(
    attempt("a").playback,
    content="tv.example:8443/ppv/fight/master.m3u8?id=/free/7",
    content_rules=("ppv",),
    route="events",
    device_class=DeviceClass.TV,
)
PPV = PathPattern("/ppv/**")
FREE = PathPattern("/free/**")


@pytest.mark.parametrize(
    ("where", "holds"),
    [
        (Where(), True),
        (Where(routes=frozenset({"events", "live"})), True),
        (Where(routes=frozenset({"live"})), False),
        (Where(device_classes=frozenset({"tv"})), True),
        (Where(device_classes=frozenset({"mobile", "tablet"})), False),
        (Where(plans=frozenset({"basic"})), True),
        (Where(plans=frozenset({"premium"})), False),
        (Where(claims={"tier": frozenset({"sd", "hd"})}), True),
        (Where(claims={"tier": frozenset({"sd"})}), False),
        (Where(claims={"tier": frozenset({"4"}), "region": frozenset({"eu"})}), True),
        (Where(claims={"tier": frozenset({"4"}), "region": frozenset({"us"})}), False),
        (Where(claims={"region": frozenset({"4"})}), False),
    ],
)
def test_a_rule_counts_a_stream_for_which_all_of_it_holds(where: Where, holds: bool) -> None:
    assert where.holds(SUBJECT, PLAYBACK) is holds


def test_who_has_no_plan_and_no_claims_is_in_no_rule_that_asks_for_them() -> None:
    nobody = Subject("a" * 32)
    assert not Where(plans=frozenset({"basic"})).holds(nobody, PLAYBACK)
    assert not Where(claims={"tier": frozenset({"hd"})}).holds(nobody, PLAYBACK)


def test_a_stream_carries_the_names_of_its_rules_in_their_order() -> None:
    book = Rulebook({"z": Where(), "ppv": Where(contents=(PPV,)), "m": Where(contents=(FREE,))})
    assert book.applying(SUBJECT, PLAYBACK) == ("z", "ppv")


def test_a_rule_about_content_counts_streams_for_which_the_rest_of_it_holds_as_well() -> None:
    for plan, names in (("basic", ("ppv",)), ("premium", ())):
        book = Rulebook({"ppv": Where(contents=(PPV,), plans=frozenset({plan}))})
        assert book.applying(SUBJECT, PLAYBACK) == names


def test_rules_about_a_path_are_those_of_which_any_pattern_matches_it() -> None:
    masters = PathPattern("/**/master.m3u8")
    book = Rulebook(
        {"all": Where(), "z": Where(contents=(FREE, PPV)), "free": Where(contents=(FREE,))}
        | {"masters": Where(contents=(masters,))}
    )
    assert book.of_content("/ppv/fight/master.m3u8") == ("z", "masters")


def test_nobody_can_say_of_a_stream_that_is_known_by_its_id_alone() -> None:
    assert Rulebook({"all": Where()}).applying(SUBJECT, replace(PLAYBACK, content="")) is None
