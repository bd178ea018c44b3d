"""The last step of the walk: a template, a viewer's ticket, and as much of it as was asked for."""

from collections.abc import AsyncIterator, Iterator

from proxy.conditions import byte_range
from proxy.manifests.template import Template
from proxy.model import Reply, Request
from proxy.streams import Decision

# Bytes of a manifest that are made and sent in one go: more than all but long recordings have, and
# what a connection may hold for a client that does not read.
AT_ONCE = 256 * 1024


def rendered(request: Request, template: Template, ticket: str, decision: Decision) -> Reply:
    """Give the reply to a manifest request, or to a range of one (RFC 9110 §14)."""
    sealed = ticket.encode()
    size = template.size(sealed)
    headers = manifest_headers(template.content_type, decision)
    # No rendered manifest has a validator, so what is to be as before never is (RFC 9110 §13.1.5).
    wanted = None if "If-Range" in request.headers else request.headers.get("Range")
    status, part = 200, byte_range(wanted, size)
    if part is None or request.method == "HEAD":
        part = range(size)
    elif not part:
        return Reply(416, (*headers, ("Content-Range", f"bytes */{size}")))
    else:
        shown = ("Content-Range", f"bytes {part.start}-{part.stop - 1}/{size}")
        status, headers = 206, (*headers, shown)
    if len(part) == size <= AT_ONCE:
        return Reply(status, headers, template.render(sealed))
    pieces = template.pieces(sealed, part)
    if len(part) <= AT_ONCE:
        return Reply(status, headers, b"".join(pieces))
    length = ("Content-Length", str(len(part)))
    return Reply(status, (*headers, length), stream=_each(pieces))


async def _each(pieces: Iterator[bytes]) -> AsyncIterator[bytes]:
    for piece in pieces:
        yield piece


def manifest_headers(content_type: str, decision: Decision) -> tuple[tuple[str, str], ...]:
    """Give the fields that come with a manifest."""
    return (
        ("Content-Type", content_type),
        ("Cache-Control", "no-store"),
        ("Accept-Ranges", "bytes"),
        *decision_headers(decision),
    )


def decision_headers(decision: Decision) -> tuple[tuple[str, str], ...]:
    """Give the fields that tell a player what was decided."""
    return (
        ("Playgate-Stream", decision.stream),
        ("Playgate-Decision", decision.outcome),
        ("Playgate-Streams", f"{decision.active}/{decision.limit}"),
    )
