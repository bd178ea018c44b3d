"""What is kept while there is room, and who gives way when there is none."""

from random import Random

from proxy.keeping import Keeping, Seen


def test_all_are_kept_while_there_is_room() -> None:
    kept: Keeping[int, str] = Keeping(3, chance=lambda: False)
    for number in range(5):
        kept.put(number, str(number))
    assert [kept.get(number) for number in range(5)] == ["0", "1", "2", None, None]
    kept.put(1, "another")
    assert (len(kept), kept.get(1)) == (3, "another")
    kept.drop(1)
    kept.put(4, "4")
    assert (len(kept), kept.get(4)) == (3, "4")


def test_who_is_let_in_takes_the_place_of_what_is_longest_unused() -> None:
    kept: Keeping[int, str] = Keeping(3, chance=lambda: True)
    for number in range(3):
        kept.put(number, "")
    kept.get(0)
    kept.put(3, "")
    assert [kept.get(number) is None for number in range(4)] == [False, True, False, False]


def test_where_more_is_asked_for_in_turn_than_there_is_room_for_most_of_what_is_kept_is_found() -> (
    None
):
    chance = Random(1)
    kept: Keeping[int, int] = Keeping(1_000, chance=lambda: chance.random() < 1 / 16)
    found = 0
    for turn in range(20):
        for number in range(2_000):
            if kept.get(number) is None:
                kept.put(number, number)
            elif turn >= 10:
                found += 1
    assert found > 10 * 800
    for _ in range(300):
        for number in range(3_000, 3_500):
            if kept.get(number) is None:
                kept.put(number, number)
    assert all(kept.get(number) is not None for number in range(3_000, 3_500)), "all others went"


def test_names_that_come_in_turn_are_known_from_the_second_time_on() -> None:
    chance = Random(2)
    names = [chance.randbytes(16) for _ in range(1_000)]
    seen = Seen(4 * len(names))
    assert not any(map(seen.before, names))
    new = [name for name in names if not seen.before(name)]
    assert len(new) <= 40
    for _ in range(20):  # those that are known leave room to the others
        new = [name for name in new if not seen.before(name)]
    assert new == []


def test_names_that_came_long_ago_are_forgotten() -> None:
    chance = Random(3)
    first = [chance.randbytes(16) for _ in range(100)]
    seen = Seen(400)
    for name in (*first, *(chance.randbytes(16) for _ in range(40_000))):
        seen.before(name)
    assert not any(map(seen.before, first))
