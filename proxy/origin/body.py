"""A manifest's body: decoded as it arrives, and never larger than it may be.

The limit holds for what comes out, piece by piece, so a small file that unpacks to gigabytes is
stopped at the limit. A coding that was not asked for, damaged or cut short is an error: half a
manifest is never handed on as a whole one.
"""

import zlib
from typing import Protocol

import brotli  # type: ignore[import-untyped]  # ships no type hints

from proxy.errors import OriginInvalid

# Gzip may be several members in a row (RFC 1952 §2.2). Nobody cuts a manifest into many; a crowd
# of empty ones costs much and gives nothing.
MAX_MEMBERS = 16

# What a coding may add to a body that cannot be made smaller: headers and a few bytes a block.
CODING_OVERHEAD = 64 * 1024


class Decoder(Protocol):
    """Undoes one content coding (RFC 9110 §8.4.1), step by step."""

    def feed(self, data: bytes, room: int, /) -> bytes:
        """Give what ``data`` decodes to; more than ``room`` bytes once it is over, not all of it.

        Raises ValueError where the data is damaged.
        """

    def is_complete(self) -> bool:
        """Tell whether the coding's own end has been seen."""


class Identity:
    """No coding at all; the framing of the message alone tells its end."""

    def feed(self, data: bytes, _room: int, /) -> bytes:
        """Give the data back."""
        return data

    def is_complete(self) -> bool:
        """Agree."""
        return True


class Inflate:
    """Gzip (RFC 1952), and deflate both as the standard has it (RFC 1950) and without its header.

    Some servers send a bare RFC 1951 stream as ``deflate``; RFC 9110 §8.4.1.2 knows of them.
    """

    def __init__(self, *, gzip: bool) -> None:
        self.gzip = gzip
        self.members = 0
        self.stream = zlib.decompressobj(zlib.MAX_WBITS | 16) if gzip else None

    def feed(self, data: bytes, room: int, /) -> bytes:
        """Give what ``data`` decodes to, as the protocol says."""
        pieces = []
        while data and room >= 0:
            stream = self._next(data)
            try:
                piece = stream.decompress(data, room + 1)
            except zlib.error as error:
                raise ValueError(str(error)) from error
            pieces.append(piece)
            room -= len(piece)
            data = stream.unused_data if stream.eof else stream.unconsumed_tail
        return b"".join(pieces)

    def _next(self, data: bytes) -> "zlib._Decompress":
        """Give the stream that ``data`` goes on with, which after an end is another member."""
        if self.stream is None:
            has_header = data[0] & 0x0F == 8  # RFC 1950 §2.2: method 8 in the low bits
            self.stream = zlib.decompressobj(zlib.MAX_WBITS if has_header else -zlib.MAX_WBITS)
        elif self.stream.eof:
            self.members += 1
            if not self.gzip or self.members >= MAX_MEMBERS:
                raise ValueError("data after the end")
            self.stream = zlib.decompressobj(zlib.MAX_WBITS | 16)
        return self.stream

    def is_complete(self) -> bool:
        """Tell whether the last member has ended."""
        return self.stream is not None and self.stream.eof


class Brotli:
    """Brotli (RFC 7932)."""

    def __init__(self) -> None:
        self.stream = brotli.Decompressor()

    def feed(self, data: bytes, room: int, /) -> bytes:
        """Give what ``data`` decodes to, as the protocol says."""
        try:
            piece: bytes = self.stream.process(data, output_buffer_limit=room + 1)
        except brotli.error as error:
            raise ValueError(str(error)) from error
        return piece

    def is_complete(self) -> bool:
        """Tell whether the stream has ended."""
        return bool(self.stream.is_finished())


def decoder(coding: str) -> Decoder:
    """Give the decoder for a ``Content-Encoding`` value. Raises OriginInvalid for others."""
    match coding.strip().lower():
        case "" | "identity":
            return Identity()
        case "gzip" | "x-gzip":
            return Inflate(gzip=True)
        case "deflate":
            return Inflate(gzip=False)
        case "br":
            return Brotli()
    raise OriginInvalid("The origin used a content coding it was not offered.")


class Body:
    """Collects a body of at most ``limit`` bytes, decoded."""

    def __init__(self, coding: str, limit: int) -> None:
        self._decoder = decoder(coding)
        self._limit = limit
        self._pieces: list[bytes] = []
        self._size = 0
        self._received = 0

    def feed(self, data: bytes) -> None:
        """Take the next part as it came. Raises OriginInvalid: too large, or damaged."""
        self._received += len(data)
        if self._received > self._limit + CODING_OVERHEAD:
            raise too_large(self._limit)
        try:
            piece = self._decoder.feed(data, self._limit - self._size)
        except ValueError as error:
            raise OriginInvalid("The origin's answer cannot be decoded.") from error
        self._size += len(piece)
        if self._size > self._limit:
            raise too_large(self._limit)
        self._pieces.append(piece)

    def finish(self) -> bytes:
        """Give the whole body. Raises OriginInvalid where its coding was cut short."""
        if self._received and not self._decoder.is_complete():
            raise OriginInvalid("The origin's answer ends in the middle.")
        return b"".join(self._pieces)


def too_large(limit: int) -> OriginInvalid:
    """Give the error for a manifest over the limit (bytes)."""
    return OriginInvalid(f"The origin's manifest is larger than {limit} bytes.")
