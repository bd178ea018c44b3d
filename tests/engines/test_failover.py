"""A primary dies or hangs under load: who plays plays on, nobody is let in above the limit.

Through a whole proxy, while viewers refresh and others come and go; then what is counted must be
right again, whatever the replica had not got.
"""

import time
from collections import Counter
from collections.abc import Awaitable, Callable

import pytest

from proxy.admission.keys import ClusterKeys
from proxy.credentials.account import AccountNames
from tests.conftest import Tell
from tests.engines.audience import LIMIT, STREAMS, Audience
from tests.support.poll import until
from tests.support.redis_server import RedisServer
from tests.support.redis_team import Cluster, Watched, freeze, kill
from tests.support.stack import TICKET_SECRET, Stack

Fault = Callable[[RedisServer], None]

ACCOUNTS = 24
# Nobody waits for a primary that was killed, and for one that hangs as long as this. Those of other
# primaries may have to wait for a busy machine.
WAITS: dict[Fault, str] = {kill: "10s", freeze: "1s"}

pytestmark = [pytest.mark.engines, pytest.mark.xdist_group("engines")]


async def test_in_a_cluster_only_those_of_its_primary_notice(cluster: Cluster, tell: Tell) -> None:
    def is_of_victim(account: str) -> bool:
        keys = ClusterKeys("playgate")
        hashed = AccountNames(TICKET_SECRET.encode()).hashed(account)
        return cluster.primary_of(keys.slot(keys.part(hashed))) == 0

    audience, figures = await fail_over(cluster, cluster.primaries[0], kill)
    for viewer in audience.viewers:
        assert is_of_victim(viewer.account) or set(viewer.told) == {"renewed"}
    for arrival in audience.finished():
        assert is_of_victim(arrival.account) or arrival.counted_right
    assert {is_of_victim(viewer.account) for viewer in audience.viewers} == {True, False}
    tell(f"a primary of a cluster is killed: {figures}")


@pytest.mark.parametrize(("engine", "fault"), [("valkey", kill), ("redis", freeze)])
async def test_sentinels_give_another_primary_without_a_restart(
    watched: Watched, engine: str, fault: Fault, tell: Tell
) -> None:
    await watched.agreed()
    _, figures = await fail_over(watched, watched.primary, fault)
    what = "is killed" if fault is kill else "hangs"
    tell(f"the primary of sentinels ({engine}) {what}: {figures}")


async def fail_over(
    team: Cluster | Watched, victim: RedisServer, fault: Fault
) -> tuple[Audience, str]:
    """Have a primary go away under load; give who watched, and the figures."""
    store = {"url": team.url, "timeout": WAITS[fault]}
    async with Stack(store=store, streams=STREAMS) as stack:

        async def is_up() -> bool:
            answer = await stack.operate("/readyz")
            return bool(answer.json["components"]["store"])

        async def is_down() -> bool:
            return not await is_up()

        async def counted_right() -> bool:
            stats = (await stack.operate("/admin/v1/stats")).json
            return bool(stats["active_streams"].get("live") == ACCOUNTS * LIMIT)

        await until(is_up, "the store is up")
        audience = Audience(stack)
        await audience.watch(ACCOUNTS)
        arrivals = audience.admit()
        await until(played_on(audience, 3), "all have played for a while")
        await team.hasten()
        fault(victim)
        went = time.monotonic()
        await until(is_down, "it is noticed")
        await until(is_up, "the store is back")
        back = time.monotonic()

        async def come() -> bool:
            return sum(arrival.began > back for arrival in audience.finished()) > 3

        await until(played_on(audience, 3), "all play on")
        await until(come, "others come as before")
        arrivals.cancel()
        await until(counted_right, "as many are counted as there are")
        right = time.monotonic()
        for account in {viewer.account for viewer in audience.viewers}:
            answer = await stack.operate(f"/admin/v1/accounts/{account}/streams")
            assert len(answer.json["streams"]) == LIMIT
        await audience.leave()
    told = sum((viewer.told for viewer in audience.viewers), Counter[str]())
    # Admitted: slots that live as briefly as here may lapse before the store is back.
    assert {"unchecked"} < set(told) <= {"renewed", "unchecked", "admitted"}, told
    finished = audience.finished()
    for arrival in finished:
        assert {*arrival.statuses} <= {200, 429}
        if arrival.ended < went or arrival.began > back:
            assert arrival.counted_right
    figures = (
        f"{told.total()} refreshes, {told['unchecked']} by what the proxy knew, none failed;"
        f" 99 % within {1000 * audience.quantile(0.99):.0f} ms,"
        f" all within {1000 * audience.quantile(1):.0f} ms;"
        f" {len(finished)} accounts came, none above its limit while the store was up;"
        f" back after {back - went:.1f} s, counted right {right - back:.1f} s later"
    )
    return audience, figures


def played_on(audience: Audience, times: int) -> Callable[[], Awaitable[bool]]:
    """Tell whether each viewer was renewed so many times more than by now."""
    before = [viewer.told["renewed"] for viewer in audience.viewers]

    async def so() -> bool:
        now = [viewer.told["renewed"] for viewer in audience.viewers]
        return all(later >= first + times for first, later in zip(before, now, strict=True))

    return so
