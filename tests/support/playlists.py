"""Small manifests that tests serve."""

from tests.support.origin import DASH, HLS, TestOrigin

MASTER = """#EXTM3U
#EXT-X-STREAM-INF:BANDWIDTH=800000,CODECS="avc1.4d401f,mp4a.40.2"
low/index.m3u8
#EXT-X-STREAM-INF:BANDWIDTH=2000000,CODECS="avc1.4d401f,mp4a.40.2"
high/index.m3u8
"""

LIVE = """#EXTM3U
#EXT-X-TARGETDURATION:4
#EXT-X-MEDIA-SEQUENCE:7
#EXTINF:4.0,
seg7.ts
#EXTINF:4.0,
seg8.ts
"""

VOD = """#EXTM3U
#EXT-X-TARGETDURATION:10
#EXT-X-PLAYLIST-TYPE:VOD
#EXTINF:10.0,
seg0.ts
#EXTINF:5.5,
seg1.ts
#EXT-X-ENDLIST
"""

MPD_LIVE = """<?xml version="1.0" encoding="UTF-8"?>
<MPD xmlns="urn:mpeg:dash:schema:mpd:2011" type="dynamic" minimumUpdatePeriod="PT2S"
  availabilityStartTime="2026-01-01T00:00:00Z" profiles="urn:mpeg:dash:profile:isoff-live:2011">
  <Period id="1" start="PT0S"><AdaptationSet mimeType="video/mp4">
    <SegmentTemplate media="v-$Number$.m4s" initialization="v-init.mp4" duration="2"/>
    <Representation id="v" bandwidth="1"/>
  </AdaptationSet></Period>
</MPD>
"""


def serve_channels(origin: TestOrigin, *names: str, root: str = "/live") -> None:
    """Serve a multivariant channel per name: live media playlists and their segments."""
    for name in names:
        origin.answers[f"{root}/{name}/master.m3u8"] = (HLS, MASTER)
        for rendition in ("low", "high"):
            origin.answers[f"{root}/{name}/{rendition}/index.m3u8"] = (HLS, LIVE)
            origin.answers[f"{root}/{name}/{rendition}/seg7.ts"] = ("video/mp2t", b"\x47" * 188)


def serve_film(origin: TestOrigin, name: str, root: str = "/live") -> None:
    """Serve a media playlist on demand."""
    origin.answers[f"{root}/{name}.m3u8"] = (HLS, VOD)
    for number in (0, 1):
        origin.answers[f"{root}/seg{number}.ts"] = ("video/mp2t", b"\x47" * 188)


def serve_dash(origin: TestOrigin, name: str, root: str = "/live") -> None:
    """Serve a dynamic MPD."""
    origin.answers[f"{root}/{name}.mpd"] = (DASH, MPD_LIVE)
