"""Every ✗ of the matrix, with its reason, which lies in the player, and where to read it."""

from dataclasses import dataclass

from tests.e2e.matrix import Column
from tests.e2e.player import Form


@dataclass(frozen=True)
class Shortcoming:
    """What a player does not do; ``source`` is a public address where one can see it."""

    player: str
    form: Form
    column: Column
    reason: str
    source: str


# Players that know no content steering, and what reads their manifests.
FFMPEG = "https://github.com/FFmpeg/FFmpeg/blob/n5.1/libavformat"
MPV = "https://github.com/mpv-player/mpv/blob/v0.35.1/demux/demux_lavf.c"
VLC = "https://github.com/videolan/vlc/blob/3.0.18/modules/demux"
GSTREAMER = "https://github.com/GStreamer/gstreamer/blob/1.22/subprojects/gst-plugins-good/ext/adaptivedemux2"
STREAMLINK = "https://github.com/streamlink/streamlink/blob/8.6.3/src/streamlink/stream"
YT_DLP = "https://github.com/yt-dlp/yt-dlp/blob/2026.10.26/yt_dlp"
CHROMIUM = "https://github.com/chromium/chromium/blob/156.0.8078.79/media/formats/hls"
UNSTEERED = {
    ("Chromium", Form.HLS_VOD): f"{CHROMIUM}/multivariant_playlist.cc",
    ("ffmpeg", Form.HLS_VOD): f"{FFMPEG}/hls.c",
    ("ffmpeg", Form.DASH_VOD): f"{FFMPEG}/dashdec.c",
    ("mpv", Form.HLS_VOD): MPV,
    ("mpv", Form.DASH_VOD): MPV,
    ("VLC", Form.HLS_VOD): f"{VLC}/hls/playlist/Parser.cpp",
    ("VLC", Form.DASH_VOD): f"{VLC}/dash/mpd/IsoffMainParser.cpp",
    ("GStreamer", Form.HLS_VOD): f"{GSTREAMER}/hls/m3u8.c",
    ("GStreamer", Form.DASH_VOD): f"{GSTREAMER}/dash/gstmpdparser.c",
    ("streamlink", Form.HLS_VOD): f"{STREAMLINK}/hls/m3u8.py",
    ("streamlink", Form.DASH_VOD): f"{STREAMLINK}/dash/manifest.py",
    ("yt-dlp", Form.HLS_VOD): f"{YT_DLP}/downloader/hls.py",
    ("yt-dlp", Form.DASH_VOD): f"{YT_DLP}/extractor/common.py",
}

SHORTCOMINGS = tuple(
    Shortcoming(
        player,
        form,
        Column.FREED,
        "It knows no content steering, so nothing is heard of it while it plays from its buffer. "
        "Its slot is held for the length of the title, and given to another stream once it was "
        "silent for `silent_after`.",
        source,
    )
    for (player, form), source in UNSTEERED.items()
)


def reasons(player: str, form: Form, column: Column) -> list[Shortcoming]:
    """Give what explains a ✗ there; nothing: a ✓ is expected."""
    looked_for = (player, form, column)
    return [
        known for known in SHORTCOMINGS if (known.player, known.form, known.column) == looked_for
    ]
