"""What is learned about a request while it is answered, and which one that is."""

from contextvars import ContextVar
from dataclasses import dataclass

from proxy.model import NO_ROUTE, Kind, Playback, Request, Subject
from proxy.streams import Decision
from proxy.trace import Trace

# How a request ended whose client did not wait for the answer. Players do that all the time, when
# they zap, seek, or find another rendition better: it is nobody's failure.
ABANDONED = "abandoned"
# The request that is being answered, also in tasks that were begun for it; None beside them.
CURRENT: ContextVar[Trace | None] = ContextVar("request", default=None)


@dataclass(slots=True)
class Notes:
    """What is learned about a request on its way, for metrics, logs and spans.

    ``pattern`` is what its path matched: a route's, or that of our own API. ``status`` is 0 and
    ``request`` None for as long as nobody knows; ``code`` is that of the error it ended with.
    ``told`` is what the store has said of it already, and would not say again.
    """

    trace: Trace
    request: Request | None = None
    route: str = NO_ROUTE
    pattern: str = ""
    kind: Kind = Kind.API
    subject: Subject | None = None
    playback: Playback | None = None
    told: Decision | None = None
    decision: Decision | None = None
    outcome: str = "ok"
    status: int = 0
    code: str = ""
