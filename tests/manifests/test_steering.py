"""Content steering in HLS; in DASH it is tested with the rest of an MPD."""

from dataclasses import replace

import pytest

from proxy.manifests.hls import compile_hls
from proxy.manifests.linker import Linker
from proxy.manifests.links import Links
from proxy.manifests.steering import steering_link
from tests.manifests.world import PUBLIC, links

OURS = f"https://{PUBLIC}/_playgate/steering"
PLAIN = 'SERVER-URI="/_playgate/steering?_sid=[steering].T"'


def steered(base: str = "/live/a/main.m3u8") -> Links:
    return replace(links(base), steering="/_playgate/steering")


def rendered(text: str, where: Links | None = None) -> str:
    return compile_hls(text.encode(), where or steered()).render(b"T").decode()


def test_a_multivariant_playlist_is_given_a_server_and_each_variant_the_pathway() -> None:
    text = (
        "#EXTM3U\n#EXT-X-VERSION:6\n"
        '#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID="a",NAME="en"\n'
        '#EXT-X-STREAM-INF:BANDWIDTH=1,CODECS="avc1,mp4a",AUDIO="a"\n\nlow.m3u8\n'
        '#EXT-X-STREAM-INF:BANDWIDTH=2,PATHWAY-ID="."\nhigh.m3u8\n'
        '#EXT-X-I-FRAME-STREAM-INF:BANDWIDTH=1,URI="frames.m3u8"\n'
    )
    scope = f"{PUBLIC}/live/a"
    assert rendered(text) == (
        f'#EXTM3U\n#EXT-X-CONTENT-STEERING:{PLAIN},PATHWAY-ID="."\n#EXT-X-VERSION:6\n'
        '#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID="a",NAME="en"\n'
        '#EXT-X-STREAM-INF:BANDWIDTH=1,CODECS="avc1,mp4a",AUDIO="a",PATHWAY-ID="."\n\n'
        f"low.m3u8?_sid=[{scope}/low.m3u8].T\n"
        f'#EXT-X-STREAM-INF:BANDWIDTH=2,PATHWAY-ID="."\nhigh.m3u8?_sid=[{scope}/high.m3u8].T\n'
        "#EXT-X-I-FRAME-STREAM-INF:BANDWIDTH=1,"
        f'URI="frames.m3u8?_sid=[{scope}/frames.m3u8].T"\n'
    )


def test_line_ends_marks_and_blanks_are_the_playlists_own() -> None:
    text = "\ufeff#EXTM3U\r\n#EXT-X-STREAM-INF:BANDWIDTH=1, \r\nlow.m3u8\r\n"
    lines = rendered(text).split("\r\n")
    assert lines[0] == "\ufeff#EXTM3U"
    assert lines[1] == f'#EXT-X-CONTENT-STEERING:{PLAIN},PATHWAY-ID="."'
    assert lines[2] == '#EXT-X-STREAM-INF:BANDWIDTH=1,PATHWAY-ID=".", '


def test_a_pathway_that_has_a_name_keeps_it_and_the_server_is_told() -> None:
    lines = rendered('#EXTM3U\n#EXT-X-STREAM-INF:PATHWAY-ID="a b",BANDWIDTH=1\nlow.m3u8\n')
    assert lines.splitlines()[1:3] == [
        (
            '#EXT-X-CONTENT-STEERING:SERVER-URI="/_playgate/steering?_pathway=a%20b&_sid=[steering].T",'
            'PATHWAY-ID="a b"'
        ),
        '#EXT-X-STREAM-INF:PATHWAY-ID="a b",BANDWIDTH=1',
    ]


@pytest.mark.parametrize(
    "text",
    [
        "#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=1\na.m3u8\n#EXT-X-STREAM-INF:BANDWIDTH=1\nb.m3u8\n",
        "#EXTM3U\n#EXT-X-TARGETDURATION:4\n#EXTINF:4,\n1.ts\n",
        '#EXTM3U\n#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID="a",NAME="en",URI="a.m3u8"\n',
    ],
)
def test_redundant_variants_media_playlists_and_bare_renditions_are_left_alone(text: str) -> None:
    assert rendered(text) == rendered(text, links())


def test_without_keepalive_no_playlist_is_steered() -> None:
    text = '#EXTM3U\n#EXT-X-CONTENT-STEERING:SERVER-URI="https://cdn.example/s"\n'
    variant = "#EXT-X-STREAM-INF:BANDWIDTH=1\nlow.m3u8\n"
    assert rendered(text + variant, links()).startswith(text)
    assert "STEERING" not in rendered("#EXTM3U\n" + variant, links())


@pytest.mark.parametrize(
    ("server", "asked"),
    [
        ("steer.json?x=1&y", "/live/a/steer.json?x=1&y"),
        ("/steer", "/steer"),
        ("http://origin-a:8000/live/s.json", "/live/s.json"),
        ("https://cdn.example/s?a=b", "https://cdn.example/s?a=b"),
        ("{$host}/s", "/live/a/h/s"),
        ("/st\u00e4r", "/st%C3%A4r"),
    ],
)
def test_a_steering_server_of_the_origins_is_wrapped(server: str, asked: str) -> None:
    text = (
        '#EXTM3U\n#EXT-X-DEFINE:NAME="host",VALUE="h"\n'
        f'#EXT-X-CONTENT-STEERING:SERVER-URI="{server}",PATHWAY-ID="x"\n'
        '#EXT-X-STREAM-INF:BANDWIDTH=1,PATHWAY-ID="x"\nlow.m3u8\n'
    )
    quoted = asked.replace("%", "%25").replace("?", "%3F").replace("=", "%3D").replace("&", "%26")
    assert rendered(text).splitlines()[2] == (
        "#EXT-X-CONTENT-STEERING:"
        f'SERVER-URI="/_playgate/steering?_server={quoted}&_sid=[steering {asked}].T",'
        'PATHWAY-ID="x"'
    )


@pytest.mark.parametrize("server", [b"/st\xff", b"http://cdn.example/\xff"])
def test_a_steering_server_that_is_no_text_is_asked_by_its_bytes(server: bytes) -> None:
    text = b'#EXTM3U\n#EXT-X-CONTENT-STEERING:SERVER-URI="%s"\n' % server
    variant = b"#EXT-X-STREAM-INF:BANDWIDTH=1\nlow.m3u8\n"
    line = compile_hls(text + variant, steered()).render(b"T").splitlines()[1]
    named = server.replace(b"\xff", b"%FF").decode()
    assert f"[steering {named}].T" in line.decode()


@pytest.mark.parametrize("server", ["data:application/json,%7B%7D", "{$unknown}/s", "ftp://h/s"])
def test_a_steering_server_that_cannot_be_asked_is_left_as_it_is(server: str) -> None:
    text = (
        f'#EXTM3U\n#EXT-X-CONTENT-STEERING:SERVER-URI="{server}"\n'
        "#EXT-X-STREAM-INF:BANDWIDTH=1\nlow.m3u8\n"
    )
    assert rendered(text) == rendered(text, links())


def test_the_link_is_absolute_where_players_do_not_resolve_it() -> None:
    where = steered()
    assert steering_link(where, Linker(where)) == (f"{OURS}?_sid=[steering].", "")
