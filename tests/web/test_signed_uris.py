"""Signed URIs (RFC 9246), through the port: what they open, and that nothing of them goes on."""

import base64
import hashlib
import re
import time
from collections.abc import Sequence
from typing import Any

import jwt
import pytest
from joserfc import jwe
from joserfc.jwk import OctKey
from structlog.testing import capture_logs

from tests.support.playlists import serve_channels, serve_dash, serve_film
from tests.support.stack import JWT_SECRET, Answer, Stack

NAME = "URISigningPackage"
ENCRYPTION_SECRET = "0123456789abcdef0123456789abcdef"
ENTRY = "/live/one/master.m3u8"
URI = f"http://tv.example{ENTRY}"
ANYWHERE = "regex:.*"
SIGNING = {
    "enabled": True,
    "decryption_keys": [{"algorithm": "A256KW", "secret": ENCRYPTION_SECRET}],
}
# The tests' own address is a balancer's, so that viewers can be anywhere.
BALANCER = {"trusted_proxies": ["127.0.0.1"]}


def signed(container: str | None = ANYWHERE, **claims: Any) -> str:
    """Give a signed URI's token; a claim that is None is left out."""
    every = {"sub": "alice", "exp": int(time.time()) + 600, "cdniuc": container, **claims}
    return jwt.encode(
        {name: value for name, value in every.items() if value is not None}, JWT_SECRET
    )


def encrypted(text: str, secret: str = ENCRYPTION_SECRET, **header: str) -> str:
    key = OctKey.import_key(secret)
    return jwe.encrypt_compact({"alg": "A256KW", "enc": "A256GCM", **header}, text, key)


def stack(**more: Any) -> Stack:
    return Stack(auth={"uri_signing": SIGNING}, listen=BALANCER, **more)


async def ask(stack: Stack, path: str, host: str = "tv.example", **headers: str) -> Answer:
    return await stack.ask(path, Host=host, **headers)


def links(answer: Answer) -> list[str]:
    """Give the addresses in a playlist."""
    return [line for line in answer.text.splitlines() if line and not line.startswith("#")]


def leaked(token: str, texts: Sequence[object]) -> list[object]:
    """Give those of the texts that hold the token or one of its parts, the common header aside."""
    parts = [part for part in token.split(".")[1:] if part]
    return [text for text in texts if any(part in str(text) for part in parts)]


# --- Where it comes from -------------------------------------------------------------------------

CARRIERS = {
    "query": (f"{ENTRY}?{NAME}={{}}", {}),
    "query among others": (f"{ENTRY}?a=1&{NAME}={{}}&b=2", {}),
    "path": (f"{ENTRY};{NAME}={{}}", {}),
    "path before another parameter": (f"{ENTRY};{NAME}={{}}?b=2", {}),
    "path, escaped": (f"{ENTRY}%3B{NAME}={{}}", {}),
    "cookie": (ENTRY, {"Cookie": f"a=1; {NAME}={{}}; b=2"}),
    "bearer": (ENTRY, {"Authorization": "Bearer {}"}),
    "DASH-IF": (ENTRY, {"DASH-IF-IETF-Token": "{}"}),
    "session parameter": (f"{ENTRY}?token={{}}", {}),
}


@pytest.mark.parametrize(("path", "headers"), CARRIERS.values(), ids=CARRIERS)
async def test_a_signed_uri_opens_its_manifest_and_leaves_no_trace_of_its_token(
    path: str, headers: dict[str, str]
) -> None:
    token = signed(r"regex:http://tv\.example/live/one/master\.m3u8(\?.*)?")
    async with stack() as proxy:
        serve_channels(proxy.origin, "one")
        with capture_logs() as logs:
            filled = {name: value.format(token) for name, value in headers.items()}
            master = await ask(proxy, path.format(token), **filled)
            assert master.status == 200
            assert master.headers["Playgate-Decision"] == "admitted"
            child = await ask(proxy, f"/live/one/{links(master)[0]}")
            segment = await ask(proxy, f"/live/one/low/{links(child)[0]}", **filled)
            assert (child.status, segment.status) == (200, 200)
        paths = [path.partition("?")[0] for path in proxy.origin.paths]
        assert paths == [ENTRY, "/live/one/low/index.m3u8", "/live/one/low/seg7.ts"]
        fields = [request.headers.items() for request in proxy.origin.requests]
        seen = [
            *proxy.origin.paths,
            *fields,
            *logs,
            master.text,
            child.text,
            *master.headers.items(),
        ]
        assert leaked(token, seen) == []
        assert NAME not in str(seen)


