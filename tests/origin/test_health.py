from dataclasses import dataclass, field

from hypothesis import given
from hypothesis import strategies as st

from proxy.origin.health import FAILURES, FIRST_PAUSE, LONGEST_PAUSE, Health
from proxy.origin.upstream import Origin

A, B, C = (Origin.parse(f"http://origin-{name}") for name in "abc")


@dataclass
class World:
    now: float = 0.0
    told: list[tuple[str, bool]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.health = Health(lambda: self.now, self)

    def up(self, origin: str, *, healthy: bool) -> None:
        self.told.append((origin, healthy))

    def fail(self, origin: Origin, times: int = FAILURES) -> None:
        for _ in range(times):
            self.health.failed(origin)


def test_origins_take_turns() -> None:
    health = World().health
    assert [health.choose((A, B, C)) for _ in range(6)] == [A, B, C, A, B, C]


def test_routes_that_share_an_origin_share_its_turns() -> None:
    health = World().health
    chosen = [health.choose(route) for route in ((A, B), (A, C)) * 4]
    assert {chosen.count(origin) for origin in (A, B, C)} == {2, 3}


def test_a_second_attempt_goes_elsewhere_if_there_is_an_elsewhere() -> None:
    health = World().health
    assert health.choose((A, B), [A]) == B
    assert health.choose((A, B), [B]) == A
    assert health.choose((A,), [A]) == A


def test_a_second_attempt_prefers_an_origin_that_is_down_to_the_one_that_just_failed() -> None:
    world = World()
    world.fail(B)
    assert world.health.choose((A, B), [A]) == B


def test_failures_in_a_row_take_an_origin_down_and_one_answer_between_them_does_not() -> None:
    world = World()
    for _ in range(5):
        world.fail(A, FAILURES - 1)
        world.health.succeeded(A)
    assert world.told == [(A.name, True)]
    world.fail(A, FAILURES + 5)
    assert world.told == [(A.name, True), (A.name, False)]
    assert [world.health.choose((A, B)) for _ in range(3)] == [B, B, B]


def test_one_request_probes_when_the_pause_is_over() -> None:
    world = World()
    world.fail(A)
    world.now = FIRST_PAUSE
    assert [world.health.choose((A, B)) for _ in range(4)].count(A) == 1


def test_an_answer_to_the_probe_brings_the_origin_back() -> None:
    world = World()
    world.fail(A)
    world.now = FIRST_PAUSE
    assert world.health.choose((A, B)) == A
    world.health.succeeded(A)
    assert world.told[-1] == (A.name, True)
    assert [world.health.choose((A, B)) for _ in range(4)].count(A) == 2


def test_pauses_grow_up_to_the_longest() -> None:
    world = World()
    world.fail(A)
    pauses, last = [], world.now
    for _ in range(8):
        while world.health.choose((A, B)) != A:
            world.now += FIRST_PAUSE / 4
        world.health.failed(A)
        pauses.append(world.now - last)
        last = world.now
    assert pauses == [1, 2, 4, 8, 16, LONGEST_PAUSE, LONGEST_PAUSE, LONGEST_PAUSE]


def test_an_origin_that_was_back_starts_with_a_short_pause_again() -> None:
    world = World()
    for _ in range(3):
        world.fail(A)
        world.now += LONGEST_PAUSE
        assert world.health.choose((A,)) == A
    world.health.succeeded(A)
    world.fail(A)
    for pause in (FIRST_PAUSE, 2 * FIRST_PAUSE):
        world.now += pause
        assert A in [world.health.choose((A, B)) for _ in range(2)]


def test_a_probe_nobody_reports_of_is_followed_by_another() -> None:
    world = World()
    world.fail(A)
    world.now = FIRST_PAUSE
    assert world.health.choose((A, B)) == A  # its viewer goes away
    world.now += LONGEST_PAUSE
    assert A in [world.health.choose((A, B)) for _ in range(2)]


def test_where_all_are_down_the_one_due_soonest_is_asked() -> None:
    world = World()
    world.fail(B)
    world.now = FIRST_PAUSE / 2
    world.fail(A)
    assert [world.health.choose((A, B)) for _ in range(3)] == [B, B, B]
    assert world.health.choose((A,)) == A


STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("choose"), st.sets(st.sampled_from([A, B, C]), min_size=1)),
        st.tuples(st.sampled_from(["fail", "succeed"]), st.sampled_from([A, B, C])),
        st.tuples(st.just("wait"), st.floats(0, 60)),
    ),
    max_size=60,
)


@given(STEPS)
def test_whatever_happens_an_origin_of_the_route_is_chosen_and_a_healthy_one_if_there_is_any(
    steps: list[tuple[str, object]],
) -> None:
    world = World()
    row = dict.fromkeys((A, B, C), 0)
    for step, value in steps:
        match step, value:
            case "wait", float(seconds):
                world.now += seconds
            case "fail", Origin() as origin:
                world.health.failed(origin)
                row[origin] += 1
            case "succeed", Origin() as origin:
                world.health.succeeded(origin)
                row[origin] = 0
            case "choose", set(route):
                origins = tuple(origin for origin in (A, B, C) if origin in route)
                chosen = world.health.choose(origins)
                assert chosen in origins
                healthy = [origin for origin in origins if row[origin] < FAILURES]
                if healthy and chosen not in healthy:
                    # A probe: the very next choice is not one again.
                    assert world.health.choose((chosen, *healthy)) in healthy
    for origin in (A, B, C):
        told = [healthy for name, healthy in world.told if name == origin.name]
        assert told == [index % 2 == 0 for index in range(len(told))]
        assert not told or told[-1] == (row[origin] < FAILURES)
