"""The keys that sign session tokens: ES256, made at the first start, replaced without a gap.

A key is a file in one folder, named by the millisecond it was made, so the folder is all there is
to remember. A new key is published for a while before it signs: no token names one that nobody has
heard of. The one before it stays published until the last token that it can have signed has
expired, and is removed then.
"""

import hashlib
import json
import logging
import os
from base64 import urlsafe_b64encode
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)
from jwt.algorithms import ECAlgorithm

ALGORITHM: Final = "ES256"
# In seconds: for how long the published keys may be taken for the ones there are, and for how long
# a new one is published before it signs, which has to be longer.
MAX_AGE, PUBLISHED_BEFORE = 30, 60
# For clocks that differ: who verifies may accept a token for a while after its end.
GRACE_SECONDS = 60

log = logging.getLogger("issuer")


@dataclass(frozen=True, slots=True)
class SigningKey:
    """One key pair; ``made`` in milliseconds since 1970."""

    made: int
    private: ec.EllipticCurvePrivateKey

    @property
    def public_jwk(self) -> dict[str, str]:
        """The public half as a JWK (RFC 7517 §4), its id being its thumbprint (RFC 7638)."""
        jwk = ECAlgorithm.to_jwk(self.private.public_key(), as_dict=True)
        point = {name: str(jwk[name]) for name in ("crv", "kty", "x", "y")}
        digest = hashlib.sha256(json.dumps(point, separators=(",", ":")).encode()).digest()
        kid = urlsafe_b64encode(digest).rstrip(b"=").decode()
        return {**point, "kid": kid, "use": "sig", "alg": ALGORITHM}

    @property
    def kid(self) -> str:
        """The id by which tokens name it."""
        return self.public_jwk["kid"]


class SigningKeys:
    """The keys of one folder; ``token_seconds`` is the longest that a token is good for."""

    def __init__(self, folder: Path, token_seconds: int, clock: Callable[[], float]) -> None:
        """Read the keys there are, and make the first one where there is none.

        Raises:
            OSError, ValueError: the folder cannot be written to, or a file in it is no key.
        """
        self._folder = folder
        self._needed_ms = (PUBLISHED_BEFORE + token_seconds + GRACE_SECONDS) * 1000
        self._clock = clock
        self._keys = sorted(map(_read, folder.glob("*.pem")), key=lambda key: key.made)
        if not self._keys:
            self.rotate()

    @property
    def current(self) -> SigningKey:
        """The key that signs: the newest that was published for long enough, or the first."""
        latest = (self._clock() - PUBLISHED_BEFORE) * 1000
        return next((key for key in reversed(self._keys) if key.made <= latest), self._keys[0])

    def published(self) -> tuple[SigningKey, ...]:
        """Give the keys whose tokens may still be good; removes what has had its time."""
        now = self._clock() * 1000
        for key, successor in zip(self._keys[:-1], self._keys[1:], strict=True):
            if now >= successor.made + self._needed_ms:
                self._keys.remove(key)
                # One that cannot be removed is read again at the next start, and goes then.
                with suppress(OSError):
                    self._path(key).unlink()
        return tuple(self._keys)

    def jwks(self) -> bytes:
        """Give the public halves as a JWK Set (RFC 7517 §5).

        The key that signs comes first, for those who look no further, then the newest.
        """
        newest_first, current = self.published()[::-1], self.current
        keys = sorted(newest_first, key=lambda key: key is not current)
        return json.dumps({"keys": [key.public_jwk for key in keys]}).encode()

    def rotate(self) -> None:
        """Make a new key, publish it, and sign with it in a while.

        Raises:
            OSError: it cannot be kept; the key before it goes on signing.
        """
        last = self._keys[-1].made if self._keys else 0
        # Later than the last one even where the clock was set back.
        key = SigningKey(
            max(int(self._clock() * 1000), last + 1), ec.generate_private_key(ec.SECP256R1())
        )
        pem = key.private.private_bytes(
            Encoding.PEM, PrivateFormat.PKCS8, encryption_algorithm=NoEncryption()
        )
        unfinished = self._path(key).with_suffix(".new")
        with os.fdopen(os.open(unfinished, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600), "wb") as f:
            f.write(pem)
        unfinished.rename(self._path(key))
        self._keys.append(key)
        log.info("new key: %s", key.kid)

    def _path(self, key: SigningKey) -> Path:
        return self._folder / f"{key.made}.pem"


def _read(path: Path) -> SigningKey:
    try:
        private = load_pem_private_key(path.read_bytes(), password=None)
        made = int(path.stem)
    except (ValueError, TypeError) as error:
        raise ValueError(f"{path} is no key of this issuer: {error}") from error
    if not isinstance(private, ec.EllipticCurvePrivateKey) or private.curve.name != "secp256r1":
        raise ValueError(f"{path} is no key for {ALGORITHM}")
    return SigningKey(made, private)
