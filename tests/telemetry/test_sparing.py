"""Which refusals are told where there are too many to tell them all."""

from proxy.telemetry.events import Event, EventType
from proxy.telemetry.sparing import PER_SECOND, Sparing

TS = "2026-03-14T19:30:00.000Z"


class Ear:
    """Hears events, and how many were spared; its clock stands until it is moved."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.heard: list[Event] = []
        self.spared = 0
        self.sparing = Sparing(self, lambda: self.now, self.drop)

    def put(self, event: Event) -> None:
        self.heard.append(event)

    def drop(self, number: int) -> None:
        self.spared += number

    def told(self, event: Event, times: int = 1) -> int:
        """Give how many of so many equal events came through."""
        before = len(self.heard)
        for _ in range(times):
            self.sparing.put(event)
        return len(self.heard) - before


def rejected(reason: str, account: str | None = None) -> Event:
    return Event(EventType.REJECTED, TS, account=account, reason=reason)


def test_of_strangers_one_in_a_second_is_told_for_each_reason() -> None:
    ear = Ear()
    assert ear.told(rejected("token_invalid"), 3000) == 1
    assert ear.spared == 2999
    assert ear.told(rejected("token_expired")) == 1
    ear.now += 1
    assert ear.told(rejected("token_invalid")) == 1


def test_an_account_is_told_of_while_strangers_and_others_make_a_noise() -> None:
    ear = Ear()
    assert ear.told(rejected("token_revoked"), 100) == 1
    assert ear.told(rejected("token_revoked", "alice"), 100) == PER_SECOND
    assert ear.told(rejected("token_revoked", "bob")) == 1
    refused = Event(EventType.REFUSED, TS, account="alice", reason="default")
    assert ear.told(refused, 100) == PER_SECOND


def test_starts_and_ends_are_all_told() -> None:
    ear = Ear()
    for kind in (EventType.STARTED, EventType.ENDED):
        assert ear.told(Event(kind, TS, account="alice", reason="admitted"), 100) == 100
    assert ear.spared == 0


def test_a_clock_that_is_set_back_silences_nobody() -> None:
    ear = Ear()
    ear.told(rejected("token_invalid"))
    ear.now -= 3600
    assert ear.told(rejected("token_invalid")) == 1
