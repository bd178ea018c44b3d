"""A real origin to stand behind the proxy; tests set what it serves, and it keeps count."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self

from aiohttp import web

HLS = "application/vnd.apple.mpegurl"
DASH = "application/dash+xml"

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@dataclass
class TestOrigin:
    """An aiohttp server on a free port of loopback."""

    __test__ = False  # a helper, whatever pytest thinks of its name

    answers: dict[str, web.Response | Handler | tuple[str, str | bytes]] = field(
        default_factory=dict
    )
    requests: list[web.BaseRequest] = field(default_factory=list)
    port: int = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def paths(self) -> list[str]:
        """What was asked for, query included, in order."""
        return [request.raw_path for request in self.requests]

    async def _answer(self, request: web.BaseRequest) -> web.StreamResponse:
        self.requests.append(request)
        answer = self.answers.get(request.path)
        match answer:
            case None:
                return web.Response(status=404, text="nothing here")
            case (content_type, body):
                raw = body.encode() if isinstance(body, str) else body
                return web.Response(body=raw, headers={"Content-Type": content_type})
            case web.Response():
                return web.Response(status=answer.status, body=answer.body, headers=answer.headers)
            case _:
                return await answer(request)  # type: ignore[arg-type]  # set by tests

    async def __aenter__(self) -> Self:
        self._runner = web.ServerRunner(web.Server(self._answer, access_log=None))
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", self.port).start()
        self.port = self._runner.addresses[0][1]
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self._runner.cleanup()
