"""Just enough of fragmented MP4 (ISO/IEC 14496-12, CMAF) to serve one file as endless segments.

A track file is an initialisation part followed by fragments of equal length. This module cuts it
there, reads the few facts a manifest must state, and moves a fragment to another place on the
timeline by rewriting two of its fields. It never looks into the media itself.
"""

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from struct import pack_into, unpack_from

HEADER = 8  # size (32 bit) and type; the demo's boxes are far too small for 64-bit sizes
FULL_HEADER = HEADER + 4  # the same with version and flags
CONTAINERS = frozenset({b"moov", b"trak", b"mdia", b"moof", b"traf"})


@dataclass(frozen=True, slots=True)
class Track:
    """One track: its initialisation part and its fragments, each ``ticks`` / ``timescale`` long.

    ``codec`` is in RFC 6381 form; ``width`` and ``height`` are 0 for audio.
    """

    init: bytes
    fragments: tuple[bytes, ...]
    timescale: int
    ticks: int
    codec: str
    width: int
    height: int

    @property
    def peak_bandwidth(self) -> int:
        """The bits per second of the largest fragment."""
        return max(map(len, self.fragments)) * 8 * self.timescale // self.ticks

    @property
    def average_bandwidth(self) -> int:
        """The bits per second of the whole track."""
        size = sum(map(len, self.fragments))
        return size * 8 * self.timescale // (self.ticks * len(self.fragments))

    def segment(self, number: int) -> bytes:
        """Give the segment of that number on a timeline on which the track repeats for ever.

        Its decode time says so too: a player sees one continuous programme, without a
        discontinuity where the track starts over.
        """
        segment = bytearray(self.fragments[number % len(self.fragments)])
        # A decode time is 64 bits (checked by read_track); a sequence number is 32 and starts at 1.
        pack_into(">Q", segment, _place(segment, b"tfdt") + FULL_HEADER, number * self.ticks)
        sequence = (number + 1) & 0xFFFF_FFFF
        pack_into(">I", segment, _place(segment, b"mfhd") + FULL_HEADER, sequence)
        return bytes(segment)


def read_track(data: bytes) -> Track:
    """Cut a fragmented MP4 file that holds one track.

    Raises:
        ValueError: the file is not what this module serves: equal fragments from time zero.
    """
    try:
        return _read(data)
    except struct.error as error:
        raise ValueError("a box is shorter than its fields") from error


def _read(data: bytes) -> Track:
    starts = [place for kind, place in _walk(data) if kind == b"moof"]
    if len(starts) < 2:
        raise ValueError("the file needs two fragments at least")
    init = data[: starts[0]]
    fragments = tuple(
        data[start:end] for start, end in zip(starts, [*starts[1:], len(data)], strict=True)
    )
    times = [_decode_time(fragment) for fragment in fragments]
    if times[1] == 0 or times != [number * times[1] for number in range(len(times))]:
        raise ValueError("the fragments are not equally long")
    width, height = _size(init)
    return Track(
        init=init,
        fragments=fragments,
        timescale=_timescale(init),
        ticks=times[1],
        codec=_codec(init),
        width=width,
        height=height,
    )


def _walk(
    data: bytes | bytearray, start: int = 0, end: int | None = None
) -> Iterator[tuple[bytes, int]]:
    """Yield each box's type and place, containers before what they contain."""
    end = len(data) if end is None else end
    while start < end:
        size, kind = unpack_from(">I4s", data, start)
        if size < HEADER or start + size > end:
            raise ValueError(f"the box at byte {start} does not fit")
        yield kind, start
        if kind in CONTAINERS:
            yield from _walk(data, start + HEADER, start + size)
        start += size


def _place(data: bytes | bytearray, wanted: bytes) -> int:
    for kind, place in _walk(data):
        if kind == wanted:
            return place
    raise ValueError(f"there is no {wanted.decode()} box")


def _decode_time(fragment: bytes) -> int:
    place = _place(fragment, b"tfdt")
    if fragment[place + HEADER] != 1:
        raise ValueError("a fragment's decode time is not 64 bits wide")
    return int(unpack_from(">Q", fragment, place + FULL_HEADER)[0])


def _timescale(init: bytes) -> int:
    """Read mdhd's timescale, which follows two dates of 32 or 64 bits."""
    place = _place(init, b"mdhd")
    wide = init[place + HEADER] == 1
    return int(unpack_from(">I", init, place + FULL_HEADER + (16 if wide else 8))[0])


def _size(init: bytes) -> tuple[int, int]:
    """Read tkhd's width and height: 16.16 fixed point, its last two fields."""
    place = _place(init, b"tkhd")
    (length,) = unpack_from(">I", init, place)
    width, height = unpack_from(">II", init, place + length - 8)
    return width >> 16, height >> 16


def _codec(init: bytes) -> str:
    """Name the codec (RFC 6381 §3.3): AVC by profile, constraints and level, else AAC-LC."""
    avcc = init.find(b"avcC")
    return "mp4a.40.2" if avcc < 0 else f"avc1.{init[avcc + 5 : avcc + 8].hex()}"
