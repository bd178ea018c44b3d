"""What signals mean to a proxy before it hears them itself: while it is imported, reads, and binds.

By themselves most would end it without a word, and who has a fresh proxy reload (a renewed
certificate, say) cannot know how far its start is. This needs nothing, so that it comes first.
"""

import os
import signal
from typing import NoReturn

# Held back until there is who hears them: a reload, and what is for the master of several workers.
HELD = (signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2)
ENDING = (signal.SIGTERM, signal.SIGINT)


def hold() -> None:
    """Hold back what must not end a start. What is meant to ends it at once, as it ends a proxy."""
    for name in ENDING:
        signal.signal(name, _end)
    signal.pthread_sigmask(signal.SIG_BLOCK, HELD)


def hold_all() -> None:
    """Hold back what ends a start as well: from here on there is something to put away."""
    signal.pthread_sigmask(signal.SIG_BLOCK, ENDING)


def release() -> None:
    """Hear what was held back, and all that follows."""
    signal.pthread_sigmask(signal.SIG_UNBLOCK, (*HELD, *ENDING))


def _end(*_: object) -> NoReturn:
    """End the process, whatever it is at: an exception might be caught by what is imported."""
    os._exit(0)
