from pathlib import Path

import pytest

from proxy.demo.library import LINES, MEDIA, load_library
from proxy.demo.make_media import FILMS, LOOP, SEGMENT, adts_frames, check

FILES = sorted(MEDIA.glob("*/*.mp4"))


def test_every_film_that_is_drawn_is_in_the_library() -> None:
    assert set(FILMS) == set(LINES) == set(load_library())
    assert {film.name for film in FILMS.values()} == {
        title.name for title in load_library().values()
    }


@pytest.mark.parametrize("path", FILES, ids=lambda path: f"{path.parent.name}-{path.stem}")
def test_the_committed_media_are_what_the_script_makes(path: Path) -> None:
    check(path)


def test_a_track_of_another_length_is_noticed(tmp_path: Path) -> None:
    whole = FILES[0].read_bytes()
    shorter = tmp_path / "shorter.mp4"
    shorter.write_bytes(whole[: whole.rindex(b"moof") - 4])
    with pytest.raises(SystemExit, match=f"{LOOP // SEGMENT - 1} x"):
        check(shorter)


def test_the_media_stay_small_enough_to_live_in_the_repository() -> None:
    assert sum(path.stat().st_size for path in MEDIA.rglob("*") if path.is_file()) < 640 * 1024


def test_adts_is_cut_at_each_frame() -> None:
    def frame(payload: bytes) -> bytes:
        length = 7 + len(payload)
        size = bytes([length >> 11, length >> 3 & 0xFF, (length & 7) << 5])
        return b"\xff\xf1\x58" + size + b"\xfc" + payload

    frames = [frame(b""), frame(b"x" * 300), frame(b"y" * 5000)]
    assert list(adts_frames(b"".join(frames))) == frames
