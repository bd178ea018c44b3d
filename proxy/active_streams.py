"""Asks the store how many streams are active, beside the requests, and has it shown.

Whichever proxy a viewer comes to, all of them ask the same store and show the same number.
"""

import asyncio
from collections.abc import Callable, Mapping
from contextlib import suppress

from proxy.admission.store import Store
from proxy.background import Repeated
from proxy.errors import StoreUnavailable

# The pause between two looks (seconds). A lapse is seen at the latest after this and the time for
# which a slot may be counted too long (``tally.LATE_MS``), which is below ten seconds in all.
PAUSE_SECONDS = 1.5


class ActiveStreams:
    """Keeps what is shown of active streams up to date; ``show`` gets their numbers by route."""

    def __init__(self, store: Store, show: Callable[[Mapping[str, int]], None]) -> None:
        self._store = store
        self._show = show
        self._looks = Repeated("active streams", self.look)

    async def start(self) -> None:
        """Begin to look."""
        await self._looks.start()

    async def close(self) -> None:
        """Look no more."""
        await self._looks.close()

    async def look(self) -> None:
        """Look once, and pause."""
        with suppress(StoreUnavailable):  # what was seen last stands until the next look
            self._show(await self._store.active())
        await asyncio.sleep(PAUSE_SECONDS)
