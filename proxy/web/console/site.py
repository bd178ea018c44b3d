"""Serves the operators' page: ``/`` of the admin port, and the files it is made of.

The page is the same for everybody and needs no token; what it shows comes from the admin API, which
does. A few small files, read once, so that nothing of the file system can be asked for by a path.
"""

import hashlib
from pathlib import Path

from aiohttp import ETag, hdrs, web

from proxy.web.replies import SERVER

PAGE = Path(__file__).parent / "page"
INDEX = "index.html"
TYPES = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}
HEADERS = {
    # Nothing inline, nothing foreign, and no text ever taken for markup: what the page shows of
    # viewers (devices, titles) is what their players said.
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
        "img-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; "
        "require-trusted-types-for 'script'; trusted-types 'none'"
    ),
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    # Kept, and asked for again each time: all files of a page are of one version.
    "Cache-Control": "no-cache",
    "Server": SERVER,
}


class ConsolePage:
    """The page's files, in memory."""

    def __init__(self) -> None:
        self._files = {path.name: _File(path) for path in PAGE.iterdir() if path.suffix in TYPES}

    def routes(self) -> list[web.RouteDef]:
        """Give the routes; every file lies under ``/console/``, where the page looks for it."""
        return [web.get("/", self._index), web.get("/console/{file}", self._file)]

    async def _index(self, request: web.Request) -> web.Response:
        return self._files[INDEX].reply(request)

    async def _file(self, request: web.Request) -> web.Response:
        file = self._files.get(request.match_info["file"])
        if file is None:
            raise web.HTTPNotFound
        return file.reply(request)


class _File:
    """One file, with a strong validator (RFC 9110 §8.8.1)."""

    def __init__(self, path: Path) -> None:
        self._body = path.read_bytes()
        self._type = TYPES[path.suffix]
        self._etag = hashlib.sha256(self._body).hexdigest()[:32]

    def reply(self, request: web.Request) -> web.Response:
        """Answer 200, or 304 to who has it already (RFC 9110 §13.1.2)."""
        held = request.if_none_match or ()
        known = any(tag.value in (self._etag, "*") for tag in held)
        reply = web.Response(status=304) if known else web.Response(body=self._body)
        reply.headers.update(HEADERS)
        reply.etag = ETag(self._etag)
        if not known:
            reply.headers[hdrs.CONTENT_TYPE] = self._type
        return reply
