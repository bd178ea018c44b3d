"""The media of the matrix: tiny, made once per run by ffmpeg, looped for ever.

A part is 0.512 s: 8 pictures at 15.625 a second and 16 frames of AAC at 32 kHz, so that sound and
picture are cut at the same instant and neither drifts. A segment is four parts.
"""

import subprocess
from pathlib import Path

from proxy.demo.fmp4 import Track, read_track
from proxy.demo.make_media import adts_frames
from tests.support import needs

PART_SECONDS = 0.512
PARTS = 4
SEGMENT_SECONDS = PARTS * PART_SECONDS
LOOP_SEGMENTS = 5
LOOP_SECONDS = LOOP_SEGMENTS * SEGMENT_SECONDS

RATE = "125/8"
PICTURES = 32  # per segment: a key picture at the head of each
AAC_FRAMES = 64  # per segment
AUDIO = "audio"
# Best first. Small enough that a dozen players at a time decode them on two cores.
RENDITIONS = {"high": ("160x90", "60k"), "low": ("128x72", "30k")}


def make_tracks(folder: Path) -> dict[str, Track]:
    """Make two renditions and a sound of their own; each fragment is a part."""
    for name, (size, bitrate) in RENDITIONS.items():
        ffmpeg(
            *("-f", "lavfi", "-i", f"testsrc=s={size}:r={RATE}", "-t", LOOP_SECONDS),
            *("-c:v", "libx264", "-profile:v", "baseline", "-pix_fmt", "yuv420p"),
            *("-b:v", bitrate, "-g", PICTURES, "-sc_threshold", 0, "-flags", "+global_header"),
            *("-movflags", "+empty_moov+default_base_moof+skip_trailer"),
            *("-frag_duration", round(PART_SECONDS * 1e6), folder / f"{name}.mp4"),
        )
    raw = folder / "audio.aac"
    ffmpeg(
        *("-f", "lavfi", "-i", "sine=frequency=330:sample_rate=32000"),
        *("-t", LOOP_SECONDS + 2 * SEGMENT_SECONDS, "-c:a", "aac", "-b:a", "16k", raw),
    )
    # The encoder's delay lies in the first frames; without them the sound starts at time zero.
    frames = list(adts_frames(raw.read_bytes()))[AAC_FRAMES:][: LOOP_SEGMENTS * AAC_FRAMES]
    raw.write_bytes(b"".join(frames))
    ffmpeg(
        *("-i", raw, "-c:a", "copy", "-bsf:a", "aac_adtstoasc"),
        *("-movflags", "+delay_moov+default_base_moof+skip_trailer"),
        *("-frag_duration", round(PART_SECONDS * 1e6), folder / f"{AUDIO}.mp4"),
    )
    tracks = {
        name: read_track((folder / f"{name}.mp4").read_bytes()) for name in (*RENDITIONS, AUDIO)
    }
    for name, track in tracks.items():
        parts = (len(track.fragments), track.ticks / track.timescale)
        assert parts == (LOOP_SEGMENTS * PARTS, PART_SECONDS), f"{name}: {parts}"
    return tracks


def ffmpeg(*arguments: object) -> None:
    program = needs.program("ffmpeg", install="apt-get install ffmpeg")
    command = [program, "-y", "-nostdin", "-loglevel", "error", *map(str, arguments)]
    subprocess.run(command, check=True)
