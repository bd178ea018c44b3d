"""What happens to streams is told once, whoever brought it about."""

from dataclasses import dataclass, field, replace

import pytest

from proxy.admission.memory import MemoryStore
from proxy.admission.policy import OnLimit, Rule
from proxy.errors import PlaygateError, TicketInvalid, TokenExpired, TokenMissing
from proxy.lapses import LapseWatch
from proxy.reporting import ReportingStore
from proxy.streams import Attempt, EndReason, Intent
from proxy.telemetry.events import MAX_TEXT_LENGTH, Event
from proxy.telemetry.journal import Journal
from proxy.telemetry.metrics import Metrics
from tests.admission.samples import ACCOUNT, TTL, attempt, policy

START = 1_700_000_000.0
AT_START = "2023-11-14T22:13:20.000Z"


@dataclass
class World:
    """A store that tells, and who listens."""

    on_limit: OnLimit = OnLimit.REJECT
    observes: bool = False
    rules: tuple[Rule, ...] = ()
    now: float = START
    events: list[Event] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.metrics = Metrics("0", ())
        self.journal = Journal(self.metrics, self.clock, self)
        rules = policy(on_limit=self.on_limit, observes=self.observes, rules=self.rules)
        memory = MemoryStore(rules, self.clock)
        self.store = ReportingStore(memory, self.journal, LapseWatch(self.clock))

    def clock(self) -> float:
        return self.now

    def put(self, event: Event) -> None:
        self.events.append(event)

    def told(self) -> list[tuple[str, str | None, str | None]]:
        """What was told since the last look: event, stream, reason."""
        told = [(event.event.value, event.stream, event.reason) for event in self.events]
        self.events.clear()
        return told

    async def ask(self, *attempts: Attempt) -> None:
        for one in attempts:
            await self.store.decide(one)


async def test_a_start_is_told_with_all_that_is_known_of_it() -> None:
    world = World()
    await world.ask(attempt("a"))
    assert [event.fields() for event in world.events] == [
        {
            "event": "stream.started",
            "ts": AT_START,
            "account": ACCOUNT,
            "stream": "a",
            "content": "tv.example/a.m3u8",
            "device": "label of a",
            "route": "live",
            "limit": 2,
            "active": 1,
            "reason": "admitted",
        }
    ]


async def test_a_beat_is_told_nobody_and_a_question_neither() -> None:
    world = World()
    await world.ask(attempt("a"))
    world.events.clear()
    await world.ask(attempt("a", beat=True), attempt("b", intent=Intent.PEEK))
    await world.ask(attempt("c", intent=Intent.TOUCH))
    assert world.told() == []


async def test_a_refusal_is_told_with_the_rule_it_comes_from() -> None:
    world = World()
    await world.ask(attempt("a"), attempt("b"))
    world.events.clear()
    world.now += 1
    await world.ask(attempt("c"))
    assert [(event.ts, event.active, event.limit) for event in world.events] == [
        ("2023-11-14T22:13:21.000Z", 2, 2)
    ]
    assert world.told() == [("stream.refused", "c", "default")]


async def test_a_player_that_tries_again_is_told_to_be_refused_once() -> None:
    world = World()
    await world.ask(attempt("a"), attempt("b"))
    world.events.clear()
    await world.ask(*[attempt("c")] * 5, attempt("d"))
    assert [stream for _, stream, _ in world.told()] == ["c", "d"]


async def test_a_start_that_is_observed_is_told_with_what_would_have_refused_it() -> None:
    world = World(observes=True)
    await world.ask(attempt("a"), attempt("b"), attempt("c"))
    assert [(event.stream, event.reason, event.rule) for event in world.events] == [
        ("a", "admitted", None),
        ("b", "admitted", None),
        ("c", "observed", "default"),
    ]


