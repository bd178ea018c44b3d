"""What is particular to the memory store: it forgets, and never by walking through all accounts."""

import asyncio

import pytest

from proxy.admission import memory
from proxy.admission.ledger import LINGER_MS, RECALLED_MS, RELEASED_MS
from proxy.admission.memory import MemoryStore
from proxy.streams import EndReason, Intent, Outcome
from tests.admission.samples import ACCOUNT, FILM, LIVE, TTL, attempt, policy

START = 1_700_000_000.0


class Home:
    """A store and a clock that is set by hand (milliseconds since the start)."""

    def __init__(self) -> None:
        self.passed_ms = 0
        self.store = MemoryStore(policy(), lambda: START + self.passed_ms / 1000)

    async def watch(self, account: str, stream: str = "a") -> Outcome:
        return (await self.store.decide(attempt(stream, account=account))).outcome


async def test_accounts_are_forgotten_when_their_slots_are() -> None:
    home = Home()
    for number in range(100):
        await home.watch(f"{number}")
    assert len(home.store) == 100
    home.passed_ms += TTL + LINGER_MS
    # Each use forgets a few, faster than new ones come.
    for number in range(100, 150):
        await home.watch(f"{number}")
    assert len(home.store) == 50


async def test_accounts_that_went_on_for_a_while_are_forgotten_too() -> None:
    home = Home()
    for _ in range(5):
        await home.watch("gone")
        home.passed_ms += TTL - 1
    home.passed_ms += LINGER_MS + 1
    await home.watch("next")
    assert len(home.store) == 1


async def test_an_account_that_is_watching_is_never_forgotten() -> None:
    home = Home()
    for _ in range(200):
        assert await home.watch("busy") in (Outcome.ADMITTED, Outcome.RENEWED)
        home.passed_ms += TTL - 1
        await home.watch("busy", "b")
        assert len(await home.store.streams("busy")) == 2
    assert len(home.store) == 1


async def test_an_account_is_remembered_for_as_long_as_its_tombstones() -> None:
    home = Home()
    told = await home.store.decide(attempt("a"))
    await home.store.end(ACCOUNT, "a", by="admin")
    home.passed_ms += policy().tombstone_ms - 1
    for number in range(10):
        await home.watch(f"{number}")
    late = await home.store.decide(attempt("a", instance_ms=told.started_ms))
    assert (late.outcome, late.reason) == (Outcome.ENDED, EndReason.KILLED)


async def test_asking_of_nobody_remembers_nobody() -> None:
    home = Home()
    assert await home.store.streams("nobody") == ()
    assert await home.store.release("nobody", "a") is None
    assert await home.store.end("nobody", None, by="admin") == ()
    await home.store.amend("nobody", "a", LIVE)
    peek = await home.store.decide(attempt("a", account="nobody", intent=Intent.PEEK))
    assert peek.outcome is Outcome.ADMITTED
    assert len(home.store) == 0


async def test_many_are_counted_without_keeping_others_waiting(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(memory, "COUNTED", 10)
    home = Home()
    for number in range(35):
        await home.watch(f"{number}")
    home.passed_ms += 1
    turns = 0

    async def wait_for_turns() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    others = asyncio.create_task(wait_for_turns())
    assert await home.store.active() == {"live": 35}
    assert turns == 3
    others.cancel()
    home.passed_ms += TTL - 1
    assert await home.store.active() == {}


async def test_no_use_looks_at_more_than_a_few_accounts() -> None:
    home = Home()
    for number in range(50):
        await home.watch(f"{number}")
    home.passed_ms += TTL + LINGER_MS
    before = len(home.store)
    await home.watch("one more")
    assert before - len(home.store) < memory.SWEEP


async def test_a_slot_that_was_prolonged_is_not_forgotten_at_its_first_end() -> None:
    home = Home()
    await home.watch("film")
    await home.store.amend("film", "a", FILM)
    home.passed_ms += TTL + LINGER_MS
    for number in range(10):
        await home.watch(f"{number}")
    assert [stream.id for stream in await home.store.streams("film")] == ["a"]


async def test_a_released_account_is_forgotten_too() -> None:
    home = Home()
    await home.watch("short")
    await home.store.release("short", "a")
    home.passed_ms += RELEASED_MS + RECALLED_MS
    await home.watch("next")
    await home.watch("next")
    assert len(home.store) == 1
