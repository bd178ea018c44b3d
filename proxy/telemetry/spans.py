"""Spans: where the time of one request goes, for whoever records that.

This is all that the rest knows of it, so that nothing else depends on how, or whether. Nothing here
ever waits, or raises.
"""

from typing import Protocol

from proxy.telemetry.notes import Notes
from proxy.trace import TraceContext
from proxy.values import value


@value(frozen=True, slots=True)
class Call:
    """What a server is asked: ``server`` is its address, ``path`` what it is asked for there.

    ``again`` counts the attempts that failed before.
    """

    method: str
    scheme: str
    host: str
    port: int
    path: str
    again: int = 0


class RequestSpan(Protocol):
    """That of a request to us."""

    context: TraceContext | None
    """Its place in a trace, for those that are asked on its behalf."""

    def end(self, notes: Notes) -> None:
        """Say what became of it, once its reply was sent."""


class PhaseSpan(Protocol):
    """That of a phase of a request."""

    def end(self, error: BaseException | None) -> None:
        """Say that it is over, and what it was ended by, if that is an error."""


class CallSpan(Protocol):
    """That of a request to another server."""

    context: TraceContext | None
    """Its place in a trace, for that server."""

    def end(self, status: int | None, result: str) -> None:
        """Say what came of it: a status, where an answer began, and whether that could be used."""


class Spans(Protocol):
    """Records spans. What is begun while a request is answered belongs to that request."""

    def request(self, came: TraceContext | None) -> RequestSpan:
        """Begin the span of a request, a part of the trace it came with."""

    def phase(self, name: str) -> PhaseSpan | None:
        """Begin a phase; None where the request is not recorded."""

    def call(self, context: TraceContext | None, call: Call) -> CallSpan:
        """Begin a request to another server, for one to us that has this context."""

    def note(self, name: str, value: str) -> None:
        """Note something about the request that is being answered."""

    async def close(self) -> None:
        """Send what is left, in bounded time."""


class Unrecorded:
    """A span that is none; its context goes on."""

    __slots__ = ("context",)

    def __init__(self, context: TraceContext | None) -> None:
        self.context = context

    def end(self, *_: object) -> None:
        """Do nothing."""


class NoSpans:
    """Records nothing."""

    def request(self, came: TraceContext | None) -> RequestSpan:
        """Pass the context on."""
        return Unrecorded(came)

    def phase(self, _name: str, /) -> None:
        """Do nothing."""

    def call(self, context: TraceContext | None, _call: Call, /) -> CallSpan:
        """Pass the context on."""
        return Unrecorded(context)

    def note(self, _name: str, _value: str, /) -> None:
        """Do nothing."""

    async def close(self) -> None:
        """Do nothing."""
