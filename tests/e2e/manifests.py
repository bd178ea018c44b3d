"""The manifests of the matrix's titles: pure functions of the tracks, the form and the time.

A title is one endless row of parts, numbered from the sign-on; a segment is four of them. On
demand it starts at 0 and ends after so many seconds. HLS is RFC 8216bis, DASH ISO/IEC 23009-1.
"""

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime

from proxy.demo.fmp4 import Track
from tests.e2e.media import AUDIO, PART_SECONDS, PARTS, SEGMENT_SECONDS

SIGN_ON = datetime(2026, 1, 1, tzinfo=UTC).timestamp()
# Segments a live manifest lists, and those a player that lags behind may still ask for.
WINDOW = 10
KEPT = WINDOW + 10
TARGET_DURATION = round(SEGMENT_SECONDS)
# Segments at the end of a low-latency playlist whose parts are listed.
IN_PARTS = 3
# A player may ask to skip what is older than six target durations (RFC 8216bis §4.4.3.8).
SKIP_UNTIL = 6 * TARGET_DURATION
RECENT = -(-SKIP_UNTIL // SEGMENT_SECONDS)


def parts_until(now: float) -> int:
    """Count the parts that are complete: the number of the one that is being made."""
    return int((now - SIGN_ON) / PART_SECONDS)


def available_at(part: int) -> float:
    """Give the time at which a part is complete."""
    return SIGN_ON + (part + 1) * PART_SECONDS


def segments_of(seconds: int) -> int:
    """Count the segments of a title of that length, the last one whole."""
    return -int(-seconds // SEGMENT_SECONDS)


def multivariant(tracks: Mapping[str, Track]) -> str:
    """Write the entry playlist: the renditions, and the sound as a group of its own."""
    sound = tracks[AUDIO]
    lines = [
        "#EXTM3U",
        "#EXT-X-VERSION:7",
        "#EXT-X-INDEPENDENT-SEGMENTS",
        f'#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID="a",NAME="One",DEFAULT=YES,URI="{AUDIO}.m3u8"',
    ]
    for name, track in tracks.items():
        if name != AUDIO:
            lines += [
                (
                    f"#EXT-X-STREAM-INF:BANDWIDTH={track.peak_bandwidth + sound.peak_bandwidth},"
                    f'CODECS="{track.codec},{sound.codec}",RESOLUTION={track.width}x{track.height},'
                    'AUDIO="a"'
                ),
                f"{name}.m3u8",
            ]
    return _lines(lines)


def vod_playlist(name: str, segments: int) -> str:
    """Write the media playlist of a track on demand."""
    lines = [*_head(name, 0), "#EXT-X-PLAYLIST-TYPE:VOD"]
    for number in range(segments):
        lines += _segment(name, number)
    return _lines([*lines, "#EXT-X-ENDLIST"])


def live_playlist(name: str, now: float) -> str:
    """Write the media playlist of a live track, whole segments only."""
    end = parts_until(now) // PARTS
    lines = [*_head(name, end - WINDOW), _date(end - WINDOW)]
    for number in range(end - WINDOW, end):
        lines += _segment(name, number)
    return _lines(lines)


def low_latency_playlist(name: str, others: Iterator[str], now: float, *, delta: bool) -> str:
    """Write the media playlist of a live track with its parts; ``delta``: without its old ones."""
    parts = parts_until(now)
    end, rest = divmod(parts, PARTS)
    first = end - WINDOW
    lines = [
        *_head(name, first),
        (
            f"#EXT-X-SERVER-CONTROL:CAN-BLOCK-RELOAD=YES,PART-HOLD-BACK={5 * PART_SECONDS},"
            f"HOLD-BACK={3 * SEGMENT_SECONDS},CAN-SKIP-UNTIL={SKIP_UNTIL}"
        ),
        f"#EXT-X-PART-INF:PART-TARGET={PART_SECONDS}",
    ]
    shown = first
    if delta:
        shown = int(end - RECENT)
        lines.append(f"#EXT-X-SKIP:SKIPPED-SEGMENTS={shown - first}")
    else:
        lines.append(_date(first))
    for number in range(shown, end):
        if number >= end - IN_PARTS:
            lines += [_part(name, number, part) for part in range(PARTS)]
        lines += _segment(name, number)
    lines += [_part(name, end, part) for part in range(rest)]
    lines.append(f'#EXT-X-PRELOAD-HINT:TYPE=PART,URI="{name}/{end}.{rest}.m4s"')
    last, last_part = divmod(parts - 1, PARTS)
    lines += [
        f'#EXT-X-RENDITION-REPORT:URI="{other}.m3u8",LAST-MSN={last},LAST-PART={last_part}'
        for other in others
    ]
    return _lines(lines)


def _head(name: str, first: int) -> list[str]:
    return [
        "#EXTM3U",
        "#EXT-X-VERSION:9",
        "#EXT-X-INDEPENDENT-SEGMENTS",
        f"#EXT-X-TARGETDURATION:{TARGET_DURATION}",
        f"#EXT-X-MEDIA-SEQUENCE:{first}",
        f'#EXT-X-MAP:URI="{name}/init.mp4"',
    ]


def _date(number: int) -> str:
    return f"#EXT-X-PROGRAM-DATE-TIME:{_utc(SIGN_ON + number * SEGMENT_SECONDS)}"


def _segment(name: str, number: int) -> list[str]:
    return [f"#EXTINF:{SEGMENT_SECONDS},", f"{name}/{number}.m4s"]


def _part(name: str, number: int, part: int) -> str:
    independent = ",INDEPENDENT=YES" if part == 0 or name == AUDIO else ""
    return f'#EXT-X-PART:DURATION={PART_SECONDS},URI="{name}/{number}.{part}.m4s"{independent}'


def vod_mpd(tracks: Mapping[str, Track], segments: int) -> str:
    """Write the static MPD."""
    return _mpd(
        tracks,
        f'type="static" mediaPresentationDuration="PT{segments * SEGMENT_SECONDS}S"',
        range(segments),
    )


def live_mpd(tracks: Mapping[str, Track], now: float, first: int | None = None) -> str:
    """Write the dynamic MPD; it brings its clock with it.

    Its segments stand in a timeline; or, from the ``first`` one of the programme on, are numbered.
    """
    end = parts_until(now) // PARTS
    began = SIGN_ON + (first or 0) * SEGMENT_SECONDS
    return _mpd(
        tracks,
        f'type="dynamic" availabilityStartTime="{_utc(began)}" publishTime="{_utc(now)}" '
        f'minimumUpdatePeriod="PT{TARGET_DURATION}S" suggestedPresentationDelay="PT6S" '
        f'timeShiftBufferDepth="PT{WINDOW * SEGMENT_SECONDS}S"',
        range(end - WINDOW, end) if first is None else first,
        f'<UTCTiming schemeIdUri="urn:mpeg:dash:utc:direct:2014" value="{_utc(now)}"/>\n',
    )


def _mpd(tracks: Mapping[str, Track], attributes: str, listed: range | int, tail: str = "") -> str:
    """Write an MPD whose segments are ``listed``, or numbered from there on."""

    def segments(step: int) -> str:
        if isinstance(listed, int):
            offset = listed * step
            return f'startNumber="{listed}" duration="{step}" presentationTimeOffset="{offset}"/>'
        timeline = f'<S t="{listed.start * step}" d="{step}" r="{len(listed) - 1}"/>'
        return (
            f'startNumber="{listed.start}"><SegmentTimeline>{timeline}</SegmentTimeline>'
            "</SegmentTemplate>"
        )

    def representation(name: str) -> str:
        track = tracks[name]
        size = f' width="{track.width}" height="{track.height}"' if track.width else ""
        return (
            f'<Representation id="{name}" codecs="{track.codec}" '
            f'bandwidth="{track.peak_bandwidth}"{size}>'
            f'<SegmentTemplate timescale="{track.timescale}" '
            'initialization="$RepresentationID$/init.mp4" '
            f'media="$RepresentationID$/$Number$.m4s" {segments(PARTS * track.ticks)}'
            "</Representation>\n"
        )

    def adaptation(kind: str, names: list[str]) -> str:
        return (
            f'<AdaptationSet contentType="{kind}" mimeType="{kind}/mp4" startWithSAP="1" '
            f'segmentAlignment="true">\n{"".join(map(representation, names))}</AdaptationSet>\n'
        )

    return (
        '<?xml version="1.0" encoding="UTF-8"?>\n<MPD xmlns="urn:mpeg:dash:schema:mpd:2011" '
        f'profiles="urn:mpeg:dash:profile:isoff-live:2011" minBufferTime="PT{TARGET_DURATION}S" '
        f'{attributes}>\n<Period id="0" start="PT0S">\n'
        f"{adaptation('video', [name for name in tracks if name != AUDIO])}"
        f"{adaptation('audio', [AUDIO])}</Period>\n{tail}</MPD>\n"
    )


def _lines(lines: list[str]) -> str:
    return "\n".join(lines) + "\n"


def _utc(seconds: float) -> str:
    moment = datetime.fromtimestamp(seconds, UTC)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")
