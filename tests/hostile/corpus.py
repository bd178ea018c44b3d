"""Requests that no honest client sends, one case each, and what is to come of them.

``requests.yaml`` has them, in groups. ``raw`` is what is sent, each character a byte (YAML's
``\\xff`` is the byte 255), in which is put in for

    {open}       a segment that needs no ticket, so that whatever goes on is seen at the origin
    {beat}       a playlist that was asked for before, with its ticket: the fast path's
    {64KiB}      that much of the letter x
    {fields N}   so many fields
    {chunks N}   so many chunks of one byte

``expect`` is what becomes of it:

    refused   it is answered with an error, nothing of it reaches the origin, and what stands behind
              it on the connection is answered as if it stood alone
    closed    it is refused, and nothing behind it is read: the connection ends
    passed    exactly one request reaches the origin, for ``origin``, without a body; what stands
              behind is answered
    answered  the same, and the origin need not be asked
    ends      it is passed, and says itself that it is the last; where something stands behind it in
              the same piece, it is closed
    waits     it is not whole: it is passed, and what stands behind it is taken for its body

No word ``evil`` may reach the origin, or the client again. ``status`` is what it is answered with;
``last: true`` says that the connection ends after one that was refused, passed or answered.
"""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import yaml

FILE = Path(__file__).with_name("requests.yaml")
OPEN = "/open/a.ts"
FILLER = re.compile(rb"\{(64KiB|fields|chunks)(?: (\d+))?\}")

Expected = Literal["refused", "closed", "passed", "answered", "ends", "waits"]


@dataclass(frozen=True)
class Case:
    """A request, and what is to come of it."""

    name: str
    raw: bytes
    expect: Expected
    status: int
    origin: str
    last: bool

    def written(self, beat: str) -> bytes:
        """Give the bytes to send; ``beat`` is the target of one."""
        raw = self.raw.replace(b"{open}", OPEN.encode()).replace(b"{beat}", beat.encode())
        return FILLER.sub(_filled, raw)


def _filled(found: re.Match[bytes]) -> bytes:
    number = int(found[2] or 0)
    if found[1] == b"fields":
        return b"".join(b"X-Field-%d: x\r\n" % each for each in range(number))
    return b"1\r\nx\r\n" * number if found[1] == b"chunks" else b"x" * 65536


def _case(written: dict[str, Any]) -> Case:
    expect = written["expect"]
    usual = 400 if expect in ("refused", "closed") else 200
    return Case(
        name=written["name"],
        raw=written["raw"].encode("latin-1"),
        expect=expect,
        status=written.get("status", usual),
        origin=written.get("origin", OPEN),
        last=written.get("last", expect in ("closed", "ends", "waits")),
    )


def load() -> tuple[Case, ...]:
    """Read the corpus."""
    groups = yaml.safe_load(FILE.read_text())
    return tuple(_case(each) for cases in groups.values() for each in cases)
