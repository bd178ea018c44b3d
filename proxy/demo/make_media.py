"""Draws and encodes the demo's three films; run once by whoever changes them: it needs ffmpeg.

    python -m proxy.demo.make_media proxy/demo/media

Each film is a loop of 20 seconds that ends where it begins: layers of landscape that scroll by
whole periods, a sound whose tones fit the loop. The origin repeats it without a seam, for an hour
on demand and for ever live, so that few bytes make a long programme. The number in the corner is
the second within the loop.

Everything is chosen for few bytes: flat colours, whole-pixel motion, text on what stands still.
"""

import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from proxy.demo.fmp4 import read_track

LOOP = 20
FRAME_RATE = 15
# 4 s are 60 pictures and, at 32 kHz, exactly 125 AAC frames of 1024 samples: sound and picture are
# cut at the same instant and neither drifts, however often they are looped.
SEGMENT = 4
SAMPLE_RATE = 32_000
AAC_FRAMES = LOOP * SAMPLE_RATE // 1024
AAC_FRAMES_PER_SEGMENT = SEGMENT * SAMPLE_RATE // 1024
WIDTH, HEIGHT = 640, 360
SMALL = (320, 180)
X = f"2*PI*X/{WIDTH}"


@dataclass(frozen=True, slots=True)
class Layer:
    """A silhouette: its colour, the height of its edge at X, and the screens it moves per loop."""

    colour: str
    edge: str
    speed: float


@dataclass(frozen=True, slots=True)
class Film:
    """What is drawn and heard: ``disc`` is the sun or moon (x, y, radius), ``chord`` in Hz."""

    name: str
    sky: str
    ink: str
    disc: tuple[int, int, int]
    disc_colour: str
    layers: tuple[Layer, ...]
    chord: tuple[int, int, int]


def waves(base: int, height: int, count: int, phase: float) -> str:
    """Describe the edge of water, the same ``count`` times across the screen."""
    turn = f"{X}*{count}"
    return f"{base}+{height}*sin({turn}+{phase})+{height}/2*sin(3*{turn}+2*{phase})"


def mesas(base: int, height: int, count: int, phase: float) -> str:
    """Describe the edge of flat-topped rock: sines cut off above and below."""
    turn = f"{X}*{count}"
    return (
        f"{base}-{height}*clip(3*sin({turn}+{phase})+1.6*sin(4*{turn}),-1,1)"
        f"-{height}/4*clip(6*sin(2*{turn}+{phase}),-1,1)"
    )


def pines(base: int, height: int, count: int, phase: float) -> str:
    """Describe the edge of a wood: ``count`` points of varying height on a gentle slope."""
    point = f"abs(2*mod(X*{count}/{WIDTH}+{phase}\\,1)-1)"
    return f"{base}+{height}*{point}*(1+0.45*sin(4*{X}+{phase}))+{height}/3*sin(2*{X}+{phase})"


FILMS = {
    "tidewater": Film(
        name="Tidewater",
        sky="0x0b1a2b",
        ink="0xf4ead2",
        disc=(320, 122, 40),
        disc_colour="0xf4ead2",
        layers=(
            Layer("0x17395c", waves(206, 9, 2, 0.3), 0.5),
            Layer("0x1f5a86", waves(240, 9, 2, 1.1), 0.5),
            Layer("0x2b86b0", waves(274, 10, 1, 2.0), 1),
            Layer("0x0f2e4c", waves(312, 12, 1, 0.9), 2),
        ),
        chord=(110, 165, 220),
    ),
    "redmesa": Film(
        name="Red Mesa",
        sky="0xf3b27a",
        ink="0x4a1a20",
        disc=(320, 168, 54),
        disc_colour="0xfff0cf",
        layers=(
            Layer("0xd9774f", mesas(234, 26, 2, 0.6), 0.5),
            Layer("0xb4503d", mesas(270, 24, 2, 2.2), 0.5),
            Layer("0x7f2f33", mesas(304, 20, 1, 4.0), 1),
            Layer("0x431a26", waves(334, 10, 1, 1.4), 2),
        ),
        chord=(98, 147, 196),
    ),
    "greenwood": Film(
        name="Greenwood",
        sky="0xdfe9dc",
        ink="0x16372d",
        disc=(320, 138, 42),
        disc_colour="0xfbfdf3",
        layers=(
            Layer("0xa9c8b1", waves(214, 14, 2, 0.8), 0.5),
            Layer("0x6fa088", pines(232, 20, 22, 0.2), 0.5),
            Layer("0x3b7160", pines(262, 30, 16, 0.5), 1),
            Layer("0x16372d", pines(298, 38, 11, 0.8), 2),
        ),
        chord=(130, 195, 260),
    ),
}


