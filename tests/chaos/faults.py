"""What goes wrong: each kind strikes, lasts as long as its context does, and is undone at its end.

One that takes part of the store away gives the hash slots that are nobody's until another has them;
it lasts until then. All others give none, and leave the store as it is.
"""

import asyncio
import random
import signal
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from enum import Enum

from tests.chaos.origins import Origin
from tests.chaos.stage import Stage
from tests.support.poll import until
from tests.support.redis_server import RedisServer
from tests.support.redis_team import ask, freeze, kill

Slots = list[range]
NONE: Slots = []
# Well within what a proxy waits for an origin, and so late that viewers wait for it (seconds).
SLOW_SECONDS = (0.2, 0.5)


class On(Enum):
    """Whom a fault strikes."""

    PROXY = "proxy"
    STORE = "store"
    ORIGIN = "origin"


# --- A proxy ---


@asynccontextmanager
async def proxy_killed(stage: Stage, dice: random.Random) -> AsyncIterator[Slots]:
    """One proxy ends at once, and is started again."""
    proxy = dice.choice(stage.proxies)
    await proxy.end(signal.SIGKILL)
    yield NONE
    await proxy.begin()


@asynccontextmanager
async def proxy_drained(stage: Stage, dice: random.Random) -> AsyncIterator[Slots]:
    """One proxy is told to end, and started again once it has."""
    proxy = dice.choice(stage.proxies)
    proxy.tell(signal.SIGTERM)
    yield NONE
    await proxy.process.wait()
    await proxy.begin()


@asynccontextmanager
async def proxy_stopped(stage: Stage, dice: random.Random) -> AsyncIterator[Slots]:
    """One proxy hangs, and goes on as if nothing had been."""
    proxy = dice.choice(stage.proxies)
    proxy.tell(signal.SIGSTOP)
    try:
        yield NONE
    finally:
        proxy.tell(signal.SIGCONT)


@asynccontextmanager
async def proxy_reloaded(stage: Stage, dice: random.Random) -> AsyncIterator[Slots]:
    """One proxy reads another file."""
    await dice.choice(stage.proxies).reload()
    yield NONE


# --- The store ---


async def _replaced(stage: Stage, victim: RedisServer) -> None:
    async def so() -> bool:
        holders = await stage.holders(without=[victim])
        return bool(holders) and victim.port not in holders

    await until(so, "a replica has taken over", 90)


@asynccontextmanager
async def primary_killed(stage: Stage, dice: random.Random) -> AsyncIterator[Slots]:
    """A primary ends at once, its replica takes over, and it comes back as a replica."""
    holders = await stage.holders()
    victim = stage.ports[dice.choice(sorted(holders))]
    kill(victim)
    await _replaced(stage, victim)
    yield holders[victim.port]
    await asyncio.to_thread(victim.start)


@asynccontextmanager
async def primary_frozen(stage: Stage, dice: random.Random) -> AsyncIterator[Slots]:
    """A primary hangs, its replica takes over, and it wakes up and finds itself replaced."""
    holders = await stage.holders()
    victim = stage.ports[dice.choice(sorted(holders))]
    freeze(victim)
    try:
        await _replaced(stage, victim)
        yield holders[victim.port]
    finally:
        assert victim.process
        victim.process.send_signal(signal.SIGCONT)


@asynccontextmanager
async def replica_killed(stage: Stage, dice: random.Random) -> AsyncIterator[Slots]:
    """A replica ends at once, and is started again."""
    holders = await stage.holders()
    replicas = [node for node in stage.cluster.nodes if node.port not in holders]
    victim = dice.choice(replicas)
    kill(victim)
    yield NONE
    await asyncio.to_thread(victim.start)


@asynccontextmanager
async def scripts_forgotten(stage: Stage, dice: random.Random) -> AsyncIterator[Slots]:
    """All servers of the store forget the scripts that they were sent."""
    del dice
    for node in stage.cluster.nodes:
        await ask(node, "SCRIPT", "FLUSH")
    yield NONE


@asynccontextmanager
async def connections_reset(stage: Stage, dice: random.Random) -> AsyncIterator[Slots]:
    """All connections to the store end."""
    del dice
    for node in stage.cluster.nodes:
        await ask(node, "CLIENT", "KILL", "TYPE", "normal")
    yield NONE


# --- An origin ---


@asynccontextmanager
async def origin_killed(stage: Stage, dice: random.Random) -> AsyncIterator[Slots]:
    """An origin ends at once, and is started again."""
    origin = dice.choice(stage.origins)
    await origin.kill()
    yield NONE
    await origin.start()


@asynccontextmanager
async def origin_hung(stage: Stage, dice: random.Random) -> AsyncIterator[Slots]:
    """An origin takes connections and says nothing."""
    origin = dice.choice(stage.origins)
    origin.tell(signal.SIGSTOP)
    try:
        yield NONE
    finally:
        origin.tell(signal.SIGCONT)


@asynccontextmanager
async def _behaving(
    origin: Origin, *, seconds: float = 0.0, status: int = 200
) -> AsyncIterator[Slots]:
    await origin.behave(seconds=seconds, status=status)
    yield NONE
    await origin.behave()


def origin_slow(stage: Stage, dice: random.Random) -> AbstractAsyncContextManager[Slots]:
    """An origin takes its time."""
    return _behaving(dice.choice(stage.origins), seconds=dice.uniform(*SLOW_SECONDS))


def origin_failing(stage: Stage, dice: random.Random) -> AbstractAsyncContextManager[Slots]:
    """An origin answers each request with 500."""
    return _behaving(dice.choice(stage.origins), status=500)


@dataclass(frozen=True)
class Kind:
    """A kind of fault, by the name that it has in the figures."""

    name: str
    on: On
    strike: Callable[[Stage, random.Random], AbstractAsyncContextManager[Slots]]
    takes_store: bool = False


KINDS = (
    Kind("proxy killed (-9)", On.PROXY, proxy_killed),
    Kind("proxy drained (SIGTERM)", On.PROXY, proxy_drained),
    Kind("proxy stopped (SIGSTOP)", On.PROXY, proxy_stopped),
    Kind("proxy reloaded (SIGHUP)", On.PROXY, proxy_reloaded),
    Kind("primary killed", On.STORE, primary_killed, takes_store=True),
    Kind("primary hangs", On.STORE, primary_frozen, takes_store=True),
    Kind("replica killed", On.STORE, replica_killed),
    Kind("scripts forgotten", On.STORE, scripts_forgotten),
    Kind("connections reset", On.STORE, connections_reset),
    Kind("origin killed", On.ORIGIN, origin_killed),
    Kind("origin hangs", On.ORIGIN, origin_hung),
    Kind("origin slow", On.ORIGIN, origin_slow),
    Kind("origin answers 500", On.ORIGIN, origin_failing),
)
CALM = "none"
