"""The origin of the matrix: every title there could be, in all forms.

    /hls-vod/{seconds}/{title}/master.m3u8       /hls-live/{title}/master.m3u8
    /dash-vod/{seconds}/{title}/manifest.mpd     /dash-live/{title}/manifest.mpd
                                                 /dash-numbered/{title}/manifest.mpd
                                                 /ll-hls/{title}/master.m3u8

All titles show the same; each test has its own, so that the log says who asked. Live, a request
for a part, or for a playlist with a part that does not exist yet, is held until it does
(RFC 8216bis §6.2.5.2); one for the far future is refused.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass

from aiohttp import web

from proxy.demo.fmp4 import Track
from proxy.demo.manifests import DASH_TYPE, HLS_TYPE
from proxy.demo.origin import SEGMENT_TYPE, respond
from proxy.demo.request_log import RequestLog
from tests.e2e import manifests
from tests.e2e.media import PARTS
from tests.e2e.player import Form

# Requests. A run of the whole matrix makes some ten thousand.
LOG_CAPACITY = 100_000
ON_DEMAND = "/{form:hls-vod|dash-vod}/{seconds:[0-9]+}/{title}"
LIVE = "/{form:hls-live|ll-hls|dash-live|dash-numbered}/{title}"
# Seconds for which the future is worth waiting for: a segment and a half.
AHEAD = 3.0


@dataclass(frozen=True)
class Origin:
    """A running origin."""

    url: str
    log: RequestLog


@asynccontextmanager
async def origin(tracks: Mapping[str, Track]) -> AsyncIterator[Origin]:
    """Run the origin on a free port of loopback."""
    log = RequestLog(time.time, LOG_CAPACITY)
    app = web.Application(middlewares=[log.middleware()])
    titles = Titles(tracks)
    for base in (ON_DEMAND, LIVE):
        app.add_routes(
            [
                web.get(f"{base}/master.m3u8", titles.multivariant),
                web.get(f"{base}/manifest.mpd", titles.mpd),
                web.get(f"{base}/{{track}}.m3u8", titles.playlist),
                web.get(f"{base}/{{track}}/init.mp4", titles.init),
                web.get(f"{base}/{{track}}/{{number:[0-9]+}}.m4s", titles.segment),
                web.get(f"{base}/{{track}}/{{number:[0-9]+}}.{{part:[0-9]}}.m4s", titles.part),
            ]
        )
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        yield Origin(f"http://127.0.0.1:{runner.addresses[0][1]}", log)
    finally:
        await runner.cleanup()


class Titles:
    """The handlers."""

    def __init__(self, tracks: Mapping[str, Track]) -> None:
        self._tracks = tracks
        # Numbered programmes began an hour ago.
        self._first = manifests.parts_until(time.time() - 3600) // PARTS

    async def multivariant(self, request: web.Request) -> web.Response:
        return respond(request, manifests.multivariant(self._tracks), HLS_TYPE, 60)

    async def mpd(self, request: web.Request) -> web.Response:
        if (length := segments(request)) is not None:
            return respond(request, manifests.vod_mpd(self._tracks, length), DASH_TYPE, 60)
        first = self._first if request.match_info["form"] == Form.DASH_NUMBERED else None
        return respond(request, manifests.live_mpd(self._tracks, time.time(), first), DASH_TYPE, 0)

    async def playlist(self, request: web.Request) -> web.Response:
        self._track(request)
        name = request.match_info["track"]
        if (length := segments(request)) is not None:
            return respond(request, manifests.vod_playlist(name, length), HLS_TYPE, 60)
        if request.match_info["form"] != Form.LL_HLS:
            return respond(request, manifests.live_playlist(name, time.time()), HLS_TYPE, 0)
        if "_HLS_msn" in request.query:
            # Without a part the whole segment is meant.
            part = int(request.query.get("_HLS_part", PARTS - 1))
            await exists(int(request.query["_HLS_msn"]) * PARTS + part)
        others = (other for other in self._tracks if other != name)
        delta = request.query.get("_HLS_skip") == "YES"
        text = manifests.low_latency_playlist(name, others, time.time(), delta=delta)
        return respond(request, text, HLS_TYPE, 0)

    async def init(self, request: web.Request) -> web.Response:
        return respond(request, self._track(request).init, SEGMENT_TYPE, 60)

    async def segment(self, request: web.Request) -> web.Response:
        track, number = self._track(request), int(request.match_info["number"])
        if (length := segments(request)) is None:
            newest = manifests.parts_until(time.time()) // PARTS - 1
            here = newest - manifests.KEPT < number <= newest
        else:
            here = number < length
        if not here:
            raise web.HTTPNotFound
        data = b"".join(track.segment(number * PARTS + part) for part in range(PARTS))
        return respond(request, data, SEGMENT_TYPE, 60)

    async def part(self, request: web.Request) -> web.Response:
        number = int(request.match_info["number"]) * PARTS + int(request.match_info["part"])
        track = self._track(request)
        await exists(number)
        return respond(request, track.segment(number), SEGMENT_TYPE, 60)

    def _track(self, request: web.Request) -> Track:
        track = self._tracks.get(request.match_info["track"])
        if track is None:
            raise web.HTTPNotFound
        return track


def segments(request: web.Request) -> int | None:
    """Give the number of segments of a title on demand; None: it is live."""
    seconds = request.match_info.get("seconds")
    return None if seconds is None else manifests.segments_of(int(seconds))


async def exists(part: int) -> None:
    """Wait until a live part is complete."""
    wait = manifests.available_at(part) - time.time()
    if wait > AHEAD:
        raise web.HTTPBadRequest
    await asyncio.sleep(max(0.0, wait))
