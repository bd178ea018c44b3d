"""Writes the demo's HLS playlists and DASH MPDs: pure functions of a film and the time.

Every film is one endless row of numbered segments. On demand it starts at 0 and ends after an
hour; live, segment *n* is what was on air in the four seconds from *4n* after the sign-on, so
that any number of origins show the same without knowing of each other, and a restart goes
unnoticed. The same segments serve both, and both formats (CMAF, ISO/IEC 23000-19).
"""

from collections.abc import Callable
from datetime import UTC, datetime

from proxy.demo.fmp4 import Track
from proxy.demo.library import AUDIO, Title

SEGMENT_SECONDS = 4
# When the channels went on air: any date that is past, but not 1970-01-01, which ffmpeg takes for
# an absent availabilityStartTime.
SIGN_ON = datetime(2020, 1, 1, tzinfo=UTC).timestamp()
# An hour. hls.js loads up to ten minutes ahead, and such small films it does load; a shorter one it
# would have whole within seconds, and then not be heard of until it is over.
VOD_SEGMENTS = 900
# What a live playlist lists. Players start three segments from its end (RFC 8216 §6.3.3).
WINDOW = 6
# A segment stays available for a minute after it left the window, for players that lag behind.
KEPT = WINDOW + 15

HLS_TYPE = "application/vnd.apple.mpegurl"
DASH_TYPE = "application/dash+xml"