async def test_the_content_of_a_signed_path_is_the_path_without_its_token() -> None:
    async with stack() as proxy:
        serve_channels(proxy.origin, "one")
        first = await ask(proxy, f"{ENTRY};{NAME}={signed()}")
        again = await ask(proxy, f"{ENTRY}?{NAME}={signed(jti='another')}")
        assert again.headers["Playgate-Decision"] == "renewed"
        assert first.headers["Playgate-Stream"] == again.headers["Playgate-Stream"]
        (stream,) = (await proxy.operate("/admin/v1/accounts/alice/streams")).json["streams"]
        assert stream["content"] == "tv.example/live/one/master.m3u8"


async def test_live_dash_is_refreshed_at_a_location_without_the_token() -> None:
    async with stack() as proxy:
        serve_dash(proxy.origin, "one")
        token = signed()
        mpd = await ask(proxy, f"/live/one.mpd;{NAME}={token}")
        location = re.search(r"<Location>http://tv\.example(.*?)</Location>", mpd.text)
        assert location is not None
        assert location[1].startswith("/live/one.mpd?_sid=")
        assert (await ask(proxy, location[1])).status == 200
        assert leaked(token, [mpd.text, *proxy.origin.paths]) == []


@pytest.mark.parametrize(
    "path",
    [
        f"/live/one;{NAME}={{}}/master.m3u8",
        f"/live/{NAME}={{}}/one/master.m3u8",
        f"{ENTRY};{NAME}={{}};{NAME}={{}}",
        f"/live/one/{NAME}={{}}",
    ],
)
async def test_a_token_in_the_middle_of_a_path_is_refused_and_goes_nowhere(path: str) -> None:
    async with stack() as proxy:
        serve_channels(proxy.origin, "one")
        answer = await ask(proxy, path.replace("{}", signed()))
        assert (answer.status, answer.code) == (400, "bad_request")
        assert proxy.origin.paths == []


async def test_a_package_is_a_plain_parameter_where_uri_signing_is_off() -> None:
    async with Stack() as proxy:
        serve_film(proxy.origin, "film")
        answer = await proxy.ask(f"/live/film.m3u8?{NAME}={signed()}")
        assert (answer.status, answer.code) == (401, "token_missing")
        # Its claims hold all the same, in whichever way the token comes.
        answer = await proxy.ask(f"/live/film.m3u8?token={signed('regex:http://other/.*')}")
        assert (answer.status, answer.code) == (403, "token_forbidden")


async def test_only_the_configured_places_are_looked_at() -> None:
    auth = {"uri_signing": SIGNING, "sources": ["cookie"]}
    async with Stack(auth=auth) as proxy:
        serve_channels(proxy.origin, "one")
        assert (await proxy.ask(f"{ENTRY}?{NAME}={signed()}")).code == "token_missing"
        assert (await proxy.ask(f"{ENTRY};{NAME}={signed()}")).code == "token_missing"
        assert (await proxy.ask(ENTRY, Cookie=f"{NAME}={signed()}")).status == 200


# --- What it opens -------------------------------------------------------------------------------


def hashed(uri: str) -> str:
    digest = hashlib.sha256(uri.encode()).digest()
    return f"hash:sha-256;{base64.urlsafe_b64encode(digest).decode().rstrip('=')}"


@pytest.mark.parametrize(
    ("container", "path", "host", "opened"),
    [
        (hashed(URI), ENTRY, "tv.example", True),
        (hashed(URI), ENTRY, "TV.example:80", True),
        (hashed(f"{URI}?b=%C3%A9~"), f"{ENTRY}?b=%c3%a9%7E", "tv.example", True),
        (hashed(URI), "/live/%6Fne/master.m3u8", "tv.example", True),
        (hashed(URI), f"{ENTRY}?b=1", "tv.example", False),
        (hashed(URI), ENTRY, "other.example", False),
        (hashed(URI), "/live/two/master.m3u8", "tv.example", False),
        (r"regex:http://tv\.example/live/.*", ENTRY, "tv.example", True),
        (r"regex:http://tv\.example/live/.*", ENTRY, "tv.example:81", False),
        (r"regex:https://tv\.example/.*", ENTRY, "tv.example", False),
        ("regex:.*/two/.*", f"{ENTRY}?x=", "tv.example", False),
        (
            r"regex:http://tv\.example/two/.*",
            f"{ENTRY}?http://tv.example/two/",
            "tv.example",
            False,
        ),
    ],
)
async def test_a_container_opens_its_uris_and_nobody_else_reaches_the_origin(
    container: str, path: str, host: str, *, opened: bool
) -> None:
    async with stack() as proxy:
        serve_channels(proxy.origin, "one", "two")
        mark = "&" if "?" in path else "?"
        answer = await ask(proxy, f"{path}{mark}{NAME}={signed(container)}", host)
        if opened:
            assert answer.status == 200
        else:
            assert (answer.status, answer.code) == (403, "token_forbidden")
            assert proxy.origin.paths == []
            streams = await proxy.operate("/admin/v1/accounts/alice/streams")
            assert streams.json["streams"] == []


