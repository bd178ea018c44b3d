"""Manifests as ffmpeg's muxers write them, made anew for each run."""

import subprocess
import time
from pathlib import Path

import pytest

from tests.support import needs

PICTURE = ("-f", "lavfi", "-i", "testsrc=size=64x36:rate=10:duration=4")
SOUND = ("-f", "lavfi", "-i", "sine=duration=4")
H264 = ("-c:v", "libx264", "-preset", "ultrafast", "-g", "10", "-flags", "+global_header")
TWO_SIZES = ("-map", "0:v", "-map", "0:v", "-map", "1:a", "-b:v:0", "50k", "-b:v:1", "30k")
AUDIO_GROUP = "v:0,agroup:aud v:1,agroup:aud a:0,agroup:aud,default:yes"
HLS = ("-f", "hls", "-hls_time", "1", "-hls_list_size", "0")
DASH = ("-f", "dash", "-seg_duration", "1")
SETS = ("-adaptation_sets", "id=0,streams=v id=1,streams=a")


@pytest.fixture(scope="session")
def ffmpeg() -> str:
    return needs.program("ffmpeg", install="apt-get install ffmpeg")


@pytest.fixture(scope="session")
def media(ffmpeg: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of HLS and DASH in the forms that ffmpeg's muxers know."""
    root = tmp_path_factory.mktemp("media")

    def run(name: str, *arguments: str) -> None:
        path = root / name
        path.parent.mkdir(exist_ok=True)
        command = (ffmpeg, "-v", "error", *PICTURE, *SOUND, *arguments, path.name)
        subprocess.run(command, cwd=path.parent, check=True, stdin=subprocess.DEVNULL)

    variants = ("-master_pl_name", "master.m3u8", "-var_stream_map", AUDIO_GROUP)
    run("ts/%v.m3u8", *TWO_SIZES, *H264, *HLS, "-hls_playlist_type", "vod", *variants)
    fragmented = ("-hls_segment_type", "fmp4", "-hls_flags", "single_file")
    run("ranges/main.m3u8", "-map", "0:v", *H264, *HLS, *fragmented)
    run("live/main.m3u8", "-map", "0:v", *H264, *HLS, "-hls_flags", "omit_endlist")
    run("timeline/main.mpd", *TWO_SIZES, *H264, *DASH, *SETS)
    run("number/main.mpd", *TWO_SIZES, *H264, *DASH, *SETS, "-use_timeline", "0")
    run("single/main.mpd", "-map", "0:v", *H264, *DASH, "-single_file", "1")
    (root / "dynamic").mkdir()
    (root / "dynamic" / "main.mpd").write_bytes(dynamic_mpd(ffmpeg, root / "dynamic"))
    return root


def dynamic_mpd(ffmpeg: str, folder: Path) -> bytes:
    """What ffmpeg's MPD says while it goes on; it becomes static as soon as ffmpeg ends."""
    picture = (*PICTURE[:-1], "testsrc=size=64x36:rate=10")
    output = ("-window_size", "3", "growing.mpd")
    command = (ffmpeg, "-v", "error", "-re", *picture, *H264, *DASH, *output)
    path = folder / "growing.mpd"
    with subprocess.Popen(command, cwd=folder, stdin=subprocess.DEVNULL) as process:
        try:
            for _ in range(2400):
                if path.exists() and b"</MPD>" in (body := path.read_bytes()):
                    return body
                time.sleep(0.05)
        finally:
            process.kill()
    raise AssertionError("ffmpeg wrote no MPD")
