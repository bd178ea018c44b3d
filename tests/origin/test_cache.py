import asyncio
import gc
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from proxy.origin.cache import UNSHAREABLE_FOR, CacheResult, Loaded, MicroCache

HIT, MISS, COALESCED = CacheResult.HIT, CacheResult.MISS, CacheResult.COALESCED

pytestmark = pytest.mark.usefixtures("nothing_left")


@dataclass
class Source:
    """Something slow: each load waits until the test lets it go, and its value is its number."""

    loads: list["Load"] = field(default_factory=list)

    def loader(self, key: str = "k") -> Callable[[str | None], Awaitable[Loaded[str]]]:
        async def load(stale: str | None) -> Loaded[str]:
            load = Load(key, stale)
            self.loads.append(load)
            try:
                return await load.outcome
            finally:
                load.over = True

        return load


@dataclass
class Load:
    key: str
    stale: str | None
    over: bool = False

    def __post_init__(self) -> None:
        self.outcome: asyncio.Future[Loaded[str]] = asyncio.get_running_loop().create_future()


@dataclass
class World:
    ttl: float = 1.0
    max_entries: int = 100
    max_weight: int = 1000
    ahead: float = 0.0

    def __post_init__(self) -> None:
        self.now = 0.0
        self.seen: list[CacheResult] = []
        self.source = Source()
        self.cache = MicroCache[str, str](
            ttl=self.ttl,
            max_entries=self.max_entries,
            max_weight=self.max_weight,
            weigh=len,
            ahead=lambda _: self.ahead,
            clock=lambda: self.now,
            observe=self.seen.append,
        )

    def ask(self, key: str = "k") -> asyncio.Task[str]:
        load = self.source.loader(key)
        return asyncio.create_task(self.cache.get(key, load, load if self.ahead else None))

    async def put(self, key: str, loaded: Loaded[str]) -> str:
        """Ask for a key nobody else asks for, and let the load give this."""
        task = self.ask(key)
        await settle()
        self.source.loads[-1].outcome.set_result(loaded)
        return await task


async def settle() -> None:
    """Let everything that can run do so."""
    for _ in range(10):
        await asyncio.sleep(0)


# --- Fresh, stale, gone ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("ttl", "seconds", "lifetime"), [(1, None, 1), (1, 5, 1), (5, 2, 2), (0, 5, 0), (5, 0, 0)]
)
async def test_a_value_lives_as_long_as_its_loader_says_and_the_ttl_at_most(
    ttl: float, seconds: float | None, lifetime: float
) -> None:
    world = World(ttl)
    await world.put("k", Loaded("a", seconds))
    for world.now in (0, 0.5, 1, 1.5, 2, 4):
        assert world.cache.peek("k") == ("a" if world.now < lifetime else None)


async def test_a_fresh_value_is_not_loaded_again() -> None:
    world = World()
    await world.put("k", Loaded("a"))
    assert await world.ask() == "a"
    assert world.seen == [MISS, HIT]
    assert len(world.source.loads) == 1


async def test_a_look_that_finds_nothing_is_not_counted() -> None:
    world = World()
    assert world.cache.peek("k") is None
    assert world.seen == []


async def test_a_load_gets_the_value_that_is_no_longer_fresh() -> None:
    world = World()
    await world.put("k", Loaded("a"))
    world.now = 5
    assert await world.put("k", Loaded("a")) == "a"
    assert world.source.loads[-1].stale == "a"
    assert world.cache.peek("k") == "a"


async def test_what_may_not_be_stored_takes_the_place_of_what_was() -> None:
    world = World()
    await world.put("k", Loaded("a"))
    world.now = 5
    assert await world.put("k", Loaded("b", 0, storable=False)) == "b"
    await world.put("k", Loaded("c"))
    assert world.source.loads[-1].stale is None


async def test_a_failed_load_leaves_what_was_there() -> None:
    world = World()
    await world.put("k", Loaded("a"))
    world.now = 5
    task = world.ask()
    await settle()
    world.source.loads[-1].outcome.set_exception(ValueError())
    with pytest.raises(ValueError):  # noqa: PT011  # the load's own, and nothing else
        await task
    await world.put("k", Loaded("b"))
    assert world.source.loads[-1].stale == "a"


