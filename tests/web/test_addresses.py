import pytest
from multidict import CIMultiDict
from structlog.testing import capture_logs

from proxy.web.addresses import TrustedProxies
from tests.support.playlists import serve_dash
from tests.support.stack import Stack

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
    ("hops", "scheme", "host"),
    [
        # One balancer, which puts its own behind what the viewer wrote.
        ("198.51.100.1", "http", "tv.example"),
        # A CDN that is trusted before it.
        ("198.51.100.1, 192.0.2.1", "https", "cdn.example"),
        # More that are trusted than have said something.
        ("198.51.100.1, 192.0.2.1, 192.0.2.1, 192.0.2.1", "https", "first.example"),
        ("", "http", "tv.example"),
    ],
)
def test_of_a_list_counts_what_the_outermost_trusted_proxy_wrote(
    hops: str, scheme: str, host: str
) -> None:
    said = fields(X_Forwarded_For=hops, X_Forwarded_Proto="HTTPS, http")
    said.extend({"X-Forwarded-Host": "first.example, cdn.example"})
    said.extend({"X-Forwarded-Host": "tv.example"})
    assert TRUSTED.scheme("10.1.1.1", "http", said) == scheme
    assert TRUSTED.host("10.1.1.1", "http", "inner:8080", said) == host
    assert TRUSTED.host("203.0.113.9", "http", "outer", said) == "outer"


def test_a_balancer_that_is_not_trusted_is_told_of_once() -> None:
    proxies = TrustedProxies(["10.0.0.0/8"])
    with capture_logs() as logs:
        proxies.check("203.0.113.9", fields(Host="tv.example"))
        proxies.check("10.1.1.1", fields(X_Forwarded_For="198.51.100.1"))
        assert logs == []
        for name in ("X_Forwarded_Host", "X_Forwarded_Proto", "X_Forwarded_For"):
            proxies.check("203.0.113.9", fields(**{name: "x"}))
    assert [(line["log_level"], line["sender"]) for line in logs] == [("warning", "203.0.113.9")]
    assert "listen.trusted_proxies" in logs[0]["event"]


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
        (".".join(["x" * 60] * 5), None),
        ("TV.example.", "tv.example"),
        ("tv.example.:0080", "tv.example"),
        ("tv.example:8080.", None),
        ("tv_1.example", "tv_1.example"),
        ("tv.example:0", None),
        ("tv.example:99999", None),
        ("[2001:db8:0:0::1]", "[2001:db8::1]"),
        ("[::::]", None),
        ("[....]", None),
        ("[1.2.3]", None),
        ("[:::]:80", None),
        ("[::1]:99999", None),
        (".", None),
        ("..", None),
        ("-", None),
        ("a..b", None),
        ("-a.example", None),
    ],
)
def test_a_host_is_a_host_or_nothing(host: str, read: str | None) -> None:
    assert TrustedProxies([]).host("203.0.113.9", "http", host, fields()) == read


@pytest.mark.parametrize("trusted", [["127.0.0.1"], []])
async def test_players_refresh_by_the_name_a_trusted_balancer_tells(trusted: list[str]) -> None:
    said = {"X_Forwarded_Proto": "https", "X_Forwarded_Host": "tv.example"}
    with capture_logs() as logs:
        async with Stack(listen={"trusted_proxies": trusted}) as stack:
            serve_dash(stack.origin, "one")
            entry = await stack.ask(f"/live/one.mpd?token={stack.token()}", **said)
            inner = f"http://127.0.0.1:{stack.service.port}"
    outer = "https://tv.example" if trusted else inner
    assert f"<Location>{outer}/live/one.mpd?_sid=" in entry.text
    warned = [line for line in logs if line.get("sender") == "127.0.0.1"]
    assert len(warned) == (0 if trusted else 1)
