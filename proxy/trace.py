"""What a request is known by on every server it comes to. Pure.

Its id, for logs, and the trace that it is a part of (W3C Trace Context, Recommendation of 2021, and
the second level where that allows more). Both may be the word of anybody at all, and go into logs,
into header fields and to origins: what is not of the form it should have is as if it were not
there, and nothing that is kept is longer than a line of a log.
"""

import re
from collections.abc import Sequence

from proxy.values import value

# Id and trace id fit an exemplar together, which has 128 characters for names and values
# (OpenMetrics 1.0, Exemplars). What proxies make is shorter: a UUID, a few numbers in hex. No token
# fits: the least that is signed with HS256 has 66.
MAX_REQUEST_ID = 64
REQUEST_ID = re.compile(rf"[0-9A-Za-z._:/@+=-]{{1,{MAX_REQUEST_ID}}}", re.ASCII)

# §3.2.2. Version ff is none, and only lower case is hex. What a later one adds is not read.
TRACEPARENT = re.compile(
    r"(?!ff)([0-9a-f]{2})-(?!0{32})([0-9a-f]{32})-(?!0{16})([0-9a-f]{16})-([0-9a-f]{2})(-.*)?",
    re.ASCII,
)
SAMPLED = 0x01  # §3.2.2.5
# The second level's flag that the trace id is random; others mean nothing yet, and are to be 0.
KNOWN_FLAGS = SAMPLED | 0x02

# §3.3.1, a key as the second level has it; both levels' are of this form.
MEMBER = re.compile(
    r"[a-z0-9][a-z0-9_*/@-]{0,255}=[\x20-\x2b\x2d-\x3c\x3e-\x7e]{0,255}[\x21-\x2b\x2d-\x3c\x3e-\x7e]",
    re.ASCII,
)
MAX_MEMBERS = 32  # §3.3.1.1
# §3.3.1.5: so much must be passed on, and of more the longest members go first. A manifest is
# fetched for many with the fields of one, who must not be able to make that too large to be served.
MAX_STATE = 512
LONG_MEMBER = 128


@value(frozen=True, slots=True)
class TraceContext:
    """A place in a trace: the trace's id, the id of a span in it, both in hex, and the flags.

    ``state`` is the ``tracestate``, empty where there is none. ``trusted``: it is the word of one
    that we trust, on whether the trace is to be recorded, too.
    """

    trace_id: str
    span_id: str
    flags: int = 0
    state: str = ""
    trusted: bool = False

    @property
    def is_sampled(self) -> bool:
        """Whether somebody records the trace, or may."""
        return bool(self.flags & SAMPLED)

    @property
    def traceparent(self) -> str:
        """The field that passes it on (§3.2), by the version known here."""
        return f"00-{self.trace_id}-{self.span_id}-{self.flags:02x}"


@value(frozen=True, slots=True)
class Trace:
    """A request's id, and its place in a trace where it has one."""

    request_id: str
    context: TraceContext | None = None


# Of a request that nobody knows by anything.
UNTRACED = Trace("")


def request_id(ids: Sequence[str]) -> str | None:
    """Give a request's id, from the fields it came in; None unless there is one, well-formed."""
    return ids[0] if len(ids) == 1 and REQUEST_ID.fullmatch(ids[0]) else None


def trace_context(
    parents: Sequence[str], states: Sequence[str], *, trusted: bool = False
) -> TraceContext | None:
    """Read the fields ``traceparent`` and ``tracestate``, each as often as it came.

    None where there is no ``traceparent``, or none that is valid: then the other says nothing.
    """
    found = TRACEPARENT.fullmatch(parents[0]) if len(parents) == 1 else None
    if found is None:
        return None
    version, trace_id, span_id, flags, rest = found.groups()
    if version == "00" and rest:
        return None
    return TraceContext(
        trace_id, span_id, int(flags, 16) & KNOWN_FLAGS, _state(states), trusted=trusted
    )


def _state(lines: Sequence[str]) -> str:
    """Give a ``tracestate`` in one line, and no longer than it is passed on (§3.3, §3.3.1.5)."""
    members = [member for part in ",".join(lines).split(",") if (member := part.strip(" \t"))]
    if len(members) > MAX_MEMBERS or not all(map(MEMBER.fullmatch, members)):
        return ""
    if _length(members) > MAX_STATE:
        members = [member for member in members if len(member) <= LONG_MEMBER]
    while _length(members) > MAX_STATE:
        members.pop()
    return ",".join(members)


def _length(members: list[str]) -> int:
    return sum(map(len, members)) + max(0, len(members) - 1)
