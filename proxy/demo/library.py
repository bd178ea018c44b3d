"""The demo's films, read from the media folder into memory: half a megabyte, once, at start."""

from dataclasses import dataclass
from pathlib import Path

from proxy.demo.fmp4 import Track, read_track

MEDIA = Path(__file__).parent / "media"
AUDIO = "audio"
# Best first: a player that does not measure takes the first.
RENDITIONS = ("high", "low")
LINES = {
    "tidewater": ("Tidewater", "A moon, four waves and all the time in the world"),
    "redmesa": ("Red Mesa", "The sun has been going down since you came in"),
    "greenwood": ("Greenwood", "Somewhere between the first pine and the last"),
}


@dataclass(frozen=True, slots=True)
class Title:
    """One film: ``tracks`` holds its renditions, best first, and its sound as ``audio``."""

    slug: str
    name: str
    line: str
    tracks: dict[str, Track]
    poster: bytes

    @property
    def renditions(self) -> dict[str, Track]:
        """The tracks that are pictures."""
        return {name: self.tracks[name] for name in RENDITIONS}


def load_library(folder: Path = MEDIA) -> dict[str, Title]:
    """Read all films.

    Raises:
        OSError, ValueError: a file is missing or is not what ``make_media`` makes.
    """
    return {slug: _load(folder / slug, slug, *words) for slug, words in LINES.items()}


def _load(folder: Path, slug: str, name: str, line: str) -> Title:
    return Title(
        slug=slug,
        name=name,
        line=line,
        tracks={
            track: read_track((folder / f"{track}.mp4").read_bytes())
            for track in (*RENDITIONS, AUDIO)
        },
        poster=(folder / "poster.jpg").read_bytes(),
    )
