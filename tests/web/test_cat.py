"""Common Access Tokens (CTA-5007), through the port."""

import hashlib
import json
import time
from collections.abc import Callable
from functools import partial
from ipaddress import ip_address
from typing import Any

import cbor2
import pytest
from cbor2 import CBORTag
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)
from cwt import COSE, COSEKey
from hypothesis import example, given
from hypothesis import strategies as st
from structlog.testing import capture_logs

from proxy.credentials.cat_scope import parts_of, scope
from tests.support import cats
from tests.support.cats import cat, envelope, text_of
from tests.support.playlists import serve_channels
from tests.support.stack import JWT_SECRET, TICKET_SECRET, Answer, Stack

HEADER = "CTA-Common-Access-Token"
ENTRY = "/live/one/master.m3u8"
BALANCER = {"trusted_proxies": ["127.0.0.1"]}


def stack(**more: Any) -> Stack:
    auth = {"cat": {"enabled": True}, **more.pop("auth", {})}
    return Stack(auth=auth, listen=BALANCER, **more)


async def ask(stack: Stack, token: str, path: str = ENTRY, **headers: str) -> Answer:
    return await stack.ask(path, **{"Host": "tv.example", HEADER: token, **headers})


@pytest.mark.parametrize(
    ("path", "headers"),
    [
        (ENTRY, {HEADER: "{}"}),
        (f"{ENTRY}?a=1&CAT={{}}", {}),
        (ENTRY, {"Cookie": f"a=1; {HEADER}={{}}"}),
    ],
    ids=["header", "query", "cookie"],
)
@pytest.mark.parametrize("tagged", [True, False])
async def test_a_token_opens_a_manifest_and_leaves_no_trace(
    path: str, headers: dict[str, str], *, tagged: bool
) -> None:
    token = cat({cats.CTI: b"one"}, tagged=tagged)
    filled = {name: value.format(token) for name, value in headers.items()}
    async with stack() as proxy:
        serve_channels(proxy.origin, "one")
        with capture_logs() as logs:
            master = await proxy.ask(path.format(token), **filled)
            assert master.headers["Playgate-Decision"] == "admitted"
            links = [line for line in master.text.splitlines() if line.startswith("low/")]
            child = await proxy.ask(f"/live/one/{links[0]}")
            links = [line for line in child.text.splitlines() if line.startswith("seg7")]
            segment = await proxy.ask(f"/live/one/low/{links[0]}", **filled)
            assert (child.status, segment.status) == (200, 200)
        asked = [(each.raw_path, *each.headers.items()) for each in proxy.origin.requests]
        for said in (asked, logs, master.text, child.text):
            assert token not in str(said)


async def test_plan_limit_and_device_are_claims_by_name() -> None:
    async with stack() as proxy:
        serve_channels(proxy.origin, "one")
        token = cat({"plan": "premium", "max_streams": 7, "device_id": "tv"})
        answer = await ask(proxy, token)
        assert answer.headers["Playgate-Streams"] == "1/7"
        (stream,) = (await proxy.operate("/admin/v1/accounts/alice/streams")).json["streams"]
        assert stream["device"] == "tv"


def pair(private: Any) -> tuple[str, str]:
    """Give the PEM of a pair: the public half, and the private one."""
    public = private.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    secret = private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    return public.decode(), secret.decode()


GENERATE: dict[str, Callable[[], Any]] = {
    "ES256": partial(ec.generate_private_key, ec.SECP256R1()),
    "ES384": partial(ec.generate_private_key, ec.SECP384R1()),
    "PS256": partial(rsa.generate_private_key, 65537, 2048),
    "EdDSA": ed25519.Ed25519PrivateKey.generate,
}


