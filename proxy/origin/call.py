"""What is asked of whichever origin has it: for a viewer, or for nobody.

Values only.
"""

import asyncio

from proxy.model import Request
from proxy.origin.headers import Fields, manifest_request
from proxy.origin.patience import unblocked
from proxy.origin.upstream import Target, Upstream
from proxy.trace import UNTRACED, Trace
from proxy.values import value


@value(frozen=True, slots=True)
class Call:
    """What is asked of whichever origin; it may be held for ``hold`` seconds."""

    method: str
    upstream: Upstream
    target: Target
    fields: Fields
    trace: Trace
    hold: float = 0.0

    def deadline(self, part: float = 1.0) -> float:
        """Give when so much of its time is over, from now on, in the event loop's time."""
        now = asyncio.get_running_loop().time()
        return now + self.upstream.config.timeout * part + self.hold

    @property
    def is_conditional(self) -> bool:
        """Whether an answer may be that nothing has changed."""
        return any(name.startswith("If-") for name, _ in self.fields)


def nobodys(method: str, upstream: Upstream, target: Target, request: Request) -> Call:
    """Give what is asked for no viewer's sake, by a request of nobody's: nothing is held."""
    plain = Target(target.path, unblocked(target.query))
    return Call(method, upstream, plain, manifest_request(request), UNTRACED)
