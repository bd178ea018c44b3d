"""What a viewer waits longer than at the origin alone, where the server has half of what it can do.

Connections pause at random before each request, so that requests come neither all at once nor as
soon as the last was answered; the origin is asked the same, at the same pace, past the server.
"""

from dataclasses import dataclass

import uvloop

from bench.against.load import CONNECTIONS, Load, write_paths, wrk
from bench.against.peers.terms import Peer
from bench.against.stage import Stage, serving
from bench.against.workloads import refresh

WARM_UP_SECONDS = 1


@dataclass(frozen=True, slots=True)
class HalfLoad:
    """A rate, and the latencies at it: through the server, and at the origin alone."""

    rate: float
    through_p99_ms: float
    origin_p99_ms: float

    @property
    def added_ms(self) -> float:
        return self.through_p99_ms - self.origin_p99_ms


def measure_half_load(peer: Peer, stage: Stage, seconds: float) -> HalfLoad:
    stage.forget()
    file = stage.folder / "paths"
    with serving(peer, stage) as served:
        write_paths(file, uvloop.run(refresh(served.port)))
        wrk(served.port, file, WARM_UP_SECONDS, core=stage.cores.load)
        full = wrk(served.port, file, seconds, core=stage.cores.load).rate
        pause_ms = max(1, round(CONNECTIONS / (full / 2) * 1_000))

        def paced(port: int) -> Load:
            return wrk(port, file, seconds, core=stage.cores.load, pause_ms=pause_ms)

        through, alone = paced(served.port), paced(stage.origin_port)
    return HalfLoad(through.rate, through.p99_ms, alone.p99_ms)
