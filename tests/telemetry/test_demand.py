from proxy.streams import Decision, Outcome
from proxy.telemetry.demand import GIVEN_UP_S, MAX_REMEMBERED, Demand


class Time:
    def __init__(self) -> None:
        self.now = 1_000.0

    def __call__(self) -> float:
        return self.now


def told(outcome: Outcome, stream: str = "a") -> Decision:
    return Decision(outcome, stream, 1, 1, 1, "default", 1, 2)


def test_a_refused_player_that_tries_again_asks_for_nothing_new() -> None:
    time = Time()
    demand = Demand(time)
    assert demand.is_new(told(Outcome.REFUSED))
    for _ in range(3):
        time.now += GIVEN_UP_S - 1
        assert not demand.is_new(told(Outcome.REFUSED))
    assert demand.is_new(told(Outcome.REFUSED, "b"))
    time.now += GIVEN_UP_S
    assert demand.is_new(told(Outcome.REFUSED))


def test_every_start_is_new_and_so_is_a_refusal_after_it() -> None:
    demand = Demand(Time())
    assert demand.is_new(told(Outcome.REFUSED))
    assert demand.is_new(told(Outcome.OBSERVED))
    assert demand.is_new(told(Outcome.ADMITTED))
    assert demand.is_new(told(Outcome.REFUSED))


def test_a_stream_that_goes_on_asks_for_nothing() -> None:
    demand = Demand(Time())
    assert not demand.is_new(told(Outcome.RENEWED))
    assert not demand.is_new(told(Outcome.ENDED))


def test_a_clock_that_was_set_back_makes_no_retry_of_what_is_none() -> None:
    time = Time()
    demand = Demand(time)
    demand.is_new(told(Outcome.REFUSED))
    time.now -= 1
    assert demand.is_new(told(Outcome.REFUSED))


def test_of_the_refused_no_more_are_remembered_than_fit() -> None:
    demand = Demand(Time())
    for number in range(MAX_REMEMBERED + 1):
        demand.is_new(told(Outcome.REFUSED, f"stream {number}"))
    assert demand.is_new(told(Outcome.REFUSED, "stream 0"))
    assert not demand.is_new(told(Outcome.REFUSED, f"stream {MAX_REMEMBERED}"))
