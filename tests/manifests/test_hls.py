import re
from urllib.parse import urljoin, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.errors import OriginInvalid
from proxy.manifests.hls import compile_hls
from proxy.manifests.kinds import is_manifest_path
from proxy.manifests.template import Template
from proxy.streams import Pace
from tests.manifests.world import CDN, Mode, Player, links, unhurried, without_tickets

MULTIVARIANT = """\
#EXTM3U
#EXT-X-VERSION:7
#EXT-X-INDEPENDENT-SEGMENTS
#EXT-X-CONTENT-STEERING:SERVER-URI="/live/a/steer.json",PATHWAY-ID="x"
#EXT-X-SESSION-DATA:DATA-ID="com.example.title",VALUE="a,URI=no.json"
#EXT-X-SESSION-DATA:DATA-ID="com.example.lyrics",URI="lyrics.json"
#EXT-X-SESSION-KEY:METHOD=SAMPLE-AES,URI="skd://key",KEYFORMAT="com.apple"
#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID="aud",NAME="English, loud",DEFAULT=YES,URI="audio/en.m3u8?a=1"
#EXT-X-MEDIA:TYPE=CLOSED-CAPTIONS,GROUP-ID="cc",NAME="x",INSTREAM-ID="CC1"
#EXT-X-STREAM-INF:BANDWIDTH=1280000,CODECS="avc1.4d401e,mp4a.40.2",AUDIO="aud"
video/low.m3u8

# a comment between the tag and its URI
#EXT-X-STREAM-INF:BANDWIDTH=7680000,AUDIO="aud"

# another
/live/a/video/high.m3u8#x
#EXT-X-I-FRAME-STREAM-INF:BANDWIDTH=86000,URI="video/iframes.m3u8"
#EXT-X-STREAM-INF:BANDWIDTH=1
https://cdn.elsewhere/live/far.m3u8
"""

MEDIA = """\
#EXTM3U
#EXT-X-TARGETDURATION:6
#EXT-X-MAP:URI="init.mp4",BYTERANGE="800@0"
#EXT-X-KEY:METHOD=AES-128,URI="keys/1.key?v=1,2",IV=0x0
#EXT-X-DATERANGE:ID="ad",CLASS="com.apple.hls.interstitial",X-ASSET-URI="/live/ad.m3u8"
#EXTINF:5.5,A title, with URI="no.ts"
#EXT-X-BYTERANGE:1000@800
all.mp4
#EXTINF:6
all.mp4
#EXT-X-UNKNOWN:URI="left.ts"
#EXTINF:.5,
data:video/mp4;base64,AAAA
"""


def compiled(text: str | bytes, mode: Mode = "signed", base: str = "/live/a/main.m3u8") -> Template:
    body = text if isinstance(text, bytes) else text.encode()
    return compile_hls(body, links(base, {"/live/**": mode}))


def rendered(text: str | bytes, mode: Mode = "signed", base: str = "/live/a/main.m3u8") -> str:
    return compiled(text, mode, base).render(b"T").decode()


def test_a_multivariant_playlist_seals_each_of_its_manifests() -> None:
    assert rendered(MULTIVARIANT) == (
        MULTIVARIANT.replace("lyrics.json", "lyrics.json?_sid=[/live/a/].T")
        .replace("en.m3u8?a=1", "en.m3u8?a=1&_sid=[play.example/live/a/audio/en.m3u8].T")
        .replace("low.m3u8", "low.m3u8?_sid=[play.example/live/a/video/low.m3u8].T")
        .replace("high.m3u8", "high.m3u8?_sid=[play.example/live/a/video/high.m3u8].T")
        .replace("iframes.m3u8", "iframes.m3u8?_sid=[play.example/live/a/video/iframes.m3u8].T")
    )


def test_a_media_playlist_seals_its_segments_maps_and_keys() -> None:
    assert rendered(MEDIA) == (
        MEDIA.replace("init.mp4", "init.mp4?_sid=[/live/a/].T")
        .replace("1.key?v=1,2", "1.key?v=1,2&_sid=[/live/a/keys/].T")
        .replace("all.mp4", "all.mp4?_sid=[/live/a/].T")
    )