async def test_the_scheme_is_that_of_the_viewer() -> None:
    async with stack() as proxy:
        serve_channels(proxy.origin, "one")
        path = f"{ENTRY}?{NAME}={signed('regex:https://.*')}"
        assert (await ask(proxy, path)).code == "token_forbidden"
        assert (await ask(proxy, path, **{"X-Forwarded-Proto": "https"})).status == 200


async def test_a_signed_uri_is_counted_like_any_other_stream_of_its_account() -> None:
    async with stack(limits={"default": 1}) as proxy:
        serve_channels(proxy.origin, "one", "two")
        assert (await ask(proxy, f"{ENTRY}?{NAME}={signed()}")).status == 200
        second = f"/live/two/master.m3u8?{NAME}={signed()}"
        assert (
            await ask(proxy, second, agent="other/1", **{"X-Forwarded-For": "192.0.2.9"})
        ).code == ("stream_limit")


async def test_the_viewers_api_takes_a_signed_uri_only_where_its_container_allows_it() -> None:
    async with stack() as proxy:
        narrow, wide = signed(hashed(URI)), signed()
        assert (await ask(proxy, f"/_playgate/streams?{NAME}={narrow}")).code == "token_forbidden"
        assert (await ask(proxy, f"/_playgate/streams?{NAME}={wide}")).json["streams"] == []


async def test_the_ticket_of_a_signed_uri_shows_and_stops_none_of_the_accounts_streams() -> None:
    async with stack() as proxy:
        serve_channels(proxy.origin, "one", "two")
        await ask(proxy, f"/live/two/master.m3u8?token={proxy.token()}")
        guest = (await ask(proxy, f"{ENTRY}?{NAME}={signed(hashed(URI))}")).ticket()
        streams = (await proxy.operate("/admin/v1/accounts/alice/streams")).json["streams"]
        assert len(streams) == 2
        assert (await ask(proxy, f"/_playgate/streams?_sid={guest}")).code == "token_forbidden"
        for stream in streams:
            path = f"/_playgate/streams/{stream['id']}?_sid={guest}"
            stop = await proxy.ask(path, method="DELETE", Host="tv.example")
            assert (stop.status, stop.code) == (403, "token_forbidden")
        own = f"/_playgate/heartbeat?_sid={guest}"
        assert (await proxy.ask(own, method="POST", Host="tv.example")).status == 204


# --- Claims --------------------------------------------------------------------------------------

INVALID: dict[str, dict[str, Any]] = {
    "no container": {"container": None},
    "a container of another form": {"container": "glob:*"},
    "a container that is no text": {"container": 7},
    "an expression that is none": {"container": "regex:("},
    "an expression that is too costly": {"container": "regex:(.*){1000}"},
    "another version": {"cdniv": 2},
    "no version": {"cdniv": True},
    "an unknown critical claim": {"cdnicrit": "cdnifuture", "cdnifuture": 1},
    "a critical claim that is missing": {"cdnicrit": "plan"},
    "a critical claim of the standard": {"cdnicrit": "cdniip"},
    "a critical claim named twice": {"cdnicrit": "plan,plan", "plan": "basic"},
    "an empty list of critical claims": {"cdnicrit": ""},
    "critical claims in an array": {"cdnicrit": ["plan"], "plan": "basic"},
    "an unknown way of renewal": {"cdnistt": 3, "cdniets": 30},
    "a way of renewal that is no number": {"cdnistt": "1", "cdniets": 30},
    "renewal without its time": {"cdnistt": 1},
    "a time of renewal that is no number": {"cdnistt": 0, "cdniets": "30"},
    "a negative depth": {"cdnistd": -1},
    "a depth that is no number": {"cdnistd": 1.5},
    "a network that is none": {"cdniip": "here"},
    "a network that is no text": {"cdniip": 7},
    "a network encrypted for somebody else": {"cdniip": encrypted("192.0.2.1", "x" * 32)},
    "an account encrypted for somebody else": {"sub": encrypted("alice", "x" * 32)},
    "a compressed account": {"sub": encrypted("alice", zip="DEF")},
    "no account": {"sub": None},
    "not yet": {"nbf": int(time.time()) + 86_400},
    "no expiry": {"exp": None},
}


@pytest.mark.parametrize("claims", INVALID.values(), ids=INVALID)
async def test_what_cannot_be_checked_is_refused(claims: dict[str, Any]) -> None:
    async with stack() as proxy:
        answer = await ask(proxy, f"{ENTRY}?{NAME}={signed(**claims)}")
        assert (answer.status, answer.code) == (401, "token_invalid")
        assert proxy.origin.paths == []


