import json
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519, rsa
from hypothesis import given
from hypothesis import strategies as st
from jwt.algorithms import OKPAlgorithm, RSAAlgorithm
from jwt.utils import to_base64url_uint

from proxy.jwks import MAX_KEYS, KeySet, parse
from tests.support.issuer import jwk_of

RSA_KEY = rsa.generate_private_key(65537, 2048)
EC_KEY = ec.generate_private_key(ec.SECP256R1())
GOOD = jwk_of(EC_KEY, "ES256", kid="good")
ALL = (
    *("RS256", "RS384", "RS512", "PS256", "PS384", "PS512"),
    *("ES256", "ES384", "ES512", "EdDSA"),
)


def uint(number: int) -> str:
    """Write a number as key sets have it (RFC 7518 §2)."""
    return to_base64url_uint(number).decode()


def published(*jwks: object) -> bytes:
    return json.dumps({"keys": jwks}).encode()


def read(*jwks: object, algorithms: tuple[str, ...] = ALL) -> KeySet:
    return parse(published(*jwks), algorithms)


@pytest.mark.parametrize(
    ("algorithm", "key"),
    [
        *((algorithm, RSA_KEY) for algorithm in ALL if algorithm[:2] in ("RS", "PS")),
        ("ES256", EC_KEY),
        ("ES384", ec.generate_private_key(ec.SECP384R1())),
        ("ES512", ec.generate_private_key(ec.SECP521R1())),
        ("EdDSA", ed25519.Ed25519PrivateKey.generate()),
        ("EdDSA", ed448.Ed448PrivateKey.generate()),
    ],
    # The text of a key has its place in memory, in which parallel workers differ.
    ids=lambda value: value if isinstance(value, str) else type(value).__name__,
)
def test_a_key_of_each_algorithm_is_read(algorithm: str, key: Any) -> None:
    (found,) = read(jwk_of(key, algorithm, kid="k")).keys
    assert (found.algorithm, found.kid, found.key) == (algorithm, "k", key.public_key())


def test_a_key_without_alg_is_for_each_configured_algorithm_that_it_fits() -> None:
    found = read(jwk_of(RSA_KEY, "RS256", alg=None), algorithms=("ES256", "PS256", "RS512")).keys
    assert [key.algorithm for key in found] == ["PS256", "RS512"]


def test_use_and_key_ops_may_be_absent_or_say_verify() -> None:
    for more in ({"use": None}, {"key_ops": ["verify"]}, {"use": None, "key_ops": ["verify", "x"]}):
        assert read(jwk_of(EC_KEY, "ES256", **more)).skipped == ()