@pytest.mark.parametrize("mode", ["open", "deny"])
def test_a_media_playlist_of_an_open_route_is_sent_as_it_came(mode: Mode) -> None:
    assert compiled(MEDIA, mode).chunks == (MEDIA.encode(),)


def test_a_media_playlist_of_a_direct_route_names_its_segments_where_they_are() -> None:
    assert rendered(MEDIA, "direct") == (
        MEDIA.replace("init.mp4", f"{CDN}live/a/init.mp4")
        .replace("keys/1.key", f"{CDN}live/a/keys/1.key")
        .replace("all.mp4", f"{CDN}live/a/all.mp4")
    )


@pytest.mark.parametrize("text", [MULTIVARIANT, MEDIA])
def test_line_ends_marks_and_blanks_stay(text: str) -> None:
    crlf = (
        b"\xef\xbb\xbf"
        + text.replace("\n", " \t\r\n").replace("\n#EXT-X-UN", "\n\n\n#EXT-X-UN").encode()
    )
    result = compiled(crlf).render(b"T")
    assert result != crlf
    assert without_tickets(result.decode()).encode() == crlf


def test_bytes_that_are_no_utf8_survive() -> None:
    body = b"#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\xff\xfe\ns.ts?\xff\n#EXTINF:1\n\xff.ts\n"
    assert compiled(body).render(b"T") == body.replace(b"s.ts?\xff", b"s.ts?\xff&_sid=[/live/a/].T")


def test_no_tag_tells_where_an_origin_is() -> None:
    steering = '#EXTM3U\n#EXT-X-CONTENT-STEERING:SERVER-URI="{}/live/s.json",PATHWAY-ID="x"\n'
    stream = "#EXT-X-STREAM-INF:A=1\n{}/elsewhere/a.m3u8\n"
    dates = (
        "#EXTM3U\n#EXT-X-TARGETDURATION:1\n"
        '#EXT-X-DATERANGE:ID="1",X-ASSET-URI="{0}/live/ad.m3u8",X-ASSET-LIST="{0}/live/ads.json"\n'
    )
    for text in (steering + stream, dates):
        assert rendered(text.replace("{}", "{0}").format("http://origin-a:8000")) == (
            text.replace("{}", "{0}").format("")
        )


def test_low_latency_parts_hints_and_reports() -> None:
    text = """\
#EXTM3U
#EXT-X-TARGETDURATION:4
#EXT-X-SERVER-CONTROL:CAN-BLOCK-RELOAD=YES,PART-HOLD-BACK=1.0
#EXT-X-PART-INF:PART-TARGET=0.33
#EXT-X-SKIP:SKIPPED-SEGMENTS=3
#EXTINF:4.0,
1.m4s
#EXT-X-PART:DURATION=0.33,INDEPENDENT=YES,URI="2.1.m4s"
#EXT-X-PART:URI="2.m4s",DURATION=0.33,BYTERANGE="10@0"
#EXT-X-PRELOAD-HINT:TYPE=PART,URI="2.3.m4s"
#EXT-X-RENDITION-REPORT:URI="../audio/en.m3u8",LAST-MSN=2,LAST-PART=1
"""
    template = compiled(text, base="/live/a/video/low.m3u8")
    report = "../audio/en.m3u8?_sid=[play.example/live/a/audio/en.m3u8].T"
    expected = re.sub(r"[123.]+\.m4s", r"\g<0>?_sid=[/live/a/video/].T", text)
    assert template.render(b"T").decode() == expected.replace("../audio/en.m3u8", report)
    assert template.pace == Pace(live=True, interval=4.0)


