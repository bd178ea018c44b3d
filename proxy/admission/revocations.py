"""Which tokens of an account are no longer good: some by their id, and all that are too old.

A revocation is remembered for as long as a token it means could be used, or a ticket of one. None
is taken back by another: a later one may cover more, or for longer.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Protocol

from proxy.errors import BadRequest

# Tokens of one account that are revoked by their ids at a time, about 100 bytes each. A viewer who
# logs in and out all day stays far below, and who goes on for the sake of it finds an end.
MAX_REVOKED = 1_000


@dataclass(frozen=True, slots=True)
class Revocation:
    """Which tokens of an account are no longer good, nor their tickets.

    The one whose id has the hash ``jti``; where that is None, all issued before ``before_ms``.
    None of them can be used after ``until_ms``.
    """

    until_ms: int
    jti: str | None = None
    before_ms: int = 0


class Issued(Protocol):
    """What comes from a token: its bearer, an attempt of theirs, the slot it was renewed with."""

    @property
    def jti(self) -> str | None:
        """The keyed hash of the token's id."""

    @property
    def issued_ms(self) -> int | None:
        """When the token was issued; 0 where it does not say, None where there is no token."""


def too_many() -> BadRequest:
    """Say that an account's revocations are full, and what to do about it."""
    return BadRequest(
        f"{MAX_REVOKED} tokens of this account are revoked already;"
        " revoke all that were issued before now instead."
    )


@dataclass(frozen=True, slots=True)
class Revocations:
    """The revocations of one account: ``jtis`` says until when each token's id is remembered.

    Tokens issued before ``before_ms`` are revoked until ``before_until_ms``. Nearly all accounts
    have none, and share these (``NONE``).
    """

    jtis: Mapping[str, int] = field(default_factory=dict)
    before_ms: int = 0
    before_until_ms: int = 0

    def cover(self, credential: Issued, now_ms: int) -> bool:
        """Tell whether a credential's token is revoked."""
        if credential.issued_ms is None:
            return False
        if self.before_until_ms > now_ms and credential.issued_ms < self.before_ms:
            return True
        return credential.jti is not None and self.jtis.get(credential.jti, 0) > now_ms

    def with_one(self, revocation: Revocation, until_ms: int, now_ms: int) -> "Revocations":
        """Give those that are good still, and one more, which is remembered until then.

        Raises:
            BadRequest: it is of one token, and too many are revoked already.
        """
        left = self._swept(now_ms)
        jti = revocation.jti
        if jti is None:
            return replace(
                left,
                before_ms=max(left.before_ms, revocation.before_ms),
                before_until_ms=max(left.before_until_ms, until_ms),
            )
        if jti not in left.jtis and len(left.jtis) >= MAX_REVOKED:
            raise too_many()
        return replace(left, jtis={**left.jtis, jti: max(left.jtis.get(jti, 0), until_ms)})

    def letting_pass(self, credential: Issued) -> "Revocations":
        """Give those without what revokes a credential: who knows better says it is good."""
        if self is NONE:
            return self
        issued_ms = self.before_ms if credential.issued_ms is None else credential.issued_ms
        others = {jti: until for jti, until in self.jtis.items() if jti != credential.jti}
        return replace(self, jtis=others, before_ms=min(self.before_ms, issued_ms))

    def forgotten_at(self) -> int:
        """The instant from which none of them means anything."""
        return max([self.before_until_ms, *self.jtis.values()])

    def _swept(self, now_ms: int) -> "Revocations":
        jtis = {jti: until for jti, until in self.jtis.items() if until > now_ms}
        if self.before_until_ms <= now_ms:
            return Revocations(jtis)
        return replace(self, jtis=jtis)


NONE = Revocations()
