"""What the origin was asked: the witness that a refused stream never reached it."""

from collections import deque
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass

from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

from proxy.listing import rfc3339
from proxy.model import Clock

# Some minutes of a dozen players. A ring: a demo that is left running must not grow.
CAPACITY = 2000
LOG_PATH = "/_log"


@dataclass(frozen=True, slots=True)
class Entry:
    """One request the origin answered; ``number`` counts them from 1.

    ``headers`` are kept for tests (does a token ever get here?) and never shown.
    """

    number: int
    at_ms: int
    method: str
    path: str
    query: str
    status: int
    headers: tuple[tuple[str, str], ...]

    def as_json(self) -> dict[str, object]:
        """Give what may be shown."""
        return {
            "number": self.number,
            "at": rfc3339(self.at_ms),
            "method": self.method,
            "path": self.path,
            "status": self.status,
        }


class RequestLog:
    """The last requests, oldest first."""

    def __init__(self, clock: Clock, capacity: int = CAPACITY) -> None:
        self._clock = clock
        self._entries: deque[Entry] = deque(maxlen=capacity)
        self.total = 0

    def __iter__(self) -> Iterator[Entry]:
        return iter(tuple(self._entries))

    def after(self, number: int, limit: int) -> list[Entry]:
        """Give at most ``limit`` of the newest entries that came after one."""
        newer = [entry for entry in self._entries if entry.number > number]
        return newer[-limit:] if limit > 0 else []

    def middleware(self) -> Middleware:
        """Give the middleware that writes this log; looking at the log does not fill it."""

        @web.middleware
        async def log_request(request: web.Request, handler: Handler) -> web.StreamResponse:
            if request.path == LOG_PATH:
                return await handler(request)
            try:
                response = await handler(request)
            except web.HTTPException as error:
                self._note(request, error.status)
                raise
            self._note(request, response.status)
            return response

        return log_request

    def _note(self, request: web.Request, status: int) -> None:
        self.total += 1
        self._entries.append(
            Entry(
                number=self.total,
                at_ms=int(self._clock() * 1000),
                method=request.method,
                path=request.rel_url.raw_path,
                query=request.rel_url.raw_query_string,
                status=status,
                headers=tuple(request.headers.items()),
            )
        )


JsonHandler = Callable[[web.Request], Awaitable[web.Response]]


def log_handler(log: RequestLog) -> JsonHandler:
    """Give the handler that shows a log as JSON; ``?after=N&limit=M`` continues from entry N."""

    async def show(request: web.Request) -> web.Response:
        try:
            after = int(request.query.get("after", 0))
            limit = min(int(request.query.get("limit", CAPACITY)), CAPACITY)
        except ValueError as error:
            raise web.HTTPBadRequest(text="after and limit are numbers\n") from error
        entries = [entry.as_json() for entry in log.after(after, limit)]
        return web.json_response(
            {"total": log.total, "requests": entries}, headers={"Cache-Control": "no-store"}
        )

    return show
