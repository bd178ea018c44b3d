"""The demo's page and what it needs: login, catalogue, posters, players, the origin's log.

Everything lies under ``/demo/`` and comes from this machine. The page is served under a strict
Content Security Policy: nothing inline, nothing foreign.
"""

import json
from collections.abc import Mapping
from pathlib import Path

from aiohttp import web

from proxy.demo.issuer import TOKEN_SECONDS, VIEWERS, Issuer, UnknownViewer
from proxy.demo.library import Title
from proxy.demo.request_log import RequestLog, log_handler

PAGE = Path(__file__).parent / "page"
COOKIE = "session"
# The players are development dependencies from npm; the demo runs without them as well.
PLAYERS = {
    "hls": Path("hls.js/dist/hls.min.js"),
    "shaka": Path("shaka-player/dist/shaka-player.compiled.js"),
    "dash": Path("dashjs/dist/modern/umd/dash.all.min.js"),
    "videojs": Path("video.js/dist/video.min.js"),
}
CHECKOUT = Path(__file__).parents[2]
HEADERS = {
    # blob: is how Media Source Extensions hand their media to a <video>, and how hls.js and
    # video.js start their workers: with code of their own, which script-src has let in.
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "
        "connect-src 'self'; media-src 'self' blob:; worker-src blob:; base-uri 'none'; "
        "form-action 'none'; frame-ancestors 'none'"
    ),
    "Cross-Origin-Opener-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}
FILE_TYPES = {".html": "text/html", ".css": "text/css", ".js": "text/javascript"}


def build_site(
    issuer: Issuer,
    titles: Mapping[str, Title],
    log: RequestLog,
    modules: Path = CHECKOUT / "node_modules",
) -> web.Application:
    """Build the site's application; ``modules`` is the folder npm installs players into."""
    site = Site(issuer, titles, modules)
    app = web.Application()
    app.on_response_prepare.append(_add_headers)
    app.add_routes(
        [
            web.get("/", site.home),
            web.get("/demo/", site.page),
            web.get("/demo/login", site.login),
            web.get("/demo/catalogue", site.catalogue),
            web.get("/demo/origin-log", log_handler(log)),
            web.get("/demo/posters/{title}.jpg", site.poster),
            web.get("/demo/npm/{player}.js", site.player),
            web.get("/demo/{file:.+}", site.page),
        ]
    )
    return app


class Site:
    """The handlers."""

    def __init__(self, issuer: Issuer, titles: Mapping[str, Title], modules: Path) -> None:
        self._issuer = issuer
        self._titles = titles
        self._modules = modules
        files = (path for path in PAGE.rglob("*") if path.is_file())
        self._files = {path.relative_to(PAGE).as_posix(): path for path in files}

    async def home(self, _: web.Request) -> web.Response:
        """Lead to the page, whose links are relative to ``/demo/``."""
        raise web.HTTPFound("/demo/")

    async def page(self, request: web.Request) -> web.Response:
        """Serve one of the page's files."""
        path = self._files.get(request.match_info.get("file", "index.html"))
        if path is None:
            raise web.HTTPNotFound(text="There is no such file.\n")
        return _file(path)

    async def player(self, request: web.Request) -> web.Response:
        """Serve a player's script, if npm installed it."""
        path = self._player_path(request.match_info["player"])
        if path is None:
            raise web.HTTPNotFound(text="Not installed: run `make node`.\n")
        return _file(path)

    async def poster(self, request: web.Request) -> web.Response:
        """Serve a title's picture."""
        title = self._titles.get(request.match_info["title"])
        if title is None:
            raise web.HTTPNotFound(text="There is no such title.\n")
        return web.Response(body=title.poster, content_type="image/jpeg")

    async def catalogue(self, _: web.Request) -> web.Response:
        """Say what can be watched, by whom, and with which players."""
        document = {
            "titles": [
                {"slug": title.slug, "name": title.name, "line": title.line}
                for title in self._titles.values()
            ],
            "viewers": [
                {"user": viewer.user, "name": viewer.name, "plan": viewer.plan}
                | {"limit": viewer.limit}
                for viewer in VIEWERS.values()
            ],
            "players": {name: self._player_path(name) is not None for name in PLAYERS},
        }
        return web.json_response(document, headers={"Cache-Control": "no-store"})

    async def login(self, request: web.Request) -> web.Response:
        """Issue a token: as JSON and a session cookie, or bare with ``format=text`` for a shell."""
        user = request.query.get("user", "")
        try:
            token = self._issuer.token(user, request.query.get("device", ""))
        except UnknownViewer as error:
            return _problem(404, "unknown_viewer", str(error))
        except ValueError as error:
            return _problem(400, "bad_request", str(error))
        headers = {"Cache-Control": "no-store"}
        if request.query.get("format") == "text":
            return web.Response(text=token, headers=headers)
        viewer = VIEWERS[user]
        response = web.json_response(
            {
                "token": token,
                "token_type": "Bearer",
                "expires_in": TOKEN_SECONDS,
                "viewer": {"user": user, "name": viewer.name, "plan": viewer.plan},
                "limit": viewer.limit,
            },
            headers=headers,
        )
        response.set_cookie(
            COOKIE, token, max_age=TOKEN_SECONDS, path="/", httponly=True, samesite="Lax"
        )
        return response

    def _player_path(self, name: str) -> Path | None:
        relative = PLAYERS.get(name)
        path = self._modules / relative if relative else None
        return path if path and path.is_file() else None


def _file(path: Path) -> web.Response:
    kind = FILE_TYPES.get(path.suffix, "image/svg+xml")
    charset = None if path.suffix == ".svg" else "utf-8"
    # Revalidation is not worth its code on one machine; a changed file must show at once.
    headers = {"Cache-Control": "no-cache"}
    return web.Response(body=path.read_bytes(), content_type=kind, charset=charset, headers=headers)


def _problem(status: int, code: str, detail: str) -> web.Response:
    """Answer in the proxy's own form of an error (RFC 9457)."""
    document = {"title": detail, "status": status, "detail": detail, "code": code}
    return web.Response(
        status=status,
        text=json.dumps(document),
        content_type="application/problem+json",
        headers={"Cache-Control": "no-store"},
    )


async def _add_headers(_: web.Request, response: web.StreamResponse) -> None:
    for name, value in HEADERS.items():
        response.headers.setdefault(name, value)
