import re
from dataclasses import replace

import pytest

from proxy.manifests.linker import Linker
from proxy.manifests.links import Base, Holes, Role
from tests.manifests.world import CDN, Mode, links

ROUTES: dict[str, Mode] = {
    "/live/**": "signed",
    "/open/**": "open",
    "/cdn/**": "direct",
    "/deny/**": "deny",
}
BASE = "/live/a/main.m3u8"
SEGMENT, MANIFEST, ADDRESS = Role.SEGMENT, Role.MANIFEST, Role.ADDRESS
NUMBER = re.compile(r"\$Number\$")


def linked(uri: str, role: Role, base: str = BASE, strip_prefix: str = "") -> str:
    """The URI as a viewer with the ticket T is given it."""
    parts = Linker(links(base, ROUTES, strip_prefix=strip_prefix)).link(uri, role)
    return uri if parts is None else "T".join(parts)


@pytest.mark.parametrize(
    ("uri", "expected"),
    [
        ("seg-1.ts", "seg-1.ts?_sid=[/live/a/].T"),
        ("b/seg-1.ts", "b/seg-1.ts?_sid=[/live/a/b/].T"),
        ("seg-1.ts?q=1&r", "seg-1.ts?q=1&r&_sid=[/live/a/].T"),
        ("seg-1.ts?", "seg-1.ts?_sid=[/live/a/].T"),
        ("seg-1.ts#t=1", "seg-1.ts?_sid=[/live/a/].T#t=1"),
        ("seg-1.ts?q#f?x", "seg-1.ts?q&_sid=[/live/a/].T#f?x"),
        ("seg;v=1/a;b.ts", "seg;v=1/a;b.ts?_sid=[/live/a/seg;v=1/].T"),
        ("seg/1/", "seg/1/?_sid=[/live/a/seg/].T"),
        ("./seg.ts", "./seg.ts?_sid=[/live/a/].T"),
        ("../b/seg.ts", "../b/seg.ts?_sid=[/live/b/].T"),
        ("%2e%2e/b/seg.ts", "%2e%2e/b/seg.ts?_sid=[/live/b/].T"),
        ("s%65g%20x/a.ts", "s%65g%20x/a.ts?_sid=[/live/a/seg%20x/].T"),
        ("söng/a b.ts", "söng/a b.ts?_sid=[/live/a/s%C3%B6ng/].T"),
        ("/live/c/seg.ts", "/live/c/seg.ts?_sid=[/live/c/].T"),
        (
            "https://play.example/live/c/seg.ts",
            "https://play.example/live/c/seg.ts?_sid=[/live/c/].T",
        ),
        (
            "HTTPS://PLAY.example:443/live/s.ts",
            "HTTPS://PLAY.example:443/live/s.ts?_sid=[/live/].T",
        ),
        ("//play.example/live/c/s.ts", "//play.example/live/c/s.ts?_sid=[/live/c/].T"),
        ("http://origin-a:8000/live/c/s.ts?x", "/live/c/s.ts?x&_sid=[/live/c/].T"),
        ("http://u:p@origin-a:8000/live/s.ts", "/live/s.ts?_sid=[/live/].T"),
        ("http://origin-b:80/live/s.ts", "/live/s.ts?_sid=[/live/].T"),
        ("//origin-b/live/./s.ts", "/live/s.ts?_sid=[/live/].T"),
    ],
)
def test_a_signed_segment_gets_a_ticket_for_its_directory(uri: str, expected: str) -> None:
    assert linked(uri, SEGMENT) == expected


@pytest.mark.parametrize(
    ("uri", "expected"),
    [
        ("v/1.m3u8", "v/1.m3u8?_sid=[play.example/live/a/v/1.m3u8].T"),
        ("?x=1", "?x=1&_sid=[play.example/live/a/main.m3u8].T"),
        ("/open/1.m3u8", "/open/1.m3u8?_sid=[play.example/open/1.m3u8].T"),
        ("/cdn/1.m3u8", "/cdn/1.m3u8?_sid=[play.example/cdn/1.m3u8].T"),
        ("/deny/1.m3u8", "/deny/1.m3u8?_sid=[play.example/deny/1.m3u8].T"),
        ("1.m3u8?\udcff", "1.m3u8?\udcff&_sid=[play.example/live/a/1.m3u8].T"),
        ("1.m3u%38", "1.m3u%38?_sid=[play.example/live/a/1.m3u8].T"),
    ],
)
def test_a_manifest_gets_a_ticket_whatever_the_mode_of_its_route(uri: str, expected: str) -> None:
    assert linked(uri, MANIFEST) == expected