@pytest.mark.parametrize("algorithm", GENERATE)
async def test_the_keys_are_those_of_other_tokens(algorithm: str) -> None:
    public, secret = pair(GENERATE[algorithm]())
    _, stranger = pair(GENERATE[algorithm]())
    keys = [{"kid": "a", "algorithm": algorithm, "public_key": public}]
    async with stack(auth={"keys": keys}) as proxy:
        serve_channels(proxy.origin, "one")
        ours = COSEKey.from_pem(secret, alg=algorithm, kid="a")
        assert (await ask(proxy, cat(key=ours))).status == 200
        nameless = COSEKey.from_pem(secret, alg=algorithm)
        assert (await ask(proxy, cat(key=nameless))).status == 200
        for wrong in (
            COSEKey.from_pem(stranger, alg=algorithm, kid="a"),
            COSEKey.from_pem(secret, alg=algorithm, kid="b"),
            # The published key as the secret of an HMAC, under its own name.
            COSEKey.from_symmetric_key(public, alg="HS256", kid="a"),
        ):
            answer = await ask(proxy, cat(key=wrong))
            assert (answer.status, answer.code) == (401, "token_invalid")


async def test_registered_claims_hold_as_in_other_tokens() -> None:
    now = int(time.time())
    auth = {"issuer": "https://id.example", "audience": ["video", "film"], "leeway": "10m"}
    good = {cats.ISS: "https://id.example", cats.AUD: "video"}
    async with stack(auth=auth) as proxy:
        serve_channels(proxy.origin, "one")
        for claims in (good, {**good, cats.AUD: ["x", "film"]}, {**good, cats.EXP: now - 5}):
            assert (await ask(proxy, cat(claims))).status == 200
        expired = await ask(proxy, cat({**good, cats.EXP: now - 3600}))
        assert (expired.status, expired.code) == (401, "token_expired")
        for changed in (
            {cats.ISS: "https://other.example"},
            {cats.ISS: None},
            {cats.AUD: "other"},
            {cats.AUD: None},
            {cats.AUD: [["video"]]},
            {cats.NBF: now + 3600},
            {cats.IAT: now + 3600},
            {cats.EXP: None},
            {cats.EXP: str(now + 600)},
            {cats.EXP: float("nan")},
            {cats.EXP: 2**60},
            {cats.NBF: True},
            {cats.SUB: None},
            {cats.SUB: b"alice"},
            {cats.CTI: "one"},
            {"max_streams": -1},
            {"cdniuc": "regex:.*"},
        ):
            answer = await ask(proxy, cat({**good, **changed}))
            assert (answer.status, answer.code) == (401, "token_invalid"), changed
        assert set(proxy.origin.paths) == {ENTRY}


async def test_the_id_of_a_token_is_its_cti() -> None:
    async with stack(identity={"jti_per_playback": True}) as proxy:
        serve_channels(proxy.origin, "one")
        for cti, streams in ((b"\x01", 1), (b"\x01", 1), (b"\xff\x00", 2)):
            answer = await ask(proxy, cat({cats.CTI: cti}))
            assert answer.headers["Playgate-Streams"] == f"{streams}/3"


@pytest.mark.parametrize("what", [{"jti": "00ff61"}, {"issued_before": 1_700_000_000}])
async def test_a_token_and_its_tickets_are_revoked_by_id_or_by_age(what: dict[str, object]) -> None:
    lost = cat({cats.CTI: b"\x00\xffa", cats.IAT: 1_700_000_000 - 1})
    kept = cat({cats.CTI: b"\x00\xffb", cats.IAT: 1_700_000_000 + 1})
    async with stack() as proxy:
        serve_channels(proxy.origin, "one", "two")
        entry = await ask(proxy, lost)
        other = await ask(proxy, kept, "/live/two/master.m3u8")
        child = f"/live/one/{entry.uris()[0]}"
        assert (await proxy.ask(child, Host="tv.example")).status == 200
        revoke = "/admin/v1/accounts/alice/revoke"
        answer = await proxy.operate(revoke, "POST", body=json.dumps(what).encode())
        assert answer.status == 204
        assert (await ask(proxy, lost)).code == "token_revoked"
        assert (await proxy.ask(child, Host="tv.example")).code == "token_revoked"
        assert (await ask(proxy, kept)).status == 200
        going_on = await proxy.ask(f"/live/two/{other.uris()[0]}", Host="tv.example")
        assert going_on.status == 200


