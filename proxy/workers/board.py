"""What master and workers tell each other in numbers: memory that all of them share.

Made before the first worker, it is the same for all that follow. Each number has one writer at a
time and is written in one step, so nobody waits for anybody. A worker has a place on it for as long
as it lives, which the next one takes over.
"""

import mmap
import struct
import time

# Places for workers: more than a machine has cores.
PLACES = 256
NUMBER = struct.Struct("=Q")

# The master's: whether the whole proxy stops, and how many reloads were asked for.
STOPPING, ASKED = 0, 1
# Each worker's: whether there is one, whether it serves, up to which reload it has followed, and
# when its event loop last turned (nanoseconds of the system's monotonic clock).
TAKEN, SERVES, FOLLOWED, TURNED = 0, 1, 2, 3
HEAD, PER_PLACE = 2, 4
# A worker that said nothing for so long is busy with something else than connections (seconds).
SILENT_SECONDS = 3.0


class Full(RuntimeError):
    """There is no place for another worker."""


class Board:
    """Numbers in memory that is shared with all processes forked from here on."""

    def __init__(self) -> None:
        self._memory = mmap.mmap(-1, NUMBER.size * (HEAD + PLACES * PER_PLACE))

    # --- The master's ---

    @property
    def stopping(self) -> bool:
        """Whether the whole proxy is about to end, and not this worker alone."""
        return self._get(STOPPING) > 0

    def stop(self) -> None:
        """Say that the whole proxy is about to end."""
        self._put(STOPPING, 1)

    @property
    def asked(self) -> int:
        """How many reloads were asked for."""
        return self._get(ASKED)

    def ask(self) -> None:
        """Ask all workers for a reload."""
        self._put(ASKED, self.asked + 1)

    def take(self) -> int:
        """Take the first free place, for a worker that has followed all there was.

        Raises:
            Full: there is none.
        """
        for place in range(PLACES):
            if not self._of(place, TAKEN):
                self._put_of(place, SERVES, 0)
                self._put_of(place, FOLLOWED, self.asked)
                self._put_of(place, TAKEN, 1)
                return place
        raise Full(f"there are {PLACES} workers already")

    def free(self, place: int) -> None:
        """Give back the place of a worker that is gone."""
        self._put_of(place, TAKEN, 0)

    # --- The workers' ---

    def serve(self, place: int) -> None:
        """Say that a worker answers requests."""
        self._put_of(place, SERVES, 1)

    def leave(self, place: int) -> None:
        """Say that a worker takes no more connections."""
        self._put_of(place, SERVES, 0)

    def turn(self, place: int) -> None:
        """Say that a worker's event loop turns."""
        self._put_of(place, TURNED, time.monotonic_ns())

    def follow(self, place: int, reload: int) -> None:
        """Say that a worker has heeded all reloads up to this one, whatever came of it."""
        self._put_of(place, FOLLOWED, reload)

    # --- What anybody may ask ---

    @property
    def serving(self) -> int:
        """How many workers answer requests."""
        return sum(self._of(place, SERVES) for place in self._places())

    def behind(self, reload: int) -> int:
        """How many workers have not heeded all reloads up to this one."""
        return sum(self._of(place, FOLLOWED) < reload for place in self._places())

    def tends(self, socket: int, workers: int) -> int:
        """Give the place of who accepts from a socket: its own worker, or the next that can."""
        own = socket % workers
        there = ((own + step) % workers for step in range(workers))
        return next((place for place in there if self._can_accept(place)), own)

    def _can_accept(self, place: int) -> bool:
        silent = time.monotonic_ns() - self._of(place, TURNED)
        is_there = self._of(place, TAKEN) and self._of(place, SERVES)
        return bool(is_there) and silent < SILENT_SECONDS * 1e9

    def _places(self) -> list[int]:
        return [place for place in range(PLACES) if self._of(place, TAKEN)]

    def _of(self, place: int, what: int) -> int:
        return self._get(HEAD + place * PER_PLACE + what)

    def _put_of(self, place: int, what: int, number: int) -> None:
        self._put(HEAD + place * PER_PLACE + what, number)

    def _get(self, index: int) -> int:
        (number,) = NUMBER.unpack_from(self._memory, index * NUMBER.size)
        return int(number)

    def _put(self, index: int, number: int) -> None:
        # One assignment: pack_into would write zeros first.
        at = index * NUMBER.size
        self._memory[at : at + NUMBER.size] = NUMBER.pack(number)
