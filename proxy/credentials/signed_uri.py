"""What URI signing adds to a token (RFC 9246): the claims whose names begin with ``cdni``.

They are read in whichever way a token came: a claim that restricts a token is never ignored. One
that cannot be checked makes it invalid. Renewal (§3) is what tickets are for: they are in all the
URIs that an admitted manifest leads to, so no cookie carries the token on.
"""

import re
from collections.abc import Callable, Mapping
from typing import Any

from proxy.credentials.encrypted import Decrypter
from proxy.credentials.networks import Networks
from proxy.credentials.scope import container
from proxy.errors import TokenExpired, TokenInvalid
from proxy.model import Clock, Scope
from proxy.values import value

VERSION = 1
# What the names of its claims begin with.
is_ours = re.compile("cdni").match
# IANA, CDNI URI Signing Signed Token Transport: none, cookie; and §3.3.1: query string.
TRANSPORTS = (0, 1, 2)
DEFINED = frozenset(
    {"cdniv", "cdnicrit", "cdniip", "cdniuc", "cdniets", "cdnistt", "cdnistd"}
    | {"iss", "sub", "aud", "exp", "nbf", "iat", "jti"}
)


@value(frozen=True, slots=True)
class Restriction:
    """What a token is restricted to: URIs, and networks in their sealed form."""

    scope: Scope | None = None
    networks: tuple[str, ...] = ()


UNRESTRICTED = Restriction()


class SignedUris:
    """Reads the claims of URI signing; ``understood`` names the other claims that mean something.

    ``now`` gives seconds since the epoch.
    """

    def __init__(
        self, networks: Networks, decrypter: Decrypter, understood: frozenset[str], now: Clock
    ) -> None:
        self._networks = networks
        self._decrypter = decrypter
        self._understood = understood - DEFINED
        self._now = now

    def restriction(self, claims: Mapping[str, Any]) -> Restriction:
        """Give what the claims of a verified token, whose ``exp`` is a date, restrict it to.

        Raises:
            TokenExpired: good once, expired now; no leeway is given here (§2.1.4).
            TokenInvalid: a claim is malformed, or restricts to what cannot be checked.
        """
        if not any(map(is_ours, claims)):
            return UNRESTRICTED
        _check(claims, "cdniv", _is_version)
        _check(claims, "cdnicrit", lambda value: self._is_understood(value, claims))
        _check(claims, "nbf", _is_number)
        if claims["exp"] <= self._now():
            raise TokenExpired
        if claims.get("nbf", 0) > self._now():
            raise TokenInvalid("The token is not valid yet.")
        _check_renewal(claims)
        return Restriction(self._scope(claims), self._network(claims))

    def decrypted(self, claims: Mapping[str, Any], account: str) -> Mapping[str, Any]:
        """Give the claims with that of the account decrypted, where it came as a JWE (§2.1.2).

        Raises:
            TokenInvalid: no key decrypts it. It is never taken as it is: the same account is
                another text each time it is encrypted.
        """
        name = claims.get(account)
        if not isinstance(name, str):
            return claims
        try:
            plain = self._decrypter.text(name)
        except ValueError as error:
            raise TokenInvalid(f"The token's {account!r} claim cannot be decrypted.") from error
        return claims if plain is name else {**claims, account: plain}

    def _is_understood(self, value: Any, claims: Mapping[str, Any]) -> bool:
        if not isinstance(value, str):
            return False
        names = value.split(",")
        known = all(name in self._understood and name in claims for name in names)
        return known and len(set(names)) == len(names)

    def _scope(self, claims: Mapping[str, Any]) -> Scope | None:
        if "cdniuc" not in claims:
            return None
        try:
            return container(claims["cdniuc"])
        except (ValueError, AttributeError) as error:
            raise _unusable("cdniuc") from error

    def _network(self, claims: Mapping[str, Any]) -> tuple[str, ...]:
        if "cdniip" not in claims:
            return ()
        try:
            return (self._networks.sealed(self._decrypter.text(claims["cdniip"])),)
        except (ValueError, TypeError, AttributeError) as error:
            raise _unusable("cdniip") from error


def _check(claims: Mapping[str, Any], claim: str, holds: Callable[[Any], bool]) -> None:
    if claim in claims and not holds(claims[claim]):
        raise _unusable(claim)


def _check_renewal(claims: Mapping[str, Any]) -> None:
    """Check what a renewed token would be made with (§2.1.12 to §2.1.14), used or not."""
    _check(claims, "cdniets", lambda seconds: _is_number(seconds) and seconds > 0)
    _check(claims, "cdnistt", lambda way: _is_integer(way) and way in TRANSPORTS)
    _check(claims, "cdnistd", lambda depth: _is_integer(depth) and depth >= 0)
    if "cdnistt" in claims and "cdniets" not in claims:
        raise TokenInvalid("A token with 'cdnistt' needs 'cdniets' (RFC 9246 §3.2.1).")


def _unusable(claim: str) -> TokenInvalid:
    return TokenInvalid(f"The token's {claim!r} claim cannot be checked here.")


def _is_integer(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _is_version(value: Any) -> bool:
    return _is_integer(value) and value == VERSION


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
