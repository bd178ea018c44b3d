import pytest

from proxy.errors import BadRequest
from proxy.web.target import Target, parse_target


@pytest.mark.parametrize(
    "target",
    [
        "/live/../admin",
        "/live/..",
        "/../etc/passwd",
        "/live/./x",
        "/live/%2e%2e/admin",
        "/live/%2E%2e/admin",
        "/live/.%2e/admin",
        "/live/%252e%252e/admin",
        "/live/%25252e%25252e/admin",
        "/live/..;/admin",
        "/live/..;a=b/admin",
        "/live/%2fadmin",
        "/live/%252fadmin",
        "/live/%5cadmin",
        "/live\\admin",
        "/live//admin",
        "//evil.example/x",
        "/live/%00",
        "/live/%0d%0aX: y",
        "/live/%7f",
        "/live/%",
        "/live/%zz",
        "/live/%c0%ae%c0%ae/admin",
        "/live/%ff",
        "/live/é",
        "/live/x y",
        "live/x",
        "*",
        "",
        "ftp://h/x",
        "http://[/x",
    ],
)
def test_a_path_that_could_mean_two_things_is_refused(target: str) -> None:
    with pytest.raises(BadRequest):
        parse_target(target)


@pytest.mark.parametrize(
    ("target", "read"),
    [
        ("/live/one.m3u8", (None, "/live/one.m3u8", "")),
        ("/live/%6fne.m3u8?a=%2F..", (None, "/live/one.m3u8", "a=%2F..")),
        ("/a/...three/..x", (None, "/a/...three/..x", "")),
        ("/a/%C3%A9%20b", (None, "/a/%C3%A9%20b", "")),
        ("/a/manifest(format=mpd)", (None, "/a/manifest(format=mpd)", "")),
        ("/a/manifest%28format=mpd%29", (None, "/a/manifest(format=mpd)", "")),
        ("/a?x=1?y#z", (None, "/a", "x=1?y")),
        ("http://TV.example:8080/a?b", ("TV.example:8080", "/a", "b")),
        ("http://tv.example", ("tv.example", "/", "")),
    ],
)
def test_a_target_is_read_into_host_path_and_query(
    target: str, read: tuple[str | None, str, str]
) -> None:
    assert parse_target(target) == Target(*read)


def test_a_query_has_only_so_many_parameters() -> None:
    most = "&".join(["%61"] * 256)
    assert parse_target(f"/a?{most}").query == most
    with pytest.raises(BadRequest):
        parse_target(f"/a?{most}&")