def test_a_report_names_a_playlist_exactly_as_the_playlist_that_led_to_it() -> None:
    child = rendered("#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=1\n/live/a/v/1.m3u8?x=1\n").split("\n")[
        2
    ]
    report = rendered(
        '#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXT-X-RENDITION-REPORT:URI="/live/a/v/1.m3u8?x=1"\n',
        base="/live/a/v/2.m3u8",
    )
    assert f'URI="{child}"' in report


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ('#EXT-X-MAP:URI="i.mp4"', '#EXT-X-MAP:URI="i.mp4[]"'),
        ('#EXT-X-MAP:X-URI="i.mp4"', '#EXT-X-MAP:X-URI="i.mp4"'),
        (
            '#EXT-X-MAP:A="URI=x.mp4,URI=",URI="i.mp4"',
            '#EXT-X-MAP:A="URI=x.mp4,URI=",URI="i.mp4[]"',
        ),
        ('#EXT-X-MAP:A=1, URI="i.mp4" ,B=2', '#EXT-X-MAP:A=1, URI="i.mp4[]" ,B=2'),
        ("#EXT-X-MAP:URI=i.mp4,B=2,", "#EXT-X-MAP:URI=i.mp4[],B=2,"),
        ('#EXT-X-MAP:URI=" i.mp4 "', '#EXT-X-MAP:URI=" i.mp4[] "'),
        ('#EXT-X-MAP:URI=""', '#EXT-X-MAP:URI=""'),
        ('#EXT-X-MAPS:URI="i.mp4"', '#EXT-X-MAPS:URI="i.mp4"'),
        ('# EXT-X-MAP:URI="i.mp4"', '# EXT-X-MAP:URI="i.mp4"'),
        ('#EXT-X-MAP:URI="// evil/i.mp4"', '#EXT-X-MAP:URI="// evil/i.mp4"'),
        ('#EXT-X-MAP:URI=" //evil/i.mp4"', '#EXT-X-MAP:URI=" //evil/i.mp4"'),
        ("  i.mp4\t", "  i.mp4[]\t"),
        (" #i.mp4", " #i.mp4"),
    ],
)
def test_only_an_attribute_named_uri_is_a_link(line: str, expected: str) -> None:
    result = rendered(f"#EXTM3U\n#EXT-X-TARGETDURATION:1\n{line}\n").split("\n")[2]
    assert result == expected.replace("[]", "?_sid=[/live/a/].T")


@pytest.mark.parametrize(
    ("uri", "expected"),
    [
        ("{$host}/s.ts", "https://cdn.elsewhere/s.ts"),
        ("{$dir}/s.ts", "b/c/s.ts?_sid=[/live/a/b/c/].T"),
        ("s.ts{$query}", "s.ts?x=1&_sid=[/live/a/].T"),
        ("{$blank}", "{$blank}"),
        ("{$spaced}", "b.ts?_sid=[/live/a/].T"),
        ("b/{$imported}.ts", "b/{$imported}.ts?_sid=[/live/a/b/**].T"),
        ("{$dir}/{$imported}.ts", "b/c/{$imported}.ts?_sid=[/live/a/b/c/**].T"),
        ("s.ts?{$imported}", "s.ts?{$imported}&_sid=[/live/a/].T"),
        ("{$imported}/s.ts", "{$imported}/s.ts"),
        ("b{$imported}/s.ts", "b{$imported}/s.ts"),
        ("b/{$imported}.m3u8", "b/{$imported}.m3u8"),
        ("b/{$not a name}.ts", "b/{$not a name}.ts?_sid=[/live/a/b/].T"),
    ],
)
def test_variables_are_followed_where_their_values_are_known(uri: str, expected: str) -> None:
    text = f"""\
#EXTM3U
#EXT-X-DEFINE:NAME="host",VALUE="https://cdn.elsewhere"
#EXT-X-DEFINE:VALUE="b/c",NAME="dir"
#EXT-X-DEFINE:NAME="query",VALUE="?x=1"
#EXT-X-DEFINE:NAME="blank",VALUE=" //evil.example/s.ts"
#EXT-X-DEFINE:NAME="spaced",VALUE=" b.ts "
#EXT-X-DEFINE:IMPORT="imported"
#EXT-X-DEFINE:QUERYPARAM="any"
#EXT-X-TARGETDURATION:1
#EXTINF:1
{uri}
"""
    left = uri if expected.startswith("https:") else expected
    assert rendered(text).split("\n")[-2] == left


