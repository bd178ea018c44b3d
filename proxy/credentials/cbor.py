"""Just as much CBOR (RFC 8949) as a Common Access Token is made of, read within bounds.

What comes here was made by anybody: nothing is verified before it is read. A general decoder builds
decimals, dates, regular expressions and shared references of what it reads; here a tag is a number
beside a value. Everything has a definite length, and no name stands twice in a map.

Of general decoders, cbor2 5 cannot be told so. cbor2 6 can (``semantic_decoders``, ``max_depth``,
``allow_duplicate_keys``), but cwt 3.3 asks for ``cbor2<6``, and reads no message in bytes with 6.
"""

import struct
from dataclasses import dataclass
from typing import TypeAlias

# Claims of claims of claims: catu in a claim set is four deep, its COSE envelope six.
MAX_DEPTH = 8
MAX_ITEMS = 1024

Value: TypeAlias = (
    "int | float | bool | bytes | str | list[Value] | dict[int | str, Value] | Tag | None"
)

SIMPLE = {20: False, 21: True, 22: None}
FLOATS = {25: ">e", 26: ">f", 27: ">d"}


@dataclass(frozen=True, slots=True)
class Tag:
    """A tagged value (RFC 8949 §3.4), whatever the tag means."""

    number: int
    value: Value


def read(data: bytes, *, tags: bool = True) -> Value:
    """Read one item that is the whole of the data; ``tags`` says whether anything may be tagged.

    Raises:
        ValueError: it is none, has an indefinite length, is nested too deeply, or holds what a
            token has no use for.
    """
    reader = _Reader(data, tags=tags)
    value = reader.item(0)
    if reader.position != len(data):
        raise ValueError("something follows the item")
    return value


class _Reader:
    def __init__(self, data: bytes, *, tags: bool) -> None:
        self._data = data
        self._tags = tags
        self._items = 0
        self.position = 0

    def item(self, depth: int) -> Value:
        self._items += 1
        if depth > MAX_DEPTH or self._items > MAX_ITEMS:
            raise ValueError("nested too deeply, or too many items")
        initial = self._take(1)[0]
        major, info = initial >> 5, initial & 31
        if major == 7:
            return self._simple(info)
        number = self._number(info)
        if major < 2:
            return number if major == 0 else -1 - number
        if major < 4:
            raw = self._take(number)
            return raw if major == 2 else raw.decode("utf-8")
        return self._container(major, number, depth + 1)

    def _container(self, major: int, number: int, depth: int) -> Value:
        if major == 4:
            return [self.item(depth) for _ in range(self._count(number))]
        if major == 5:
            return self._map(self._count(number), depth)
        if not self._tags:
            raise ValueError("a tag where there may be none")
        return Tag(number, self.item(depth))

    def _map(self, count: int, depth: int) -> Value:
        found: dict[int | str, Value] = {}
        for _ in range(count):
            name = self.item(depth)
            if not isinstance(name, int | str) or isinstance(name, bool) or name in found:
                raise ValueError("a name in a map is no number or text, or stands there twice")
            found[name] = self.item(depth)
        return found

    def _simple(self, info: int) -> Value:
        if info in FLOATS:
            number: float = struct.unpack(FLOATS[info], self._take(1 << (info - 24)))[0]
            return number
        if info not in SIMPLE:
            raise ValueError("a simple value that is not known")
        return SIMPLE[info]

    def _number(self, info: int) -> int:
        """Read an argument (RFC 8949 §3): in the initial byte, or in 1, 2, 4 or 8 after it."""
        if info < 24:
            return info
        if info > 27:
            raise ValueError("an indefinite length, or none that is known")
        return int.from_bytes(self._take(1 << (info - 24)))

    def _count(self, number: int) -> int:
        """Check a number of items before they are looked for."""
        if number > len(self._data) - self.position:
            raise ValueError("the data end too soon")
        return number

    def _take(self, length: int) -> bytes:
        taken = self._data[self.position : self.position + length]
        if len(taken) < length:
            raise ValueError("the data end too soon")
        self.position += length
        return taken
