"""Session tokens: JSON Web Tokens (RFC 7519, with the advice of RFC 8725).

This module decides which key may be used, and reads the configured claims strictly: a claim of the
wrong type is an invalid token, never an ignored claim. Every failure is one of two errors that say
nothing of the token.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from time import time
from typing import Any

from proxy.credentials import jose, registered
from proxy.credentials.account import AccountNames
from proxy.credentials.keys import KeyRing, Sought
from proxy.credentials.signed_uri import SignedUris
from proxy.errors import TokenInvalid
from proxy.model import DeviceClass, Subject, Token

# Real tokens are below 2 KiB; the bound keeps a hostile one from being decoded at all.
MAX_TOKEN_LENGTH = 8192
# Room for e-mail addresses and URNs; an account is hashed, but also read.
MAX_NAME_LENGTH = 256
# Claims that are lists with spaces between (RFC 8693 §4.2; ``scp`` as Entra ID writes it).
SPACED = frozenset({"scope", "scp"})
# Claims that are dates.
DATES = ("exp", "nbf", "iat")
# What a date may be, in JSON as Python reads it; no truth value, which is an integer there.
NUMBERS = (int, float)
# No date is as far off: above it, a float would not tell one second from the next.
FAR_OFF = 2**53


@dataclass(frozen=True, slots=True)
class Claims:
    """The names of the claims that carry what Playgate needs."""

    account: str = "sub"
    device: str = "device_id"
    plan: str = "plan"
    limit: str = "max_streams"
    device_class: str = "device_class"


@dataclass(frozen=True, slots=True)
class TokenRules:
    """What a token must satisfy beyond a good signature; ``leeway`` in seconds.

    ``account_per_issuer``: equal names of two issuers are two accounts. ``listed`` are the values
    that are looked for in other claims than those that are read, by the claim's name.
    """

    issuers: tuple[str, ...] = ()
    audience: tuple[str, ...] = ()
    leeway: float = 10.0
    claims: Claims = Claims()
    account_per_issuer: bool = False
    listed: Mapping[str, frozenset[str]] = field(default_factory=dict)


class KeyUnknown(TokenInvalid):
    """No key that is there verifies the token; one that could be looked for is ``sought``."""

    def __init__(self, sought: Sought) -> None:
        super().__init__("No configured key verifies this token.")
        self.sought = sought


class TokenVerifier:
    """Verifies tokens against a key ring."""

    def __init__(
        self, keys: KeyRing, rules: TokenRules, accounts: AccountNames, signed_uris: SignedUris
    ) -> None:
        self.keys = keys
        self._rules = rules
        self._accounts = accounts
        self._signed_uris = signed_uris

    def verify(self, text: str) -> Token:
        """Verify a token and read its claims.

        Raises:
            TokenInvalid: not a JWT, or a claim is missing or of a wrong type.
            KeyUnknown: no key that is there verifies it; it is a TokenInvalid.
            TokenExpired: good once, expired now.
        """
        if len(text) > MAX_TOKEN_LENGTH:
            raise TokenInvalid(f"A token may have {MAX_TOKEN_LENGTH} characters.")
        return self.read(self._decode(text))

    def _decode(self, text: str) -> Mapping[str, Any]:
        unverified = jose.read(text)
        claims = unverified.claims
        for name in DATES:
            if name in claims:
                _check_instant(claims[name], name)
        for key in self.keys.candidates(unverified.sought):
            if key.verifies(unverified.signed, unverified.signature):
                break
        else:
            raise KeyUnknown(unverified.sought)
        registered.check(
            claims,
            time(),
            issuers=self._rules.issuers,
            audience=self._rules.audience,
            leeway=self._rules.leeway,
        )
        return claims

    def read(self, claims: Mapping[str, Any]) -> Token:
        """Read the claims of a verified token, whose dates are dates.

        Raises:
            TokenInvalid: one is missing, or of a wrong type.
            TokenExpired: it is a signed URI's, for which there is no leeway.
        """
        names = self._rules.claims
        claims = self._signed_uris.decrypted(claims, names.account)
        jti, issued_at = _name(claims, "jti"), claims.get("iat")
        restriction = self._signed_uris.restriction(claims)
        subject = Subject(
            account=self._accounts.hashed(self._account(claims)),
            limit=_limit(claims, names.limit),
            plan=_name(claims, names.plan),
            jti=None if jti is None else self._accounts.hashed_jti(jti),
            issued_at=None if issued_at is None else float(issued_at),
            networks=restriction.networks,
            claims=_listed(claims, self._rules.listed),
            confined=restriction.scope is not None,
        )
        return Token(
            subject=subject,
            expires_at=float(claims["exp"]),
            device=_name(claims, names.device),
            jti=jti,
            scope=restriction.scope,
            device_class=_device_class(claims.get(names.device_class)),
        )

    def _account(self, claims: Mapping[str, Any]) -> str:
        """Name the account as operators do: with its issuer where two issuers may use one name."""
        claim = self._rules.claims.account
        name = _name(claims, claim)
        if name is None:
            raise TokenInvalid(f"The token has no {claim!r} claim.")
        if not _is_text(name):
            raise TokenInvalid(f"The token's {claim!r} claim is no text.")
        if not self._rules.account_per_issuer:
            return name
        issuer = claims.get("iss")
        if not isinstance(issuer, str) or not issuer or " " in issuer or not _is_text(issuer):
            raise TokenInvalid("The token has no 'iss' claim that an account can be known by.")
        return f"{issuer} {name}"


def _is_text(name: str) -> bool:
    """Tell whether a name can be written in UTF-8, as an operator does in a URL.

    Half a surrogate pair, which only an escape in JSON can spell, cannot (RFC 7493 §2.1): nobody
    could list or revoke what such an account plays.
    """
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True


def _name(claims: Mapping[str, Any], claim: str) -> str | None:
    """Read a claim that names something: a non-empty string, or an integer id."""
    value = claims.get(claim)
    if value is None:
        return None
    if value.__class__ is int:  # and no truth value
        value = str(value)
    if not isinstance(value, str) or not 0 < len(value) <= MAX_NAME_LENGTH:
        raise TokenInvalid(f"The token's {claim!r} claim is not a name.")
    return value


def _check_instant(date: Any, claim: str) -> None:
    """Check that a claim is a NumericDate (RFC 7519 §2)."""
    if date.__class__ not in NUMBERS or not abs(date) < FAR_OFF:
        raise TokenInvalid(f"The token's {claim!r} claim is no date.")


def _limit(claims: Mapping[str, Any], claim: str) -> int | None:
    """Read a claim that counts streams: an integer from 0."""
    value = claims.get(claim)
    if value is None:
        return None
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= 10_000:
        raise TokenInvalid(f"The token's {claim!r} claim is not a number of streams.")
    return value


def _listed(
    claims: Mapping[str, Any], listed: Mapping[str, frozenset[str]]
) -> tuple[tuple[str, str], ...]:
    """Find which of the listed values the claims have. Nothing else of them goes any further."""
    if not listed:
        return ()
    found = {
        (name, text)
        for name, values in listed.items()
        for text in _texts(claims.get(name), spaced=name in SPACED)
        if text in values
    }
    return tuple(sorted(found))


def _texts(value: Any, *, spaced: bool) -> Iterator[str]:
    """Give a claim's value, or each of a list, as rules write it; no object, and no fraction.

    ``spaced`` says that a text is a list, too: one with spaces between.
    """
    for item in value if isinstance(value, list) else (value,):
        match item:
            case bool():
                yield str(item).lower()
            case int() | str():
                yield str(item)
            case float() if item.is_integer():  # JSON knows one kind of number (RFC 8259 §6)
                yield str(int(item))
        if spaced and isinstance(item, str):
            yield from item.split(" ")


def _device_class(value: Any) -> DeviceClass | None:
    """Read the class of the device, in capitals or not.

    None where the issuer calls it by a name that is not ours: the User-Agent may tell more.
    """
    try:
        return DeviceClass(value.lower()) if isinstance(value, str) else None
    except ValueError:
        return None
