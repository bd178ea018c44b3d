"""What is on in the homes of these tests: channels and films, HLS and DASH.

Renditions of sound and text beside those of pictures, because players load them when they please.
"""

from tests.support.origin import DASH, HLS, TestOrigin
from tests.support.playlists import MPD_LIVE

LIVE_SECONDS = 4
FILM_SECONDS = 30
FILM_SEGMENTS = 180
# Where the advertisements come from: no host of the proxy's.
AD = "https://ads.example/spot-1.ts"

MASTER = """#EXTM3U
#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID="a",NAME="English",DEFAULT=YES,URI="audio/index.m3u8"
#EXT-X-MEDIA:TYPE=SUBTITLES,GROUP-ID="s",NAME="English",URI="text/index.m3u8"
#EXT-X-STREAM-INF:BANDWIDTH=800000,CODECS="avc1.4d401f,mp4a.40.2",AUDIO="a",SUBTITLES="s"
low/index.m3u8
#EXT-X-STREAM-INF:BANDWIDTH=2000000,CODECS="avc1.4d401f,mp4a.40.2",AUDIO="a",SUBTITLES="s"
high/index.m3u8
"""
RENDITIONS = ("audio", "text", "low", "high")

MPD_FILM = f"""<?xml version="1.0" encoding="UTF-8"?>
<MPD xmlns="urn:mpeg:dash:schema:mpd:2011" type="static" mediaPresentationDuration="PT90M"
  profiles="urn:mpeg:dash:profile:isoff-on-demand:2011">
  <Period id="1" duration="PT45M"><AdaptationSet mimeType="video/mp4">
    <SegmentTemplate media="a-$Number$.m4s" initialization="init.mp4" duration="{FILM_SECONDS}"/>
    <Representation id="v" bandwidth="1"/>
  </AdaptationSet></Period>
  <Period id="2" duration="PT45M"><AdaptationSet mimeType="video/mp4">
    <SegmentTemplate media="b-$Number$.m4s" initialization="init.mp4" duration="{FILM_SECONDS}"/>
    <Representation id="v" bandwidth="1"/>
  </AdaptationSet></Period>
</MPD>
"""


def playlist(first: int, count: int, *, live: bool, ads: bool = False) -> str:
    """Write a media playlist, with an advertisement in its midst where there are to be some."""
    seconds = LIVE_SECONDS if live else FILM_SECONDS
    lines = [
        "#EXTM3U",
        f"#EXT-X-TARGETDURATION:{seconds}",
        f"#EXT-X-MEDIA-SEQUENCE:{first}",
    ]
    for number in range(first, first + count):
        if ads and number == first + count // 2:
            lines += ["#EXT-X-DISCONTINUITY", f"#EXTINF:{seconds},", AD, "#EXT-X-DISCONTINUITY"]
        lines += [f"#EXTINF:{seconds},", f"seg{number}.ts"]
    if not live:
        lines += ["#EXT-X-PLAYLIST-TYPE:VOD", "#EXT-X-ENDLIST"]
    return "\n".join(lines) + "\n"


def broadcast(origin: TestOrigin, *, ads: bool = False, names: str = "one two three four") -> None:
    """Serve ``/live/<name>/``: master.m3u8, its renditions, and manifest.mpd."""
    for name in names.split():
        _serve(origin, f"/live/{name}", playlist(7, 4, live=True, ads=ads), MPD_LIVE)


def lend(origin: TestOrigin, *, ads: bool = False, names: str = "film sequel") -> None:
    """Serve the same of films of an hour and a half."""
    for name in names.split():
        _serve(origin, f"/live/{name}", playlist(0, FILM_SEGMENTS, live=False, ads=ads), MPD_FILM)


def _serve(origin: TestOrigin, root: str, media: str, mpd: str) -> None:
    origin.answers[f"{root}/master.m3u8"] = (HLS, MASTER)
    origin.answers[f"{root}/manifest.mpd"] = (DASH, mpd)
    for rendition in RENDITIONS:
        origin.answers[f"{root}/{rendition}/index.m3u8"] = (HLS, media)
        for number in (0, 1, 7, 8, 10, FILM_SEGMENTS - 1):
            origin.answers[f"{root}/{rendition}/seg{number}.ts"] = ("video/mp2t", b"\x47" * 188)
    for segment in ("init.mp4", "v-init.mp4", "v-1.m4s", "a-1.m4s", "b-1.m4s"):
        origin.answers[f"{root}/{segment}"] = ("video/mp4", b"\0" * 16)
