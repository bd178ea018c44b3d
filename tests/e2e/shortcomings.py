"""Every ✗ of the matrix, with its reason, which lies in the player, and where to read it."""

from dataclasses import dataclass

from tests.e2e.matrix import Column
from tests.e2e.player import Form


@dataclass(frozen=True)
class Shortcoming:
    """What a player does not do; ``source`` is a public address where one can see it."""

    player: str
    forms: tuple[Form, ...]
    columns: tuple[Column, ...]
    reason: str
    source: str

    def explains(self, player: str, form: Form, column: Column) -> bool:
        return player == self.player and form in self.forms and column in self.columns


ON_DEMAND = (Form.HLS_VOD, Form.DASH_VOD)

# Players that know no content steering, and what reads their manifests.
UNSTEERED = {
    "Chromium": "https://github.com/chromium/chromium/blob/main/media/formats/hls/multivariant_playlist.cc",
    "ffmpeg": "https://github.com/FFmpeg/FFmpeg/blob/n5.1/libavformat/hls.c",
    "mpv": "https://github.com/mpv-player/mpv/blob/v0.35.1/demux/demux_lavf.c",
    "VLC": "https://github.com/videolan/vlc/blob/3.0.18/modules/demux/hls/playlist/Parser.cpp",
    "GStreamer": "https://github.com/GStreamer/gstreamer/blob/1.22/subprojects/gst-plugins-good/ext/adaptivedemux2/hls/m3u8.c",
    "streamlink": "https://github.com/streamlink/streamlink/blob/8.6.3/src/streamlink/stream/hls/m3u8.py",
    "yt-dlp": "https://github.com/yt-dlp/yt-dlp/blob/master/yt_dlp/downloader/hls.py",
}

SHORTCOMINGS = tuple(
    Shortcoming(
        player,
        ON_DEMAND,
        (Column.FREED,),
        "It knows no content steering, so nothing is heard of it while it plays from its buffer. "
        "Its slot is held for the length of the title, and given to another stream once it was "
        "silent for `silent_after`.",
        source,
    )
    for player, source in UNSTEERED.items()
)


def reasons(player: str, form: Form, column: Column) -> list[Shortcoming]:
    """Give what explains a ✗ there; nothing: a ✓ is expected."""
    return [known for known in SHORTCOMINGS if known.explains(player, form, column)]
