import pytest

from proxy.errors import OriginInvalid
from proxy.manifests.kinds import Format, is_manifest_path, is_manifest_type, recognise


@pytest.mark.parametrize(
    "path",
    [
        "/live/master.m3u8",
        "/live/MASTER.M3U8",
        "/live/master.m3u",
        "/live/stream.mpd",
        "/live/stream.mpp",
        "/live/.m3u8",
        "/live/master.m3u%38",
        "/live/master%2Em3u8",
        "/live/master.m3u8;jsessionid=1",
        "/vod/film.ism/Manifest",
        "/vod/film.ism/manifest",
        "/vod/film.ism/manifest(format=mpd-time-csf)",
        "/vod/film.ism/Manifest(video,format=m3u8-aapl)",
        "/vod/film.ism/manifest%28format=m3u8-aapl%29",
    ],
)
def test_a_manifests_path_is_known_however_it_is_spelled(path: str) -> None:
    assert is_manifest_path(path)


@pytest.mark.parametrize(
    "path",
    [
        "/",
        "/live/",
        "/live/segment.ts",
        "/live/master.m3u8/",
        "/live/master.m3u8/segment.m4s",
        "/live/manifests",
        "/live/manifest.ts",
        "/live/manifest(format=mpd",
        "/live/m3u8",
        "/live/segment.ts;master.m3u8",
    ],
)
def test_a_segments_path_is_no_manifests(path: str) -> None:
    assert not is_manifest_path(path)


@pytest.mark.parametrize(
    ("content_type", "path", "body", "expected"),
    [
        ("application/vnd.apple.mpegurl", "/x", b"", Format.HLS),
        ("Application/X-mpegURL; charset=utf-8", "/x.mpd", b"<MPD/>", Format.HLS),
        ("audio/mpegurl", "/x", b"", Format.HLS),
        ("audio/x-mpegurl", "/x", b"", Format.HLS),
        ("application/dash+xml;profiles=x", "/x.m3u8", b"", Format.DASH),
        ("video/vnd.mpeg.dash.mpd", "/x", b"", Format.DASH),
        ("application/dash-patch+xml", "/x.mpp", b"", Format.DASH),
        (None, "/x.m3u8", b"#EXTM3U\n", Format.HLS),
        ("text/plain", "/x.m3u8", b"\xef\xbb\xbf#EXTM3U\n", Format.HLS),
        ("application/octet-stream", "/x", b'<?xml version="1.0"?><MPD/>', Format.DASH),
        ("binary/octet-stream", "/x.MPD", b"", Format.DASH),
        ("text/xml", "/x.ism/manifest(format=mpd-time-csf)", b"", Format.DASH),
        ("", "/x.ism/Manifest(format=m3u8-aapl)", b"", Format.HLS),
        ("application/xml", "/x.m3u8", b"\n<MPD/>", Format.DASH),
    ],
)
def test_the_type_decides_and_where_it_is_generic_the_body_then_the_name(
    content_type: str | None, path: str, body: bytes, expected: Format
) -> None:
    assert recognise(content_type, path, body) is expected


@pytest.mark.parametrize(
    ("content_type", "path", "body"),
    [
        ("text/html", "/x.m3u8", b"#EXTM3U\n"),
        ("video/mp2t", "/x.m3u8", b"#EXTM3U\n"),
        ("application/json", "/x.mpd", b"<MPD/>"),
        ("application/octet-stream", "/x.ism/Manifest", b"\x00\x01"),
        (None, "/x", b""),
    ],
)
def test_what_is_something_else_is_refused(content_type: str, path: str, body: bytes) -> None:
    with pytest.raises(OriginInvalid):
        recognise(content_type, path, body)


def test_a_manifest_is_known_by_its_type_under_any_name() -> None:
    assert is_manifest_type("application/vnd.apple.mpegurl; charset=utf-8")
    assert is_manifest_type("application/dash+xml")
    assert not is_manifest_type("video/mp4")
    assert not is_manifest_type("text/plain")
    assert not is_manifest_type(None)
