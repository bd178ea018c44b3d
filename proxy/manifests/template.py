"""A manifest compiled once, rendered for each viewer.

A template is the manifest's bytes cut at the places where a ticket goes; rendering is one join.
Whatever no edit touches stays as the origin sent it, byte for byte: line ends, byte-order mark,
blanks, tags and elements nobody here knows. Nothing here knows HLS from DASH.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import lru_cache

from proxy.errors import OriginInvalid
from proxy.streams import Pace

# What a ticket weighs with long names in it; most have 400 to 450 bytes.
TICKET_BYTES = 512
# What tickets may add to a manifest, for each viewer and each refresh. A day of live television in
# segments of two seconds, 43,200 links, comes to 21 MiB.
MAX_TICKETS_BYTES = 24 * 2**20
# What is made at a time of a manifest that is sent in pieces: as much as a connection is given
# before it is waited for.
PIECE_BYTES = 64 * 1024
# Tempos that are told apart by being other objects.
MAX_PACES = 1024


@dataclass(frozen=True, slots=True)
class Template:
    """A manifest with slots for tickets.

    ``chunks`` are the bytes between the slots, so there is one slot fewer than chunks. ``pace``
    is None where the manifest says nothing of its tempo (a multivariant playlist).
    ``media_playlist`` marks an HLS media playlist, which may be an entry of its own.
    ``refreshes_by_location`` marks a manifest that tells players where to refresh it, ticket and
    all, so that its viewers' ticket may change as they watch. ``in_full`` is what they get instead
    when it does, from a patch: that cannot bring the fresh one to all links. ``fresh_for`` is how
    long it is worth serving again (seconds), None where it does not say.
    """

    chunks: tuple[bytes, ...]
    pace: Pace | None
    content_type: str
    media_playlist: bool
    refreshes_by_location: bool = False
    in_full: "Template | None" = None
    fresh_for: float | None = None
    _length: int = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_length", sum(map(len, self.chunks)))
        object.__setattr__(self, "pace", _one(self.pace))

    def render(self, ticket: bytes) -> bytes:
        """Give the manifest with this ticket in each slot."""
        return ticket.join(self.chunks)

    def render_within(self, most: int, ticket: bytes) -> bytes | None:
        """Give the same, unless it has more than so many bytes."""
        chunks = self.chunks
        if self._length + len(ticket) * (len(chunks) - 1) > most:
            return None
        return ticket.join(chunks)

    def size(self, ticket: bytes) -> int:
        """Give how many bytes that has."""
        return self._length + len(ticket) * (len(self.chunks) - 1)

    def pieces(self, ticket: bytes, wanted: range) -> Iterator[bytes]:
        """Give a range of that in pieces, each made when it is asked for.

        A large manifest weighs tens of times what its template does, and a client that takes it
        slowly would have all of it kept.
        """
        position, gathered, size = 0, [], 0
        for part in self._parts(ticket):
            shown = part[max(wanted.start - position, 0) : max(wanted.stop - position, 0)]
            position += len(part)
            gathered.append(shown)
            size += len(shown)
            if size >= PIECE_BYTES or position >= wanted.stop:
                yield b"".join(gathered)
                gathered, size = [], 0
            if position >= wanted.stop:
                return

    def _parts(self, ticket: bytes) -> Iterator[memoryview]:
        """Give chunks and tickets in turn; of long chunks, parts no longer than a piece."""
        slot = memoryview(ticket)
        for number, chunk in enumerate(self.chunks):
            if number:
                yield slot
            view = memoryview(chunk)
            for start in range(0, len(chunk), PIECE_BYTES):
                yield view[start : start + PIECE_BYTES]


@lru_cache(MAX_PACES)
def _one(pace: Pace | None) -> Pace | None:
    """Give the same object for all that are equal, which are compared at each beat."""
    return pace


class TemplateBuilder:
    """Takes the edits to a body from front to back, and gives its chunks.

    ``keep`` is given each stretch between two edits, and gives what is kept of it.
    """

    def __init__(self, body: bytes, keep: Callable[[bytes], bytes] = bytes) -> None:
        self._body = body
        self._keep = keep
        self._kept = 0
        self._chunks: list[bytes] = []
        self._open: list[bytes] = []

    def replace(self, start: int, end: int, *parts: bytes) -> None:
        """Put ``parts`` in place of ``body[start:end]``, with a slot between each two of them.

        Edits come in order and do not overlap.
        """
        first, *others = parts
        self._open += (self._keep(self._body[self._kept : start]), first)
        for part in others:
            self._chunks.append(b"".join(self._open))
            self._open = [part]
        self._kept = end

    def chunks(self) -> tuple[bytes, ...]:
        """Give the edited body, cut at its slots.

        Raises:
            OriginInvalid: it would be too large with a ticket in each slot.
        """
        if len(self._chunks) * TICKET_BYTES > MAX_TICKETS_BYTES:
            raise OriginInvalid("The origin's manifest is too large with a ticket in each link.")
        return (*self._chunks, b"".join((*self._open, self._keep(self._body[self._kept :]))))
