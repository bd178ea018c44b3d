import base64
import json
import time
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from hypothesis import given
from hypothesis import strategies as st

from proxy.credentials.account import AccountNames
from proxy.credentials.keys import Key, KeyRing
from proxy.credentials.token import MAX_TOKEN_LENGTH, Claims, TokenRules, TokenVerifier
from proxy.errors import TokenExpired, TokenInvalid
from proxy.model import DeviceClass
from tests.support.signing import SIGNED_URIS

SECRET = b"s" * 64
# Fixed, because it is part of test ids, which parallel workers compare.
FAR_OFF = 4_000_000_000
ACCOUNTS = AccountNames(b"t" * 32)


def pem_pair(private: Any) -> tuple[str, str]:
    return (
        private.public_key()
        .public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
        .decode(),
        private.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        ).decode(),
    )


RSA_PUBLIC, RSA_PRIVATE = pem_pair(rsa.generate_private_key(65537, 2048))
EC_PUBLIC, EC_PRIVATE = pem_pair(ec.generate_private_key(ec.SECP256R1()))
ED_PUBLIC, ED_PRIVATE = pem_pair(ed25519.Ed25519PrivateKey.generate())


def verifier(*keys: Key, rules: TokenRules | None = None) -> TokenVerifier:
    ring = KeyRing(keys or (Key.symmetric("HS256", SECRET),))
    return TokenVerifier(ring, rules or TokenRules(), ACCOUNTS, SIGNED_URIS)


def claims(**more: Any) -> dict[str, Any]:
    return {"sub": "alice", "exp": FAR_OFF, **more}


def token(payload: dict[str, Any] | None = None, **header: Any) -> str:
    return jwt.encode(payload or claims(), SECRET, algorithm="HS256", headers=header or None)


def part(document: object) -> str:
    raw = document if isinstance(document, bytes) else json.dumps(document).encode()
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def test_a_good_token_gives_account_plan_limit_device_and_jti() -> None:
    read = verifier().verify(token(claims(plan="basic", max_streams=2, device_id="tv-1", jti="j1")))
    assert read.subject.account == ACCOUNTS.hashed("alice")
    assert (read.subject.plan, read.subject.limit) == ("basic", 2)
    assert (read.device, read.jti) == ("tv-1", "j1")


def test_a_token_is_known_by_a_hash_of_its_id_and_by_when_it_was_issued() -> None:
    read = verifier().verify(token(claims(jti="j1", iat=1_700_000_000.5))).subject
    assert read.jti == ACCOUNTS.hashed_jti("j1") != AccountNames(b"o" * 32).hashed_jti("j1")
    assert read.issued_at == 1_700_000_000.5
    bare = verifier().verify(token()).subject
    assert (bare.jti, bare.issued_at) == (None, None)


def test_the_account_never_appears_as_it_is_named() -> None:
    assert "alice" not in repr(verifier().verify(token()))


@pytest.mark.parametrize("algorithm", ["HS256", "HS384", "HS512"])
def test_each_hmac_algorithm_verifies(algorithm: str) -> None:
    text = jwt.encode(claims(), SECRET, algorithm=algorithm)
    assert verifier(Key.symmetric(algorithm, SECRET)).verify(text).subject.account


@pytest.mark.parametrize(
    ("algorithm", "public", "private"),
    [
        ("RS256", RSA_PUBLIC, RSA_PRIVATE),
        ("ES256", EC_PUBLIC, EC_PRIVATE),
        ("EdDSA", ED_PUBLIC, ED_PRIVATE),
    ],
)
def test_each_asymmetric_algorithm_verifies(algorithm: str, public: str, private: str) -> None:
    text = jwt.encode(claims(), private, algorithm=algorithm)
    assert verifier(Key.asymmetric(algorithm, public=public)).verify(text).subject.account


def test_a_key_of_another_type_is_no_key() -> None:
    with pytest.raises(ValueError, match="RS256"):
        Key.asymmetric("RS256", public=EC_PUBLIC)


def test_the_algorithm_none_finds_no_key() -> None:
    unsigned = f"{part({'alg': 'none', 'typ': 'JWT'})}.{part(claims())}."
    with pytest.raises(TokenInvalid):
        verifier().verify(unsigned)
    with pytest.raises(TokenInvalid):
        verifier().verify(unsigned + "AAAA")


