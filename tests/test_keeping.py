"""What is kept while there is room, and who gives way when there is none."""

from collections.abc import Callable
from dataclasses import dataclass
from random import Random
from statistics import median
from time import process_time

from proxy.keeping import LOOKED_AT, Keeping, Seen


@dataclass
class Thing:
    number: int
    used: bool = False


def of(size: int, chance: Callable[[], bool]) -> Keeping[int, Thing]:
    return Keeping(size, chance=chance)


def use(kept: Keeping[int, Thing], number: int) -> bool:
    """Tell whether there is one, and mark it."""
    thing = kept.find(number)
    if thing is None:
        return False
    assert thing.number == number
    thing.used = True
    return True


def test_all_are_kept_while_there_is_room() -> None:
    kept = of(3, lambda: False)
    for number in range(5):
        kept.put(number, Thing(number))
    assert [use(kept, number) for number in range(5)] == [True, True, True, False, False]
    another = Thing(1)
    kept.put(1, another)
    assert len(kept) == 3
    assert kept.find(1) is another
    kept.drop(1)
    kept.put(4, Thing(4))
    assert len(kept) == 3
    assert use(kept, 4)


def test_who_is_let_in_takes_the_place_of_one_that_was_not_used() -> None:
    kept = of(3, lambda: True)
    for number in range(3):
        kept.put(number, Thing(number))
    use(kept, 0)
    kept.put(3, Thing(3))
    assert [kept.find(number) is None for number in range(4)] == [False, True, False, False]
    for number in (0, 2, 3):
        use(kept, number)
    kept.put(4, Thing(4))
    assert len(kept) == 3, "all were used, and one gave way"
    assert kept.find(4)


def test_a_use_counts_until_the_others_were_looked_at() -> None:
    kept = of(4, lambda: True)
    for number in range(4):
        kept.put(number, Thing(number))
    use(kept, 0)
    for number in range(4, 8):
        kept.put(number, Thing(number))
    assert kept.find(0) is None


def test_few_are_looked_at_however_many_were_used() -> None:
    kept = of(1_000, lambda: True)
    for number in range(1_000):
        kept.put(number, Thing(number, used=True))
    kept.put(1_000, Thing(1_000))
    marks_off = sum(not thing.used for number in range(1_000) if (thing := kept.find(number)))
    assert marks_off == LOOKED_AT - 1


def test_what_was_dropped_is_not_looked_at() -> None:
    kept = of(LOOKED_AT, lambda: True)
    for number in range(LOOKED_AT + 1):
        kept.put(number, Thing(number))
    for number in range(1, LOOKED_AT):
        kept.drop(number)
        kept.put(-number, Thing(-number, used=True))
    kept.put(LOOKED_AT + 1, Thing(LOOKED_AT + 1))
    assert len(kept) == LOOKED_AT
    assert kept.find(LOOKED_AT) is None
    assert all(kept.find(-number) for number in range(1, LOOKED_AT))


def test_to_let_one_go_takes_no_longer_for_all_that_went_before() -> None:
    kept = of(20_000, lambda: True)
    for number in range(20_000):
        kept.put(number, Thing(number))
    took = []
    for start in range(20_000, 100_000, 2_000):
        begun = process_time()
        for number in range(start, start + 2_000):
            kept.put(number, Thing(number))
        took.append(process_time() - begun)
    assert median(took) < 3 * min(took)


def test_where_more_is_asked_for_in_turn_than_there_is_room_for_most_of_what_is_kept_is_found() -> (
    None
):
    chance = Random(1)
    kept = of(1_000, lambda: chance.random() < 1 / 16)
    found = 0
    for turn in range(20):
        for number in range(2_000):
            if not use(kept, number):
                kept.put(number, Thing(number))
            elif turn >= 10:
                found += 1
    assert found > 10 * 800
    for _ in range(300):
        for number in range(3_000, 3_500):
            if not use(kept, number):
                kept.put(number, Thing(number))
    assert all(kept.find(number) for number in range(3_000, 3_500)), "all others went"


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