async def test_the_ticket_of_a_token_for_one_method_shows_and_stops_no_streams() -> None:
    async with stack() as proxy:
        serve_channels(proxy.origin, "one")
        entry = await ask(proxy, cat({cats.CATM: ["GET"]}))
        stream = entry.headers["Playgate-Stream"]
        for method, path in (("GET", "streams"), ("DELETE", f"streams/{stream}")):
            answer = await proxy.ask(f"/_playgate/{path}?_sid={entry.ticket()}", method=method)
            assert (answer.status, answer.code) == (403, "token_forbidden")
        free = (await ask(proxy, cat())).ticket()
        assert (await proxy.ask(f"/_playgate/streams?_sid={free}")).status == 200


# --- What it restricts itself to -----------------------------------------------------------------

PATH = {cats.EXACT: ENTRY}
SHA256 = hashlib.sha256(ENTRY.encode()).digest()
SHA512_256 = hashlib.new("sha512_256", ENTRY.encode()).digest()

PERMITTED: list[dict[int, Any]] = [
    {cats.CATV: 1},
    {cats.CATM: ["GET", "HEAD"]},
    {cats.CATU: {cats.SCHEME: {cats.EXACT: "http"}, cats.HOST: {cats.EXACT: "tv.example"}}},
    {cats.CATU: {cats.PORT: {cats.EXACT: "80"}, cats.PATH: PATH}},
    {cats.CATU: {cats.PATH: {cats.PREFIX: "/live/", cats.SUFFIX: ".m3u8", cats.CONTAINS: "one"}}},
    {cats.CATU: {cats.PATH: {cats.REGEX: ["/live/[^/]*/master.m3u8"]}}},
    {cats.CATU: {cats.PATH: {cats.SHA256: SHA256, cats.SHA512_256: SHA512_256}}},
    {cats.CATU: {cats.QUERY: {cats.EXACT: ""}, cats.PARENT: {cats.EXACT: "/live/one"}}},
    {cats.CATU: {cats.NAME: {cats.EXACT: "master.m3u8"}, cats.STEM: {cats.EXACT: "master"}}},
    {cats.CATU: {cats.EXTENSION: {cats.EXACT: ".m3u8"}}},
    {cats.CATREPLAY: 0, cats.CATR: {0: 1, 1: 60}, cats.CATIF: {4: [302]}},
]
FORBIDDEN: list[dict[int, Any]] = [
    {cats.CATM: ["POST"]},
    {cats.CATM: []},
    {cats.CATU: {cats.SCHEME: {cats.EXACT: "https"}}},
    {cats.CATU: {cats.HOST: {cats.SUFFIX: "evil.example"}}},
    {cats.CATU: {cats.PATH: {cats.EXACT: "/live/one"}}},
    {cats.CATU: {cats.PATH: {cats.REGEX: ["/live/"]}}},
    {cats.CATU: {cats.PATH: {cats.PREFIX: "/live/", cats.SUFFIX: ".mpd"}}},
    {cats.CATU: {cats.PATH: PATH, cats.EXTENSION: {cats.EXACT: ".mpd"}}},
    {cats.CATU: {cats.PATH: {cats.SHA256: SHA512_256}}},
    {cats.CATU: {cats.PATH: {cats.SHA512_256: b""}}},
]
INVALID: list[dict[Any, Any]] = [
    {cats.CATV: 2},
    {cats.CATV: "1"},
    {cats.CATREPLAY: 1},
    {cats.CATM: "GET"},
    {cats.CATM: [1]},
    {cats.CATU: []},
    {cats.CATU: {}},
    {cats.CATU: {cats.PATH: {}}},
    {cats.CATU: {cats.PATH: PATH, cats.HOST: {}}},
    {cats.CATU: {9: {cats.EXACT: "x"}}},
    {cats.CATU: {"path": PATH}},
    {cats.CATU: {cats.PATH: ENTRY}},
    {cats.CATU: {cats.PATH: {5: "x"}}},
    {cats.CATU: {cats.PATH: {cats.EXACT: b"x"}}},
    {cats.CATU: {cats.PATH: {cats.SHA256: "x"}}},
    {cats.CATU: {cats.PATH: {cats.REGEX: "(a*)*"}}},
    {cats.CATU: {cats.PATH: {cats.REGEX: ["x", "i"]}}},
    {cats.CATU: {cats.PATH: {cats.REGEX: ["("]}}},
    {cats.CATU: {cats.PATH: {cats.REGEX: ["(.*){1000}"]}}},
    {cats.CATU: {part: {cats.REGEX: ["a{400}"]} for part in (cats.PATH, cats.NAME, cats.STEM)}},
    {cats.CATNIP: []},
    {cats.CATNIP: [64500]},
    {cats.CATNIP: "192.0.2.0/24"},
    {cats.CATNIP: ["192.0.2.0/24"]},
    {cats.CATNIP: [CBORTag(52, b"\x00" * 16)]},
    {cats.CATNIP: [CBORTag(52, [33, b"\x00" * 4])]},
    {cats.CATNIP: [CBORTag(54, [-1, b"\x00"])]},
    *({claim: [1]} for claim in (8, 41, 44, 45, 282, cats.CATPOR, cats.CATALPN, cats.CATH)),
    *({claim: {}} for claim in (316, 317, 318, 319, 321, 324)),
    # What restricts a token by its number is passed over by nobody for standing there by its name.
    *({claim: 1} for claim in ("exp", "nbf", "aud", "catreplay", "catv", "crit", "cnf", "catpor")),
    *({"catu": {cats.PATH: PATH}}, {"catm": ["GET"]}, {"catnip": [64500]}, {"cath": {}}),
]


