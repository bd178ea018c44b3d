"""Finds out whether an origin that is down is back, by requests of our own.

A viewer whose request was sent there to see would often wait for nothing. So what was wanted last
of its routes is asked of the origin that is down for nobody's sake: after a second, then less and
less often, until there is a good answer, and one before another origin would be asked as well. That
goes on whether or not anybody watches.
"""

import asyncio
from collections.abc import Awaitable, Callable, Collection, Iterable

import structlog

from proxy.errors import OriginError
from proxy.origin.health import Health
from proxy.origin.upstream import Origin

FIRST_PAUSE = 1.0  # seconds; doubled after each probe
LONGEST_PAUSE = 10.0  # seconds: how late a repaired origin may be noticed

log = structlog.get_logger("playgate")

Probe = Callable[[Origin], Awaitable[object]]


class Probing:
    """Probes each origin that is down. A probe tells health of its answer by itself."""

    def __init__(self, health: Health) -> None:
        self._health = health
        self._probes: dict[Origin, Probe] = {}
        self._tasks: dict[Origin, asyncio.Task[None]] = {}

    def note(self, origins: Iterable[Origin], probe: Probe) -> None:
        """Take what these are to be asked, should they be down, from now on.

        One that went down when there was nothing to ask it, in between two configurations, is
        probed as soon as there is.
        """
        for origin in origins:
            self._probes[origin] = probe
            if self._health.is_down(origin):
                self.begin(origin)

    def keep(self, origins: Collection[Origin]) -> None:
        """Forget what all others are asked."""
        self._probes = {
            origin: probe for origin, probe in self._probes.items() if origin in origins
        }

    def begin(self, origin: Origin) -> None:
        """Probe an origin until it is up, or forgotten."""
        if origin in self._probes and origin not in self._tasks:
            self._tasks[origin] = asyncio.create_task(self._run(origin))

    async def close(self) -> None:
        """Break off what is under way."""
        tasks = tuple(self._tasks.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _run(self, origin: Origin) -> None:
        pause = FIRST_PAUSE
        try:
            while self._health.is_down(origin):
                await asyncio.sleep(pause)
                if (probe := self._probes.get(origin)) is None:
                    return
                try:
                    await probe(origin)
                except OriginError:
                    pass  # counted where it was found
                except Exception:
                    # The last line: a bug must be seen, and must not keep an origin down.
                    log.exception("an origin could not be probed")
                pause = min(2 * pause, LONGEST_PAUSE)
        finally:
            del self._tasks[origin]
