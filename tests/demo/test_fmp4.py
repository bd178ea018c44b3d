import subprocess
from contextlib import suppress
from pathlib import Path
from struct import pack, unpack_from

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.demo.fmp4 import Track, read_track
from proxy.demo.library import MEDIA
from tests.support import needs

VIDEO = (MEDIA / "tidewater" / "low.mp4").read_bytes()
AUDIO = (MEDIA / "tidewater" / "audio.mp4").read_bytes()


def decode_time(segment: bytes) -> int:
    """Read the 64 bits of tfdt, found by its name and not by the module's own walk."""
    return int(unpack_from(">Q", segment, segment.index(b"tfdt") + 8)[0])


def sequence(segment: bytes) -> int:
    return int(unpack_from(">I", segment, segment.index(b"mfhd") + 8)[0])


def test_a_track_tells_what_a_manifest_must_state() -> None:
    video, audio = read_track(VIDEO), read_track(AUDIO)
    assert (video.width, video.height, video.codec) == (320, 180, "avc1.42c015")
    assert (audio.width, audio.height, audio.codec) == (0, 0, "mp4a.40.2")
    assert video.ticks / video.timescale == audio.ticks / audio.timescale == 4
    assert 0 < video.average_bandwidth <= video.peak_bandwidth < 50_000


def test_nothing_of_the_file_is_lost_by_cutting_it() -> None:
    track = read_track(VIDEO)
    assert track.init + b"".join(track.fragments) == VIDEO


@given(number=st.integers(0, 2**40))
def test_a_segment_differs_from_its_fragment_only_in_its_place_on_the_timeline(
    number: int,
) -> None:
    track = read_track(VIDEO)
    segment = track.segment(number)
    fragment = track.fragments[number % len(track.fragments)]
    assert decode_time(segment) == number * track.ticks
    assert sequence(segment) == (number + 1) % 2**32
    assert blank(segment) == blank(fragment)


def blank(segment: bytes) -> bytes:
    """Overwrite the two fields that may differ."""
    time, order = segment.index(b"tfdt") + 8, segment.index(b"mfhd") + 8
    filled = bytearray(segment)
    filled[time : time + 8] = bytes(8)
    filled[order : order + 4] = bytes(4)
    return bytes(filled)


def boxed(kind: bytes, *content: bytes) -> bytes:
    body = b"".join(content)
    return pack(">I4s", len(body) + 8, kind) + body


def timed(version: int, time: int) -> bytes:
    return boxed(
        b"moof", boxed(b"traf", boxed(b"tfdt", bytes([version, 0, 0, 0]), pack(">Q", time)))
    )


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "two fragments"),
        (VIDEO[: len(read_track(VIDEO).init)], "two fragments"),
        (VIDEO[:-1], "does not fit"),
        (VIDEO + b"\0\0\0", "shorter than its fields"),
        (pack(">I4s", 4, b"free"), "does not fit"),
        (boxed(b"moof") * 2, "no tfdt"),
        (timed(0, 0) + timed(0, 4), "64 bits"),
        (timed(1, 0) + timed(1, 0), "equally long"),
        (timed(1, 4) + timed(1, 8), "equally long"),
        (timed(1, 0) + timed(1, 4) + timed(1, 9), "equally long"),
        (timed(1, 0) + timed(1, 4), "no tkhd"),
    ],
)
def test_a_file_that_cannot_be_looped_is_refused(data: bytes, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        read_track(data)


@given(data=st.binary(max_size=64), place=st.integers(0, len(VIDEO)))
def test_no_bytes_raise_anything_but_a_value_error(data: bytes, place: int) -> None:
    damaged = VIDEO[:place] + data + VIDEO[place + len(data) :]
    with suppress(ValueError):
        assert isinstance(read_track(damaged), Track)


@pytest.mark.parametrize(
    ("data", "step", "first"),
    [(VIDEO, 1 / 15, 4), (AUDIO, 1024 / 32_000, 4), (VIDEO, 1 / 15, 10**7)],
)
def test_a_decoder_sees_no_seam_where_the_loop_starts_over(
    tmp_path: Path, data: bytes, step: float, first: int
) -> None:
    ffprobe = needs.program("ffprobe", install="apt-get install ffmpeg")
    track = read_track(data)
    assert len(track.fragments) == 5  # so that segments 4 and 5 are the end and the beginning
    joined = tmp_path / "joined.mp4"
    segments = (track.segment(number) for number in range(first, first + 3))
    joined.write_bytes(track.init + b"".join(segments))
    probed = subprocess.run(
        [ffprobe, "-v", "error", "-show_entries", "frame=pts_time", "-of", "csv=p=0", str(joined)],
        capture_output=True,
        text=True,
        check=True,
    )
    times = [float(line.rstrip(",")) for line in probed.stdout.split()]
    assert probed.stderr == ""
    assert len(times) == round(12 / step)
    assert times == pytest.approx(
        [first * 4 + index * step for index in range(len(times))], abs=1e-3
    )
