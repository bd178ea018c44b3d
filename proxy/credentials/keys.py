"""Keys that verify and sign tokens, each tied to one algorithm, and some to an issuer.

The algorithm is a property of the key, never of the token (RFC 8725 §3.1): a token may only name
a key whose algorithm it also names, so neither ``none`` nor an HMAC made with a public key finds a
key to be verified with. Nor is a key ever taken from the token itself (``jwk``, ``jku``, ``x5c``,
``x5u``). A key of one issuer is no key for the tokens of another (RFC 8725 §3.8).
"""

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass
from operator import attrgetter
from typing import Any, Protocol

import jwt
from jwt.algorithms import get_default_algorithms

from proxy.values import value

# A token that names no key is tried with so many. Issuers who leave out ``kid`` have two or three,
# and no key set that is published may say how long a forged token keeps everybody waiting.
MAX_TRIED = 8

# What verifies, by the algorithm's name: PyJWT's.
ALGORITHMS = get_default_algorithms()
KEYS = attrgetter("keys")
HMAC_ALGORITHMS = frozenset({"HS256", "HS384", "HS512"})


@value(frozen=True, slots=True)
class Sought:
    """What a token says of the key that verifies it, before anything of it is verified."""

    algorithm: str
    kid: str | None = None
    issuer: str | None = None


@dataclass(frozen=True, slots=True)
class Key:
    """One key: ``verifying`` and, where tokens may be minted with it, ``signing`` material.

    Both are what PyJWT prepared for the algorithm. They are kept out of ``repr``. ``issuers`` are
    those whose tokens it verifies; where there are none, it verifies anybody's.
    """

    algorithm: str
    kid: str | None
    verifying: Any
    signing: Any = None
    issuers: tuple[str, ...] = ()

    def __repr__(self) -> str:
        return f"Key(algorithm={self.algorithm!r}, kid={self.kid!r})"

    @classmethod
    def symmetric(
        cls, algorithm: str, secret: bytes, kid: str | None = None, issuers: Iterable[str] = ()
    ) -> "Key":
        """Make an HMAC key.

        Raises:
            ValueError: the algorithm is not an HMAC one.
        """
        if algorithm not in HMAC_ALGORITHMS:
            raise ValueError(f"{algorithm} is not an HMAC algorithm")
        material = ALGORITHMS[algorithm].prepare_key(secret)
        return cls(algorithm, kid, material, material, tuple(issuers))

    @classmethod
    def asymmetric(
        cls,
        algorithm: str,
        *,
        public: str,
        private: str | None = None,
        kid: str | None = None,
        issuers: Iterable[str] = (),
    ) -> "Key":
        """Make a key pair from PEM texts; without ``private`` it can only verify.

        Raises:
            ValueError: a PEM is unreadable, or not of the algorithm's type.
        """
        try:
            prepare = ALGORITHMS[algorithm].prepare_key
            verifying = prepare(public)
            signing = prepare(private) if private else None
        except (jwt.InvalidKeyError, KeyError, TypeError) as error:
            raise ValueError(f"not a key for {algorithm}: {error}") from error
        return cls(algorithm, kid, verifying, signing, tuple(issuers))

    def verifies(self, signed: bytes, signature: bytes) -> bool:
        """Tell whether a signature over some bytes was made with this key, or its private half."""
        return ALGORITHMS[self.algorithm].verify(signed, self.verifying, signature)

    def is_for(self, issuer: str | None) -> bool:
        """Tell whether it verifies the tokens of an issuer."""
        return not self.issuers or issuer in self.issuers


class Source(Protocol):
    """Keys that come and go, such as those an issuer publishes."""

    @property
    def keys(self) -> tuple[Key, ...]:
        """The keys it has now."""

    def may_have(self, sought: Sought) -> bool:
        """Tell whether such a key, which is not there, could be found by looking again."""

    async def look(self) -> bool:
        """Look again, if it is time, but not for long; tell whether the keys are others now."""


# The keys of each source, by which it is known whether they are still the same.
Edition = tuple[tuple[Key, ...], ...]


@dataclass(frozen=True, slots=True)
class KeyRing:
    """The keys there are: those that stay, and those of the sources."""

    fixed: tuple[Key, ...]
    sources: tuple[Source, ...] = ()

    @property
    def keys(self) -> tuple[Key, ...]:
        """All keys there are now."""
        return sum(self.edition, self.fixed)

    @property
    def edition(self) -> Edition:
        """What sources have now: as long as it is the same, what was verified still is."""
        return tuple(map(KEYS, self.sources))

    def candidates(self, sought: Sought) -> list[Key]:
        """Give the keys a token may be verified with: by issuer, by ``kid``, then by algorithm.

        A ``kid`` that some key bears selects that key alone. Where none does, the keys that bear
        no ``kid`` at all are candidates; a token without ``kid`` may be of any key. The first few
        of them are given.
        """
        keys = [key for key in self.keys if key.is_for(sought.issuer)]
        if sought.kid is not None:
            named = [key for key in keys if key.kid == sought.kid]
            keys = named or [key for key in keys if key.kid is None]
        return [key for key in keys if key.algorithm == sought.algorithm][:MAX_TRIED]

    async def look_for(self, sought: Sought) -> bool:
        """Look for a key that is not there; tell whether any source has others now.

        One that is there is not looked for: a bad signature is no reason to trouble an issuer.
        """
        if self._is_there(sought):
            return False
        asked = [source.look() for source in self.sources if source.may_have(sought)]
        return any(await asyncio.gather(*asked))

    def is_wanting(self, sought: Sought) -> bool:
        """Tell whether such a key may be one of a source that never gave any yet."""
        sources = (source for source in self.sources if not source.keys)
        return not self._is_there(sought) and any(source.may_have(sought) for source in sources)

    def _is_there(self, sought: Sought) -> bool:
        return sought.kid is not None and any(
            key.kid == sought.kid and key.is_for(sought.issuer) for key in self.keys
        )

    def signer(self) -> Key | None:
        """Give the first key that can sign; None where the configuration can only verify."""
        return next((key for key in self.fixed if key.signing is not None), None)