@pytest.mark.parametrize("claims", PERMITTED, ids=range(len(PERMITTED)))
async def test_a_request_that_the_claims_allow_is_served(claims: dict[int, Any]) -> None:
    async with stack() as proxy:
        serve_channels(proxy.origin, "one")
        assert (await ask(proxy, cat(claims))).status == 200
        assert (await ask(proxy, cat(claims), f"{ENTRY}?CAT=")).status == 200


@pytest.mark.parametrize("claim", [cats.CATM, cats.CATU])
def test_a_claim_that_is_there_and_null_is_no_leave_for_everything(claim: int) -> None:
    with pytest.raises(ValueError, match=r"no (list|map)"):
        scope({claim: None})


@pytest.mark.parametrize("claims", FORBIDDEN, ids=range(len(FORBIDDEN)))
async def test_a_request_that_the_claims_do_not_allow_reaches_nobody(
    claims: dict[int, Any],
) -> None:
    async with stack() as proxy:
        answer = await ask(proxy, cat(claims))
        assert (answer.status, answer.code) == (403, "token_forbidden")
        assert proxy.origin.paths == []


@pytest.mark.parametrize("claims", INVALID, ids=range(len(INVALID)))
async def test_claims_that_cannot_be_checked_are_refused(claims: dict[Any, Any]) -> None:
    async with stack() as proxy:
        answer = await ask(proxy, cat(claims))
        assert (answer.status, answer.code) == (401, "token_invalid")
        assert proxy.origin.paths == []


def tag_of(address: str, length: int | None = None, kept: int = 16) -> CBORTag:
    ip = ip_address(address)
    number = 52 if ip.version == 4 else 54
    return CBORTag(number, ip.packed if length is None else [length, ip.packed[:kept]])


@pytest.mark.parametrize(
    ("networks", "address", "inside"),
    [
        ([tag_of("192.0.2.7")], "192.0.2.7", True),
        ([tag_of("192.0.2.0", 24, kept=3)], "192.0.2.200", True),
        ([64500, tag_of("2001:db8::", 32, kept=4)], "2001:db8:1::5", True),
        ([tag_of("10.0.0.0", 8), tag_of("192.0.2.0", 24)], "192.0.2.1", True),
        ([tag_of("192.0.2.7")], "192.0.2.8", False),
        ([64500, tag_of("192.0.2.0", 24)], "198.51.100.1", False),
        ([tag_of("2001:db8::", 32)], "192.0.2.1", False),
    ],
)
async def test_networks_hold_for_the_token_and_for_what_its_manifest_leads_to(
    networks: list[Any], address: str, *, inside: bool
) -> None:
    async with stack() as proxy:
        serve_channels(proxy.origin, "one")
        answer = await ask(proxy, cat({cats.CATNIP: networks}), **{"X-Forwarded-For": address})
        if not inside:
            assert (answer.status, answer.code) == (403, "token_forbidden")
            return
        child = next(line for line in answer.text.splitlines() if line.startswith("low/"))
        here, away = [
            await proxy.ask(f"/live/one/{child}", Host="tv.example", **{"X-Forwarded-For": by})
            for by in (address, "203.0.113.99")
        ]
        assert (here.status, away.status, away.code) == (200, 403, "token_forbidden")


