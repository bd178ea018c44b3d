"""The heads of replies, byte for byte as aiohttp would write them."""

from collections.abc import Iterable
from email.utils import formatdate
from functools import lru_cache
from http import HTTPStatus
from time import time

from multidict import CIMultiDict

from proxy.rendering import manifest_headers
from proxy.streams import Decision, Outcome
from proxy.web.replies import SERVER

# Heads that are kept, each for all viewers: types of manifests, numbers of streams.
MAX_HEADS = 4096
# Stands for a stream's id, and can be none.
ANY_STREAM = "\n"
# An origin may have statuses of its own.
PHRASES = {status.value: status.phrase for status in HTTPStatus}
# Answers that have no body, and so no length (RFC 9110 §8.6); aiohttp says the same.
BODILESS = frozenset({204, 304})


class Date:
    """Writes what time it is, once a second (RFC 9110 §5.6.7)."""

    __slots__ = ("_date", "_dated")

    def __init__(self) -> None:
        self._date, self._dated = b"", 0

    def __call__(self) -> bytes:
        """Give the value of ``Date``."""
        now = int(time())
        if now != self._dated:
            self._date, self._dated = formatdate(now, usegmt=True).encode(), now
        return self._date


@lru_cache(MAX_HEADS)
def manifest_head(content_type: str, active: int, limit: int) -> tuple[bytes, bytes]:
    """Write the head of manifests for who goes on, up to the request's id: around the stream's."""
    decision = Decision(Outcome.RENEWED, ANY_STREAM, 0, active, limit, "", active, active)
    before, after = head(200, manifest_headers(content_type, decision)).split(
        ANY_STREAM.encode() + b"\r\n"
    )
    return before, b"\r\n" + after


def head(status: int, fields: Iterable[tuple[str, str]]) -> bytes:
    """Write a head up to the request's id."""
    return f"{_line(status)}{_written((*fields, ('Server', SERVER)))}X-Request-Id: ".encode()


@lru_cache(1024)
def tail(cors: tuple[tuple[str, str], ...]) -> bytes:
    """Write what is the same for all who ask from the same page, behind the request's id."""
    return f"\r\n{_written(cors)}Content-Length: ".encode()


def whole(
    status: int, fields: CIMultiDict[str], length: int, date: bytes, *, is_last: bool
) -> bytes:
    """Write all of a head, of a reply with a body of so many bytes.

    Raises:
        ValueError: a field holds a line end, and would be more than one.
    """
    if status in BODILESS:
        fields.popall("Content-Length", None)
    else:
        fields["Content-Length"] = str(length)
        if length:
            fields.setdefault("Content-Type", "application/octet-stream")
    fields.setdefault("Date", date.decode())  # an origin's own is of its answer
    if is_last:
        fields["Connection"] = "close"
    written = _written(fields.items())
    if not written.count("\r") == written.count("\n") == len(fields):
        raise ValueError("a field of a reply holds a line end")
    return f"{_line(status)}{written}\r\n".encode("utf-8", "surrogateescape")


def _line(status: int) -> str:
    return f"HTTP/1.1 {status} {PHRASES.get(status, '')}\r\n"


def _written(fields: Iterable[tuple[str, str]]) -> str:
    return "".join([f"{name}: {value}\r\n" for name, value in fields])