@pytest.mark.parametrize("line_end", ["\n", "\r\n"])
@pytest.mark.parametrize("param", ["token", "_sid"])
def test_no_variable_has_a_credential_for_its_value(param: str, line_end: str) -> None:
    """It would get to the origin, or to anybody whom a link names."""
    playlist = f"""\
#EXTM3U
#EXT-X-DEFINE:QUERYPARAM="{param}"
#EXT-X-DEFINE:QUERYPARAM="any"
#EXT-X-TARGETDURATION:1
#EXTINF:1
b.ts?{{${param}}}
#EXTINF:1
//elsewhere/{{$any}}/{{${param}}}
"""
    known = playlist.replace(f'QUERYPARAM="{param}"', f'NAME="{param}",VALUE=""')
    linked = known.replace(f"b.ts?{{${param}}}", "b.ts?_sid=[/live/a/].T")
    assert rendered(playlist.replace("\n", line_end)) == linked.replace("\n", line_end)


@pytest.mark.parametrize(
    ("extra", "pace"),
    [
        ("", Pace(live=True, interval=6.0)),
        ("#EXT-X-PLAYLIST-TYPE:EVENT\n", Pace(live=True, interval=6.0)),
        ("#EXT-X-PLAYLIST-TYPE:VOD\r\n", Pace(live=False, duration=12.0)),
        ("#EXT-X-ENDLIST\r\n", Pace(live=False, duration=12.0)),
        ("#EXT-X-PLAYLIST-TYPE:EVENT\n#EXT-X-ENDLIST", Pace(live=False, duration=12.0)),
        ("#EXT-X-ENDLISTS\n# VOD\n#EXT-X-ANY:VOD\n", Pace(live=True, interval=6.0)),
    ],
)
def test_the_pace_is_the_target_duration_or_the_whole_length(extra: str, pace: Pace) -> None:
    template = compiled(MEDIA + extra)
    assert template.pace == pace
    assert template.media_playlist
    assert template.content_type == "application/vnd.apple.mpegurl"


def test_a_delta_update_has_the_pace_of_the_whole_playlist() -> None:
    delta = "#EXTM3U\n#EXT-X-TARGETDURATION:4\n#EXT-X-SKIP:SKIPPED-SEGMENTS=10\n"
    assert compiled(delta).pace == Pace(live=True, interval=4.0)
    ended = compiled(delta + "#EXTINF:3,\n11.m4s\n#EXT-X-ENDLIST\n")
    assert ended.pace == Pace(live=False, duration=43.0)


@pytest.mark.parametrize(
    ("tags", "seconds"),
    [
        ("", 2.0),
        ("#EXT-X-PART-INF:PART-TARGET=0.5\n", 0.25),
        ("#EXT-X-PART-INF:X-A=1, PART-TARGET=.5,B=2\n", 0.25),
        ("#EXT-X-PART-INF:PART-TARGET=0\n", 2.0),
        ("#EXT-X-PART-INF:\n#EXT-X-SKIP\n", 2.0),
        ("#EXT-X-PART-INF:NO-PART-TARGET=0.5\n", 2.0),
        ("#EXT-X-PART-INF:PART-TARGET=0.5\n#EXT-X-ENDLIST\n", None),
        ("#EXT-X-PLAYLIST-TYPE:VOD\n", None),
    ],
    ids=repr,
)
def test_a_live_playlist_is_fresh_for_half_the_time_until_there_is_more(
    tags: str, seconds: float | None
) -> None:
    assert compiled(f"#EXTM3U\n#EXT-X-TARGETDURATION:4\n{tags}").fresh_for == seconds


