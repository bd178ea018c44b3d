"""The last step of the walk: a template, a viewer's ticket, and as much of it as was asked for."""

from proxy.conditions import byte_range
from proxy.manifests.template import Template
from proxy.model import Reply, Request
from proxy.streams import Decision


def rendered(request: Request, template: Template, ticket: str, decision: Decision) -> Reply:
    """Give the reply to a manifest request, or to a range of one (RFC 9110 §14)."""
    body = template.render(ticket.encode())
    headers = (
        ("Content-Type", template.content_type),
        ("Cache-Control", "no-store"),
        ("Accept-Ranges", "bytes"),
        *decision_headers(decision),
    )
    part = byte_range(request.headers.get("Range"), len(body))
    if part is None or request.method == "HEAD":
        return Reply(200, headers, body)
    if not part:
        return Reply(416, (*headers, ("Content-Range", f"bytes */{len(body)}")))
    shown = ("Content-Range", f"bytes {part.start}-{part.stop - 1}/{len(body)}")
    return Reply(206, (*headers, shown), body[part.start : part.stop])


def decision_headers(decision: Decision) -> tuple[tuple[str, str], ...]:
    """Give the fields that tell a player what was decided."""
    return (
        ("Playgate-Stream", decision.stream),
        ("Playgate-Decision", decision.outcome),
        ("Playgate-Streams", f"{decision.active}/{decision.limit}"),
    )
