from proxy.model import Playback
from proxy.streams import Attempt, Cadence, Decision, Outcome
from proxy.telemetry.demand import GIVEN_UP_S, MAX_REMEMBERED, MAX_WAITING, Demand


class Time:
    def __init__(self) -> None:
        self.now = 1_000.0

    def __call__(self) -> float:
        return self.now


class Asking:
    """Asks for streams, of one account if nothing else is said, and hears how many it wants."""

    def __init__(self) -> None:
        self.time = Time()
        self.demand = Demand(self.time)

    def hear(
        self,
        outcome: Outcome,
        stream: str = "a",
        *,
        device: str = "tv",
        account: str = "alice",
        playing: int = 1,
    ) -> int:
        playback = Playback(stream, device, True, "c", "live", "TV", "n", "u")  # strong
        attempt = Attempt(account, playback, 1, "default", Cadence(1_000))
        told = Decision(outcome, stream, 1, 1, 1, "default", playing, playing + 1)
        return self.demand.asked(attempt, told)


def test_a_refused_player_that_tries_again_asks_for_nothing_new() -> None:
    asking = Asking()
    assert asking.hear(Outcome.REFUSED)
    for _ in range(3):
        asking.time.now += GIVEN_UP_S - 1
        assert not asking.hear(Outcome.REFUSED)
    assert asking.hear(Outcome.REFUSED, "b")
    asking.time.now += GIVEN_UP_S
    assert asking.hear(Outcome.REFUSED)


def test_every_start_is_new_and_so_is_a_refusal_after_it() -> None:
    asking = Asking()
    assert asking.hear(Outcome.REFUSED)
    assert asking.hear(Outcome.OBSERVED)
    assert asking.hear(Outcome.ADMITTED)
    assert asking.hear(Outcome.REFUSED)


def test_a_clock_that_was_set_back_makes_no_retry_of_what_is_none() -> None:
    asking = Asking()
    asking.hear(Outcome.REFUSED)
    asking.time.now -= 1
    assert asking.hear(Outcome.REFUSED)


def test_of_the_refused_no_more_are_remembered_than_fit() -> None:
    asking = Asking()
    for number in range(MAX_REMEMBERED + 1):
        asking.hear(Outcome.REFUSED, f"stream {number}", account=f"account {number}")
    assert asking.hear(Outcome.REFUSED, "stream 0")
    assert not asking.hear(Outcome.REFUSED, f"stream {MAX_REMEMBERED}")
    wanted = [
        asking.hear(Outcome.REFUSED, f"of {number}", device=f"device {number}")
        for number in range(2 * MAX_WAITING)
    ]
    assert max(wanted) == wanted[-1] == 2 + MAX_WAITING
    assert len(asking.demand._waiting) == MAX_REMEMBERED


def test_devices_that_were_refused_count_among_what_their_account_wants() -> None:
    asking = Asking()
    wanted = [asking.hear(Outcome.ADMITTED, "1", device="tv", playing=1)]
    wanted += [
        asking.hear(Outcome.REFUSED, number, device=device, playing=1)
        for number, device in (("2", "phone"), ("3", "tablet"), ("4", "laptop"))
    ]
    assert wanted == [2, 2, 3, 4]
    assert asking.hear(Outcome.REFUSED, "9", account="bob") == 2


def test_a_device_that_was_refused_something_else_is_still_one() -> None:
    asking = Asking()
    assert asking.hear(Outcome.REFUSED, "2", device="phone") == 2
    assert asking.hear(Outcome.REFUSED, "3", device="phone") == 2
    assert asking.hear(Outcome.REFUSED, "4", device="tablet") == 3


def test_who_is_let_in_or_has_given_up_waits_no_more() -> None:
    asking = Asking()
    asking.hear(Outcome.REFUSED, "2", device="phone")
    asking.hear(Outcome.REFUSED, "3", device="tablet")
    assert asking.hear(Outcome.ADMITTED, "2", device="phone") == 2, "it found room"
    assert asking.hear(Outcome.REFUSED, "4", device="laptop") == 3
    asking.time.now += GIVEN_UP_S
    assert asking.hear(Outcome.REFUSED, "5", device="console") == 2
