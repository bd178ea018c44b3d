"""What a request costs with many active streams, beside what it costs with few.

Two servers, each with a Redis of its own, take turns: one has a thousand streams, the other as many
as are wanted. All have refreshed before, as most of those that play. With many, each does so once
before any does again, so that no memory of the latest helps.
"""

from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import uvloop

from bench.against import world
from bench.against.client import bodies, child
from bench.against.load import write_paths, wrk
from bench.against.memory import REFRESHES, TTL, Memory, in_use, per_stream
from bench.against.peers.terms import Peer
from bench.against.stage import Cores, Served, serving, staged

FEW = 1_000
# One to three streams an account.
STREAMS_PER_ACCOUNT = 2
WARM_UP_SECONDS = 1


@dataclass(frozen=True, slots=True)
class Scale:
    """Processor time for each request, in microseconds; bytes for each of the many streams."""

    streams: int
    few_us: float
    many_us: float
    memory: Memory

    @property
    def ratio(self) -> float:
        return self.many_us / self.few_us


@dataclass
class Crowd:
    """Streams of one server. ``asked`` is how many requests were made, each for the next one."""

    served: Served
    streams: int
    memory: Memory
    asked: int = 0

    def cost(self, seconds: float) -> float:
        """Give the processor time of a request, in microseconds."""
        self._ask(WARM_UP_SECONDS)
        before = self.served.process.cpu()
        requests = self._ask(seconds)
        return (self.served.process.cpu() - before) / requests * 1e6

    def _ask(self, seconds: float) -> int:
        served, skip = self.served, self.asked % self.streams
        core = served.stage.cores.load
        requests = wrk(served.port, _paths(served), seconds, core=core, skip=skip).requests
        self.asked += requests
        return requests


def measure_scale(peer: Peer, cores: Cores, streams: int, runs: int, seconds: float) -> Scale:
    with ExitStack() as stack:
        crowds = []
        for number in (FEW, streams):
            serves = serving(peer, stack.enter_context(staged(cores)), ttl=TTL, streams=number)
            served = stack.enter_context(serves)
            before = in_use(served)
            uvloop.run(_start(served, world.viewers(number // STREAMS_PER_ACCOUNT)))
            crowds.append(Crowd(served, number, per_stream(number, before, in_use(served))))
        few, many = crowds
        costs = [(few.cost(seconds), many.cost(seconds)) for _ in range(runs)]
    few_us, many_us = (median(each) for each in zip(*costs, strict=True))
    return Scale(streams, few_us, many_us, many.memory)


async def _start(served: Served, streams: Sequence[world.Stream]) -> None:
    entries = bodies(served.port, (stream.entry() for stream in streams))
    children = [child(entry, master) async for entry, master in entries]
    write_paths(_paths(served), children)
    for _ in range(REFRESHES):
        async for _ in bodies(served.port, children):
            pass


def _paths(served: Served) -> Path:
    return served.stage.folder / "streams"