@pytest.mark.parametrize("uri", ["v/1.m3u8", "/open/x.mpd", "http://origin-a:8000/cdn/Manifest"])
def test_what_looks_like_a_manifest_is_one_wherever_it_stands(uri: str) -> None:
    assert linked(uri, SEGMENT) == linked(uri, MANIFEST)


def test_the_parameters_that_are_part_of_a_content_are_part_of_its_seal() -> None:
    linker = Linker(links(content_params=frozenset({"id"})))
    assert linker.link("1.m3u8?id=a b&x=1", MANIFEST) == (
        "1.m3u8?id=a b&x=1&_sid=[play.example/live/a/1.m3u8?id=a%20b].",
        "",
    )


@pytest.mark.parametrize(
    ("uri", "expected"),
    [
        ("/cdn/a/s.ts", f"{CDN}cdn/a/s.ts"),
        ("/cdn/a/../b/s%20.ts?q=1#f", f"{CDN}cdn/b/s%20.ts?q=1#f"),
        ("../../cdn/s.ts", f"{CDN}cdn/s.ts"),
        ("http://origin-a:8000/cdn/s.ts", f"{CDN}cdn/s.ts"),
        ("//play.example/cdn/s.ts", f"{CDN}cdn/s.ts"),
        ("/open/s.ts", "/open/s.ts"),
        ("../../open/s.ts?_sid=old", "../../open/s.ts?_sid=old"),
        ("/deny/s.ts", "/deny/s.ts"),
        ("http://origin-a:8000/open/s.ts?q#f", "/open/s.ts?q#f"),
        ("http://origin-a:8000/deny/s.ts", "/deny/s.ts"),
    ],
)
def test_segments_follow_the_mode_of_the_route_they_lead_to(uri: str, expected: str) -> None:
    assert linked(uri, SEGMENT) == expected


def test_a_plain_name_and_its_longer_spelling_are_treated_alike() -> None:
    for base in ("/live/a/m.m3u8", "/cdn/a/m.m3u8"):
        plain = linked("b/s.ts?q=1", SEGMENT, base)
        assert linked("./b/s.ts?q=1", SEGMENT, base).removeprefix("./") == plain
    for base in ("/open/m.m3u8", "/deny/m.m3u8", "/elsewhere/m.m3u8"):
        assert linked("s.ts", SEGMENT, base) == "s.ts"


@pytest.mark.parametrize("role", [SEGMENT, MANIFEST, ADDRESS])
@pytest.mark.parametrize(
    "uri",
    [
        "",
        "#f",
        "https://cdn.elsewhere/live/a.m3u8",
        "//cdn.elsewhere/live/a.ts",
        "http://play.example:8080/live/a.ts",
        "https://play.example:80/live/a.ts",
        "data:text/plain;base64,QQ==",
        "skd://play.example/live/key",
        "urn:uuid:1",
        "seg:1.ts",
        "http:/live/a.ts",
        "https:///play.example/live/a.ts",
        "///play.example/live/a.ts",
        "http://",
        "/elsewhere/a.m3u8",
        "../../elsewhere/a.ts",
        # What a browser takes for another host.
        "\\\\evil.example/a.ts",
        "/\\evil.example/a.ts",
        "/\t/evil.example/a.ts",
        "/.//evil.example/a.ts",
        "\x00//evil.example/a.ts",
        "http://play.example\\@evil.example/live/a.ts",
        "http://evil.example#@play.example/live/a.ts",
        "http://evil.example?@play.example/live/a.ts",
        # What the server would refuse.
        "b//a.ts",
        "b%2fa.ts",
        "%252e%252e/a.ts",
        "100%.ts",
        "a\udcff.ts",
        "a" * 5000 + "/b.ts",
    ],
)
def test_what_is_not_surely_ours_is_left_as_it_is(uri: str, role: Role) -> None:
    assert linked(uri, role) == uri


