"""``playgate demo``: everything in one process, for somebody who has five minutes.

    browser, curl ──▶ proxy, port 8080 ──┬──▶ origin   /vod/** /live/**   the films
                      counts in memory   └──▶ site     /demo/**           page, login, origin's log

The proxy is the real one, with settings as a file would give them. Origin and site listen on free
ports of loopback; the site lies behind the proxy under a route of its own, so that page and media
are of one origin to the browser. Nothing listens beyond loopback: the issuer asks nobody for a
password.
"""

import secrets
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass

import typer
from aiohttp import web

from proxy.demo.issuer import ALGORITHM, ISSUER, KEY_ID, PLANS, Issuer
from proxy.demo.library import load_library
from proxy.demo.origin import build_origin
from proxy.demo.request_log import RequestLog
from proxy.demo.site import COOKIE, build_site
from proxy.model import Clock
from proxy.running import run
from proxy.serve import Service
from proxy.settings.load import from_mapping
from proxy.settings.store_url import MEMORY

LOOPBACK = "127.0.0.1"
SECRET_BYTES = 48


@dataclass(frozen=True, slots=True)
class Backends:
    """What runs behind the demo's proxy: two servers by their URLs, and the origin's log."""

    origin: str
    site: str
    log: RequestLog


@asynccontextmanager
async def backends(issuer: Issuer, clock: Clock = time.time) -> AsyncIterator[Backends]:
    """Run origin and site, each on a free port of loopback, as long as the context lasts."""
    titles = load_library()
    log = RequestLog(clock)
    async with AsyncExitStack() as stack:
        yield Backends(
            origin=await _listen(stack, build_origin(titles, log, clock)),
            site=await _listen(stack, build_site(issuer, titles, log)),
            log=log,
        )


async def _listen(stack: AsyncExitStack, app: web.Application) -> str:
    # The proxy's pool keeps connections open; nothing is under way that is worth waiting for.
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    stack.push_async_callback(runner.cleanup)
    await web.TCPSite(runner, LOOPBACK, 0).start()
    return f"http://{LOOPBACK}:{runner.addresses[0][1]}"


def demo_settings(
    *, issuer: Issuer, behind: Backends, operator: str, port: int, store: str = "memory://"
) -> dict[str, object]:
    """Give the proxy's configuration, as it would stand in a file; ``operator`` is admin.token."""
    origin = {"origins": [behind.origin]}
    site = {"origins": [behind.site], "segments": "open"}
    return {
        "listen": {"host": LOOPBACK, "port": port, "drain_timeout": "1s"},
        "admin": {"host": LOOPBACK, "port": 0, "token": operator},
        # It is for one person on a machine that may be busy: better slow than counted twice.
        "store": {"url": store} if store == MEMORY else {"url": store, "timeout": "2s"},
        "auth": {
            "keys": [{"kid": KEY_ID, "algorithm": ALGORITHM, "secret": issuer.secret}],
            "issuer": ISSUER,
            "cookie": COOKIE,
        },
        "tickets": {"secret": secrets.token_urlsafe(SECRET_BYTES)},
        "limits": {"plans": PLANS},
        # Shorter than one would choose for viewers: whoever watches a demo wants to see a slot
        # lapse. Still longer than a player that fills its buffer is silent.
        "streams": {"ttl": "45s", "vod_ttl": "45s", "keepalive_interval": "10s"},
        "routes": [
            {"name": "live", "path": "/live/**", **origin},
            {"name": "vod", "path": "/vod/**", **origin},
            {"name": "demo", "path": "/demo/**", **site},
            {"name": "home", "path": "/", **site},
        ],
    }


def banner(port: int, admin_port: int, operator: str) -> str:
    """Say where the page is, and how to see the same in a shell."""
    base, admin = f"http://{LOOPBACK}:{port}", f"http://{LOOPBACK}:{admin_port}"
    return f"""
  Playgate demo    {base}/demo/

  Or in a shell. Alice may watch on three screens at a time:

    P={base}
    token() {{ curl -s "$P/demo/login?user=alice&device=$1&format=text"; }}
    watch() {{ curl -s -o /dev/null -w "$1: %{{http_code}}\\n" "$P$2?token=$(token $1)"; }}

    watch tv     /vod/tidewater/manifest.mpd       # 200
    watch phone  /vod/redmesa/manifest.mpd         # 200
    watch tablet /live/greenwood/master.m3u8       # 200
    watch laptop /live/tidewater/master.m3u8       # 429, and nothing reached the origin
    curl -si "$P/live/tidewater/master.m3u8?token=$(token laptop)"; echo

    # The TV stops, with the ticket that stands in its manifest. Now there is room.
    manifest() {{ curl -s "$P/vod/tidewater/manifest.mpd?token=$(token tv)"; }}
    ticket=$(manifest | grep -o '_sid=[^"&<]*' | head -n 1)
    curl -s -X POST "$P/_playgate/release?$ticket"
    watch laptop /live/tidewater/master.m3u8       # 200

  Console          {admin}/    admin token: {operator}
  Metrics          {admin}/metrics
  Stop             Ctrl-C
"""


async def run_demo(*, port: int = 8080, store: str = "memory://") -> None:
    """Run the demo until SIGTERM or SIGINT.

    Raises:
        ConfigError: ``store`` is no store's URL, or the port is taken.
        StoreUnavailable: the store cannot be reached.
    """
    issuer = Issuer(secrets.token_urlsafe(SECRET_BYTES), time.time)
    operator = secrets.token_urlsafe(SECRET_BYTES)

    def greet(service: Service) -> None:
        typer.echo(banner(service.port, service.admin_port, operator))

    async with backends(issuer) as behind:
        mapping = demo_settings(
            issuer=issuer, behind=behind, operator=operator, port=port, store=store
        )
        await run(from_mapping(mapping), require_store=True, ready=greet)
