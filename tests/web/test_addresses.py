import pytest
from multidict import CIMultiDict

from proxy.web.addresses import TrustedProxies

TRUSTED = TrustedProxies(["10.0.0.0/8", "192.0.2.1", "2001:db8::/32"])


def fields(**values: str) -> CIMultiDict[str]:
    return CIMultiDict({name.replace("_", "-"): value for name, value in values.items()})


@pytest.mark.parametrize(
    ("peer", "forwarded", "viewer"),
    [
        ("203.0.113.9", "198.51.100.1", "203.0.113.9"),
        ("10.1.1.1", "198.51.100.1", "198.51.100.1"),
        ("10.1.1.1", "6.6.6.6, 198.51.100.1", "198.51.100.1"),
        ("10.1.1.1", "6.6.6.6, 198.51.100.1, 192.0.2.1, 10.2.2.2", "198.51.100.1"),
        ("10.1.1.1", "10.9.9.9", "10.9.9.9"),
        ("10.1.1.1", "", "10.1.1.1"),
        ("10.1.1.1", "198.51.100.1, rubbish", "10.1.1.1"),
        ("10.1.1.1", "198.51.100.1:4711", "198.51.100.1"),
        ("::ffff:10.1.1.1", "[2001:db9::7]:4711", "2001:db9::7"),
        ("2001:db8::1", "2001:db9::7", "2001:db9::7"),
        ("", "198.51.100.1", ""),
    ],
)
def test_the_viewer_is_the_last_hop_that_no_trusted_proxy_vouches_past(
    peer: str, forwarded: str, viewer: str
) -> None:
    assert TRUSTED.viewer(peer, fields(X_Forwarded_For=forwarded)) == viewer


def test_a_field_of_the_viewers_own_does_not_hide_the_one_a_balancer_adds() -> None:
    # HAProxy's "option forwardfor" adds a field line of its own behind those that came.
    said = CIMultiDict([("X-Forwarded-For", "6.6.6.6"), ("X-Forwarded-For", "198.51.100.1")])
    assert TRUSTED.viewer("10.1.1.1", said) == "198.51.100.1"
    said.extend({"X-Forwarded-For": "192.0.2.1"})
    assert TRUSTED.viewer("10.1.1.1", said) == "198.51.100.1"


def test_scheme_and_host_are_believed_from_trusted_proxies_alone() -> None:
    said = fields(X_Forwarded_Proto="HTTPS", X_Forwarded_Host="tv.example")
    assert TRUSTED.scheme("10.1.1.1", "http", said) == "https"
    assert TRUSTED.scheme("203.0.113.9", "http", said) == "http"
    assert TRUSTED.scheme("10.1.1.1", "http", fields(X_Forwarded_Proto="gopher")) == "http"
    assert TRUSTED.host("10.1.1.1", "https", "inner:8080", said) == "tv.example"
    assert TRUSTED.host("203.0.113.9", "http", "Outer:80", said) == "outer"


@pytest.mark.parametrize(
    ("host", "read"),
    [
        ("TV.example", "tv.example"),
        ("tv.example:80", "tv.example"),
        ("tv.example:8080", "tv.example:8080"),
        ("[2001:DB8::1]:8080", "[2001:db8::1]:8080"),
        ("tv.example/x", None),
        ("tv.example, evil", None),
        ("a@b", None),
        ("", None),
        ("tv.example:", None),
        ("tv.example:port", None),
        ("x" * 300, None),
    ],
)
def test_a_host_is_a_host_or_nothing(host: str, read: str | None) -> None:
    assert TrustedProxies([]).host("203.0.113.9", "http", host, fields()) == read