async def test_what_was_used_longest_ago_goes_first() -> None:
    world = World(max_entries=2)
    await world.put("k1", Loaded("a"))
    await world.put("k2", Loaded("b"))
    assert world.cache.peek("k1") == "a"
    await world.put("k3", Loaded("c"))
    assert [world.cache.peek(key) for key in ("k1", "k2", "k3")] == ["a", None, "c"]


async def test_values_weigh() -> None:
    world = World(max_weight=10)
    await world.put("k1", Loaded("aaaa"))
    await world.put("k2", Loaded("bbbb"))
    await world.put("k3", Loaded("cccccc"))
    assert [world.cache.peek(key) for key in ("k1", "k2", "k3")] == [None, "bbbb", "cccccc"]
    assert await world.put("k4", Loaded("d" * 11)) == "d" * 11
    assert world.cache.peek("k4") is None


# --- Ahead of time --------------------------------------------------------------------------------


async def soon_due() -> World:
    """Give a world with a value that lives for a second, of which 0.9 are over."""
    world = World(ahead=0.2)
    await world.put("k", Loaded("old"))
    world.now = 0.79
    assert world.cache.peek("k") == "old"
    world.now = 0.9
    return world


async def test_who_asks_shortly_before_the_end_has_it_loaded_and_waits_for_nothing() -> None:
    world = await soon_due()
    assert world.cache.peek("k") == "old"
    assert world.cache.peek("k") == "old"
    assert await world.ask() == "old"
    await settle()
    assert [load.stale for load in world.source.loads] == [None, "old"]
    world.source.loads[-1].outcome.set_result(Loaded("new"))
    await settle()
    assert world.cache.peek("k") == "new"
    world.now = 1.5
    assert world.cache.peek("k") == "new"
    assert MISS not in world.seen[1:]


async def test_what_was_loaded_again_is_loaded_again_in_its_turn() -> None:
    world = await soon_due()
    for value in "bcd":
        world.cache.peek("k")
        await settle()
        world.source.loads[-1].outcome.set_result(Loaded(value))
        await settle()
        assert world.cache.peek("k") == value
        world.now += 0.9


async def test_who_comes_after_the_end_waits_for_what_is_being_loaded() -> None:
    world = await soon_due()
    world.cache.peek("k")
    world.now = 1.1
    task = world.ask()
    await settle()
    assert len(world.source.loads) == 2
    world.source.loads[-1].outcome.set_result(Loaded("new"))
    assert await task == "new"


@pytest.mark.parametrize("outcome", ["error", "not to be kept"])
async def test_what_fails_ahead_of_time_takes_nothing_from_anybody(outcome: str) -> None:
    world = await soon_due()
    world.cache.peek("k")
    await settle()
    load = world.source.loads[-1]
    if outcome == "error":
        load.outcome.set_exception(ValueError())
    else:
        load.outcome.set_result(Loaded("503", storable=False))
    await settle()
    assert world.cache.peek("k") == "old"
    world.now = 1.0
    task = world.ask()
    await settle()
    world.source.loads[-1].outcome.set_result(Loaded("new"))
    assert await task == "new"


async def test_what_turns_out_to_be_for_one_viewer_is_nobody_elses_at_once() -> None:
    world = await soon_due()
    world.cache.peek("k")
    await settle()
    world.source.loads[-1].outcome.set_result(Loaded("mine", shareable=False))
    await settle()
    assert world.cache.peek("k") is None


# --- Single flight --------------------------------------------------------------------------------


@pytest.mark.parametrize("ttl", [0, 1])
async def test_of_all_who_ask_at_once_one_loads(ttl: float) -> None:
    world = World(ttl)
    tasks = [world.ask() for _ in range(5)]
    await settle()
    (load,) = world.source.loads
    load.outcome.set_result(Loaded("a"))
    assert await asyncio.gather(*tasks) == ["a"] * 5
    assert world.seen == [MISS] + [COALESCED] * 4


async def test_keys_do_not_wait_for_each_other() -> None:
    world = World()
    slow = world.ask("slow")
    assert await world.put("quick", Loaded("a")) == "a"
    world.source.loads[0].outcome.set_result(Loaded("b"))
    assert await slow == "b"


async def test_an_error_is_everybodys_who_waited_and_nobodys_after() -> None:
    world = World()
    tasks = [world.ask() for _ in range(3)]
    await settle()
    world.source.loads[0].outcome.set_exception(ValueError("no"))
    results = await asyncio.gather(*tasks, return_exceptions=True)
    assert [str(result) for result in results] == ["no"] * 3
    assert await world.put("k", Loaded("a")) == "a"