def picture(film: Film, *, lettering: bool = True) -> str:
    """Write the filter graph that draws a film, with its name and seconds; its output is [v]."""
    x, y, radius = film.disc
    shape = f"hypot(X-{x},Y-{y})"
    sprites = [
        # Two faint rings around the disc; a gradient would cost more than the whole landscape.
        _sprite(film.disc_colour, f"20*clip({radius * 2.2}-{shape}+0.5,0,1)"),
        _sprite(film.disc_colour, f"32*clip({radius * 1.6}-{shape}+0.5,0,1)"),
        _sprite(film.disc_colour, f"255*clip({radius}-{shape}+0.5,0,1)"),
        *(
            # The edge is half a pixel soft, or it would crawl as it scrolls.
            _sprite(layer.colour, f"clip(255*(Y-({layer.edge}))+128,0,255)", layer.speed)
            for layer in film.layers
        ),
    ]
    graph = [f"color=c={film.sky}:s={WIDTH}x{HEIGHT}:r={FRAME_RATE}[s0]"]
    for index, sprite in enumerate(sprites):
        graph += [f"{sprite}[p{index}]", f"[s{index}][p{index}]overlay[s{index + 1}]"]
    name = f"text='{film.name}':x=36:y=36:fontsize=38"
    seconds = f"text='%{{eif\\:mod(t\\,{LOOP})\\:d\\:2}}':x={WIDTH}-36-tw:y=28:fontsize=54"
    words = [f"drawtext=font='DejaVu Sans':fontcolor={film.ink}:{text}" for text in (name, seconds)]
    finish = ",".join([*(words if lettering else []), "format=yuv420p"])
    graph.append(f"[s{len(sprites)}]{finish}[v]")
    return ";".join(graph)


def _sprite(colour: str, alpha: str, speed: float = 0) -> str:
    """Draw one shape once and hold it; ``speed`` screens pass per loop."""
    return (
        f"color=c={colour}:s={WIDTH}x{HEIGHT}:r={FRAME_RATE}:d=0.05,format=rgba,"
        f"geq=r='r(X,Y)':g='g(X,Y)':b='b(X,Y)':a='{alpha}',loop=loop=-1:size=1"
        + (f",scroll=h={speed}/{LOOP * FRAME_RATE}" if speed else "")
    )


def encode_video(film: Film, folder: Path) -> None:
    """Draw a film once and encode both renditions from it."""
    master = folder / "master.mkv"
    ffmpeg("-filter_complex", picture(film), "-map", "[v]", "-t", LOOP, "-c:v", "ffv1", master)
    for name, (width, height), quality in (("high", (WIDTH, HEIGHT), 31), ("low", SMALL, 32)):
        ffmpeg(
            *("-i", master, "-vf", f"scale={width}:{height}", "-c:v", "libx264"),
            *("-preset", "placebo", "-profile:v", "baseline", "-crf", quality),
            # A key picture every segment and nowhere else. Psychovisual tuning adds grain-like
            # detail, which flat colours do not have.
            *("-g", SEGMENT * FRAME_RATE, "-sc_threshold", 0, "-x264-params", "psy=0"),
            *("-bsf:v", "filter_units=remove_types=6"),  # the encoder's note about itself
            *("-movflags", "+frag_keyframe+empty_moov+default_base_moof+skip_trailer"),
            *("-flags", "+global_header+bitexact", "-fflags", "+bitexact"),
            folder / f"{name}.mp4",
        )
    master.unlink()


