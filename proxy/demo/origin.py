"""The demo's origin: HLS and DASH, live and on demand, as an ordinary packager would serve them.

    /vod/{title}/master.m3u8         /live/{title}/master.m3u8
    /vod/{title}/manifest.mpd        /live/{title}/manifest.mpd
    /vod/{title}/{track}.m3u8        /live/{title}/{track}.m3u8
    /vod/{title}/{track}/init.mp4    /live/{title}/{track}/init.mp4
    /vod/{title}/{track}/{n}.m4s     /live/{title}/{track}/{n}.m4s
    /_log                            what it was asked, as JSON

It knows nothing of viewers: whoever asks is served, which is why the proxy stands in front. What
it was asked it writes down. ``python -m proxy.demo.origin`` runs it by itself.
"""

import argparse
import time
from collections.abc import Mapping

from aiohttp import web

from proxy.demo import manifests
from proxy.demo.fmp4 import Track
from proxy.demo.library import Title, load_library
from proxy.demo.manifests import DASH_TYPE, HLS_TYPE
from proxy.demo.request_log import LOG_PATH, RequestLog, log_handler
from proxy.model import Clock

SEGMENT_TYPE = "video/mp4"
# A live manifest is old news after a second; everything else never changes under its name.
LIVE_MAX_AGE = 1
MAX_AGE = 3600


def build_origin(titles: Mapping[str, Title], log: RequestLog, clock: Clock) -> web.Application:
    """Build the origin's application."""
    origin = Origin(titles, clock)
    app = web.Application(middlewares=[log.middleware()])
    base = "/{form:vod|live}/{title}"
    app.add_routes(
        [
            web.get(LOG_PATH, log_handler(log)),
            web.get(f"{base}/master.m3u8", origin.multivariant),
            web.get(f"{base}/manifest.mpd", origin.mpd),
            web.get(f"{base}/{{track}}.m3u8", origin.playlist),
            web.get(f"{base}/{{track}}/init.mp4", origin.init),
            web.get(f"{base}/{{track}}/{{number:[0-9]{{1,12}}}}.m4s", origin.segment),
        ]
    )
    return app


class Origin:
    """The handlers. ``form`` in a path is ``vod`` or ``live``."""

    def __init__(self, titles: Mapping[str, Title], clock: Clock) -> None:
        self._titles = titles
        self._clock = clock

    async def multivariant(self, request: web.Request) -> web.Response:
        """Serve the entry playlist."""
        return respond(request, manifests.multivariant(self._title(request)), HLS_TYPE, MAX_AGE)

    async def playlist(self, request: web.Request) -> web.Response:
        """Serve the media playlist of a track."""
        self._track(request)
        name = request.match_info["track"]
        if is_live(request):
            playlist = manifests.live_playlist(name, self._clock())
            return respond(request, playlist, HLS_TYPE, LIVE_MAX_AGE)
        return respond(request, manifests.vod_playlist(name), HLS_TYPE, MAX_AGE)

    async def mpd(self, request: web.Request) -> web.Response:
        """Serve the MPD."""
        title = self._title(request)
        if is_live(request):
            return respond(
                request, manifests.live_mpd(title, self._clock()), DASH_TYPE, LIVE_MAX_AGE
            )
        return respond(request, manifests.vod_mpd(title), DASH_TYPE, MAX_AGE)

    async def init(self, request: web.Request) -> web.Response:
        """Serve a track's initialisation part."""
        return respond(request, self._track(request).init, SEGMENT_TYPE, MAX_AGE)

    async def segment(self, request: web.Request) -> web.Response:
        """Serve a numbered segment."""
        track = self._track(request)
        number = int(request.match_info["number"])
        if not manifests.is_available(request.match_info["form"], number, self._clock()):
            raise web.HTTPNotFound(text="This segment is not on air.\n")
        return respond(request, track.segment(number), SEGMENT_TYPE, MAX_AGE)

    def _title(self, request: web.Request) -> Title:
        title = self._titles.get(request.match_info["title"])
        if title is None:
            raise web.HTTPNotFound(text="There is no such title.\n")
        return title

    def _track(self, request: web.Request) -> Track:
        track = self._title(request).tracks.get(request.match_info["track"])
        if track is None:
            raise web.HTTPNotFound(text="There is no such track.\n")
        return track


def is_live(request: web.Request) -> bool:
    """Tell whether a request is for the live form."""
    return request.match_info["form"] == "live"


def respond(request: web.Request, body: str | bytes, kind: str, max_age: int) -> web.Response:
    """Answer with a body, or with the part of it that was asked for (RFC 9110 §14)."""
    data = body.encode() if isinstance(body, str) else body
    headers = {
        "Content-Type": kind,
        "Cache-Control": f"max-age={max_age}",
        "Accept-Ranges": "bytes",
    }
    if "Range" not in request.headers:
        return web.Response(body=data, headers=headers)
    try:
        part = range(len(data))[request.http_range]
    except ValueError:
        # One that cannot be read, or of several ranges, may be ignored and is.
        return web.Response(body=data, headers=headers)
    if not part:
        headers["Content-Range"] = f"bytes */{len(data)}"
        return web.Response(status=416, headers=headers)
    headers["Content-Range"] = f"bytes {part.start}-{part.stop - 1}/{len(data)}"
    return web.Response(status=206, body=data[part.start : part.stop], headers=headers)


def main() -> None:
    """Run the origin by itself, as a container does."""
    parser = argparse.ArgumentParser(prog="proxy.demo.origin", description=__doc__)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=8000)
    options = parser.parse_args()
    app = build_origin(load_library(), RequestLog(time.time), time.time)
    web.run_app(app, host=options.host, port=options.port, access_log=None)


if __name__ == "__main__":
    main()
