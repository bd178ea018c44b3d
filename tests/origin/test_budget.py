from proxy.origin.budget import AT_LEAST, LOOK_BACK, SHARE, Budget


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def spent(budget: Budget) -> int:
    """Spend all there is."""
    number = 0
    while budget.spend():
        number += 1
    return number


def test_a_fifth_may_be_asked_again_and_a_few_besides() -> None:
    budget = Budget(Clock())
    assert spent(budget) == AT_LEAST
    for _ in range(1000):
        budget.asked()
    assert spent(budget) == SHARE * 1000


def test_what_was_asked_a_while_ago_allows_nothing_any_more() -> None:
    clock = Clock()
    budget = Budget(clock)
    for _ in range(1000):
        budget.asked()
    clock.now += LOOK_BACK
    assert spent(budget) == AT_LEAST + SHARE * 1000, "the time before counts still"
    clock.now += LOOK_BACK
    assert spent(budget) == 0, "and so does what was spent"
    clock.now += 2 * LOOK_BACK
    assert spent(budget) == AT_LEAST


def test_half_of_all_may_be_asked_again_when_one_of_two_origins_dies() -> None:
    """A second's requests are under way at each, at most: its latency is less."""
    clock = Clock()
    budget = Budget(clock)
    for _ in range(30):
        clock.now += 1
        for _ in range(2000):
            budget.asked()
    assert spent(budget) >= 1000