X25519 = {
    **OKPAlgorithm.to_jwk(ed25519.Ed25519PrivateKey.generate().public_key(), as_dict=True),
    "crv": "X25519",
}
USELESS: dict[str, object] = {
    "encryption": jwk_of(RSA_KEY, "RS256", use="enc"),
    "no use that is known": jwk_of(RSA_KEY, "RS256", use=["sig"]),
    "signing only": jwk_of(RSA_KEY, "RS256", key_ops=["sign"]),
    "key_ops of another type": jwk_of(RSA_KEY, "RS256", key_ops="verify"),
    "symmetric": {"kty": "oct", "k": "c2VjcmV0LXNlY3JldC1zZWNyZXQtc2VjcmV0LXNlY3I", "alg": "HS256"},
    "symmetric in disguise": {**GOOD, "k": "c2VjcmV0"},
    "private": RSAAlgorithm.to_jwk(RSA_KEY, as_dict=True),
    "unknown type": {"kty": "quantum"},
    "type of another type": {"kty": ["EC"]},
    "no type": {"x": "AA"},
    "algorithm nobody configured": jwk_of(RSA_KEY, "RS256", alg="RSA-OAEP"),
    "no algorithm": jwk_of(RSA_KEY, "RS256", alg="none"),
    "algorithm of another type": jwk_of(RSA_KEY, "RS256", alg=["RS256"]),
    "HMAC by a public key": jwk_of(RSA_KEY, "RS256", alg="HS256"),
    "algorithm of another key type": {**GOOD, "alg": "RS256"},
    "algorithm of another curve": {**GOOD, "alg": "ES384"},
    "short RSA": jwk_of(rsa.generate_private_key(65537, 1024), "RS256"),
    "long RSA": {"kty": "RSA", "n": uint(2**8192 + 1), "e": "AQAB"},
    "RSA with a long exponent": {**jwk_of(RSA_KEY, "RS256"), "e": uint(2**32 + 1)},
    "curve nobody signs with": X25519,
    "Bitcoin's curve": {
        **jwk_of(ec.generate_private_key(ec.SECP256K1()), "ES256"),
        "crv": "secp256k1",
    },
    "a point beside the curve": {**GOOD, "y": GOOD["x"]},
    "no point": {name: value for name, value in GOOD.items() if name != "x"},
    "coordinates that are numbers": {**GOOD, "x": 7},
    "no base64": {**GOOD, "x": "!" * 43},
    "even exponent": {**jwk_of(RSA_KEY, "RS256"), "e": "Ag"},
    "key id that is a number": {**GOOD, "kid": 7},
    "key id without end": {**GOOD, "kid": "k" * 257},
    "null": None,
    "a list": [],
    "a text": "key",
    "nothing": {},
}


@pytest.mark.parametrize("useless", USELESS.values(), ids=USELESS)
def test_a_key_of_no_use_is_skipped_and_takes_no_good_one_with_it(useless: object) -> None:
    found = read(useless, GOOD, useless)
    assert [key.kid for key in found.keys] == ["good"]
    assert len(found.skipped) == 2
    with pytest.raises(ValueError, match="no key that could verify"):
        read(useless)


def test_why_a_key_is_skipped_is_said_with_its_id_and_without_its_material() -> None:
    short = jwk_of(rsa.generate_private_key(65537, 1024), "RS256", kid="weak")
    private = RSAAlgorithm.to_jwk(RSA_KEY, as_dict=True)
    useless = (short, {"kty": "oct", "k": "c2VjcmV0"}, private)
    found = read(*useless, GOOD, algorithms=("RS256", "ES256"))
    assert found.skipped == (
        "'weak' has 1024 bits; RS256 needs at least 2048",
        "keys[1] is symmetric, and no secret once it is published",
        "keys[2] is published together with its private half",
    )


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"<html>down for maintenance</html>",
        b"{}",
        b"[]",
        b"7",
        b'{"keys": {}}',
        b'{"keys": null}',
        b'{"keys": []}',
        b"\xff\xfe\x00",
        b'{"keys": ' + b"[" * 100_000,
    ],
)
def test_what_is_no_key_set_is_an_error_that_repeats_nothing_of_it(content: bytes) -> None:
    with pytest.raises(ValueError, match=r"is not JSON|is not a JSON Web Key|no key that") as error:
        parse(content, ALL)
    assert "maintenance" not in str(error.value)


def test_more_keys_than_any_issuer_has_are_left_out() -> None:
    found = read(*[GOOD] * (MAX_KEYS + 5))
    assert len(found.keys) == MAX_KEYS
    assert len(found.skipped) == 1


MEMBERS = st.sampled_from(["kty", "kid", "use", "key_ops", "alg", "crv", "x", "y", "n", "e", "d"])
VALUES = (
    st.none() | st.integers() | st.text(max_size=50) | st.lists(st.text(max_size=9), max_size=3)
)


@given(st.dictionaries(MEMBERS, VALUES | st.sampled_from(["RSA", "EC", "OKP", "P-256", "Ed25519"])))
def test_no_key_however_odd_is_an_unexpected_error(odd: dict[str, Any]) -> None:
    found = read({**GOOD, **odd}, odd, GOOD)
    assert found.keys[-1].kid == "good"
