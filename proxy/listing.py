"""How a stream is shown: to its viewer, to operators, and in a refusal."""

from datetime import UTC, datetime

from proxy.streams import Stream

CONFLICT_MEMBERS = ("id", "content", "device", "started_at", "last_seen_at")


def as_json(stream: Stream) -> dict[str, object]:
    """Give the listing's form: times as RFC 3339 in UTC."""
    return {
        "id": stream.id,
        "content": stream.content,
        "route": stream.route,
        "device": stream.device,
        "started_at": rfc3339(stream.started_ms),
        "last_seen_at": rfc3339(stream.seen_ms),
        "expires_at": rfc3339(stream.expires_ms),
        "beats": stream.beats,
        "kind": _kind(stream),
    }


def _kind(stream: Stream) -> str | None:
    """Give ``vod`` or ``live``; None before its first beat, for till then live may be a guess."""
    if stream.on_demand:
        return "vod"
    return "live" if stream.beats else None


def as_conflict(stream: Stream) -> dict[str, object]:
    """Give the form a refusal lists: what a person needs to tell their streams apart."""
    listed = as_json(stream)
    return {key: listed[key] for key in CONFLICT_MEMBERS}


def rfc3339(instant_ms: int) -> str:
    """Write an instant (milliseconds since the epoch) as RFC 3339 in UTC, to the millisecond."""
    moment = datetime.fromtimestamp(instant_ms / 1000, UTC)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")
