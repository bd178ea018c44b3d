import pytest
import redis.asyncio
from hypothesis import given
from hypothesis import strategies as st
from multidict import CIMultiDict

from proxy.settings.urls import (
    StoreUrl,
    check_store_url,
    parse_base,
    parse_bind_host,
    parse_host,
    parse_origin,
    parse_web_origin,
)
from proxy.web.addresses import TrustedProxies

STORES = [
    "memory://",
    "redis://localhost",
    "redis://localhost:6379/0",
    "redis://:p%40ss%2Fword@redis.internal:6380/15",
    "redis://user:pass@[::1]:6379",
    "rediss://h:1/2?ssl_cert_reqs=none&ssl_check_hostname=false",
    "rediss://h?ssl_ca_certs=/etc/ca.pem&protocol=3",
    "unix:///run/redis.sock",
    "unix://:pass@/run/redis.sock?db=3",
]


@pytest.mark.parametrize("text", STORES)
def test_a_stores_url_is_kept_as_it_is(text: str) -> None:
    assert check_store_url(StoreUrl(text)).get_secret_value() == text


@pytest.mark.parametrize("text", STORES[1:])
async def test_redis_py_takes_every_url_that_is_accepted(text: str) -> None:
    client = redis.asyncio.Redis.from_url(text)
    # Making a connection object is where an option that it does not know would surface.
    client.connection_pool.make_connection()  # type: ignore[no-untyped-call]  # redis-py
    await client.aclose()


@pytest.mark.parametrize(
    "text",
    [
        *("", "memory", "memory:", "memory://x", "memory:///", "REDIS", "http://h", "redis:h"),
        *(
            "redis://",
            "redis:///0",
            "redis://h:port",
            "redis://h:70000",
            "redis://h/x",
            "redis://h#",
        ),
        *(
            "redis://:pa/ss@h",
            "redis://:pa#ss@h",
            "redis://:pa?ss@h",
            "redis://[::1",
            "redis://h h",
        ),
        *("redis://h?password=x", "redis://h?db=x", "redis://h?protocol=9", "redis://h?db="),
        *("redis://h?ssl_cert_reqs=none", "rediss://h?ssl_cert_reqs=maybe", "redis://h?max=1"),
        *(
            "unix://run/redis.sock",
            "unix:///",
            "unix://",
            "redis://h/0/1",
            "redis://hé",
            "redis://h\n",
        ),
    ],
)
def test_what_is_no_stores_url_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"must|may have|has a value"):
        check_store_url(StoreUrl(text))


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("redis://user:hunter2@h:1/2?db=3", "redis://user:********@h:1/2?db=3"),
        ("unix://:hunter2@/run/redis.sock", "unix://:********@/run/redis.sock"),
        ("redis://user@h", "redis://user@h"),
        ("memory://", "memory://"),
    ],
)
def test_a_password_is_masked_and_nothing_else(text: str, shown: str) -> None:
    url = StoreUrl(text)
    assert str(url) == shown
    assert "hunter2" not in f"{url!r} {url}"


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
        *("http://u:p@o", "http://o:x", "http://o:99999", "http://o:", "http://-o", "http://o..p"),
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