def newest(now: float) -> int:
    """Give the number of the last segment that is complete; ``now`` in seconds since the epoch."""
    return int((now - SIGN_ON) // SEGMENT_SECONDS) - 1


def is_available(form: str, number: int, now: float) -> bool:
    """Tell whether a segment can be had: on demand all, live only what is past and not long."""
    if form == "vod":
        return 0 <= number < VOD_SEGMENTS
    return newest(now) - KEPT < number <= newest(now)


# --- HLS (RFC 8216) ------------------------------------------------------------------------------


def multivariant(title: Title) -> str:
    """Write the entry playlist: the renditions, and the sound as a group of its own."""
    sound = title.tracks[AUDIO]
    lines = [
        "#EXTM3U",
        "#EXT-X-VERSION:7",
        "#EXT-X-INDEPENDENT-SEGMENTS",
        f'#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID="sound",NAME="Original",DEFAULT=YES,URI="{AUDIO}.m3u8"',
    ]
    for name, track in title.renditions.items():
        attributes = (
            f"BANDWIDTH={track.peak_bandwidth + sound.peak_bandwidth}",
            f"AVERAGE-BANDWIDTH={track.average_bandwidth + sound.average_bandwidth}",
            f'CODECS="{track.codec},{sound.codec}"',
            f"RESOLUTION={track.width}x{track.height}",
            'AUDIO="sound"',
        )
        lines += ["#EXT-X-STREAM-INF:" + ",".join(attributes), f"{name}.m3u8"]
    return "\n".join(lines) + "\n"


def vod_playlist(name: str) -> str:
    """Write the media playlist of a track on demand."""
    return _playlist(name, range(VOD_SEGMENTS), "#EXT-X-PLAYLIST-TYPE:VOD", end=True)


def live_playlist(name: str, now: float) -> str:
    """Write the media playlist of a live track, as it stands at that time."""
    first = newest(now) - WINDOW + 1
    date = f"#EXT-X-PROGRAM-DATE-TIME:{_utc(SIGN_ON + first * SEGMENT_SECONDS)}"
    return _playlist(name, range(first, first + WINDOW), date, end=False)


def _playlist(name: str, numbers: range, *tags: str, end: bool) -> str:
    return "\n".join(
        [
            "#EXTM3U",
            "#EXT-X-VERSION:7",
            "#EXT-X-INDEPENDENT-SEGMENTS",
            f"#EXT-X-TARGETDURATION:{SEGMENT_SECONDS}",
            f"#EXT-X-MEDIA-SEQUENCE:{numbers.start}",
            f'#EXT-X-MAP:URI="{name}/init.mp4"',
            *tags,
            *(f"#EXTINF:{SEGMENT_SECONDS}.0,\n{name}/{number}.m4s" for number in numbers),
            *(["#EXT-X-ENDLIST"] if end else []),
            "",
        ]
    )


# --- DASH (ISO/IEC 23009-1) ------------------------------------------------------------------


def vod_mpd(title: Title) -> str:
    """Write the static MPD, its segments by number and duration alone."""
    duration = f"PT{VOD_SEGMENTS * SEGMENT_SECONDS}S"
    return _mpd(
        title,
        f'type="static" mediaPresentationDuration="{duration}"',
        lambda track: f'startNumber="0" duration="{track.ticks}"/>',
    )


def live_mpd(title: Title, now: float) -> str:
    """Write the dynamic MPD, its segments by SegmentTimeline; time zero is the sign-on.

    By number and duration a player could go on without ever asking again, and ffmpeg runs ahead
    of what exists.
    """
    first = newest(now) - WINDOW + 1
    return _mpd(
        title,
        f'type="dynamic" availabilityStartTime="{_utc(SIGN_ON)}" '
        f'publishTime="{_utc(now)}" minimumUpdatePeriod="PT{SEGMENT_SECONDS}S" '
        f'timeShiftBufferDepth="PT{WINDOW * SEGMENT_SECONDS}S" '
        f'suggestedPresentationDelay="PT{3 * SEGMENT_SECONDS}S"',
        lambda track: (
            f'startNumber="{first}">\n          <SegmentTimeline>'
            f'<S t="{first * track.ticks}" d="{track.ticks}" r="{WINDOW - 1}"/>'
            "</SegmentTimeline>\n        </SegmentTemplate>"
        ),
        # In the MPD itself: a player needs no other request to set its clock.
        f'  <UTCTiming schemeIdUri="urn:mpeg:dash:utc:direct:2014" value="{_utc(now)}"/>\n',
    )


def _mpd(title: Title, attributes: str, segments: Callable[[Track], str], tail: str = "") -> str:
    def representation(name: str, track: Track, bandwidth: int) -> str:
        size = f' width="{track.width}" height="{track.height}"' if track.width else ""
        return (
            f'      <Representation id="{name}" codecs="{track.codec}" '
            f'bandwidth="{bandwidth}"{size}>\n'
            f'        <SegmentTemplate timescale="{track.timescale}" '
            'initialization="$RepresentationID$/init.mp4" '
            f'media="$RepresentationID$/$Number$.m4s" {segments(track)}\n'
            "      </Representation>\n"
        )

    pictures = "".join(
        representation(name, track, track.peak_bandwidth)
        for name, track in title.renditions.items()
    )
    sound = title.tracks[AUDIO]
    return (
        '<?xml version="1.0" encoding="UTF-8"?>\n'
        '<MPD xmlns="urn:mpeg:dash:schema:mpd:2011" '
        f'profiles="urn:mpeg:dash:profile:isoff-live:2011" minBufferTime="PT{SEGMENT_SECONDS}S" '
        f"{attributes}>\n"
        '  <Period id="0" start="PT0S">\n'
        '    <AdaptationSet contentType="video" mimeType="video/mp4" segmentAlignment="true" '
        'startWithSAP="1">\n'
        f"{pictures}"
        "    </AdaptationSet>\n"
        '    <AdaptationSet contentType="audio" mimeType="audio/mp4" segmentAlignment="true" '
        'startWithSAP="1">\n'
        f"{representation(AUDIO, sound, sound.peak_bandwidth)}"
        "    </AdaptationSet>\n"
        "  </Period>\n"
        f"{tail}"
        "</MPD>\n"
    )


def _utc(seconds: float) -> str:
    moment = datetime.fromtimestamp(seconds, UTC)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")
