"""Everything that is said in HTTP without asking anybody: problems, JSON, and CORS."""

import json
import re
from collections.abc import Collection, Mapping

from proxy.errors import PlaygateError
from proxy.model import Reply

PROBLEM_TYPE = "urn:playgate:problem:"
# Instead of aiohttp's, which tells every client the versions of what runs here.
SERVER = "playgate"
# Personal, or true for this moment only.
NO_STORE = ("Cache-Control", "no-store")
EXPOSED = (
    "Playgate-Stream, Playgate-Decision, Playgate-Streams, X-Request-Id, "
    "Retry-After, WWW-Authenticate, "
    "Content-Length, Content-Range, Accept-Ranges, Date"
)
# What a browser may keep a preflight's answer for; Chromium caps it at two hours.
PREFLIGHT_SECONDS = 7200
FIELD_NAMES = re.compile(r"[A-Za-z0-9-]+(\s*,\s*[A-Za-z0-9-]+)*", re.ASCII)


def problem(error: PlaygateError) -> Reply:
    """Give an error as problem+json (RFC 9457)."""
    document = {
        "type": PROBLEM_TYPE + error.code,
        "title": error.title,
        "status": error.status,
        "detail": error.detail,
        "code": error.code,
        **error.members(),
    }
    headers = (
        ("Content-Type", "application/problem+json"),
        NO_STORE,
        *error.headers.items(),
    )
    return Reply(error.status, headers, _written(document))


def json_reply(document: object, status: int = 200) -> Reply:
    """Give a JSON document that is true for this moment."""
    headers = (("Content-Type", "application/json"), NO_STORE)
    return Reply(status, headers, _written(document))


def _written(document: object) -> bytes:
    """Write JSON with a line end, for whoever reads it in a terminal."""
    return json.dumps(document).encode() + b"\n"


def empty_reply() -> Reply:
    """Give 204."""
    return Reply(204, (NO_STORE,))


class Cors:
    """Cross-origin resource sharing for web players (the Fetch standard, §3.2)."""

    def __init__(self, origins: Collection[str]) -> None:
        self._any = "*" in origins
        self._origins = frozenset(origins)

    def headers(self, request_headers: Mapping[str, str]) -> tuple[tuple[str, str], ...]:
        """Give the fields that let the asking page read a reply.

        Cookies are allowed only for pages that are listed by name: with ``*`` any page could
        act for a viewer who is logged in.
        """
        if self._any:
            return (
                ("Access-Control-Allow-Origin", "*"),
                ("Access-Control-Expose-Headers", EXPOSED),
            )
        asking = request_headers.get("Origin")
        if asking is None or asking not in self._origins:
            return (("Vary", "Origin"),)
        return (
            ("Access-Control-Allow-Origin", asking),
            ("Access-Control-Allow-Credentials", "true"),
            ("Access-Control-Expose-Headers", EXPOSED),
            ("Vary", "Origin"),
        )

    def preflight(self, request_headers: Mapping[str, str], methods: tuple[str, ...]) -> Reply:
        """Answer OPTIONS, which comes without a token."""
        wanted = request_headers.get("Access-Control-Request-Headers", "")
        named = FIELD_NAMES.fullmatch(wanted) is not None
        return Reply(
            204,
            (
                ("Allow", ", ".join(methods)),
                ("Access-Control-Allow-Methods", ", ".join(methods)),
                ("Access-Control-Max-Age", str(PREFLIGHT_SECONDS)),
                *((("Access-Control-Allow-Headers", wanted),) if named else ()),
            ),
        )
