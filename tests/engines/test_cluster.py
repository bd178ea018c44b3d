"""A cluster that changes while it is asked: slots that move, a part that is gone for good."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from typing import Any

import pytest
from redis.asyncio import Redis
from redis.crc import key_slot
from redis.exceptions import RedisError

from proxy.admission.keys import ClusterKeys
from proxy.admission.outage import OutageGuard
from proxy.admission.policy import OnOutage
from proxy.admission.redis import RedisStore
from proxy.admission.store import ASK_AGAIN
from proxy.credentials.account import AccountNames
from proxy.errors import StoreUnavailable
from proxy.redis_client import client
from proxy.streams import Outcome
from tests.admission.samples import attempt, policy
from tests.engines.audience import STREAMS, Audience, Viewer
from tests.support.poll import until
from tests.support.redis_server import RedisServer
from tests.support.redis_team import OPERATOR, Cluster, ask, freeze, kill
from tests.support.stack import TICKET_SECRET, Stack

PREFIX = "playgate"
KEYS = ClusterKeys(PREFIX)
PATIENT = 10.0
BRIEF = 0.3

pytestmark = [pytest.mark.engines, pytest.mark.xdist_group("engines")]


@asynccontextmanager
async def opened(cluster: Cluster) -> AsyncIterator[RedisStore]:
    store = RedisStore(cluster.url, policy(), key_prefix=PREFIX, timeout=PATIENT)
    await store.start()
    try:
        yield store
    finally:
        await store.close()


def accounts_of(cluster: Cluster, primary: int, number: int) -> list[str]:
    """Give accounts of different parts of one primary."""
    found: dict[int, str] = {}
    for name in map(str, range(1_000)):
        part = KEYS.part(name)
        if cluster.primary_of(KEYS.slot(part)) == primary:
            found.setdefault(part, name)
    return list(found.values())[:number]


async def renewed(store: RedisStore | OutageGuard, account: str) -> Outcome:
    return (await store.decide(attempt("a", account=account, beat=True))).outcome


async def test_a_slot_that_moves_takes_its_accounts_along(cluster: Cluster) -> None:
    """Half moved, it can be asked neither here nor there; that is nothing to its neighbours."""
    source, target = cluster.primaries[:2]
    moving, staying = accounts_of(cluster, 0, 2)
    part = KEYS.part(moving)
    slot = f"{KEYS.slot(part)}"
    theirs, ours = await ask(source, "CLUSTER", "MYID"), await ask(target, "CLUSTER", "MYID")
    async with opened(cluster) as store:
        guard = OutageGuard(store, policy(), OnOutage.LOCAL, clock=time.time)
        first = await guard.decide(attempt("a", account=moving))
        await guard.decide(attempt("a", account=staying))
        await ask(target, "CLUSTER", "SETSLOT", slot, "IMPORTING", theirs)
        await ask(source, "CLUSTER", "SETSLOT", slot, "MIGRATING", ours)
        for keys in ((), (KEYS.of(moving)[0], KEYS.tally(part))):
            if keys:
                there = ("127.0.0.1", f"{target.port}", "", "0", "5000", "KEYS", *keys)
                assert await ask(source, "MIGRATE", *there) == "OK"
            with pytest.raises(StoreUnavailable):
                await store.decide(attempt("a", account=moving))
            assert await renewed(guard, moving) is Outcome.UNCHECKED
            assert await renewed(guard, staying) is Outcome.RENEWED
            # One key that is not here any more is there already: it is sent on to it.
            await store.ping_part(part)
            assert await store.active() == {"live": 2}
        for node in (target, source):
            await ask(node, "CLUSTER", "SETSLOT", slot, "NODE", ours)
        told = await store.decide(attempt("a", account=moving, beat=True))
        assert (told.outcome, told.started_ms) == (Outcome.RENEWED, first.started_ms)
        assert await store.active() == {"live": 2}


async def test_a_node_that_has_forgotten_the_scripts_is_sent_them(cluster: Cluster) -> None:
    there, elsewhere = accounts_of(cluster, 1, 1) + accounts_of(cluster, 2, 1)
    async with opened(cluster) as store:
        for account in (there, elsewhere):
            await store.decide(attempt("a", account=account))
        await ask(cluster.primaries[1], "SCRIPT", "FLUSH")
        assert await renewed(store, there) is Outcome.RENEWED
        assert await renewed(store, elsewhere) is Outcome.RENEWED
        assert await store.active() == {"live": 2}
        assert len(await store.drop_lapsed([there, elsewhere])) == 2


@pytest.mark.parametrize("engine", ["valkey"])
async def test_whoever_takes_the_place_of_one_that_hangs_is_asked(cluster: Cluster) -> None:
    """By requests, and by what asks for one key alone, as events and signs of life do."""
    [account] = accounts_of(cluster, 2, 1)
    key = next(f"key {number}" for number in range(99) if of_primary(cluster, f"key {number}") == 2)
    redis = client(cluster.url, timeout=BRIEF, connections=1, key=key)
    async with opened(cluster) as store:
        await redis.set(key, "x", px=60_000)
        await store.decide(attempt("a", account=account))
        store.wait_for(BRIEF)
        await cluster.hasten()
        freeze(cluster.primaries[2])

        async def answers() -> bool:
            with suppress(StoreUnavailable):
                return await renewed(store, account) in (Outcome.RENEWED, Outcome.ADMITTED)
            return False

        async def has_key() -> bool:
            with suppress(RedisError, OSError):
                async with asyncio.timeout(BRIEF):
                    return bool(await redis.set(key, "y", px=60_000))
            return False

        await until(answers, "the replica is asked")
        await until(has_key, "the replica is asked for the key")
    await redis.aclose()


def of_primary(cluster: Cluster, key: str) -> int:
    return cluster.primary_of(key_slot(key.encode()))


async def test_a_part_that_is_gone_costs_nobody_else_anything() -> None:
    """Neither a start nor a beat, a sign of life from elsewhere, an end, nor a number."""
    with Cluster("redis", locked=True) as cluster:
        await cluster.start()
        shared = {of_primary(cluster, f"{PREFIX}:{name}") for name in ("events", "keepalive")}
        gone = min({0, 1, 2} - shared)
        store = {"url": cluster.url, "timeout": "10s"}
        events = {"sink": "redis-stream", "keepalive": True}
        async with Stack(store=store, streams=STREAMS, events=events) as stack:
            await outlive(stack, cluster, gone)


async def outlive(stack: Stack, cluster: Cluster, gone: int) -> None:
    hashed = AccountNames(TICKET_SECRET.encode()).hashed
    audience = Audience(stack)
    await audience.watch(12)

    def is_gone(account: str) -> bool:
        return cluster.primary_of(KEYS.slot(KEYS.part(hashed(account)))) == gone

    stay = [viewer for viewer in audience.viewers if not is_gone(viewer.account)]
    go = [viewer for viewer in audience.viewers if is_gone(viewer.account)]
    assert stay
    assert go
    streams = await ids(stack, (go[0], stay[0]))

    async def began() -> bool:
        return all(viewer.told["renewed"] for viewer in audience.viewers)

    await until(began, "all have refreshed")
    for server in (cluster.replicas[gone], cluster.primaries[gone]):
        kill(server)

    async def noticed() -> bool:
        return all(viewer.told["unchecked"] for viewer in go)

    await until(noticed, "those of the part are let play on")
    arrivals = audience.admit()

    async def came() -> bool:
        return sum(not is_gone(one.account) for one in audience.finished()) > 5

    await until(came, "others come and go")
    arrivals.cancel()
    for arrival in audience.finished():
        assert is_gone(arrival.account) or arrival.counted_right
    async with asked(cluster, "keepalive") as redis:
        for viewer, stream in zip((go[0], stay[0]), streams, strict=True):
            entry: dict[Any, Any] = {"account": hashed(viewer.account), "stream": stream}
            await redis.xadd(f"{PREFIX}:keepalive", entry)
    await until(metric(stack, 'playgate_keepalive_entries_total{result="renewed"} 1.0'), "kept")
    # Who plays is counted, wherever that is known.
    await until(metric(stack, f'{{route="live"}} {len(audience.viewers)}.0'), "all are counted")
    assert all(set(viewer.told) == {"renewed"} for viewer in stay)
    assert all(set(viewer.told) == {"renewed", "unchecked"} for viewer in go)
    await audience.leave()
    both = [hashed(viewer.account) for viewer in (go[0], stay[0])]
    unknown, known = await stack.service.store.drop_lapsed(both)
    assert unknown == ASK_AGAIN
    assert known.next_lapse_ms > ASK_AGAIN.next_lapse_ms
    async with asked(cluster, "events") as redis:

        async def told() -> bool:
            entries: Any = await redis.xrange(f"{PREFIX}:events")
            began = {one[b"account"] for _, one in entries if one[b"event"] == b"stream.started"}
            came = {hashed(one.account).encode() for one in audience.finished()}
            return came <= began

        await until(told, "all starts are told")


async def ids(stack: Stack, viewers: tuple[Viewer, ...]) -> list[str]:
    """Give the id of a stream of each of these."""
    told = []
    for viewer in viewers:
        answer = await stack.operate(f"/admin/v1/accounts/{viewer.account}/streams")
        told.append(str(answer.json["streams"][0]["id"]))
    return told


def metric(stack: Stack, line: str) -> Callable[[], Any]:
    async def so() -> bool:
        return line in (await stack.operate("/metrics")).text

    return so


@asynccontextmanager
async def asked(cluster: Cluster, name: str) -> AsyncIterator[Redis]:
    """Give a client of an operator, to the primary that has a stream."""
    server: RedisServer = cluster.primaries[of_primary(cluster, f"{PREFIX}:{name}")]
    async with Redis(port=server.port, password=OPERATOR) as redis:
        yield redis
