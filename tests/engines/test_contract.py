"""Whatever is behind the store's URL, it answers as the model does: the histories of one Redis."""

import asyncio
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from redis.asyncio import Redis

from proxy.admission.policy import Policy
from tests.admission.test_stores_agree import (
    Clock,
    Step,
    World,
    histories,
    live_through,
    policies,
)
from tests.support.redis_team import Cluster, Team, Watched, is_primary

# Each with the other version of the protocol, and with a user who may do what is needed.
SETUPS = [
    (Watched, "redis", "&protocol=3", True),
    (Watched, "valkey", "", False),
    (Cluster, "valkey", "?protocol=3", True),
]

pytestmark = [pytest.mark.engines, pytest.mark.xdist_group("engines")]


@pytest.fixture(
    scope="module",
    params=SETUPS,
    ids=[f"{kind.__name__}-{engine}" for kind, engine, _, _ in SETUPS],
)
def world(request: pytest.FixtureRequest) -> Iterator[World]:
    kind, engine, options, locked = request.param
    with asyncio.Runner() as runner, kind(engine, locked=locked) as team:
        runner.run(team.start())
        yield World(f"{team.url}{options}", Clock(), runner)
        immortal = runner.run(without_end(team))
        assert not immortal, f"keys without a TTL: {immortal}"


async def without_end(team: Team) -> list[bytes]:
    """Give the keys of all primaries that never expire."""
    found: list[bytes] = []
    for server in team.servers:
        if not await is_primary(server):
            continue
        async with Redis(port=server.port, password=server.password) as redis:
            found += [key async for key in redis.scan_iter() if await redis.pttl(key) == -1]
    return found


@given(rules=policies, limit=st.sampled_from([1, 2, 3]), history=histories)
@settings(
    max_examples=8,
    # The fixture is servers and a loop: nothing in it is of one example.
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
def test_they_answer_as_the_model_does(
    world: World, rules: Policy, limit: int, history: list[Step]
) -> None:
    world.runner.run(live_through(world, rules, limit, history, 0))