def test_a_multivariant_playlist_has_no_pace() -> None:
    template = compiled(MULTIVARIANT + "#EXT-X-ENDLIST\n")
    assert template.pace is None
    assert template.fresh_for is None
    assert not template.media_playlist


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("", 1),
        ("\n#EXTM3U\n#EXT-X-TARGETDURATION:1\n", 1),
        ("#EXTM3U8\n#EXT-X-TARGETDURATION:1\n", 1),
        ("<html>\n", 1),
        ("#EXTM3U\r#EXT-X-TARGETDURATION:1\r", 1),
        ("#EXTM3U", 1),
        ("#EXTM3U\n\n\n#EXTINF:1\ns.ts\n", 1),
        ("#EXTM3U\ns.ts\n", 1),
        ("#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:\ns.ts\n", 3),
        ("#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1\na\n#EXTINF:nan\nb\n", 5),
        ("#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:-1\ns.ts\n", 3),
        ("#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1e9\ns.ts\n", 3),
        ("#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1234567890\ns.ts\n", 3),
        ("#EXTM3U\n#EXT-X-TARGETDURATION:x\n", 2),
        ("#EXTM3U\n#EXT-X-TARGETDURATION\n", 2),
        ("#EXTM3U\n#EXT-X-TARGETDURATION:1\ns.ts\n#EXTINF:1,\n\n", 4),
        ('#EXTM3U\n#EXT-X-TARGETDURATION:1\n\n#EXT-X-MAP:URI="i.mp4\n', 4),
        ('#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXT-X-KEY:METHOD=X,URI="a"b"\n', 3),
        ("#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXT-X-PART:x\n", 3),
        ("#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=1\n", 2),
        ("#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=1", 2),
        ("#EXTM3U\n#EXT-X-STREAM-INF:A=1\n# x\n#EXT-X-STREAM-INF:A=1\na.m3u8\n", 2),
        ("#EXTM3U\n#EXT-X-STREAM-INF:A=1\na.m3u8\n#EXTINF:1\n", 4),
        ("#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXT-X-STREAM-INF:A=1\na.m3u8\n", 2),
        ('#EXTM3U\n#EXT-X-STREAM-INF:A=1\na.m3u8\n#EXT-X-MAP:URI="a"\n', 4),
    ],
)
def test_a_broken_playlist_is_refused_with_its_line(text: str, line: int) -> None:
    with pytest.raises(OriginInvalid, match=rf"broken at line {line}:"):
        compiled(text)


def test_variables_that_multiply_are_refused_before_they_fill_the_memory() -> None:
    value = "a" * 100_000
    text = f'#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXT-X-DEFINE:NAME="v",VALUE="{value}"\n'
    with pytest.raises(OriginInvalid, match=r"line 14: .*variables"):
        compiled(text + "{$v}\n" * 1000)


def test_more_links_than_any_playlist_has_are_refused() -> None:
    with pytest.raises(OriginInvalid, match="too many links"):
        compiled("#EXTM3U\n#EXT-X-TARGETDURATION:1\n" + "a\n" * 100_001)


def test_no_broken_playlist_tells_of_its_origin() -> None:
    with pytest.raises(OriginInvalid) as refusal:
        compiled('#EXTM3U\n#EXT-X-KEY:URI="http://origin-a:8000/key?token=secret\n')
    assert "origin-a" not in refusal.value.detail
    assert "secret" not in refusal.value.detail


def test_a_playlist_of_five_megabytes_is_rewritten_whole() -> None:
    count = 40_000
    body = b"#EXTM3U\n#EXT-X-TARGETDURATION:4\n" + b"".join(
        b"#EXTINF:4.000000,\n#EXT-X-PROGRAM-DATE-TIME:2026-01-01T00:00:00.000Z\n"
        b"#EXT-X-BYTERANGE:123456@%d\nsegments/video_1080p_segment_%d.m4s\n" % (number, number)
        for number in range(count)
    )
    assert len(body) > 5_000_000
    template = compiled(body + b"#EXT-X-ENDLIST\n")
    assert len(template.chunks) == count + 1
    assert template.pace == Pace(live=False, duration=4.0 * count)
    assert template.render(b"T").count(b".m4s?_sid=[/live/a/segments/].T\n") == count


# --- Properties ----------------------------------------------------------------------------------

ROUTES: dict[str, Mode] = {
    "/live/**": "signed",
    "/open/**": "open",
    "/cdn/**": "direct",
    "/deny/**": "deny",
}
HEADS = ["", "", "", "/", "//play.example/", "https://play.example/", "http://origin-a:8000/"]
HEADS += ["https://evil.example/", "//evil.example/", "data:", "\\\\", "/\\", "http:", "?", "../"]
PIECES = ["live/", "open/", "cdn/", "deny/", "a", "b.ts", "c.m3u8", "../", "./", "%41"]
PIECES += ["ä", " ", "%2f", "%", "{$x}", "{$y}", "\x01", "Manifest", "(", "="]
TAILS = ["", "", "?", "?a=1&b", "?_sid=old", "?a=%5F&_sid=1&c", "#f", "?a#f?b", "?{$y}"]
URIS = st.builds(
    lambda head, pieces, tail: (head + "".join(pieces) + tail).strip(" #") or "a",
    st.sampled_from(HEADS),
    st.lists(st.sampled_from(PIECES), max_size=5),
    st.sampled_from(TAILS),
)
DEFINITION = '#EXT-X-DEFINE:NAME="x",VALUE="live"'
PLAYER = Player()


