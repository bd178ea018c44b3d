"""The origin as players meet it; its clock stands still unless a test moves it."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass

import aiohttp
import pytest

from proxy.demo import manifests
from proxy.demo.library import load_library
from proxy.demo.manifests import SEGMENT_SECONDS, SIGN_ON
from proxy.demo.origin import build_origin
from proxy.demo.request_log import RequestLog
from tests.demo.serving import listening
from tests.support import needs

TITLES = load_library()
LOOP = len(TITLES["tidewater"].tracks["high"].fragments)
# The window's six segments are 97 to 102: a loop's last three and the next one's first three.
NOW = SIGN_ON + (20 * LOOP + 3) * SEGMENT_SECONDS + 1.5
ENTRIES = [
    "/vod/tidewater/master.m3u8",
    "/vod/tidewater/manifest.mpd",
    "/live/tidewater/master.m3u8",
    "/live/tidewater/manifest.mpd",
]


@dataclass
class Running:
    url: str
    client: aiohttp.ClientSession
    log: RequestLog
    now: float = NOW

    async def get(self, path: str, **headers: str) -> tuple[int, bytes]:
        async with self.client.get(path, headers=headers) as answer:
            return answer.status, await answer.read()


@pytest.fixture
async def origin() -> AsyncIterator[Running]:
    log = RequestLog(lambda: running.now)
    app = build_origin(TITLES, log, lambda: running.now)
    async with listening(app) as url, aiohttp.ClientSession(url) as client:
        running = Running(url, client, log)
        yield running


@pytest.mark.parametrize("entry", ENTRIES)
async def test_an_entry_is_served_as_what_it_is(origin: Running, entry: str) -> None:
    async with origin.client.get(entry) as answer:
        kinds = {"m3u8": "application/vnd.apple.mpegurl", "mpd": "application/dash+xml"}
        assert answer.status == 200
        assert answer.content_type == kinds[entry.rpartition(".")[2]]
        assert answer.headers["Cache-Control"].startswith("max-age=")


@pytest.mark.parametrize("form", ["vod", "live"])
@pytest.mark.parametrize("track", ["high", "low", "audio"])
async def test_everything_a_playlist_names_can_be_had(
    origin: Running, form: str, track: str
) -> None:
    status, playlist = await origin.get(f"/{form}/redmesa/{track}.m3u8")
    assert status == 200
    names = [line for line in playlist.decode().splitlines() if line.endswith(".m4s")]
    for name in (f"{track}/init.mp4", *names[:2], names[-1]):
        status, body = await origin.get(f"/{form}/redmesa/{name}")
        assert (status, body[4:8]) == (200, b"ftyp" if "init" in name else b"moof")


@pytest.mark.parametrize(
    "path",
    [
        "/vod/nosferatu/master.m3u8",
        "/vod/nosferatu/manifest.mpd",
        "/vod/tidewater/subtitles.m3u8",
        "/vod/tidewater/subtitles/init.mp4",
        "/vod/tidewater/high/900.m4s",
        "/vod/tidewater/high/-1.m4s",
        "/vod/tidewater/high/9999999999999.m4s",
        "/vod/tidewater/high/%C2%B2.m4s",
        "/live/tidewater/high/103.m4s",
        "/live/tidewater/high/81.m4s",
        "/radio/tidewater/master.m3u8",
        "/",
    ],
)
async def test_what_there_is_not_is_404(origin: Running, path: str) -> None:
    assert (await origin.get(path))[0] == 404


async def test_a_live_segment_appears_when_it_is_over_and_not_before(origin: Running) -> None:
    assert (await origin.get("/live/tidewater/high/103.m4s"))[0] == 404
    origin.now += SEGMENT_SECONDS
    assert (await origin.get("/live/tidewater/high/103.m4s"))[0] == 200


async def test_only_live_manifests_are_soon_stale(origin: Running) -> None:
    ages = {}
    for path in ("/live/tidewater/high.m3u8", "/live/tidewater/high/100.m4s", ENTRIES[0]):
        async with origin.client.get(path) as answer:
            ages[path] = answer.headers["Cache-Control"]
    assert list(ages.values()) == ["max-age=1", "max-age=3600", "max-age=3600"]


@pytest.mark.parametrize(
    ("asked", "status", "part"),
    [
        ("bytes=0-9", 206, slice(0, 10)),
        ("bytes=10-", 206, slice(10, None)),
        ("bytes=-7", 206, slice(-7, None)),
        ("bytes=0-999999", 206, slice(0, None)),
        ("bytes=999999-", 416, slice(0, 0)),
        ("bytes=9-2", 200, slice(0, None)),
        ("bytes=0-1,4-5", 200, slice(0, None)),
        ("lines=1-2", 200, slice(0, None)),
    ],
)
async def test_a_range_is_served_or_ignored_as_it_may_be(
    origin: Running, asked: str, status: int, part: slice
) -> None:
    whole = TITLES["tidewater"].tracks["low"].init
    answer = await origin.get("/vod/tidewater/low/init.mp4", Range=asked)
    assert answer == (status, whole[part])


async def test_the_log_tells_what_was_asked_and_not_who_looked(origin: Running) -> None:
    await origin.get("/vod/tidewater/master.m3u8?a=1")
    await origin.get("/vod/nosferatu/master.m3u8")
    await origin.get("/_log")
    async with origin.client.get("/_log") as answer:
        shown = await answer.json()
    assert shown == {
        "total": 2,
        "requests": [
            {
                "number": 1,
                "at": "2020-01-01T00:06:53.500Z",
                "method": "GET",
                "path": "/vod/tidewater/master.m3u8",
                "status": 200,
            },
            {
                "number": 2,
                "at": "2020-01-01T00:06:53.500Z",
                "method": "GET",
                "path": "/vod/nosferatu/master.m3u8",
                "status": 404,
            },
        ],
    }
    assert [entry.query for entry in origin.log] == ["a=1", ""]


# --- What a decoder makes of it ------------------------------------------------------------------

SEAM = LOOP * SEGMENT_SECONDS


@pytest.mark.parametrize("entry", ENTRIES)
async def test_ffmpeg_plays_across_the_seam_without_a_gap(origin: Running, entry: str) -> None:
    window = manifests.WINDOW * SEGMENT_SECONDS
    first = 0 if entry.startswith("/vod") else int(NOW - SIGN_ON) // SEGMENT_SECONDS * 4 - window
    assert first // SEAM < (first + window) // SEAM  # there is a seam to cross
    start = [] if entry.startswith("/vod") or entry.endswith(".mpd") else ["-live_start_index", "0"]
    packets = await probe([*start, f"{origin.url}{entry}"], f"%+{window - 1}")
    for stream, step in (("video", 1 / 15), ("audio", 1024 / 32_000)):
        times = [time for kind, time in packets if kind == stream]
        assert times[0] == pytest.approx(first, abs=1e-3)
        assert times[-1] > first + window - 2
        assert times == pytest.approx([first + n * step for n in range(len(times))], abs=1e-3)


async def probe(source: list[str], interval: str) -> list[tuple[str, float]]:
    """Give the best picture's and the sound's packets in an interval; fails on any complaint."""
    ffprobe = needs.program("ffprobe", install="apt-get install ffmpeg")
    process = await asyncio.create_subprocess_exec(
        *(ffprobe, "-v", "error", "-read_intervals", interval),
        *("-show_entries", "packet=codec_type,pts_time,stream_index", "-of", "csv=p=0", *source),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    output, errors = await process.communicate()
    assert (process.returncode, errors) == (0, b"")
    found: dict[str, dict[str, list[float]]] = {"video": {}, "audio": {}}
    for line in output.decode().split():
        kind, index, time = line.rstrip(",").split(",")[:3]
        found[kind].setdefault(index, []).append(float(time))
    return [
        (kind, time) for kind, streams in found.items() for time in max(streams.values(), key=len)
    ]
