"""Reloads: the file read again and put in force, one at a time, told and counted.

Whoever asks for one gets what came of it; everybody else reads it in the log and in the metrics. A
file that is no good changes nothing.

A reading cannot be broken off. One that takes too long is given up: it goes on by itself, nothing
comes of it, and no other is begun beside it.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable
from concurrent.futures import Future
from dataclasses import dataclass

import structlog

from proxy.background import in_thread
from proxy.settings.load import ConfigError, Problem
from proxy.settings.reload import ConfigFile, Reread
from proxy.settings.schema import Settings
from proxy.telemetry.config_metrics import FAILED, ConfigMetrics

# How long a file may take to be read: one on storage that hangs must not keep the next reload
# waiting for ever (seconds).
READ_SECONDS = 10.0

log = structlog.get_logger("playgate")


@dataclass(frozen=True, slots=True)
class Reloaded:
    """What came of a reload, and how many workers were not done with it when that was told."""

    reread: Reread
    behind: int = 0


def tell_doubts(file: ConfigFile, settings: Settings) -> None:
    """Log what is hardly meant so, in settings that are about to be in force."""
    if doubts := file.doubts(settings):
        log.warning("some of the configuration is hardly meant so", doubts=[*map(str, doubts)])


class Reloader:
    """Has a file put in force. ``running`` gives what is; ``adopt`` changes that, or raises."""

    def __init__(
        self,
        file: ConfigFile,
        running: Callable[[], Settings],
        adopt: Callable[[Reread], Awaitable[None]],
        metrics: ConfigMetrics,
    ) -> None:
        self._file = file
        self._running = running
        self._adopt = adopt
        self._metrics = metrics
        self._one_at_a_time = asyncio.Lock()
        self._reading: Future[Reread] | None = None
        self._given_up = 0.0

    async def reload(self, by: str) -> Reread:
        """Read the file again and put it in force; ``by`` says to the log who asked for it.

        Raises:
            ConfigError: it is no good, and nothing was changed.
        """
        async with self._one_at_a_time:
            try:
                reread = await self._read()
                await self._put_in_force(reread)
            except Exception as error:
                self._tell_failure(by, error)
                raise
            self._tell(by, reread)
        return reread

    async def _put_in_force(self, reread: Reread) -> None:
        """Have it adopted; what is wrong with it then is told with its place in the file."""
        try:
            await self._adopt(reread)
        except ConfigError as error:
            problems = (
                self._file.problem(problem.message, *problem.key.split("."))
                for problem in error.problems
            )
            raise ConfigError(tuple(problems)) from error

    async def _read(self) -> Reread:
        """Read in a thread: a large file takes a while, and what answers requests goes on."""
        begun = False
        try:
            async with asyncio.timeout(READ_SECONDS):
                await self._end_of_the_last()
                running, begun = self._running(), True
                self._reading = in_thread(lambda: self._file.reread(running))
                return await asyncio.wrap_future(self._reading)
        except TimeoutError:
            raise self._give_up(begun=begun) from None

    async def _end_of_the_last(self) -> None:
        """Wait for a reading that was given up; what it found is old by now."""
        if self._reading is not None and not self._reading.done():
            await asyncio.wait((asyncio.wrap_future(self._reading),))

    def _give_up(self, *, begun: bool) -> ConfigError:
        """Leave a reading to itself, and say so."""
        if begun and self._reading is not None:
            self._given_up = time.monotonic()
            # Or the watch would take for loaded what nobody has put in force.
            self._reading.add_done_callback(lambda _: self._file.forget())
            message = (
                f"was not read within {READ_SECONDS:.0f} s, and nothing was changed; the reading"
                " goes on, nothing will come of it, and the next reload waits for its end"
            )
        else:
            message = (
                "was not read: a reading that was given up"
                f" {time.monotonic() - self._given_up:.0f} s ago still goes on, and none is begun"
                " beside it"
            )
        return ConfigError((Problem(str(self._file.path), 1, "(file)", message),))

    def _tell_failure(self, by: str, error: Exception) -> None:
        self._metrics.reload(FAILED)
        if isinstance(error, ConfigError):
            errors = [str(problem) for problem in error.problems]
            log.error("the configuration was not reloaded", by=by, errors=errors)

    def _tell(self, by: str, reread: Reread) -> None:
        self._metrics.reload(reread.result)
        if reread.changed:
            changed = [str(change) for change in reread.changed]
            log.info("the configuration was reloaded", by=by, changed=changed)
            tell_doubts(self._file, reread.settings)
        else:
            log.info("the configuration is as it was", by=by)
        if reread.needs_restart:
            waiting = [str(change) for change in reread.needs_restart]
            log.warning("some of the configuration needs a restart", needs_restart=waiting)
