"""Reloads: the file read again and put in force, one at a time, told and counted.

Whoever asks for one gets what came of it; everybody else reads it in the log and in the metrics. A
file that is no good changes nothing.
"""

import asyncio
from collections.abc import Awaitable, Callable

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

    async def reload(self, by: str) -> Reread:
        """Read the file again and put it in force; ``by`` says to the log who asked for it.

        Raises:
            ConfigError: it is no good, and nothing was changed.
        """
        async with self._one_at_a_time:
            try:
                reread = await self._read()
                await self._adopt(reread)
            except Exception as error:
                self._tell_failure(by, error)
                raise
            self._tell(by, reread)
        return reread

    async def _read(self) -> Reread:
        """Read in a thread: a large file takes a while, and what answers requests goes on."""
        running = self._running()
        reading = asyncio.wrap_future(in_thread(lambda: self._file.reread(running)))
        try:
            async with asyncio.timeout(READ_SECONDS):
                return await reading
        except TimeoutError:
            message = f"could not be read within {READ_SECONDS:.0f} s"
            raise ConfigError((Problem(str(self._file.path), 1, "(file)", message),)) from None

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