@pytest.mark.parametrize(
    ("uri", "parts"),
    [
        ("https://h/a.b/c", ("https", "h", "443", "/a.b/c", "", "/a.b", "c", "c", "")),
        ("http://h:81/x.y.z?q=1", ("http", "h", "81", "/x.y.z", "q=1", "", "x.y.z", "x.y", ".z")),
        ("http://[::1]:8080/", ("http", "[::1]", "8080", "/", "", "", "", "", "")),
        ("http://[::1]/a;p=1", ("http", "[::1]", "80", "/a;p=1", "", "", "a;p=1", "a;p=1", "")),
        ("http://h:99999/", ("http", "h", "99999", "/", "", "", "", "", "")),
        ("http://[....]/a?b?c", ("http", "[....]", "80", "/a", "b?c", "", "a", "a", "")),
    ],
)
def test_a_uri_has_parts(uri: str, parts: tuple[str, ...]) -> None:
    assert parts_of(uri) == parts


@pytest.mark.parametrize("host", ["[::::]", "[....]", "[1.2.3]", "[:::]:80", "..", "h:99999"])
async def test_what_is_no_host_is_refused_before_any_scope_is_asked(host: str) -> None:
    token = cat({cats.CATU: {cats.PATH: {cats.PREFIX: "/live/"}}})
    async with stack() as proxy:
        serve_channels(proxy.origin, "one")
        answer = await ask(proxy, token, Host=host)
        assert (answer.status, answer.code) == (400, "bad_request")
        assert (await ask(proxy, token)).status == 200


@given(wanted=st.text("ab/", max_size=4), path=st.text("ab/", max_size=6))
@example(wanted="", path="")
def test_matches_are_what_they_are_called(wanted: str, path: str) -> None:
    for kind, means in (
        (cats.EXACT, path == wanted),
        (cats.PREFIX, path.startswith(wanted)),
        (cats.SUFFIX, path.endswith(wanted)),
        (cats.CONTAINS, wanted in path),
    ):
        read = scope({cats.CATU: {cats.QUERY: {kind: wanted}}})
        assert read is not None
        assert read.permits("GET", f"https://h/?{path}") == means


# --- What is no token ----------------------------------------------------------------------------

HMAC_HEADER = cbor2.dumps({1: 5})
CLAIMS = cbor2.dumps({2: "alice", 4: 4_000_000_000})


def message(*parts: Any, tag: int = 17) -> str:
    return text_of(cbor2.dumps(CBORTag(tag, list(parts))))


