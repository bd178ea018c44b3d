"""What a request costs with many active streams, beside what it costs with few.

Two servers, each with a Redis of its own, take turns: one has a thousand streams, the other as many
as are wanted. With many, every stream refreshes once before any does a second time, as in life, so
that no memory of the latest helps.
"""

from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import uvloop

from bench.against import world
from bench.against.client import bodies, child
from bench.against.load import wrk
from bench.against.memory import TTL, Memory, in_use, per_stream
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


def measure_scale(peer: Peer, cores: Cores, streams: int, runs: int, seconds: float) -> Scale:
    with ExitStack() as stack:
        crowds = []
        for number in (FEW, streams):
            served = stack.enter_context(serving(peer, stack.enter_context(staged(cores)), ttl=TTL))
            before = in_use(served)
            uvloop.run(_start(served, world.viewers(number // STREAMS_PER_ACCOUNT)))
            crowds.append((served, per_stream(number, before, in_use(served))))
        (few, _), (many, memory) = crowds
        costs = [(_cost(few, seconds), _cost(many, seconds)) for _ in range(runs)]
    few_us, many_us = (median(each) for each in zip(*costs, strict=True))
    return Scale(streams, few_us, many_us, memory)


async def _start(served: Served, streams: Sequence[world.Stream]) -> None:
    with _paths(served).open("w") as file:
        async for entry, master in bodies(served.port, (stream.entry() for stream in streams)):
            file.write(f"{child(entry, master)}\n")


def _cost(served: Served, seconds: float) -> float:
    core = served.stage.cores.load
    wrk(served.port, _paths(served), WARM_UP_SECONDS, core=core)
    before = served.process.cpu()
    load = wrk(served.port, _paths(served), seconds, core=core)
    return (served.process.cpu() - before) / load.requests * 1e6


def _paths(served: Served) -> Path:
    return served.stage.folder / "streams"
