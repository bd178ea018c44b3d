"""The algorithms of tokens and of what is encrypted in them, and which keys are good for each.

Signatures: RFC 7518 §3.1 and RFC 8037 §3.1, without ``none``. Keys for encryption: RFC 7518 §4. An
algorithm is always used with a key of its own type, curve and strength; whoever takes in a key asks
here whether it is one.
"""

from typing import Literal

from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519, rsa

HmacAlgorithm = Literal["HS256", "HS384", "HS512"]
# Those that are verified with a public key, which its owner may publish.
PublicKeyAlgorithm = Literal[
    "RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA"
]
Algorithm = Literal[HmacAlgorithm, PublicKeyAlgorithm]

PublicKey = (
    rsa.RSAPublicKey | ec.EllipticCurvePublicKey | ed25519.Ed25519PublicKey | ed448.Ed448PublicKey
)

# An HMAC key is at least as long as the hash's output (RFC 7518 §3.2); in bytes.
SECRET_LENGTHS = {"HS256": 32, "HS384": 48, "HS512": 64}
# RFC 7518 §3.3, §3.5 and §4.3.
MIN_RSA_BITS = 2048
# Verifying takes time by the square of the one and in proportion to the other's length, and it is
# done for whoever sends a token. Keys in use have 2048 to 4096 bits, and nearly all of them 65537.
MAX_RSA_BITS = 8192
MAX_RSA_EXPONENT_BITS = 32
# Each curve goes with one hash (RFC 7518 §3.4); a key may be agreed on with any (§6.2.1.1).
CURVES = {"ES256": ("P-256",), "ES384": ("P-384",), "ES512": ("P-521",)}
ALL_CURVES = ("P-256", "P-384", "P-521")
CURVE_NAMES = {"secp256r1": "P-256", "secp384r1": "P-384", "secp521r1": "P-521"}


def fitting(algorithm: str, key: object) -> PublicKey:
    """Give the key back if it is a public key of the algorithm's type, curve and strength.

    Raises:
        ValueError: it is not; the message says what it is.
    """
    kind, wanted = _kind(key), _wanted(algorithm)
    if not isinstance(key, PublicKey) or kind not in wanted:
        raise ValueError(f"is {kind}; {algorithm} takes {' or '.join(wanted)}")
    if isinstance(key, rsa.RSAPublicKey):
        _check_rsa(algorithm, key)
    return key


def _kind(key: object) -> str:
    match key:
        case rsa.RSAPublicKey():
            return "an RSA key"
        case ec.EllipticCurvePublicKey():
            return f"a key on {CURVE_NAMES.get(key.curve.name, key.curve.name)}"
        case ed25519.Ed25519PublicKey():
            return "an Ed25519 key"
        case ed448.Ed448PublicKey():
            return "an Ed448 key"
    return "a key of another type"


def _wanted(algorithm: str) -> tuple[str, ...]:
    match algorithm[:2]:
        case "RS" | "PS":
            return ("an RSA key",)
        case "ES" | "EC":
            return tuple(f"a key on {curve}" for curve in CURVES.get(algorithm, ALL_CURVES))
    return "an Ed25519 key", "an Ed448 key"


def _check_rsa(algorithm: str, key: rsa.RSAPublicKey) -> None:
    if key.key_size < MIN_RSA_BITS:
        raise ValueError(f"has {key.key_size} bits; {algorithm} needs at least {MIN_RSA_BITS}")
    if key.key_size > MAX_RSA_BITS:
        raise ValueError(f"has {key.key_size} bits; {algorithm} takes {MAX_RSA_BITS} at most")
    if key.public_numbers().e.bit_length() > MAX_RSA_EXPONENT_BITS:
        raise ValueError(f"has a public exponent of more than {MAX_RSA_EXPONENT_BITS} bits")