@pytest.mark.parametrize("role", [SEGMENT, MANIFEST, ADDRESS])
@pytest.mark.parametrize(
    ("uri", "expected"),
    [
        ("http://origin-a:8000/elsewhere/a.ts?q", "/elsewhere/a.ts?q"),
        ("http://origin-a:8000//evil.example/a.ts", "/evil.example/a.ts"),
        ("http://origin-a:8000/.//evil.example/a.ts", "/evil.example/a.ts"),
        ("http://origin-a:8000/a/..//evil.example/a.ts", "/evil.example/a.ts"),
        ("http://origin-a:8000/%2E//evil.example/a.ts", "/evil.example/a.ts"),
        ("//origin-b/.///evil.example/a.m3u8", "/evil.example/a.m3u8"),
        ("http://origin-a:8000/100%.ts", "/100%.ts"),
        ("http://origin-a:8000", "/"),
        ("http://origin-a:8000/live\\a.ts", "/live%5Ca.ts"),
        ("http://origin-a:8000/live/\ta.ts", "/live/%09a.ts"),
        ("http://origin-a:8000/live/" + "a" * 5000, "/live/" + "a" * 5000),
    ],
)
def test_no_viewer_learns_an_origins_address(uri: str, role: Role, expected: str) -> None:
    assert linked(uri, role) == expected


@pytest.mark.parametrize(
    ("uri", "expected"),
    [
        ("s.ts?_sid=x.old", "s.ts?_sid=[/live/a/].T"),
        ("s.ts?a=1&_sid=x.old&b=%20", "s.ts?a=1&b=%20&_sid=[/live/a/].T"),
        ("s.ts?%5Fsid=x.old&token=abc", "s.ts?token=abc&_sid=[/live/a/].T"),
        ("s.ts?my_sid=1&&x", "s.ts?my_sid=1&&x&_sid=[/live/a/].T"),
    ],
)
def test_a_stale_ticket_is_replaced_and_all_else_in_the_query_stays(
    uri: str, expected: str
) -> None:
    assert linked(uri, SEGMENT) == expected


@pytest.mark.parametrize(
    ("uri", "expected"),
    [
        ("seg.ts", "seg.ts?_sid=[/live/a/].T"),
        ("/a/seg.ts", "/live/a/seg.ts?_sid=[/live/a/].T"),
        ("/a/../../b/seg.ts", "/live/b/seg.ts?_sid=[/live/b/].T"),
        ("http://origin-a:8000/b/s.ts", "/live/b/s.ts?_sid=[/live/b/].T"),
        ("https://play.example/live/b/s.ts", "https://play.example/live/b/s.ts?_sid=[/live/b/].T"),
    ],
)
def test_paths_of_the_origin_become_public_ones(uri: str, expected: str) -> None:
    assert linked(uri, SEGMENT, strip_prefix="/live") == expected


def test_an_address_is_mapped_but_carries_no_ticket() -> None:
    assert linked("http://origin-a:8000/live/b/", ADDRESS) == "/live/b/"
    assert linked("b/", ADDRESS) == "b/"
    assert linked("/cdn/b/", ADDRESS) == "/cdn/b/"


def test_several_bases_share_the_seal_of_the_tree_that_holds_them_all() -> None:
    linker = Linker(links())
    bases = (Base("/live/a/1/"), Base("/live/a/2/"))
    assert linker.link("x/s.ts", SEGMENT, bases) == ("x/s.ts?_sid=[/live/a/**].", "")
    assert linker.link("/live/b/s.ts", SEGMENT, bases) == ("/live/b/s.ts?_sid=[/live/b/].", "")


@pytest.mark.parametrize("other", [Base(None), Base("/elsewhere/"), Base("/live/c/", moved=True)])
def test_a_relative_uri_that_may_lead_away_gets_no_ticket(other: Base) -> None:
    assert Linker(links()).link("s.ts", SEGMENT, (Base("/live/a/"), other)) is None


def test_what_stands_under_a_foreign_base_names_our_host() -> None:
    linker = Linker(links(routes=ROUTES))
    abroad = (Base(None),)
    assert linker.link("/live/s.ts", SEGMENT, abroad) is None
    assert linker.link("http://origin-a:8000/live/s.ts", SEGMENT, abroad) == (
        "//play.example/live/s.ts?_sid=[/live/].",
        "",
    )
    moved = (Base("/cdn/a/", moved=True),)
    assert linker.link("/live/s.ts", SEGMENT, moved) == (
        "//play.example/live/s.ts?_sid=[/live/].",
        "",
    )
    assert linker.link("/cdn/s.ts", SEGMENT, moved) == (f"{CDN}cdn/s.ts",)


