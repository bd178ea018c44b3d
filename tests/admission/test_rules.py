"""Which streams a rule counts."""

from dataclasses import replace

import pytest

from proxy.admission.rules import Rulebook, Where, path_of
from proxy.model import DeviceClass, Subject
from proxy.playback.identity import MAX_CONTENT_LENGTH, content_of
from proxy.settings.patterns import PathPattern
from tests.admission.samples import attempt

SUBJECT = Subject("a" * 32, plan="basic", claims=(("region", "eu"), ("tier", "4"), ("tier", "hd")))
PLAYBACK = replace(
    attempt("a").playback,
    content="tv.example:8443/ppv/fight/master.m3u8?id=/free/7",
    route="events",
    device_class=DeviceClass.TV,
)
PPV = PathPattern("/ppv/**")
FREE = PathPattern("/free/**")


@pytest.mark.parametrize(
    ("where", "holds"),
    [
        (Where(), True),
        (Where(contents=(PPV,)), True),
        (Where(contents=(FREE, PPV)), True),
        (Where(contents=(FREE,)), False),
        (Where(contents=(PathPattern("/**/master.m3u8"),)), True),
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
        (Where(contents=(PPV,), plans=frozenset({"premium"})), False),
        (Where(contents=(PPV,), plans=frozenset({"basic"})), True),
    ],
)
def test_a_rule_counts_a_stream_for_which_all_of_it_holds(where: Where, holds: bool) -> None:
    assert where.holds(SUBJECT, PLAYBACK) is holds


def test_who_has_no_plan_and_no_claims_is_in_no_rule_that_asks_for_them() -> None:
    nobody = Subject("a" * 32)
    assert not Where(plans=frozenset({"basic"})).holds(nobody, PLAYBACK)
    assert not Where(claims={"tier": frozenset({"hd"})}).holds(nobody, PLAYBACK)


def test_a_stream_carries_the_names_of_its_rules_in_their_order() -> None:
    book = Rulebook({"z": Where(), "a": Where(contents=(PPV,)), "m": Where(contents=(FREE,))})
    assert book.applying(SUBJECT, PLAYBACK) == ("z", "a")


def test_nobody_can_say_of_a_stream_that_is_known_by_its_id_alone() -> None:
    assert Rulebook({"all": Where()}).applying(SUBJECT, replace(PLAYBACK, content="")) is None


def test_the_path_of_a_content_is_what_a_route_would_match() -> None:
    assert path_of("tv.example/live/one.m3u8") == "/live/one.m3u8"
    assert path_of("[2001:db8::1]:80/a?b=/c/d") == "/a"


def test_a_content_that_was_cut_is_still_found_by_where_it_lies() -> None:
    path = f"/ppv/{'x' * MAX_CONTENT_LENGTH}/master.m3u8"
    assert PPV.matches(path_of(content_of("tv.example", path, "", ())))
