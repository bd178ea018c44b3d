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
    """A rate, and the latencies at it: through the server, and at the origin alone.

    ``full`` is the rate without pauses.
    """

    full: float
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
        every_ms = CONNECTIONS / (full / 2) * 1_000

        def paced(port: int, pause_ms: float) -> Load:
            return wrk(port, file, seconds, core=stage.cores.load, pause_ms=pause_ms)

        # What of that is spent on the answer; it may be so much that there is no pause left.
        taken_ms = CONNECTIONS / paced(served.port, every_ms).rate * 1_000 - every_ms
        through = paced(served.port, max(0.5, every_ms - taken_ms))
        alone = paced(stage.origin_port, every_ms)
    return HalfLoad(full, through.rate, through.p99_ms, alone.p99_ms)
