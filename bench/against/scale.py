"""What a request costs with many active streams, beside what it costs with few.

Two servers, each with a Redis of its own, take turns: one has a thousand streams, the other as many
as are wanted. All have refreshed before, as most of those that play. With many, each does so once
before any does again, so that no memory of the latest helps. Both had others start before, which
made them warm and are not asked for: see ``memory``.
"""

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import uvloop

from bench.against import world
from bench.against.client import Unexpected
from bench.against.load import write_paths, wrk
from bench.against.measure import TOLERATED
from bench.against.memory import FIRST, TTL, Memory, in_use, per_stream, play
from bench.against.peers.terms import Peer
from bench.against.stage import Cores, Served, serving, staged

FEW = 1_000
# One to three streams an account.
STREAMS_PER_ACCOUNT = 2
WARM_UP_SECONDS = 1


@dataclass(frozen=True, slots=True)
class Cost:
    """Processor time for each request, in microseconds: the server's, and that of Redis."""

    cpu_us: float
    redis_us: float


@dataclass(frozen=True, slots=True)
class Size:
    """What a refresh costs with so many streams, and what each of them takes."""

    cost: Cost
    memory: Memory


@dataclass(frozen=True, slots=True)
class Scale:
    """Few streams and many."""

    few: Size
    many: Size

    @property
    def ratio(self) -> float:
        return self.many.cost.cpu_us / self.few.cost.cpu_us


@dataclass
class Crowd:
    """Streams of one server. ``asked`` is how many requests were made, each for the next one."""

    served: Served
    memory: Memory
    asked: int = 0

    def cost(self, seconds: float) -> Cost:
        self._ask(WARM_UP_SECONDS)
        server, redis = self.served.process, self.served.stage.redis
        server_before, redis_before = server.cpu(), redis.cpu()
        requests = self._ask(seconds)
        used = (server.cpu() - server_before, redis.cpu() - redis_before)
        return Cost(*(each / requests * 1e6 for each in used))

    def _ask(self, seconds: float) -> int:
        served, skip = self.served, self.asked % self.memory.streams
        core = served.stage.cores.load
        load = wrk(served.port, _paths(served), seconds, core=core, skip=skip)
        if load.refused + load.broken > load.requests * TOLERATED:
            raise Unexpected(f"with {self.memory.streams:,} streams: {load}")
        self.asked += load.requests
        return load.requests


def measure_scale(peer: Peer, cores: Cores, streams: int, runs: int, seconds: float) -> Scale:
    """Measure with so many streams, and with few.

    Raises:
        Unexpected: something else was answered than what was asked for.
    """
    with ExitStack() as stack:
        crowds = [stack.enter_context(_crowd(peer, cores, number)) for number in (FEW, streams)]
        rounds = [[crowd.cost(seconds) for crowd in crowds] for _ in range(runs)]
    few, many = (
        Size(_median(costs), crowd.memory)
        for crowd, costs in zip(crowds, zip(*rounds, strict=True), strict=True)
    )
    return Scale(few, many)


@contextmanager
def _crowd(peer: Peer, cores: Cores, number: int) -> Iterator[Crowd]:
    """Start a server on a stage of its own, and about so many streams."""
    streams = world.viewers(FIRST + number // STREAMS_PER_ACCOUNT)
    warm = len(world.viewers(FIRST))
    with staged(cores) as stage, serving(peer, stage, ttl=TTL, streams=len(streams)) as served:
        uvloop.run(play(served.port, streams[:warm]))
        before = in_use(served)
        write_paths(_paths(served), uvloop.run(play(served.port, streams[warm:])))
        yield Crowd(served, per_stream(len(streams) - warm, before, in_use(served)))


def _median(costs: Sequence[Cost]) -> Cost:
    return Cost(median(each.cpu_us for each in costs), median(each.redis_us for each in costs))


def _paths(served: Served) -> Path:
    return served.stage.folder / "streams"
