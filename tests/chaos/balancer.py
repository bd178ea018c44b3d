"""Who stands in front of the proxies, and does what a plain load balancer does.

It keeps to no proxy. Where a connection broke off, or nothing came for ``PATIENCE_SECONDS``, it
sends the request to the other proxy, once; and leaves whoever failed alone for a moment. Whatever
is answered, it passes on: no 5xx is tried again.
"""

import asyncio
import random
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from tests.chaos.proxies import Proxy
from tests.support.http_line import Line, Said

# More than a proxy waits for its store and for an origin together.
PATIENCE_SECONDS = 3.0
SHUNNED_SECONDS = 1.0
# How often a viewer's next request goes by the other proxy.
SWITCH = 0.2


@dataclass(frozen=True)
class Told:
    """What came of a request: ``sent`` and ``heard`` are of the try that was answered.

    ``said`` is None where both tries broke off.
    """

    said: Said | None
    asked: float
    sent: float
    heard: float

    @property
    def status(self) -> int:
        """The status; 0 where there is none."""
        return self.said.status if self.said else 0

    @property
    def outcome(self) -> str:
        """What to count it as."""
        return f"{self.said.status}" if self.said else "broke off"

    def field(self, name: str) -> str:
        """Give a field of the answer; empty where there is none."""
        return self.said.fields.get(name, "") if self.said else ""


@dataclass
class Balancer:
    """The proxies, and until when each is left alone (``time.monotonic``)."""

    proxies: Sequence[Proxy]
    shunned: dict[int, float] = field(default_factory=dict)

    def turn(self, now: float, first: Proxy) -> list[Proxy]:
        """Give who is to be asked: one first, then the other; who failed a moment ago, last."""
        order = sorted(self.proxies, key=lambda proxy: proxy is not first)
        return sorted(order, key=lambda proxy: self.shunned.get(proxy.port, 0.0) > now)


class Way:
    """One viewer's way through the balancer, with a connection to each proxy.

    ``astray`` is called with the moment a try was sent that broke off, for it may be answered yet.
    """

    def __init__(self, balancer: Balancer, agent: str, dice: random.Random) -> None:
        self._balancer = balancer
        self._agent = agent
        self._dice = dice
        self._lines = {proxy.port: Line(proxy.port) for proxy in balancer.proxies}
        self._first = dice.choice(balancer.proxies)

    async def ask(self, path: str, astray: Callable[[float], None], method: str = "GET") -> Told:
        """Send a request, and once more by the other proxy where it breaks off."""
        asked = sent = time.monotonic()
        if self._dice.random() < SWITCH:
            self._first = self._dice.choice(self._balancer.proxies)
        for proxy in self._balancer.turn(asked, self._first):
            line = self._lines[proxy.port]
            if line.is_hung_up:
                line.close()
            sent = time.monotonic()
            try:
                async with asyncio.timeout(PATIENCE_SECONDS):
                    said = await line.ask(path, method=method, agent=self._agent)
            except (OSError, EOFError) as error:  # a timeout is an OSError
                line.close()
                if not isinstance(error, ConnectionRefusedError):
                    astray(sent)
                self._balancer.shunned[proxy.port] = time.monotonic() + SHUNNED_SECONDS
            else:
                return Told(said, asked, sent, time.monotonic())
        return Told(None, asked, sent, time.monotonic())

    def crash(self) -> None:
        """Go without a word."""
        for line in self._lines.values():
            line.close()