async def test_who_asks_again_at_once_after_an_error_is_not_told_the_same_error() -> None:
    world = World()

    async def ask_twice() -> str:
        try:
            return await world.cache.get("k", world.source.loader())
        except ValueError:
            return await world.cache.get("k", world.source.loader())

    tasks = [asyncio.create_task(ask_twice()) for _ in range(2)]
    await settle()
    world.source.loads[0].outcome.set_exception(ValueError())
    await settle()
    _, load = world.source.loads
    load.outcome.set_result(Loaded("a"))
    assert await asyncio.gather(*tasks) == ["a", "a"]


async def test_a_first_asker_who_goes_away_takes_nothing_from_the_others() -> None:
    world = World()
    first, second, third = (world.ask() for _ in range(3))
    await settle()
    first.cancel()
    await settle()
    (load,) = world.source.loads
    assert first.cancelled()
    assert not load.over
    load.outcome.set_result(Loaded("a"))
    assert [await second, await third] == ["a", "a"]
    assert world.cache.peek("k") == "a"


async def test_a_load_nobody_waits_for_any_more_is_called_off() -> None:
    world = World()
    tasks = [world.ask() for _ in range(2)]
    await settle()
    for task in tasks:
        task.cancel()
    await settle()
    assert world.source.loads[0].over
    assert await world.put("k", Loaded("a")) == "a"
    assert len(world.source.loads) == 2


async def test_who_asks_while_a_load_is_being_called_off_gets_another() -> None:
    world = World()
    task = world.ask()
    await settle()
    task.cancel()
    again = world.ask()
    await settle()
    assert task.cancelled()
    world.source.loads[-1].outcome.set_result(Loaded("a"))
    assert await again == "a"


async def test_a_load_that_fails_while_it_is_called_off_is_not_reported_as_overlooked() -> None:
    overlooked: list[object] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: overlooked.append(context))

    async def stubborn(_: str | None) -> Loaded[str]:
        try:
            await asyncio.Event().wait()
        finally:
            raise ValueError

    world = World()
    task = asyncio.create_task(world.cache.get("k", stubborn))
    await settle()
    task.cancel()
    await settle()
    del task
    gc.collect()
    assert overlooked == []


# --- Not for sharing ------------------------------------------------------------------------------


async def test_a_value_that_is_not_for_sharing_goes_to_one_asker_only() -> None:
    world = World()
    tasks = [world.ask() for _ in range(3)]
    await settle()
    world.source.loads[0].outcome.set_result(Loaded("one", shareable=False))
    await settle()
    for number, load in enumerate(world.source.loads[1:]):
        load.outcome.set_result(Loaded(f"other {number}", shareable=False))
    assert sorted(await asyncio.gather(*tasks)) == ["one", "other 0", "other 1"]
    assert world.cache.peek("k") is None
    assert world.seen == [MISS, COALESCED, COALESCED, MISS, MISS]


async def test_for_a_key_that_is_not_for_sharing_nobody_waits_for_another() -> None:
    world = World()
    await world.put("k", Loaded("one", shareable=False))
    tasks = [world.ask() for _ in range(3)]
    await settle()
    assert len(world.source.loads) == 4
    for load in world.source.loads[1:]:
        load.outcome.set_result(Loaded("x", shareable=False))
    await asyncio.gather(*tasks)


async def test_after_a_while_sharing_is_tried_again() -> None:
    world = World()
    await world.put("k", Loaded("one", shareable=False))
    world.now = UNSHAREABLE_FOR
    tasks = [world.ask() for _ in range(3)]
    await settle()
    assert len(world.source.loads) == 2
    world.source.loads[1].outcome.set_result(Loaded("all"))
    assert await asyncio.gather(*tasks) == ["all"] * 3


async def test_a_value_that_is_for_sharing_again_is_shared_from_then_on() -> None:
    world = World()
    await world.put("k", Loaded("one", shareable=False))
    await world.put("k", Loaded("all", 0))
    tasks = [world.ask() for _ in range(3)]
    await settle()
    assert len(world.source.loads) == 3
    world.source.loads[2].outcome.set_result(Loaded("all"))
    await asyncio.gather(*tasks)


