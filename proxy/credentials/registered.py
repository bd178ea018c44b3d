"""The registered claims of a token whose signature is good (RFC 7519 §4.1).

Their dates are dates already (``token``), and every text here holds nothing of the token but the
names of claims.
"""

from collections.abc import Mapping
from typing import Any

from proxy.errors import TokenExpired, TokenInvalid


def check(
    claims: Mapping[str, Any],
    now: float,
    *,
    issuers: tuple[str, ...],
    audience: tuple[str, ...],
    leeway: float,
) -> None:
    """Hold the claims against the time (``now``, ``leeway``: seconds) and who is meant.

    Where there are no ``issuers``, or no ``audience``, that claim may be any, or absent.

    Raises:
        TokenExpired: good once, expired now.
        TokenInvalid: one is missing, of a wrong type, or not what it is to be.
    """
    if "exp" not in claims:
        raise _missing("exp")
    if issuers and claims.get("iss") is None:
        raise _missing("iss")
    if max(claims.get("iat", 0), claims.get("nbf", 0)) > now + leeway:
        raise TokenInvalid("The token is not valid yet.")
    if claims["exp"] <= now - leeway:
        raise TokenExpired
    if issuers and claims["iss"] not in issuers:
        raise TokenInvalid("The token is from another issuer.")
    if audience:
        _check_audience(claims.get("aud"), audience)
    for name in ("sub", "jti"):
        if not isinstance(claims.get(name, ""), str):
            raise TokenInvalid(f"The token's {name!r} claim is no text.")


def _check_audience(named: Any, audience: tuple[str, ...]) -> None:
    """Look for one of us in what may be a name, or a list of names (§4.1.3)."""
    if not named:
        raise _missing("aud")
    names = named if isinstance(named, list) else [named]
    if not all(isinstance(name, str) for name in names):
        raise TokenInvalid("The token's 'aud' claim names nobody.")
    if not any(name in audience for name in names):
        raise TokenInvalid("The token is for another audience.")


def _missing(name: str) -> TokenInvalid:
    return TokenInvalid(f"The token has no {name!r} claim.")