@pytest.mark.parametrize(
    ("uri", "flat", "deep"),
    [
        ("b/s-$Number$.ts", "[/live/a/b/]", "[/live/a/b/**]"),
        ("b/$Number$/s.ts", "[/live/a/b/**]", "[/live/a/b/**]"),
        ("b/$Number$/", "[/live/a/b/**]", "[/live/a/b/**]"),
        ("/live/$Number$/s.ts", "[/live/**]", "[/live/**]"),
        ("s.ts?n=$Number$", "[/live/a/]", "[/live/a/]"),
        ("$Number$.ts", "[/live/a/]", "[/live/a/**]"),
        ("s$Number$.ts", "[/live/a/]", "[/live/a/**]"),
        ("/$Number$.ts", None, None),
        ("b/$Number$.m3u8", None, None),
    ],
)
def test_what_only_the_player_knows_is_sealed_by_what_stands_before_it(
    uri: str, flat: str | None, deep: str | None
) -> None:
    for is_flat, seal in ((True, flat), (False, deep)):
        holes = Holes(NUMBER, tame=True, flat=is_flat)
        mark = "&" if "?" in uri else "?"
        expected = None if seal is None else (f"{uri}{mark}_sid={seal}.", "")
        assert Linker(links()).link(uri, SEGMENT, holes=holes) == expected


@pytest.mark.parametrize("uri", ["$Number$.ts", "s$Number$.ts", "/$Number$.ts"])
def test_what_the_player_may_turn_into_another_host_gets_no_ticket(uri: str) -> None:
    assert Linker(links()).link(uri, SEGMENT, holes=Holes(NUMBER, tame=False, flat=False)) is None


@pytest.mark.parametrize("uri", ["b/$Number$.ts", "/live/a/b/$Number$.ts", "s.ts?n=$Number$"])
def test_what_the_player_cannot_turn_into_another_host_gets_a_ticket(uri: str) -> None:
    assert Linker(links()).link(uri, SEGMENT, holes=Holes(NUMBER, tame=False, flat=False))


def test_bases_are_resolved_against_each_of_their_own_bases() -> None:
    linker = Linker(links())
    parents = (Base("/live/a/"), Base("/live/b/v.mp4", "q=1"), Base(None))
    assert linker.bases("c/", parents) == (Base("/live/a/c/"), Base("/live/b/c/"), Base(None))
    assert linker.bases("", parents) == parents
    assert linker.bases("v.mp4?x", parents[:2]) == (
        Base("/live/a/v.mp4", "x"),
        Base("/live/b/v.mp4", "x"),
    )
    assert linker.bases("http://origin-b/live/c/", parents) == (Base("/live/c/"),)
    assert linker.bases("//play.example/live/c/", parents) == (Base("/live/c/"),)


@pytest.mark.parametrize(
    "uri", ["https://cdn.elsewhere/", "http://origin-b/live\\a/", "a/" * 2000, "data:,"]
)
def test_a_base_that_is_not_surely_ours_is_foreign(uri: str) -> None:
    assert Linker(links()).bases(uri, (Base("/live/" + "b/" * 1000),)) == (Base(None),)


def test_a_plain_name_below_a_folder_that_must_be_encoded() -> None:
    assert Linker(links()).link("s.ts", SEGMENT, (Base("/live/ä b/"),)) == (
        "s.ts?_sid=[/live/%C3%A4%20b/].",
        "",
    )


def test_what_a_browser_takes_for_another_host_is_not_mapped() -> None:
    assert linked("/\\evil.example/a.ts", SEGMENT, strip_prefix="/live") == "/\\evil.example/a.ts"


def test_seals_are_asked_for_once() -> None:
    asked: list[str] = []

    def seal(scope: str) -> str:
        asked.append(scope)
        return "s"

    linker = Linker(replace(links(), seal=seal))
    for number in range(5):
        linker.link(f"{number}.ts", SEGMENT)
        linker.link(f"./{number}.ts", SEGMENT)
    assert asked == ["/live/a/"]


def test_a_manifests_own_url_keeps_its_path_and_query_and_needs_no_resolving() -> None:
    assert Linker(links(query="x=1")).refresh() == (
        "https://play.example/live/a/main.m3u8?x=1&_sid=[play.example/live/a/main.m3u8].",
        "",
    )
    stripped = Linker(links(strip_prefix="/live")).refresh()[0]
    assert stripped.startswith("https://play.example/live/a/main.m3u8?_sid=")
