"""The time of the event loop, which a test puts forward instead of waiting for it.

So a limit can be far above what a busy machine takes, and running into it takes no time. All that
waits in the loop is put forward alike: what is to come in time has to have come before.
"""

import asyncio

import pytest


class LoopClock:
    """Goes with the machine's clock, and ahead of it by as much as was said to have passed."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        loop = asyncio.get_running_loop()
        time, self._ahead = loop.time, 0.0
        monkeypatch.setattr(loop, "time", lambda: time() + self._ahead)

    def passes(self, seconds: float) -> None:
        """Put it forward."""
        self._ahead += seconds
