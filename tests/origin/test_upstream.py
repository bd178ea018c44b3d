from urllib.parse import unquote_to_bytes

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.errors import OriginInvalid
from proxy.origin.upstream import Origin, Target
from tests.origin.support import upstream

ROUTE = upstream("http://origin-a:8000", "https://origin-b/base", "http://[::1]:81")


@pytest.mark.parametrize(
    ("url", "name"),
    [
        ("http://origin-a:8000", "http://origin-a:8000"),
        ("https://user:secret@origin-b/base/", "https://origin-b/base"),
        ("http://[::1]:81/", "http://[::1]:81"),
        ("HTTP://Origin-A/", "http://origin-a"),
        ("http://origin_a.example.:8000", "http://origin_a.example:8000"),
        ("http://bücher.example", "http://xn--bcher-kva.example"),
    ],
)
def test_an_origin_is_named_by_its_address_without_secrets(url: str, name: str) -> None:
    assert Origin.parse(url).name == name


@pytest.mark.parametrize(
    "url",
    [
        *("", "origin-a:8000", "ftp://a", "http://", "http://a:99999", "http://a:b", "http://a?x"),
        *("/a", "http://a#b", "http://a..b", "http://.", "http://a b", "http://%41", "http://a,b"),
        "http://" + "a" * 64,
    ],
)
def test_what_is_no_origin_is_a_value_error(url: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011  # the message is the settings' to word
        Origin.parse(url)


WIRE = st.binary(max_size=30).map(lambda data: data.decode("utf-8", "surrogateescape"))


@given(WIRE, WIRE)
def test_any_target_makes_one_request_target(path: str, query: str) -> None:
    url = Origin.parse("http://origin-a:8000/base").url(Target("/" + path, query))
    sent_path, _, sent_query = url.raw_path_qs.partition("?")
    assert all("!" <= character <= "~" for character in url.raw_path_qs)
    assert "#" not in url.raw_path_qs
    assert unquote_to_bytes(sent_path.removeprefix("/base/")) == unquote_to_bytes(wire(path))
    assert unquote_to_bytes(sent_query) == unquote_to_bytes(wire(query))
    assert url.host == "origin-a"


def wire(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")


@given(st.text(st.sampled_from("az09-._~!$&'()*+,;=:@/?%"), max_size=30))
def test_a_target_that_is_well_formed_is_left_alone(text: str) -> None:
    path, _, query = f"/{text}".partition("?")
    url = Origin.parse("http://origin-a:8000").url(Target(path, query))
    assert url.raw_path_qs == (f"{path}?{query}" if query else path)


@pytest.mark.parametrize(
    ("location", "outward"),
    [
        ("http://origin-a:8000/live/b.ts?x=1#y", "/live/b.ts?x=1#y"),
        ("HTTP://ORIGIN-A:8000", "/"),
        ("//origin-a:8000/b", "/b"),
        ("http://user@origin-a:8000/b", "/b"),
        ("http://origin-a:8000//evil.example/", "/evil.example/"),
        ("https://origin-b/base/c.ts", "/c.ts"),
        ("https://origin-b:443/base", "/"),
        ("https://origin-b/based/c.ts", "/based/c.ts"),
        ("http://[::1]:81/c", "/c"),
        ("https://cdn.example/live/b.ts", "https://cdn.example/live/b.ts"),
        ("http://origin-a.:8000/c", "/c"),
        ("http://origin-a:80001/b", "http://origin-a:80001/b"),
        ("http://origin-a:8000.example/b", "http://origin-a:8000.example/b"),
        ("../b.ts", "../b.ts"),
        ("/b.ts", "/b.ts"),
        ("", ""),
    ],
)
def test_a_redirect_never_shows_an_origin(location: str, outward: str) -> None:
    assert ROUTE.outward(location) == outward


@pytest.mark.parametrize(
    "location",
    ["https://cdn.example/?from=http://origin-a:8000/b", "http://origin-a:8000/?//origin-b/base"],
)
def test_a_redirect_that_cannot_be_rid_of_an_origins_address_is_invalid(location: str) -> None:
    with pytest.raises(OriginInvalid):
        ROUTE.outward(location)
