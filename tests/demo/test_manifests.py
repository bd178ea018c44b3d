import re
import xml.etree.ElementTree as ET

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.demo import manifests
from proxy.demo.library import Title, load_library

MPD = "{urn:mpeg:dash:schema:mpd:2011}"
TITLE = load_library()["redmesa"]
# Any time from the sign-on's first full window to some centuries on.
NOW = st.floats(manifests.SIGN_ON + 60, 2e10)


def numbers(playlist: str) -> list[int]:
    return [int(found) for found in re.findall(r"^\w+/(\d+)\.m4s$", playlist, re.MULTILINE)]


def media_sequence(playlist: str) -> int:
    found = re.search(r"^#EXT-X-MEDIA-SEQUENCE:(\d+)$", playlist, re.MULTILINE)
    assert found
    return int(found[1])


@given(now=NOW)
def test_a_live_playlist_lists_the_newest_complete_segments(now: float) -> None:
    playlist = manifests.live_playlist("high", now)
    listed = numbers(playlist)
    assert listed == list(range(listed[0], listed[0] + manifests.WINDOW))
    assert media_sequence(playlist) == listed[0]
    ends = manifests.SIGN_ON + (listed[-1] + 1) * manifests.SEGMENT_SECONDS
    assert ends <= now < ends + manifests.SEGMENT_SECONDS
    assert "#EXT-X-ENDLIST" not in playlist


@given(now=NOW)
def test_what_is_listed_can_be_had_and_what_comes_next_cannot(now: float) -> None:
    listed = numbers(manifests.live_playlist("high", now))
    assert all(manifests.is_available("live", number, now) for number in listed)
    assert not manifests.is_available("live", listed[-1] + 1, now)
    assert not manifests.is_available("live", listed[-1] - manifests.KEPT, now)


@given(now=NOW, later=st.floats(0, 60))
def test_what_was_listed_can_be_had_for_a_minute_more(now: float, later: float) -> None:
    first = numbers(manifests.live_playlist("high", now))[0]
    assert manifests.is_available("live", first, now + later)


@given(now=NOW)
def test_hls_and_dash_show_the_same_segments_at_the_same_time(now: float) -> None:
    listed = numbers(manifests.live_playlist("high", now))
    for template in ET.fromstring(manifests.live_mpd(TITLE, now)).iter(f"{MPD}SegmentTemplate"):
        entry = template.find(f"{MPD}SegmentTimeline/{MPD}S")
        assert entry is not None
        assert int(template.attrib["startNumber"]) == listed[0]
        assert int(entry.attrib["r"]) + 1 == len(listed)
        start = int(entry.attrib["t"]) / int(template.attrib["timescale"])
        assert start == listed[0] * manifests.SEGMENT_SECONDS


def test_on_demand_both_formats_last_an_hour() -> None:
    playlist = manifests.vod_playlist("high")
    assert numbers(playlist) == list(range(900))
    assert sum(map(float, re.findall(r"#EXTINF:([\d.]+),", playlist))) == 3600
    assert playlist.endswith("#EXT-X-ENDLIST\n")
    assert ET.fromstring(manifests.vod_mpd(TITLE)).get("mediaPresentationDuration") == "PT3600S"
    assert manifests.is_available("vod", 899, 0)
    assert not manifests.is_available("vod", 900, 0)


def test_the_entry_playlist_names_every_track_once() -> None:
    playlist = manifests.multivariant(TITLE)
    named = re.findall(r"^(\w+)\.m3u8$|URI=\"(\w+)\.m3u8\"", playlist, re.MULTILINE)
    assert sorted(a or b for a, b in named) == sorted(TITLE.tracks)


@pytest.mark.parametrize(
    "mpd", [manifests.vod_mpd(TITLE), manifests.live_mpd(TITLE, 1.8e9)], ids=["vod", "live"]
)
def test_an_mpd_describes_every_track(mpd: str) -> None:
    described = {one.attrib["id"]: one for one in ET.fromstring(mpd).iter(f"{MPD}Representation")}
    assert set(described) == set(TITLE.tracks)
    for name, track in TITLE.tracks.items():
        assert described[name].attrib["codecs"] == track.codec
        assert described[name].get("width", "0") == str(track.width)
    assert bandwidths(described) == sorted(bandwidths(described))


def bandwidths(described: dict[str, ET.Element]) -> list[int]:
    return [int(described[name].attrib["bandwidth"]) for name in ("audio", "low", "high")]


def test_a_live_mpd_carries_the_time_it_was_written_at() -> None:
    timing = ET.fromstring(manifests.live_mpd(TITLE, 1_800_000_000.25)).find(f"{MPD}UTCTiming")
    assert timing is not None
    assert timing.attrib["value"] == "2027-01-15T08:00:00.250Z"


def test_titles_are_told_apart() -> None:
    titles: dict[str, Title] = load_library()
    assert len({title.tracks["high"].fragments for title in titles.values()}) == len(titles)
