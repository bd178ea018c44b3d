"""The signature algorithms that tokens may have, and which keys are good for each.

RFC 7518 §3.1 and RFC 8037 §3.1, without ``none``. An algorithm is always used with a key of its
own type, curve and strength; whoever takes in a key asks here whether it is one.
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
# RFC 7518 §3.3 and §3.5.
MIN_RSA_BITS = 2048
# Verifying takes time by the square of the one and in proportion to the other's length, and it is
# done for whoever sends a token. Keys in use have 2048 to 4096 bits, and nearly all of them 65537.
MAX_RSA_BITS = 8192
MAX_RSA_EXPONENT_BITS = 32
# Each curve goes with one hash (RFC 7518 §3.4).
CURVES = {"ES256": ec.SECP256R1, "ES384": ec.SECP384R1, "ES512": ec.SECP521R1}


def fitting(algorithm: str, key: object) -> PublicKey:
    """Give the key back if it is a public key of the algorithm's type, curve and strength.

    Raises:
        ValueError: it is not.
    """
    match algorithm[:2], key:
        case "RS" | "PS", rsa.RSAPublicKey():
            _check_rsa(algorithm, key)
            return key
        case "ES", ec.EllipticCurvePublicKey() if isinstance(key.curve, CURVES[algorithm]):
            return key
        case "Ed", ed25519.Ed25519PublicKey() | ed448.Ed448PublicKey():
            return key
    raise ValueError(f"is not a key for {algorithm}")


def _check_rsa(algorithm: str, key: rsa.RSAPublicKey) -> None:
    if key.key_size < MIN_RSA_BITS:
        raise ValueError(f"has {key.key_size} bits; {algorithm} needs at least {MIN_RSA_BITS}")
    if key.key_size > MAX_RSA_BITS:
        raise ValueError(f"has {key.key_size} bits; {algorithm} takes {MAX_RSA_BITS} at most")
    if key.public_numbers().e.bit_length() > MAX_RSA_EXPONENT_BITS:
        raise ValueError(f"has a public exponent of more than {MAX_RSA_EXPONENT_BITS} bits")
