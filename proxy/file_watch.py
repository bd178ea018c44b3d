"""Notices that the configuration's files are others than when they were read.

By looking: a few small files, once a second. That finds whatever way there is to replace one (in
place, by renaming another over it, by turning a link round as Kubernetes does with a whole folder),
on any file system. What the system can tell by itself is of one inode, and nothing where a network
or a container lies in between. A file is what is in it: one that was only touched is the same.

A change is taken for done when two looks find the same, or half of it would be read.
"""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress

from proxy.background import Repeated, in_thread
from proxy.settings.files import Digests
from proxy.settings.load import ConfigError
from proxy.settings.reload import ConfigFile

# Seconds between two looks, so that a change is in force within two or three.
LOOK_SECONDS = 1.0


class FileWatch:
    """Calls ``reload`` when the files are others, if ``wanted`` says so."""

    def __init__(
        self,
        file: ConfigFile,
        wanted: Callable[[], bool],
        reload: Callable[[], Awaitable[object]],
    ) -> None:
        self._file = file
        self._wanted = wanted
        self._reload = reload
        self._seen: Digests = {}
        self._looks = Repeated("file watch", self.look)

    async def start(self) -> None:
        """Begin to look."""
        await self._looks.start()

    async def close(self) -> None:
        """Look no more."""
        await self._looks.close()

    async def look(self) -> None:
        """Look once, and reload if there is something new that has settled."""
        await asyncio.sleep(LOOK_SECONDS)
        if not self._wanted():
            return
        before = self._seen
        self._seen = await asyncio.wrap_future(in_thread(self._file.look))
        if self._seen != before or self._seen == self._file.found:
            return
        with suppress(ConfigError):  # told by whoever reloads
            await self._reload()
