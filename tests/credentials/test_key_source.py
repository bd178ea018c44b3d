import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

import pytest

from proxy.credentials import key_source
from proxy.credentials.key_source import (
    LOOK_EVERY,
    LOOKERS,
    Document,
    KeySource,
    KeysUnavailable,
    SourceRules,
)
from proxy.credentials.keys import Sought
from tests.support.issuer import SigningKey, document
from tests.support.poll import until

OLD, NEW = SigningKey("old"), SigningKey("new")
FIRST = Document(document(OLD), "v1")
ES256 = SourceRules(("ES256",))


@pytest.fixture(autouse=True)
def _patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a busy machine be no issuer that does not answer."""
    for name in ("LOOK_SECONDS", "READ_SECONDS"):
        monkeypatch.setattr(key_source, name, 60)


@dataclass
class Scripted:
    """A reader that gives what a test put there, once its gate is open."""

    next: Document | Exception = FIRST
    gate: asyncio.Event | None = None
    versions: list[str | None] = field(default_factory=list)

    async def read(self, version: str | None) -> Document:
        self.versions.append(version)
        if self.gate is not None:
            await self.gate.wait()
        if isinstance(self.next, Exception):
            raise self.next
        return self.next


@dataclass
class Told:
    """What an operator is told, as a list."""

    lines: list[str] = field(default_factory=list)

    def changed(self, source: str, kids: tuple[str | None, ...], skipped: tuple[str, ...]) -> None:
        self.lines.append(f"{source} has {', '.join(map(str, kids))}, not {len(skipped)}")

    def failed(self, source: str, reason: str) -> None:
        self.lines.append(f"{source} failed: {reason}")

    def recovered(self, source: str) -> None:
        self.lines.append(f"{source} recovered")


@dataclass
class World:
    reader: Scripted = field(default_factory=Scripted)
    told: Told = field(default_factory=Told)
    now: float = 1000.0
    rules: SourceRules = ES256

    def __post_init__(self) -> None:
        self.source = KeySource(
            "id/keys",
            self.reader,
            self.rules,
            self.told,
            clock=lambda: self.now,
            chance=lambda: 0.0,
        )

    @property
    def kids(self) -> list[str | None]:
        return [key.kid for key in self.source.keys]


@pytest.fixture
async def world() -> AsyncIterator[World]:
    made = World()
    yield made
    await made.source.close()


async def test_a_set_is_replaced_by_the_next_and_each_change_is_told_once(world: World) -> None:
    assert await world.source.refresh()
    assert not await world.source.refresh()
    world.reader.next = Document(document(NEW), "v2")
    assert await world.source.refresh()
    assert world.kids == ["new"]
    assert world.told.lines == ["id/keys has old, not 0", "id/keys has new, not 0"]


async def test_the_version_of_the_last_good_set_is_asked_with(world: World) -> None:
    await world.source.refresh()
    world.reader.next = Document(b"nonsense", "v2")
    await world.source.refresh()
    world.reader.next = Document(None, "v1")
    await world.source.refresh()
    await world.source.refresh()
    assert world.reader.versions == [None, "v1", "v1", "v1"]
    assert world.kids == ["old"]


async def test_another_begins_with_what_one_had_at_the_same_place(world: World) -> None:
    await world.source.refresh()
    world.reader.next = Document(None, "v1")
    world.now += 20
    await world.source.refresh()
    world.now += 100
    heir = World(world.reader, now=world.now, rules=SourceRules(("ES256",), ("https://id",)))
    heir.source.inherit(world.source)
    assert heir.kids == ["old"]
    assert [key.issuers for key in heir.source.keys] == [("https://id",)]
    assert heir.source.age == 100
    await heir.source.refresh()
    assert world.reader.versions == [None, "v1", "v1"]
    await heir.source.close()


async def test_another_begins_with_nothing_where_nothing_can_be_used_or_was_had(
    world: World,
) -> None:
    heir = World(rules=SourceRules(("RS256",)))
    heir.source.inherit(world.source)
    await world.source.refresh()
    heir.source.inherit(world.source)
    assert (heir.kids, heir.source.age) == ([], None)
    await heir.source.close()


async def test_who_waits_for_a_look_of_a_source_that_ends_has_looked_in_vain(world: World) -> None:
    await world.source.refresh()
    world.reader.gate = asyncio.Event()
    looking = asyncio.create_task(world.source.look())

    async def begun() -> bool:
        return len(world.reader.versions) == 2

    await until(begun, "the look")
    await world.source.close()
    assert await looking is False


@pytest.mark.parametrize(
    "failure",
    [
        KeysUnavailable("gone"),
        RuntimeError("a bug of somebody's"),
        Document(b"<html>", "v2"),
        Document(b'{"keys": []}', "v2"),
    ],
    ids=str,
)
async def test_a_failure_takes_no_keys_and_is_told_at_its_begin_and_its_end(
    world: World, failure: Document | Exception
) -> None:
    await world.source.refresh()
    good, world.reader.next = world.reader.next, failure
    world.now += 100
    for _ in range(3):
        assert not await world.source.refresh()
    assert world.kids == ["old"]
    assert world.source.age == 100
    world.reader.next = good
    await world.source.refresh()
    assert world.source.age == 0
    _, begin, end = world.told.lines
    assert begin.startswith("id/keys failed: ")
    assert end == "id/keys recovered"


async def test_an_answer_that_does_not_come_is_a_failure(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(key_source, "READ_SECONDS", 0.01)
    world.reader.gate = asyncio.Event()
    assert not await world.source.refresh()
    assert world.told.lines == ["id/keys failed: no answer within 0 s"]


async def test_age_is_that_of_the_last_good_look_and_can_be_watched_before_there_was_one(
    world: World,
) -> None:
    world.now += 5
    assert (world.source.age, world.source.alarming_age()) == (None, 5)
    await world.source.refresh()
    world.now += 7
    assert (world.source.age, world.source.alarming_age()) == (7, 7)
    world.reader.next = Document(None, "v1")
    await world.source.refresh()
    assert world.source.age == 0


@pytest.mark.parametrize(
    ("max_age", "pause"), [(None, 600), (0.0, 30), (45.0, 45), (600.0, 600), (86_400.0, 600)]
)
async def test_the_issuers_max_age_counts_between_half_a_minute_and_refresh(
    world: World, max_age: float | None, pause: float
) -> None:
    world.reader.next = Document(document(OLD), None, max_age)
    await world.source.refresh()
    assert world.source.pause() == pause


async def test_after_failures_it_is_looked_at_again_sooner_and_less_and_less_soon(
    world: World,
) -> None:
    world.reader.next = KeysUnavailable("gone")
    pauses = []
    for _ in range(9):
        await world.source.refresh()
        pauses.append(world.source.pause())
    assert pauses == [1, 2, 4, 8, 16, 32, 60, 60, 60]


async def test_chance_only_ever_shortens_a_pause() -> None:
    source = KeySource("id", Scripted(), ES256, Told(), chance=lambda: 1.0)
    await source.refresh()
    assert source.pause() == pytest.approx(540)


async def test_a_look_for_a_key_is_had_once_in_half_a_minute_whatever_is_asked(
    world: World,
) -> None:
    await world.source.refresh()
    world.reader.next = Document(document(OLD, NEW), "v2")
    assert await world.source.look()
    for _ in range(100):
        assert not await world.source.look()
    world.now += LOOK_EVERY - 1
    assert not await world.source.look()
    assert len(world.reader.versions) == 2
    world.now += 1
    await world.source.look()
    assert len(world.reader.versions) == 3


async def test_all_who_look_at_one_time_share_one_look(world: World) -> None:
    world.reader.gate = asyncio.Event()
    looks = [asyncio.create_task(world.source.look()) for _ in range(20)]
    await asyncio.sleep(0)
    world.reader.gate.set()
    assert await asyncio.gather(*looks) == [True] * 20
    assert len(world.reader.versions) == 1


async def test_nobody_waits_for_an_issuer_that_does_not_answer_and_its_answer_still_counts(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(key_source, "LOOK_SECONDS", 0.01)
    world.reader.gate = asyncio.Event()
    assert not await world.source.look()
    world.now += 1  # who comes later, while it still does not answer, waits not at all
    assert not await world.source.look()
    world.reader.gate.set()
    assert await world.source.refresh()
    assert len(world.reader.versions) == 1


async def test_only_so_many_wait_at_a_time(world: World) -> None:
    world.reader.gate = asyncio.Event()
    waiting = [asyncio.create_task(world.source.look()) for _ in range(LOOKERS)]
    await asyncio.sleep(0)
    assert not await world.source.look()
    world.reader.gate.set()
    assert all(await asyncio.gather(*waiting))


async def test_who_goes_away_while_waiting_breaks_nothing_off(world: World) -> None:
    world.reader.gate = asyncio.Event()
    one, other = (asyncio.create_task(world.source.look()) for _ in range(2))
    await asyncio.sleep(0)
    one.cancel()
    await asyncio.gather(one, return_exceptions=True)
    world.reader.gate.set()
    assert await other


@pytest.mark.parametrize(
    ("sought", "may_have"),
    [
        (Sought("ES256", "new", "https://id"), True),
        (Sought("RS256", "new", "https://id"), False),
        (Sought("none", "new", "https://id"), False),
        (Sought("ES256", "new", "https://other"), False),
        (Sought("ES256", "new", None), False),
        (Sought("ES256", None, "https://id"), False),
    ],
)
async def test_a_key_is_looked_for_only_where_it_could_be(
    sought: Sought, *, may_have: bool
) -> None:
    world = World(rules=SourceRules(("ES256",), ("https://id",)))
    await world.source.refresh()
    assert world.source.may_have(sought) is may_have


async def test_before_the_first_set_any_token_of_its_algorithm_may_be_of_it(world: World) -> None:
    assert world.source.may_have(Sought("ES256", None))


async def test_the_keys_are_those_of_the_sources_issuers_alone() -> None:
    world = World(rules=SourceRules(("ES256",), ("https://id",)))
    await world.source.refresh()
    assert [key.issuers for key in world.source.keys] == [("https://id",)]
