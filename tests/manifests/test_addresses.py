from dataclasses import replace

import pytest

from proxy.manifests.addresses import hider
from proxy.manifests.compiler import compile_manifest
from proxy.manifests.kinds import Format
from tests.manifests.test_dash import mpd
from tests.manifests.world import CDN, Mode, links


def hidden(text: str, strip_prefix: str = "") -> str:
    around = links(strip_prefix=strip_prefix)
    return hider(around)(text.encode("utf-8", "surrogateescape")).decode("utf-8", "surrogateescape")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('"http://origin-a:8000/x.json?a#b"', '"http://play.example/live/x.json?a#b"'),
        ("HTTP://ORIGIN-A:8000", "HTTP://play.example"),
        ("'//origin-a:8000'", "'//play.example'"),
        ("https://u:p@origin-b:443/\udcff x", "https://play.example/live/\udcff x"),
        ("http://origin-b?x http://origin-b:80", "http://play.example?x http://play.example"),
    ],
)
def test_our_host_takes_the_place_of_an_origins(text: str, expected: str) -> None:
    assert hidden(text, strip_prefix="/live") == expected


@pytest.mark.parametrize(
    "text",
    [
        "http://origin-a:80001/ http://origin-a/ http://origin-b.example/ http://origin-b-2/",
        "http://my.origin-b/ https://cdn.elsewhere//origin-b/x origin-b /origin-b/",
    ],
)
def test_other_hosts_and_mere_names_stay(text: str) -> None:
    assert hidden(text) == text


def test_no_tag_or_element_tells_where_an_origin_is() -> None:
    url = "http://Origin-A:8000/live/x"
    playlist = (
        f'#EXTM3U\n#EXT-X-TARGETDURATION:1\n#X-OURS:{url}\n#EXT-X-DEFINE:NAME="a",VALUE="{url}"\n'
        f'#EXTINF:1,{url}\ns.ts\n#EXT-X-SESSION:VALUE="{url}"\n'
    )
    document = mpd(
        f"<ProgramInformation moreInformationURL='{url}'/><!-- {url} --><Period><AdaptationSet "
        f"xmlns:xlink='http://www.w3.org/1999/xlink' xlink:href='{url}'/></Period>"
    )
    for form, text in ((Format.HLS, playlist), (Format.DASH, document)):
        served = compile_manifest(text.encode(), form, links()).render(b"T").decode()
        assert served.lower().count("origin-a") == 0
        assert served.count("http://play.example/live/x") == text.count(url)


def test_a_segment_base_url_on_an_origins_host_stays() -> None:
    routes: dict[str, Mode] = {"/cdn/**": "direct"}
    around = replace(links("/cdn/m.m3u8", routes), origin_hosts=frozenset({"cdn.example"}))
    body = b"#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\ns.ts\n"
    assert compile_manifest(body, Format.HLS, around).render(b"T") == body.replace(
        b"s.ts", f"{CDN}cdn/s.ts".encode()
    )