def draw_poster(film: Film, folder: Path) -> None:
    """Draw the film's first moment, without words: the page has its own."""
    graph = picture(film, lettering=False)
    ffmpeg(
        "-filter_complex", graph, "-map", "[v]", "-frames:v", 1, "-q:v", 5, folder / "poster.jpg"
    )


def encode_audio(film: Film, folder: Path) -> None:
    """Encode the sound without the encoder's delay, which would push it off the segment grid.

    The delay lies in the first frames. The sound repeats, so one segment more than needed is
    encoded, its frames dropped, and what remains starts at time zero.
    """
    # Whole Hz are whole turns per loop; each tone swells at its own pace, two to four times.
    tones = "+".join(
        f"0.04*(1+0.5*sin(2*PI*t*{swells}/{LOOP}))*sin(2*PI*{tone}*t)"
        for tone, swells in zip(film.chord, (2, 3, 4), strict=True)
    )
    raw = folder / "audio.aac"
    ffmpeg(
        *("-f", "lavfi", "-i", f"aevalsrc={tones}:s={SAMPLE_RATE}", "-t", LOOP + SEGMENT + 1),
        # Three low tones need no bandwidth; without the cutoff the encoder spends twice the bytes.
        *("-c:a", "aac", "-b:a", "4k", "-cutoff", 500, "-aac_tns", 0, "-aac_pns", 0),
        *("-flags", "+bitexact", raw),
    )
    frames = list(adts_frames(raw.read_bytes()))[AAC_FRAMES_PER_SEGMENT:][:AAC_FRAMES]
    raw.write_bytes(b"".join(frames))
    ffmpeg(
        *("-i", raw, "-c:a", "copy", "-bsf:a", "aac_adtstoasc", "-fflags", "+bitexact"),
        # delay_moov: what the decoder must know is found in the first frame only.
        *("-movflags", "+delay_moov+default_base_moof+skip_trailer"),
        *("-frag_duration", SEGMENT * 1_000_000, folder / "audio.mp4"),
    )
    raw.unlink()


def adts_frames(data: bytes) -> Iterator[bytes]:
    """Cut AAC in ADTS into frames; the length is 13 bits from the fourth byte on."""
    place = 0
    while place < len(data):
        length = (data[place + 3] & 3) << 11 | data[place + 4] << 3 | data[place + 5] >> 5
        yield data[place : place + length]
        place += length


def ffmpeg(*arguments: object) -> None:
    """Run ffmpeg quietly, overwriting its output."""
    command = ["ffmpeg", "-y", "-loglevel", "error", *map(str, arguments)]
    subprocess.run(command, check=True)  # noqa: S603  # the arguments are this module's own


def check(path: Path) -> None:
    """Fail where a file is not a loop of segments of four seconds."""
    track = read_track(path.read_bytes())
    if len(track.fragments) != LOOP // SEGMENT or track.ticks != SEGMENT * track.timescale:
        raise SystemExit(f"{path}: {len(track.fragments)} x {track.ticks}/{track.timescale} s")


def main(target: Path) -> None:
    """Make all media anew below a folder."""
    for slug, film in FILMS.items():
        with tempfile.TemporaryDirectory() as scratch:
            folder = Path(scratch)
            encode_video(film, folder)
            encode_audio(film, folder)
            draw_poster(film, folder)
            for path in folder.glob("*.mp4"):
                check(path)
            (target / slug).mkdir(parents=True, exist_ok=True)
            for path in folder.iterdir():
                (target / slug / path.name).write_bytes(path.read_bytes())


if __name__ == "__main__":
    main(Path(sys.argv[1]))
