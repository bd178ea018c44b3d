import pytest
from hypothesis import given
from hypothesis import strategies as st
from multidict import CIMultiDict

from proxy.settings.urls import (
    parse_base,
    parse_bind_host,
    parse_host,
    parse_origin,
    parse_web_origin,
)
from proxy.web.addresses import TrustedProxies


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("http://origin:8000", "http://origin:8000"),
        ("HTTP://Origin:80/", "http://origin"),
        ("https://a.example:443", "https://a.example"),
        ("http://a.example:443", "http://a.example:443"),
        ("http://[::1]:8000", "http://[::1]:8000"),
        ("http://under_score.", "http://under_score."),
    ],
)
def test_an_origin_has_one_spelling(text: str, kept: str) -> None:
    assert parse_origin(text) == kept


@pytest.mark.parametrize(
    "text",
    [
        *("", "origin:8000", "//origin", "ftp://origin", "http://", "http:///x", "http://:80"),
        *("http://o/path", "http://o//", "http://o?x", "http://o?", "http://o#", "http://u@o"),
        *(
            "http://u:p@o",
            "http://o:x",
            "http://o:99999",
            "http://o:0",
            "http://o:",
            "http://-o",
            "http://o..p",
        ),
        *("http://é", "http://o ", "http://o\\x", "http://[::1", "http://a,b", "http://*"),
    ],
)
def test_what_is_no_origin_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="must be"):
        parse_origin(text)


@given(st.text())
def test_urls_are_read_or_refused(text: str) -> None:
    for parse in (parse_base, parse_origin, parse_web_origin, parse_bind_host):
        for prefix in ("", "http://", "http://h:", "http://["):
            try:
                kept = parse(prefix + text)
            except ValueError:
                continue
            assert parse(kept) == kept


def test_a_base_may_have_a_path() -> None:
    assert parse_base("https://cdn.test/a/b/") == "https://cdn.test/a/b"
    with pytest.raises(ValueError, match="query or fragment"):
        parse_base("https://cdn.test/a?key=1")
    with pytest.raises(ValueError, match="percent-encoded"):
        parse_base('https://cdn.test/"')


def test_a_web_page_is_named_as_browsers_name_it() -> None:
    assert parse_web_origin("*") == "*"
    assert parse_web_origin("https://Page.Test:443/") == "https://page.test"


@pytest.mark.parametrize("text", ["0.0.0.0", "::", "127.0.0.1", "localhost", "proxy-1.internal"])
def test_a_port_is_opened_on_an_address_or_a_name(text: str) -> None:
    assert parse_bind_host(text) == text


@pytest.mark.parametrize("text", ["", "[::]", "0.0.0.0:80", "a b", "http://h", "é"])
def test_what_is_no_host_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="must be an address"):
        parse_bind_host(text)


@pytest.mark.parametrize("text", ["TV.Test.:8080", "tv.test:8080", "[2001:DB8:0::1]", "tv.test"])
def test_a_routes_host_is_spelt_as_that_of_its_viewers(text: str) -> None:
    said = TrustedProxies([]).host("203.0.113.9", "http", text, CIMultiDict())
    assert parse_host(text) == said


def test_a_routes_host_is_a_host() -> None:
    with pytest.raises(ValueError, match="IPv6"):
        parse_host("[::::]")