async def test_the_memory_of_what_is_not_for_sharing_is_bounded() -> None:
    world = World(max_entries=3)
    for number in range(10):
        await world.put(f"k{number}", Loaded("x", shareable=False))
    assert len(world.cache._unshareable) == 3


async def test_an_asker_of_a_private_value_who_goes_away_ends_their_own_load() -> None:
    world = World()
    await world.put("k", Loaded("one", shareable=False))
    task = world.ask()
    await settle()
    task.cancel()
    await settle()
    assert world.source.loads[-1].over


# --- Whatever happens -----------------------------------------------------------------------------


@dataclass
class Asked:
    """What the model knows of an asker."""

    key: str
    task: asyncio.Task[str]
    at: float


class SingleFlight(RuleBasedStateMachine):
    """Askers come, go away, and loads end, in any order; time passes now and then."""

    keys = st.sampled_from(["a", "b"])

    def __init__(self) -> None:
        super().__init__()
        self.runner = asyncio.Runner()
        self.asked: list[Asked] = []
        self.last_use: dict[str, float] = {}

    @initialize(
        ttl=st.sampled_from([0.0, 1.0, 3.0]),
        max_entries=st.sampled_from([1, 100]),
        ahead=st.sampled_from([0.0, 0.5]),
    )
    def begin(self, ttl: float, max_entries: int, ahead: float) -> None:
        self.world = World(ttl, max_entries, ahead=ahead)

    def run(self, action: Callable[[], object]) -> None:
        async def act() -> None:
            action()
            await settle()

        self.runner.run(act())

    @property
    def open_loads(self) -> list[Load]:
        return [load for load in self.world.source.loads if not load.over]

    @rule(key=keys, askers=st.integers(1, 3))
    def ask(self, key: str, askers: int) -> None:
        def action() -> None:
            for _ in range(askers):
                self.asked.append(Asked(key, self.world.ask(key), self.world.now))

        self.run(action)

    @rule(data=st.data())
    def leave(self, data: st.DataObject) -> None:
        waiting = [asked for asked in self.asked if not asked.task.done()]
        if waiting:
            leaver = data.draw(st.sampled_from(range(len(waiting))))
            self.run(waiting[leaver].task.cancel)

    @rule(data=st.data(), seconds=st.sampled_from([None, 0.0, 2.0]))
    def load(self, data: st.DataObject, seconds: float | None) -> None:
        if loads := self.open_loads:
            load = loads[data.draw(st.sampled_from(range(len(loads))))]
            value = f"{load.key}{len(self.last_use)}"
            lifetime = self.world.ttl if seconds is None else min(self.world.ttl, seconds)
            self.last_use[value] = self.world.now + lifetime
            self.run(lambda: load.outcome.set_result(Loaded(value, seconds)))

    @rule(data=st.data())
    def fail(self, data: st.DataObject) -> None:
        if loads := self.open_loads:
            load = loads[data.draw(st.sampled_from(range(len(loads))))]
            self.run(lambda: load.outcome.set_exception(ValueError()))

    @rule(seconds=st.sampled_from([0.5, 5.0]))
    def wait(self, seconds: float) -> None:
        self.world.now += seconds

    @invariant()
    def one_load_for_each_key_that_is_waited_for(self) -> None:
        waited_for = {asked.key for asked in self.asked if not asked.task.done()}
        loaded = [load.key for load in self.open_loads]
        assert len(loaded) == len(set(loaded))
        assert waited_for <= set(loaded)
        # What is loaded ahead is waited for by nobody.
        assert self.world.ahead or waited_for == set(loaded)
        assert set(self.world.cache._flights) == set(loaded)

    @invariant()
    def an_answer_is_of_its_key_and_was_not_stale_when_it_was_asked_for(self) -> None:
        for asked in self.asked:
            if asked.task.done() and not asked.task.cancelled() and not asked.task.exception():
                value = asked.task.result()
                assert value.startswith(asked.key)
                assert self.last_use[value] >= asked.at

    @invariant()
    def weights_add_up(self) -> None:
        cache = self.world.cache
        assert cache._weight == sum(entry.weight for entry in cache._entries.values())
        assert len(cache._entries) <= self.world.max_entries

    def teardown(self) -> None:
        self.run(lambda: [asked.task.cancel() for asked in self.asked])
        assert self.world.ahead or not self.open_loads
        self.runner.close()


TestSingleFlight = SingleFlight.TestCase
