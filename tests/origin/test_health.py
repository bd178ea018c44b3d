from dataclasses import dataclass, field

from hypothesis import given
from hypothesis import strategies as st

from proxy.origin.health import FAILURES, Health
from proxy.origin.upstream import Origin

A, B, C = (Origin.parse(f"http://origin-{name}") for name in "abc")


@dataclass
class World:
    told: list[tuple[str, bool]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.health = Health(self)

    def seen(self, origin: str) -> None:
        self.told.append((origin, True))

    def down(self, origin: str, cause: str) -> None:
        assert cause == "refused"
        self.told.append((origin, False))

    back = seen

    def fail(self, origin: Origin, times: int = FAILURES) -> None:
        for _ in range(times):
            self.health.failed(origin, "refused")


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


def test_nobody_is_sent_to_an_origin_that_is_down_before_it_has_answered() -> None:
    world = World()
    world.fail(A)
    assert {world.health.choose((A, B)) for _ in range(20)} == {B}
    world.health.succeeded(A)
    assert world.told[-1] == (A.name, True)
    assert [world.health.choose((A, B)) for _ in range(4)].count(A) == 2


def test_who_is_to_probe_it_is_told_once_each_time() -> None:
    world, down = World(), list[Origin]()
    world.health.went_down = down.append
    for _ in range(2):
        world.fail(A, FAILURES + 2)
        world.health.succeeded(A)
    assert down == [A, A]


def test_what_was_found_of_an_origin_while_it_was_no_route_s_is_not_believed_later() -> None:
    world = World()
    world.health.keep([A, B])
    world.health.keep([B])
    world.fail(A)
    world.fail(B)
    world.health.keep([A, B])
    assert (world.health.is_down(A), world.health.is_down(B)) == (False, True)


def test_where_all_are_down_they_are_asked_in_turn() -> None:
    world = World()
    world.fail(A)
    world.fail(B)
    assert {world.health.choose((A, B)) for _ in range(2)} == {A, B}


STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("choose"), st.sets(st.sampled_from([A, B, C]), min_size=1)),
        st.tuples(st.sampled_from(["fail", "succeed"]), st.sampled_from([A, B, C])),
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
            case "fail", Origin() as origin:
                world.health.failed(origin, "refused")
                row[origin] += 1
            case "succeed", Origin() as origin:
                world.health.succeeded(origin)
                row[origin] = 0
            case "choose", set(route):
                origins = tuple(origin for origin in (A, B, C) if origin in route)
                chosen = world.health.choose(origins)
                assert chosen in origins
                healthy = [origin for origin in origins if row[origin] < FAILURES]
                assert chosen in healthy or not healthy
    for origin in (A, B, C):
        told = [healthy for name, healthy in world.told if name == origin.name]
        assert told == [index % 2 == 0 for index in range(len(told))]
        assert not told or told[-1] == (row[origin] < FAILURES)