def fetched(body: str, base: str) -> list[str]:
    """The lines a viewer is given, rendered with real seals and a real ticket."""
    template = compile_hls(body.encode(), PLAYER.sealed(links(base, ROUTES)))
    return template.render(PLAYER.ticket).decode().split("\n")


@unhurried
@given(
    st.lists(URIS, min_size=1, max_size=5),
    st.sampled_from(["/live/a/b/m.m3u8", "/open/m.m3u8", "/cdn/a/m.m3u8", "/deny/m.m3u8"]),
    st.booleans(),
)
def test_every_link_still_leads_where_it_led_and_is_let_in_there(
    uris: list[str], base: str, is_multivariant: bool
) -> None:
    before = "#EXT-X-STREAM-INF:A=1" if is_multivariant else "#EXTINF:1"
    body = "\n".join(
        [
            "#EXTM3U",
            DEFINITION,
            "#EXT-X-INDEPENDENT-SEGMENTS" if is_multivariant else "#EXT-X-TARGETDURATION:1",
            *(f"{before}\n{uri}" for uri in uris),
        ]
    )
    for uri, served in zip(uris, fetched(body, base)[4::2], strict=True):
        follow_link(uri, served, base, is_multivariant=is_multivariant)


def follow_link(uri: str, served: str, base: str, *, is_multivariant: bool) -> None:
    meant = uri.replace("{$x}", "live")
    served = served.replace("{$x}", "live")
    wanted = PLAYER.fetch(base, meant.replace("http://origin-a:8000/", "https://play.example/"))
    assert not served.startswith("http://origin-a")
    if served.startswith(CDN):
        path = re.sub("[?#].*", "", served.removeprefix(CDN))
        # urljoin leaves dots behind a host as they are.
        assert "/." in meant or f"/{path}" == urlsplit(urljoin(base, meant)).path
        assert path.startswith("cdn/")
        assert "_sid=" not in served or "_sid=" in uri
        return
    got = PLAYER.fetch(base, served)
    is_from_origin = meant.startswith("http://origin-a")
    is_odd = "\\" in uri or "\x01" in uri or re.match(r"https?:(?!//)", meant)
    if wanted.verdict == "foreign" or (is_odd and not is_from_origin):
        assert served == meant
        return
    assert got.verdict != "foreign"
    assert wanted.verdict == "bad" or got.path == wanted.path
    if "{$y}" in uri.partition("?")[0].partition("#")[0] or is_odd or wanted.verdict == "bad":
        return
    if re.match(r"/(live|open|cdn|deny)/", wanted.path):
        if is_manifest_path(wanted.path):
            assert got.verdict == "manifest"
        elif is_multivariant:
            assert "_sid=" in served
        elif wanted.path.startswith("/live/"):
            assert got.verdict == "segment"
        else:
            assert is_from_origin or served == meant


LINES = st.sampled_from(
    [
        *('#EXT-X-MAP:URI="i.mp4"', '#EXT-X-KEY:METHOD=X,URI="../k?a"', "#EXTINF:4,ä", "b.ts", ""),
        *("# comment", "#EXT-X-ANY:URI=x", " c.ts ", "d.m3u8#f", "\xa0", "#EXTINF:4\r", "x:y"),
        *('#EXT-X-PART:A="b,c",URI="/live/p.mp4",D=1', "https://cdn.elsewhere/x.ts", "ü?a=1\r"),
    ]
)


@unhurried
@given(st.lists(LINES), st.sampled_from(["signed", "open", "deny"]))
def test_all_but_tickets_is_served_as_it_came(lines: list[str], mode: Mode) -> None:
    body = "\n".join(["#EXTM3U", "#EXT-X-TARGETDURATION:4", *lines, "end.ts"])
    template = compiled(body, mode)
    assert without_tickets(template.render(b"T").decode()) == body
    assert b"".join(template.chunks).decode().count("_sid=") == len(template.chunks) - 1