HOSTILE = {
    "no base64": "*****",
    "no CBOR": text_of(b"\xff\xff"),
    "a JSON Web Token": "eyJhbGciOiJub25lIn0.eyJzdWIiOiJhbGljZSJ9.",
    "nothing signed": message(cbor2.dumps({}), {}, CLAIMS, b""),
    "an algorithm that is none": message(cbor2.dumps({1: [5]}), {}, CLAIMS, b"x" * 32),
    "a truncated MAC": cat(key=COSEKey.from_symmetric_key(JWT_SECRET, alg="HMAC 256/64")),
    "another envelope": message(HMAC_HEADER, {}, CLAIMS, b"x" * 32, tag=16),
    "a signature in the place of a MAC": message(HMAC_HEADER, {}, CLAIMS, b"x" * 32, tag=18),
    "an extension": text_of(COSE.new().encode_and_mac(CLAIMS, cats.MAIN, {1: 5, 2: [99], 99: 1})),
    "an algorithm that is not protected": text_of(
        COSE.new().encode_and_mac(CLAIMS, cats.MAIN, {}, {1: 5})
    ),
    "a key id that is none": message(HMAC_HEADER, {4: "main"}, CLAIMS, b"x" * 32),
    "a key id of odd bytes": message(HMAC_HEADER, {4: b"\xff"}, CLAIMS, b"x" * 32),
    "a key in the header": message(HMAC_HEADER, {-1: {1: 4, -1: b"x" * 32}}, CLAIMS, b"x" * 32),
    "an empty signature": message(HMAC_HEADER, {}, CLAIMS, b""),
    "no payload": message(HMAC_HEADER, {}, None, b"x" * 32),
    "claims in a list": envelope(cbor2.dumps([1])),
    "claims that are none": envelope(b"\xff"),
    "claims twice": envelope(b"\xa2\x02\x61a\x02\x61b"),
    "nested claims": envelope(b"\xa1\x02" + b"\x81" * 2000 + b"\x01"),
    "nested envelopes": text_of(b"\xd1" * 4000 + b"\x01"),
    "a regular expression": text_of(cbor2.dumps(CBORTag(35, "(a*)*b"))),
    "a decimal": text_of(cbor2.dumps(CBORTag(4, [10**15, 1]))),
    "too long": "A" * 8193,
    "somebody else's": cat(key=COSEKey.from_symmetric_key(TICKET_SECRET, alg="HS256")),
    "the same secret by another algorithm": cat(
        key=COSEKey.from_symmetric_key(JWT_SECRET + "x" * 40, alg="HS512")
    ),
}


@pytest.mark.parametrize("token", HOSTILE.values(), ids=HOSTILE)
async def test_what_is_no_token_of_ours_is_refused(token: str) -> None:
    async with stack() as proxy:
        answer = await ask(proxy, token)
        assert (answer.status, answer.code) == (401, "token_invalid")
        assert proxy.origin.paths == []


@pytest.mark.parametrize("nested", [lambda tag: tag, lambda tag: [{1: tag}]], ids=["", "nested"])
async def test_nothing_is_built_of_a_header_that_is_not_verified(
    monkeypatch: pytest.MonkeyPatch, nested: Callable[[CBORTag], Any]
) -> None:
    """The library reads it for itself. A regular expression in it took it ten seconds."""
    built: list[bytes] = []
    monkeypatch.setattr("cwt.cbor_processor.loads", built.append)
    header = cbor2.dumps({1: 5, 99: nested(CBORTag(35, "(a*)*b"))})
    async with stack() as proxy:
        answer = await ask(proxy, message(header, {}, CLAIMS, b"x" * 32))
        assert (answer.status, answer.code) == (401, "token_invalid")
    assert built == []


async def test_a_changed_token_is_refused() -> None:
    good = COSE.new(alg_auto_inclusion=True).encode_and_mac(CLAIMS, cats.MAIN)
    async with stack() as proxy:
        serve_channels(proxy.origin, "one")
        assert (await ask(proxy, text_of(good))).status == 200
        for position in range(len(good)):
            changed = bytearray(good)
            changed[position] ^= 1
            answer = await ask(proxy, text_of(bytes(changed)))
            assert (answer.status, answer.code) == (401, "token_invalid"), position


async def test_a_token_is_looked_for_only_where_it_is_said() -> None:
    async with Stack() as proxy:
        assert (await proxy.ask(ENTRY, **{HEADER: cat()})).code == "token_missing"
    names = {"header": "X-Cat", "query_param": "c", "cookie": "c"}
    async with stack(auth={"cat": {"enabled": True, **names}}) as proxy:
        serve_channels(proxy.origin, "one")
        assert (await ask(proxy, cat())).code == "token_missing"
        assert (await proxy.ask(ENTRY, **{"X-Cat": cat()})).status == 200
        assert (await proxy.ask(f"{ENTRY}?c={cat()}")).status == 200
        segment = await proxy.ask("/open/a.ts", **{"X-Cat": "SECRET", "Cookie": "c=SECRET; d=1"})
        assert segment.status == 404
        assert "SECRET" not in str(proxy.origin.requests[-1].headers)
