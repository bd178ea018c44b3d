"""Claims that came encrypted: JSON Web Encryption in its compact form (RFC 7516 §7.1).

URI signing wants it for what is personal: the client's address and the subject (RFC 9246 §2.1.2,
§2.1.10), because a signed URI is seen by whoever sees a URL.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from joserfc import jwe
from joserfc.errors import JoseError
from joserfc.jwk import ECKey, OctKey, RSAKey

# Five parts of base64url, the first a JSON object with at least `alg` and `enc`: its brace comes
# out as these two characters, and the shortest has 29 bytes. No name looks like that.
COMPACT_JWE = re.compile(r"e[w-z0-9_-][\w-]{36,}(?:\.[\w-]*){4}", re.ASCII)
# Authenticated encryption of the content (RFC 7518 §5). No ``zip``: what inflates has no bound.
CONTENT_ENCRYPTION = ("A128GCM", "A256GCM", "A128CBC-HS256", "A256CBC-HS512")
# What hostile input makes the library raise, beside its own: see tests/credentials/test_encrypted.
DECRYPTION_ERRORS = (JoseError, ValueError, TypeError, KeyError, RecursionError, AssertionError)


@dataclass(frozen=True, slots=True)
class DecryptionKey:
    """One key, tied to one way of agreeing on the content's key (``alg``, RFC 7518 §4)."""

    algorithm: str
    material: OctKey | RSAKey | ECKey

    def __repr__(self) -> str:
        return f"DecryptionKey(algorithm={self.algorithm!r})"

    @classmethod
    def symmetric(cls, algorithm: str, secret: bytes) -> "DecryptionKey":
        """Make a shared key."""
        return cls(algorithm, OctKey.import_key(secret))

    @classmethod
    def private(cls, algorithm: str, pem: bytes) -> "DecryptionKey":
        """Make a private key of a PEM that is of the algorithm's type."""
        kind = RSAKey if algorithm.startswith("RSA") else ECKey
        return cls(algorithm, kind.import_key(pem))


class Decrypter:
    """Decrypts claims with whichever of the keys does."""

    def __init__(self, keys: Sequence[DecryptionKey] = ()) -> None:
        self._keys = [
            (key, jwe.JWERegistry(algorithms=[key.algorithm, *CONTENT_ENCRYPTION])) for key in keys
        ]

    def text(self, value: str) -> str:
        """Give the text of a claim: as it is, or decrypted if it is a JWE.

        Raises:
            ValueError: a JWE that no key decrypts to a text.
        """
        if not COMPACT_JWE.fullmatch(value):
            return value
        for key, registry in self._keys:
            try:
                plain = jwe.decrypt_compact(value, key.material, registry=registry).plaintext
            except DECRYPTION_ERRORS:
                continue
            if plain is not None:
                return plain.decode()
        raise ValueError("no key decrypts this")
