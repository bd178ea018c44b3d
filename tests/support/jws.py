"""Tokens made part by part, with the keys of a proxy that is to be deceived."""

import base64
import hmac
import json
from collections.abc import Callable, Iterator
from typing import Any

import jwt
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

ISSUER = "https://id.example"
AUDIENCE = "video"
SECRET = b"forgery-secret-canary-0123456789abcdef"
RSA_KEY = rsa.generate_private_key(65537, 2048)
EC_KEY = ec.generate_private_key(ec.SECP256R1())
ED_KEY = ed25519.Ed25519PrivateKey.generate()
# Fixed, because it is part of test ids, which parallel workers compare.
FAR_OFF = 4_000_000_000
OPEN = '{"a":'

Signer = Callable[[bytes], bytes]
Forgeries = Iterator[tuple[str, str, str]]  # what it is, its text, the code of its refusal

INVALID, EXPIRED = "token_invalid", "token_expired"


def keys() -> list[dict[str, str]]:
    """The keys of the proxy, as its configuration has them."""

    def pem(key: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey) -> str:
        return (
            key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()
        )

    return [
        {"kid": "hs", "algorithm": "HS256", "secret": SECRET.decode()},
        {"kid": "rs", "algorithm": "RS256", "public_key": pem(RSA_KEY)},
        {"kid": "es", "algorithm": "ES256", "public_key": pem(EC_KEY)},
        {"kid": "ed", "algorithm": "EdDSA", "public_key": pem(ED_KEY)},
    ]


def part(value: object) -> str:
    """A part of a token: bytes as they are, anything else as JSON."""
    raw = value if isinstance(value, bytes) else json.dumps(value).encode()
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def claims(**more: Any) -> dict[str, Any]:
    """Good claims, with others over them."""
    return {"sub": "alice", "exp": FAR_OFF, "iss": ISSUER, "aud": AUDIENCE, **more}


def mac(message: bytes, secret: bytes = SECRET) -> bytes:
    return hmac.digest(secret, message, "sha256")


def rs256(message: bytes, key: rsa.RSAPrivateKey = RSA_KEY) -> bytes:
    return key.sign(message, padding.PKCS1v15(), hashes.SHA256())


def ps256(message: bytes) -> bytes:
    return RSA_KEY.sign(message, padding.PSS(padding.MGF1(hashes.SHA256()), 32), hashes.SHA256())


def der(message: bytes) -> bytes:
    return EC_KEY.sign(message, ec.ECDSA(hashes.SHA256()))


def es256(message: bytes) -> bytes:
    return jwt.get_algorithm_by_name("ES256").sign(message, EC_KEY)


def made(header: object, payload: object, sign: Signer | bytes) -> str:
    """A token of any header and payload, with a signature or what is put in its place."""
    signed = f"{part(header)}.{part(payload)}"
    return f"{signed}.{part(sign if isinstance(sign, bytes) else sign(signed.encode()))}"


def good(payload: object, **header: Any) -> str:
    """A token whose signature is good, whatever else."""
    return made({"alg": "HS256", "kid": "hs", **header}, payload, mac)


def spoilt(text: str, letters: int = 4) -> str:
    """Give a text in base64 with so many other letters at its end, whatever stands there."""
    other = "A" * letters
    return text[:-letters] + (other if text[-letters:] != other else "B" * letters)