async def test_an_admission_is_counted_with_what_plays_then_and_not_with_who_had_to_go() -> None:
    world = World(OnLimit.EVICT_OLDEST, rules=(Rule("one-ppv", 1, observed=True),))
    for stream, carried in (("a", ()), ("b", ("one-ppv",)), ("c", ("one-ppv",)), ("d", ())):
        await world.ask(attempt(stream, beat=True, rules=carried))
        world.now += 1
    assert [told for told in world.told() if told[0] == "stream.started"][2][2] == "observed"
    counted = world.metrics.registry.get_sample_value
    assert counted("playgate_account_streams_count") == 4
    assert counted("playgate_account_streams_sum") == 1 + 2 + 2 + 2
    assert counted("playgate_requested_streams_sum") == 1 + 2 + 3 + 3


async def test_every_kind_of_end_is_told_and_counted() -> None:
    world = World(OnLimit.EVICT_OLDEST)
    await world.ask(attempt("a", device="tv", strong=True, limit=1))
    world.now += 1
    await world.ask(attempt("b", device="tv", strong=True, limit=1))
    await world.ask(attempt("c", limit=1))
    await world.store.release(ACCOUNT, "c")
    await world.ask(attempt("d"), attempt("e"))
    await world.store.end(ACCOUNT, "d", by="operator")
    world.now += TTL / 1000
    await world.ask(attempt("f"))
    ends = [told for told in world.told() if told[0] == "stream.ended"]
    assert [(stream, reason) for _event, stream, reason in ends] == [
        ("a", "superseded"),
        ("b", "evicted"),
        ("c", "released"),
        ("d", "killed"),
        ("e", "lapsed"),
    ]
    assert world.metrics.totals().ended == dict.fromkeys(EndReason, 1)


async def test_what_was_never_served_is_told_to_have_ended_at_once() -> None:
    world = World()
    await world.ask(attempt("a"))
    await world.store.forget(ACCOUNT, "a", round(START * 1000) - 1)
    await world.store.forget(ACCOUNT, "a", round(START * 1000))
    await world.store.forget(ACCOUNT, "a", round(START * 1000))
    assert world.events[-1].seconds == 0
    assert world.told() == [
        ("stream.started", "a", "admitted"),
        ("stream.ended", "a", "released"),
    ]


async def test_who_lapsed_watched_until_last_heard_of_and_who_was_ended_until_the_end() -> None:
    world = World()
    await world.ask(attempt("a"), attempt("b"))
    world.now += 6
    await world.ask(attempt("a", beat=True), attempt("b", beat=True))
    world.now += 4
    await world.store.end(ACCOUNT, "b", by="operator")
    world.now += 30
    await world.ask(attempt("c", intent=Intent.TOUCH))
    ends = [event for event in world.events if event.event == "stream.ended"]
    assert [(event.stream, event.seconds, event.ts[-10:]) for event in ends] == [
        ("b", 10, "13:30.000Z"),
        ("a", 6, "13:56.000Z"),
    ]


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (TokenExpired(), [("token.rejected", None, "token_expired")]),
        (TicketInvalid(), [("token.rejected", None, "ticket_invalid")]),
        (TokenMissing(), []),
    ],
)
def test_a_credential_that_is_refused_is_told_and_one_that_is_missing_is_counted(
    error: PlaygateError, told: list[tuple[str, str | None, str | None]]
) -> None:
    world = World()
    world.journal.failed(error, "live", None)
    assert world.told() == told
    assert world.metrics.totals().refusals == {error.code: 1}


async def test_what_a_viewer_has_a_say_in_can_be_printed_and_stored() -> None:
    world = World()
    hostile = attempt("a")
    playback = replace(
        hostile.playback, label="TV\n2026 [error]\x1b[2J\ud800\u202e", content="x" * 8192
    )
    await world.ask(replace(hostile, playback=playback))
    [event] = world.events
    assert event.device == "TV\ufffd2026 [error]\ufffd[2J\ufffd\ufffd"
    assert event.content == "x" * MAX_TEXT_LENGTH
    "".join(map(str, event.fields().values())).encode()