@pytest.mark.parametrize("claim", ["cdniuc", "cdniip"])
async def test_a_claim_that_is_there_and_null_is_no_leave_for_everything(claim: str) -> None:
    async with stack() as proxy:
        claims = {"sub": "alice", "exp": int(time.time()) + 600, claim: None}
        answer = await ask(proxy, f"{ENTRY}?token={jwt.encode(claims, JWT_SECRET)}")
        assert answer.code == "token_invalid"


@pytest.mark.parametrize(
    "claims",
    [
        {"cdniv": 1},
        {"cdnicrit": "plan,max_streams", "plan": "basic", "max_streams": 2},
        {"cdnistt": 0, "cdniets": 30},
        {"cdnistt": 1, "cdniets": 30.5, "cdnistd": 0},
        {"cdnistt": 2, "cdniets": 30, "cdnistd": 3},
        {"nbf": int(time.time()) - 1, "iat": int(time.time()), "jti": "x", "iss": "a", "aud": "b"},
    ],
)
async def test_what_is_understood_is_accepted(claims: dict[str, Any]) -> None:
    async with stack() as proxy:
        serve_channels(proxy.origin, "one")
        assert (await ask(proxy, f"{ENTRY}?{NAME}={signed(**claims)}")).status == 200


async def test_no_leeway_is_given() -> None:
    async with Stack(auth={"uri_signing": SIGNING, "leeway": "1h"}) as proxy:
        serve_channels(proxy.origin, "one")
        just = int(time.time())
        late = await ask(proxy, f"{ENTRY}?{NAME}={signed(exp=just - 1)}")
        assert (late.status, late.code) == (401, "token_expired")
        early = await ask(proxy, f"{ENTRY}?{NAME}={signed(nbf=just + 60)}")
        assert (early.status, early.code) == (401, "token_invalid")
        # The same as a session token would be good.
        session = await ask(proxy, f"{ENTRY}?token={signed(None, exp=just - 1)}")
        assert session.status == 200


async def test_an_encrypted_account_is_the_account() -> None:
    async with stack(limits={"default": 1}) as proxy:
        serve_channels(proxy.origin, "one")
        for _ in range(2):  # another text each time
            answer = await ask(proxy, f"{ENTRY}?{NAME}={signed(sub=encrypted('alice'))}")
            assert answer.headers["Playgate-Streams"] == "1/1"
        assert len((await proxy.operate("/admin/v1/accounts/alice/streams")).json["streams"]) == 1


@pytest.mark.parametrize(
    ("network", "address", "inside"),
    [
        ("192.0.2.7", "192.0.2.7", True),
        ("192.0.2.0/24", "192.0.2.200", True),
        ("192.0.2.0/24", "::ffff:192.0.2.9", True),
        ("0.0.0.0/0", "203.0.113.1", True),
        ("2001:db8::/32", "2001:db8:1::5", True),
        ("192.0.2.0/24", "192.0.3.1", False),
        ("192.0.2.0/24", "2001:db8::1", False),
        ("2001:db8::/32", "2001:db9::1", False),
        ("0.0.0.0/0", "2001:db8::1", False),
    ],
)
async def test_an_encrypted_network_holds(network: str, address: str, *, inside: bool) -> None:
    async with stack() as proxy:
        serve_channels(proxy.origin, "one")
        path = f"{ENTRY}?{NAME}={signed(cdniip=encrypted(network))}"
        answer = await ask(proxy, path, **{"X-Forwarded-For": address})
        assert answer.status == (200 if inside else 403)
        assert answer.code == ("" if inside else "token_forbidden")


async def test_a_network_holds_for_what_the_manifest_leads_to_as_well() -> None:
    async with stack() as proxy:
        serve_channels(proxy.origin, "one")
        here, elsewhere = {"X-Forwarded-For": "192.0.2.7"}, {"X-Forwarded-For": "192.0.3.7"}
        token = signed(cdniip=encrypted("192.0.2.0/24"))
        master = await ask(proxy, f"{ENTRY}?{NAME}={token}", **here)
        assert "192.0.2" not in master.text
        child = f"/live/one/{links(master)[0]}"
        playlist = await ask(proxy, child, **here)
        segment = f"/live/one/low/{links(playlist)[0]}"
        assert (await ask(proxy, segment, **here)).status == 200
        before = len(proxy.origin.paths)
        for path in (child, segment, f"/_playgate/streams?{child.partition('?')[2]}"):
            answer = await ask(proxy, path, **elsewhere)
            assert (answer.status, answer.code) == (403, "token_forbidden")
        assert len(proxy.origin.paths) == before