def test_an_hmac_made_with_the_public_key_is_refused() -> None:
    import hashlib  # noqa: PLC0415  # the attack's own tools
    import hmac  # noqa: PLC0415  # the same

    signed = f"{part({'alg': 'HS256', 'typ': 'JWT'})}.{part(claims())}"
    mac = hmac.digest(RSA_PUBLIC.encode(), signed.encode(), hashlib.sha256)
    with pytest.raises(TokenInvalid, match="No configured key"):
        verifier(Key.asymmetric("RS256", public=RSA_PUBLIC)).verify(f"{signed}.{part(mac)}")


def test_a_key_is_chosen_by_kid_then_by_algorithm() -> None:
    named = Key.symmetric("HS256", b"n" * 32, "named")
    nameless = Key.symmetric("HS256", SECRET)
    both = verifier(named, nameless)
    assert both.verify(jwt.encode(claims(), b"n" * 32, headers={"kid": "named"})).subject.account
    assert both.verify(token(kid="unheard of")).subject.account
    assert both.verify(token()).subject.account
    with pytest.raises(TokenInvalid):
        both.verify(token(kid="named"))


@pytest.mark.parametrize("kid", [7, ["main"], {"a": 1}, "../../etc/passwd", "' or 1=1", ""])
def test_a_strange_kid_is_an_invalid_token_or_ignored(kid: Any) -> None:
    signed = f"{part({'alg': 'HS256', 'kid': kid})}.{part(claims())}"
    with pytest.raises(TokenInvalid):
        verifier().verify(f"{signed}.AAAA")


def test_a_key_that_the_token_brings_along_is_ignored() -> None:
    text = jwt.encode(
        claims(),
        EC_PRIVATE,
        algorithm="ES256",
        headers={"jwk": {"kty": "EC"}, "jku": "https://x.invalid", "x5u": "https://x.invalid"},
    )
    with pytest.raises(TokenInvalid):
        verifier().verify(text)


def test_an_expired_token_is_told_apart_and_leeway_holds() -> None:
    now = int(time.time())
    with pytest.raises(TokenExpired):
        verifier().verify(token(claims(exp=now - 60)))
    assert verifier().verify(token(claims(exp=now - 5))).subject.account


@pytest.mark.parametrize(
    "payload",
    [
        {"sub": "alice"},
        {"exp": FAR_OFF},
        claims(nbf=FAR_OFF),
        claims(exp="soon"),
        claims(exp=None),
        claims(exp=[]),
        claims(sub=""),
        claims(sub=None),
        claims(sub=True),
        claims(sub=["alice"]),
        claims(sub={"name": "alice"}),
        claims(sub="a" * 257),
        claims(plan=1.5),
        claims(plan=["basic"]),
        claims(device_id={}),
        claims(jti=[]),
        claims(exp=str(FAR_OFF)),
        claims(iat="1700000000"),
        claims(iat=True),
        claims(iat=FAR_OFF),
        claims(iat=-(2**60)),
        claims(max_streams="3"),
        claims(max_streams=-1),
        claims(max_streams=True),
        claims(max_streams=2.5),
        claims(max_streams=10**12),
    ],
    ids=str,
)
def test_a_claim_that_is_missing_or_of_a_wrong_type_is_an_invalid_token(
    payload: dict[str, Any],
) -> None:
    with pytest.raises(TokenInvalid):
        verifier().verify(f"{_signed(payload)}")


def _signed(payload: dict[str, Any]) -> str:
    """Sign what PyJWT's own encoder would refuse to."""
    return jwt.api_jws.encode(json.dumps(payload).encode(), SECRET, algorithm="HS256")


def test_infinite_and_deeply_nested_payloads_are_invalid_tokens() -> None:
    huge = b'{"sub":"alice","exp":1' + b"0" * 400 + b"}"
    for payload in (
        huge,
        b'{"sub":"alice","exp":1e999}',
        b'{"sub":"alice","exp":4000000000,"iat":-1e999}',
        b'{"sub":"alice","exp":4000000000,"iat":NaN}',
        b'{"sub":' + b"[" * 5000 + b"]" * 5000 + b"}",
    ):
        with pytest.raises(TokenInvalid):
            verifier().verify(jwt.api_jws.encode(payload, SECRET, algorithm="HS256"))
    with pytest.raises(TokenInvalid):
        verifier().verify(f"{part(b'[' * 5000)}.{part(claims())}.AAAA")


