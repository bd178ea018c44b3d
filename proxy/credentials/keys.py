"""Keys that verify and sign tokens, each tied to one algorithm.

The algorithm is a property of the key, never of the token (RFC 8725 §3.1): a token may only name
a key whose algorithm it also names, so neither ``none`` nor an HMAC made with a public key finds a
key to be verified with.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import jwt
from jwt.algorithms import get_default_algorithms

HMAC_ALGORITHMS = frozenset({"HS256", "HS384", "HS512"})


@dataclass(frozen=True, slots=True)
class Key:
    """One key: ``verifying`` and, where tokens may be minted with it, ``signing`` material.

    Both are what PyJWT prepared for the algorithm. They are kept out of ``repr``.
    """

    algorithm: str
    kid: str | None
    verifying: Any
    signing: Any

    def __repr__(self) -> str:
        return f"Key(algorithm={self.algorithm!r}, kid={self.kid!r})"

    @classmethod
    def symmetric(cls, algorithm: str, secret: bytes, kid: str | None = None) -> "Key":
        """Make an HMAC key.

        Raises:
            ValueError: the algorithm is not an HMAC one.
        """
        if algorithm not in HMAC_ALGORITHMS:
            raise ValueError(f"{algorithm} is not an HMAC algorithm")
        material = get_default_algorithms()[algorithm].prepare_key(secret)
        return cls(algorithm, kid, material, material)

    @classmethod
    def asymmetric(
        cls, algorithm: str, *, public: str, private: str | None = None, kid: str | None = None
    ) -> "Key":
        """Make a key pair from PEM texts; without ``private`` it can only verify.

        Raises:
            ValueError: a PEM is unreadable, or not of the algorithm's type.
        """
        try:
            prepare = get_default_algorithms()[algorithm].prepare_key
            verifying = prepare(public)
            signing = prepare(private) if private else None
        except (jwt.InvalidKeyError, KeyError, TypeError) as error:
            raise ValueError(f"not a key for {algorithm}: {error}") from error
        return cls(algorithm, kid, verifying, signing)


@dataclass(frozen=True, slots=True)
class KeyRing:
    """The keys there are, in the order of the configuration."""

    keys: tuple[Key, ...]

    def candidates(self, kid: str | None, algorithm: object) -> Iterator[Key]:
        """Give the keys a token may be verified with: by ``kid``, then by algorithm.

        A ``kid`` that some key bears selects that key alone. Where none does, the keys that bear
        no ``kid`` at all are candidates; a token without ``kid`` may be of any key.
        """
        if kid is not None and any(key.kid == kid for key in self.keys):
            named = (key for key in self.keys if key.kid == kid)
        else:
            named = (key for key in self.keys if kid is None or key.kid is None)
        return (key for key in named if key.algorithm == algorithm)

    def signer(self) -> Key | None:
        """Give the first key that can sign; None where the configuration can only verify."""
        return next((key for key in self.keys if key.signing is not None), None)
