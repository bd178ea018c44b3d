"""Values that are made at each request are, but for what mypy sees to, as if they were frozen."""

from proxy.model import Stray
from proxy.values import value


@value(frozen=True, slots=True)
class Other:
    stream: str
    device: str


def test_equal_values_are_one_key_and_those_of_two_kinds_are_two() -> None:
    one, same = Stray("a", "tv"), Stray("a", "tv")
    assert one == same
    assert {one, same} == {one}
    assert one not in {Stray("b", "tv"), Other("a", "tv")}


def test_a_value_has_no_room_for_more_than_its_fields() -> None:
    assert not hasattr(Stray("a", "tv"), "__dict__")
