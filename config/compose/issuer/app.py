"""The issuer's HTTP: login form, session cookie, logout, and the published keys.

No form of another site can be sent in a viewer's name: a browser says where a request comes from,
and one from elsewhere is refused. That covers logging in as well as logging out.
"""

import asyncio
import hashlib
import re
import secrets
import time
from collections.abc import Awaitable, Callable
from urllib.parse import parse_qsl

from aiohttp import ClientError, ETag, hdrs, web

from issuer.keys import MAX_AGE, SigningKeys
from issuer.pages import STYLE, login_page, me_page
from issuer.playgate import NotRevoked, Playgate
from issuer.sessions import SESSION_SECONDS, Session, Sessions
from issuer.settings import Settings
from issuer.users import User, Users

# Playgate looks for the token in a cookie of this name (auth.cookie).
SESSION_COOKIE = "session"
# Which browser this is. It outlives the session, so that who comes back is the same device.
DEVICE_COOKIE = "device"
DEVICE_SECONDS = 365 * 86400
DEVICE = re.compile(r"[A-Za-z0-9_-]{22}", re.ASCII)
# A name and a password, which a browser sends in one go.
MAX_FORM_BYTES = 4096
FORM_SECONDS = 10
# Each takes 16 MiB and a core for a while. Who would wait for longer than a few seconds is told so.
PASSWORDS_AT_ONCE, MAX_LOGINS = 2, 20
HEADERS = {
    "Content-Security-Policy": "default-src 'none'; style-src 'self'; form-action 'self'; "
    "base-uri 'none'; frame-ancestors 'none'",
    "Cache-Control": "no-store",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


def build(settings: Settings) -> tuple[web.Application, SigningKeys]:
    """Build the application, and the keys it signs with.

    Raises:
        OSError, ValueError: users or keys cannot be read.
    """
    keys = SigningKeys(settings.keys, SESSION_SECONDS, time.time)
    handlers = Issuer(settings, keys)
    app = web.Application(middlewares=[refuse_other_sites], client_max_size=MAX_FORM_BYTES)
    app.on_response_prepare.append(_add_headers)
    app.add_routes(
        [
            web.get("/", handlers.home),
            web.get("/login", handlers.form),
            web.post("/login", handlers.log_in),
            web.get("/me", handlers.me),
            web.post("/logout", handlers.log_out),
            web.post("/logout/everywhere", handlers.log_out_everywhere),
            web.get("/.well-known/jwks.json", handlers.jwks),
            web.get("/style.css", handlers.style),
        ]
    )
    return app, keys


class Issuer:
    """The handlers."""

    def __init__(self, settings: Settings, keys: SigningKeys) -> None:
        self._settings = settings
        self._keys = keys
        self._users = Users.load(settings.users)
        self._sessions = Sessions(
            keys, issuer=settings.url, audience=settings.audience, clock=time.time
        )
        self._playgate = Playgate(settings.playgate_admin_url, settings.playgate_admin_token)
        self._passwords = asyncio.Semaphore(PASSWORDS_AT_ONCE)
        self._logins = 0

    async def home(self, _: web.Request) -> web.Response:
        """Lead to the account, and so to the login form."""
        raise web.HTTPSeeOther("/me")

    async def form(self, _: web.Request) -> web.Response:
        """Show the login form."""
        return _html(login_page())

    async def log_in(self, request: web.Request) -> web.Response:
        """Check name and password, and start a session of this browser."""
        fields = await _fields(request)
        name, password = fields.get("user", ""), fields.get("password", "")
        user = await self._authenticated(name, password)
        if user is None:
            page = login_page(name, "Name and password do not belong together.")
            return _html(page, status=403)
        device = request.cookies.get(DEVICE_COOKIE, "")
        if not DEVICE.fullmatch(device):
            device = secrets.token_urlsafe(16)
        response = _see_other("/me")
        # For this host alone: nobody else has to know which browser it is.
        self._set_cookie(response, DEVICE_COOKIE, device, DEVICE_SECONDS)
        token, domain = self._sessions.start(user, device), self._settings.cookie_domain
        self._set_cookie(response, SESSION_COOKIE, token, SESSION_SECONDS, domain)
        return response

    async def me(self, request: web.Request) -> web.Response:
        """Show who is logged in."""
        session = self._session(request)
        return _html(me_page(session, self._settings.watch_url))

    async def log_out(self, request: web.Request) -> web.Response:
        """End this session, what plays by it included."""
        session = self._session(request)
        try:
            await self._playgate.revoke(session)
        except NotRevoked as error:
            return self._still_logged_in(session, error)
        self._sessions.end(session)
        return self._logged_out()

    async def log_out_everywhere(self, request: web.Request) -> web.Response:
        """End all sessions of this user, what plays by them included."""
        session = self._session(request)
        # Not Playgate's "now": of the same clock as the tokens, so none of them is after it.
        now = time.time()
        try:
            await self._playgate.revoke_all(session.user.name, now)
        except NotRevoked as error:
            return self._still_logged_in(session, error)
        self._sessions.end_all(session.user, now)
        return self._logged_out()

    async def jwks(self, request: web.Request) -> web.Response:
        """Publish the keys that tokens are verified with."""
        body = self._keys.jwks()
        tag = hashlib.sha256(body).hexdigest()[:16]
        response = web.Response(body=body, content_type="application/jwk-set+json")
        if any(known.value in {tag, "*"} for known in request.if_none_match or ()):
            response = web.Response(status=304)
        response.etag = ETag(tag)
        response.headers["Cache-Control"] = f"max-age={MAX_AGE}"
        return response

    async def style(self, _: web.Request) -> web.Response:
        """Serve the style sheet, which the pages' policy lets in as a file only."""
        return web.Response(text=STYLE, content_type="text/css")

    async def _authenticated(self, name: str, password: str) -> User | None:
        if self._logins >= MAX_LOGINS:
            text = "Too many log in at once, please try again.\n"
            raise web.HTTPServiceUnavailable(text=text, headers={hdrs.RETRY_AFTER: "5"})
        self._logins += 1
        try:
            async with self._passwords:
                return await asyncio.to_thread(self._users.authenticate, name, password)
        finally:
            self._logins -= 1

    def _session(self, request: web.Request) -> Session:
        session = self._sessions.read(request.cookies.get(SESSION_COOKIE, ""))
        if session is None:
            raise web.HTTPSeeOther("/login")
        return session

    def _still_logged_in(self, session: Session, error: NotRevoked) -> web.Response:
        """Say that it did not work, and keep the session: without it nobody could try again."""
        text = f"You are still logged in, please try again. {error}"
        return _html(me_page(session, self._settings.watch_url, text), status=503)

    def _logged_out(self) -> web.Response:
        response = _see_other("/login")
        response.del_cookie(SESSION_COOKIE, path="/", domain=self._settings.cookie_domain)
        return response

    def _set_cookie(
        self,
        response: web.Response,
        name: str,
        value: str,
        seconds: int,
        domain: str | None = None,
    ) -> None:
        response.set_cookie(
            name,
            value,
            max_age=seconds,
            path="/",
            domain=domain,
            secure=self._settings.url.startswith("https:"),
            httponly=True,
            samesite="Lax",
        )


@web.middleware
async def refuse_other_sites(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Let only this site's own pages change anything.

    By Fetch Metadata where a browser sends it, which is to https and to localhost; else by
    ``Origin``, which is compared and never taken apart. What sends neither is no browser, and
    brings no cookies but its own.
    """
    if request.method not in {"GET", "HEAD", "OPTIONS"}:
        site, origin = request.headers.get("Sec-Fetch-Site"), request.headers.get(hdrs.ORIGIN)
        if site is not None:
            own = site in {"same-origin", "none"}
        else:
            own = origin in {None, f"http://{request.host}", f"https://{request.host}"}
        if not own:
            raise web.HTTPForbidden(text="This form belongs to another site.\n")
    return await handler(request)


async def _fields(request: web.Request) -> dict[str, str]:
    is_form = request.content_type == "application/x-www-form-urlencoded"
    # No browser compresses one, and what it would grow to is nobody's business.
    if not is_form or hdrs.CONTENT_ENCODING in request.headers:
        raise web.HTTPUnsupportedMediaType(text="Send a form.\n")
    try:
        async with asyncio.timeout(FORM_SECONDS):
            body = await request.read()
        return dict(parse_qsl(body.decode(), max_num_fields=8))
    except TimeoutError:
        raise web.HTTPRequestTimeout(text="This form takes too long.\n") from None
    except (ValueError, web.RequestPayloadError, ClientError, ConnectionError):
        raise web.HTTPBadRequest(text="This form cannot be read.\n") from None


def _html(text: str, status: int = 200) -> web.Response:
    return web.Response(status=status, text=text, content_type="text/html")


def _see_other(location: str) -> web.Response:
    # 303: what follows a form is fetched, not sent again.
    return web.Response(status=303, headers={"Location": location})


async def _add_headers(_: web.Request, response: web.StreamResponse) -> None:
    for name, value in HEADERS.items():
        response.headers.setdefault(name, value)