def test_an_integer_account_is_the_same_as_its_digits() -> None:
    by_number = verifier(rules=TokenRules(claims=Claims(account="uid"))).verify(
        token(claims(uid=42))
    )
    assert by_number.subject.account == ACCOUNTS.hashed("42")


def test_issuer_and_audience_are_held_to_when_configured() -> None:
    strict = verifier(rules=TokenRules(issuers=("https://id.example",), audience=("tv", "web")))
    assert strict.verify(token(claims(iss="https://id.example", aud="tv"))).subject.account
    assert strict.verify(token(claims(iss="https://id.example", aud=["x", "web"]))).subject.account
    for wrong in (
        claims(aud="tv"),
        claims(iss="https://evil.example", aud="tv"),
        claims(iss="https://id.example"),
        claims(iss="https://id.example", aud="radio"),
        claims(iss="https://id.example", aud=7),
        claims(iss="https://id.example", aud=[7]),
        claims(iss=["https://id.example"], aud="tv"),
    ):
        with pytest.raises(TokenInvalid):
            strict.verify(_signed(wrong))


def test_an_audience_that_nobody_asked_for_is_no_error() -> None:
    assert verifier().verify(token(claims(aud="anything"))).subject.account


def test_a_token_of_more_than_the_bound_is_refused_unread() -> None:
    with pytest.raises(TokenInvalid, match=str(MAX_TOKEN_LENGTH)):
        verifier().verify("a" * (MAX_TOKEN_LENGTH + 1))


@given(st.text() | st.from_regex(r"[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+"))
def test_no_text_is_a_token_by_chance_nor_an_unexpected_error(text: str) -> None:
    with pytest.raises(TokenInvalid):
        verifier().verify(text)


LISTED = TokenRules(
    listed={
        "tier": frozenset({"gold", "4", "true"}),
        "region": frozenset({"eu"}),
        "scope": frozenset({"ppv", "live", "ppv live"}),
    }
)


@pytest.mark.parametrize(
    ("more", "found"),
    [
        ({"tier": "gold"}, [("tier", "gold")]),
        ({"tier": 4}, [("tier", "4")]),
        ({"tier": True}, [("tier", "true")]),
        ({"tier": ["silver", "gold", 4], "region": "eu"}, "region eu, tier 4, tier gold"),
        ({"tier": "silver", "other": "gold"}, []),
        ({"tier": {"gold": "gold"}}, []),
        ({"tier": [["gold"], {"gold": 1}, 4.5, None, "\ud800"]}, []),
        ({"tier": 4.0}, [("tier", "4")]),
        ({"tier": 1e300}, []),
        ({"tier": "silver gold"}, []),
        ({"scope": "openid ppv live"}, "scope live, scope ppv"),
        ({"scope": ["openid", "ppv"]}, [("scope", "ppv")]),
        ({"scope": "ppv live"}, [("scope", "live"), ("scope", "ppv"), ("scope", "ppv live")]),
        ({"tier": None}, []),
        ({"tier": "gold" * 1_000}, []),
        ({"tier": ["x" * 100] * 50}, []),
        ({"tier": 10**4_000}, []),
    ],
)
def test_of_listed_claims_only_what_is_looked_for_is_kept_and_nothing_is_an_error(
    more: dict[str, Any], found: Any
) -> None:
    if isinstance(found, str):
        found = [tuple(pair.split()) for pair in found.split(", ")]
    read = verifier(rules=LISTED).verify(token(claims(**more)))
    assert list(read.subject.claims) == found


@pytest.mark.parametrize(
    ("claim", "expected"),
    [
        ("tv", DeviceClass.TV),
        ("Console", DeviceClass.CONSOLE),
        ("fridge", None),
        (["tv"], None),
        (7, None),
        (None, None),
    ],
)
def test_the_issuer_may_say_what_kind_of_device_it_is(
    claim: Any, expected: DeviceClass | None
) -> None:
    rules = TokenRules(claims=Claims(device_class="kind"))
    assert verifier(rules=rules).verify(token(claims(kind=claim))).device_class is expected
