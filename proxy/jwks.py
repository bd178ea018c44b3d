"""JSON Web Key Sets (RFC 7517): which keys of a document may verify tokens, and as what.

A set is what another organisation publishes, so one key that is of no use (for encryption, of an
unknown type, too weak, damaged) is left out and said to be; it never takes the others with it. A
secret that is published is no secret: symmetric keys, and private ones, are never used.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import jwt
from cryptography.exceptions import UnsupportedAlgorithm
from jwt.algorithms import ECAlgorithm, OKPAlgorithm, RSAAlgorithm

from proxy.algorithms import PublicKey, fitting

# More than any issuer publishes; it bounds what a token without a key id can cost.
MAX_KEYS = 64
# Ids are dates, UUIDs and thumbprints; they are logged, and compared with every token.
MAX_KID_LENGTH = 256

READERS: Mapping[str, Callable[[Any], object]] = {
    "RSA": RSAAlgorithm.from_jwk,
    "EC": ECAlgorithm.from_jwk,
    "OKP": OKPAlgorithm.from_jwk,
}
# What the readers raise for members that are missing, of a wrong type, or of no point on a curve.
READING_ERRORS = (jwt.PyJWTError, KeyError, TypeError, ValueError, UnsupportedAlgorithm)


@dataclass(frozen=True, slots=True)
class PublishedKey:
    """A key of the set, tied to one algorithm; one without ``alg`` may be there for several."""

    algorithm: str
    kid: str | None
    key: PublicKey


@dataclass(frozen=True, slots=True)
class KeySet:
    """What a document holds: keys that can be used, and why others cannot (for people)."""

    keys: tuple[PublishedKey, ...]
    skipped: tuple[str, ...]


def parse(document: bytes, algorithms: Sequence[str]) -> KeySet:
    """Read a key set, for tokens signed by one of ``algorithms``.

    Raises:
        ValueError: it is no key set (RFC 7517 §5), or none of its keys can be used. The message
            repeats nothing of the document but key ids.
    """
    try:
        value = json.loads(document)
    except (ValueError, RecursionError):
        raise ValueError("is not JSON") from None
    members = value.get("keys") if isinstance(value, dict) else None
    if not isinstance(members, list):
        raise ValueError("is not a JSON Web Key Set")  # noqa: TRY004  # of a document, not a call
    keys: list[PublishedKey] = []
    skipped: list[str] = []
    for index, member in enumerate(members[:MAX_KEYS]):
        try:
            keys += _read(member, algorithms)
        except ValueError as error:
            skipped.append(f"{_called(member, index)} {error}")
    if len(members) > MAX_KEYS:
        skipped.append(f"keys[{MAX_KEYS}] and what is behind it is too much")
    if not keys:
        raise ValueError("; ".join(["holds no key that could verify a token", *skipped[:3]]))
    return KeySet(tuple(keys), tuple(skipped))


def _read(jwk: object, algorithms: Sequence[str]) -> list[PublishedKey]:
    """Give a JWK once for each algorithm it may be used with.

    Raises:
        ValueError: it is of no use for verifying tokens.
    """
    if not isinstance(jwk, dict):
        raise ValueError("is not a JSON object")  # noqa: TRY004  # of a document, not a call
    kid = jwk.get("kid")
    if kid is not None and (not isinstance(kid, str) or len(kid) > MAX_KID_LENGTH):
        raise ValueError("has a kid that cannot be one")
    if "k" in jwk or jwk.get("kty") == "oct":
        raise ValueError("is symmetric, and no secret once it is published")
    if "d" in jwk:
        raise ValueError("is published together with its private half")
    if jwk.get("use", "sig") != "sig":
        raise ValueError("is not for signatures (use)")
    operations = jwk.get("key_ops", ["verify"])
    if not isinstance(operations, list) or "verify" not in operations:
        raise ValueError("is not for verifying (key_ops)")
    key = _material(jwk)
    named = jwk.get("alg")
    if named is not None and named not in algorithms:
        raise ValueError("is for an algorithm that is not configured")
    return _for_each(kid, key, algorithms if named is None else [named])


def _material(jwk: Mapping[str, Any]) -> object:
    kty = jwk.get("kty")
    if not isinstance(kty, str) or kty not in READERS:
        raise ValueError("is of an unknown type (kty)")
    try:
        return READERS[kty](jwk)
    except READING_ERRORS:
        raise ValueError("is damaged, or on an unknown curve") from None


def _for_each(kid: str | None, key: object, algorithms: Sequence[str]) -> list[PublishedKey]:
    found: list[PublishedKey] = []
    reasons: list[str] = []
    for algorithm in algorithms:
        try:
            found.append(PublishedKey(algorithm, kid, fitting(algorithm, key)))
        except ValueError as error:
            reasons.append(str(error))
    if not found:
        raise ValueError(", ".join(reasons))
    return found


def _called(jwk: object, index: int) -> str:
    kid = jwk.get("kid") if isinstance(jwk, dict) else None
    return repr(kid[:MAX_KID_LENGTH]) if isinstance(kid, str) else f"keys[{index}]"
