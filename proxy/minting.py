"""Minting tokens with a key of the configuration, to try things out and for tests."""

import json
import time
from collections.abc import Iterable

import jwt

from proxy import wiring
from proxy.credentials.account import AccountNames
from proxy.credentials.keys import KeyRing
from proxy.credentials.token import MAX_NAME_LENGTH
from proxy.errors import Unauthenticated
from proxy.settings.schema import Settings
from proxy.token_keys import fixed_keys


class MintError(Exception):
    """Why no token can be minted, for whoever asked for one."""


def mint(
    settings: Settings,
    *,
    account: str,
    plan: str | None = None,
    limit: int | None = None,
    device: str | None = None,
    ttl: float = 3600.0,
    claims: Iterable[str] = (),
) -> str:
    """Mint a token that the configuration itself accepts; ``ttl`` in seconds.

    ``claims`` are more of them as ``name=value``, where a value that is JSON is taken as such.

    Raises:
        MintError: no key can sign, or a claim is malformed, or was said before.
    """
    keys = KeyRing(tuple(fixed_keys(settings.auth)))
    key = keys.signer()
    if key is None:
        raise MintError("no key of auth.keys can sign: configure a secret or a private_key_file")
    names = settings.auth.claims
    now = int(time.time())
    optional = {names.plan: plan, names.limit: limit, names.device: device}
    payload: dict[str, object] = {
        "iat": now,
        "exp": now + int(ttl),
        names.account: account,
        **{name: value for name, value in optional.items() if value is not None},
    }
    if issuers := key.issuers or settings.auth.issuer:
        payload["iss"] = issuers[0]
    if settings.auth.audience:
        payload["aud"] = settings.auth.audience[0]
    given = {"--account": account, "--plan": plan, "--device": device}
    for option, name in given.items():
        if name is not None:
            _check(option, name)
    options = {names.plan: "--plan", names.limit: "--limit", names.device: "--device"}
    said = {name: option for name, option in options.items() if optional[name] is not None}
    payload |= _others(claims, {"exp": "--ttl", names.account: "--account", **said})
    headers = {"kid": key.kid} if key.kid else None
    try:
        text = jwt.encode(payload, key.signing, algorithm=key.algorithm, headers=headers)
    except (TypeError, ValueError, jwt.PyJWTError) as error:
        raise MintError(str(error)) from error
    try:
        wiring.credentials(settings, keys, AccountNames(settings.tickets.key)).verify(text)
    except Unauthenticated as error:
        raise MintError(f"the configuration would refuse it: {error.detail}") from error
    return text


def _others(claims: Iterable[str], said: dict[str, str]) -> dict[str, object]:
    """Read further claims, none of which an option has ``said`` already.

    Raises:
        MintError: one is malformed, or said twice.
    """
    others: dict[str, object] = {}
    for text in claims:
        _check("--claim", text)
        name, equals, value = text.partition("=")
        if not name or not equals:
            raise MintError(f"--claim {text!r}: write name=value")
        if name in others or name in said:
            option = said.get(name, "another --claim")
            raise MintError(f"--claim {text!r}: {name} is what {option} says")
        others[name] = _value(value)
    return others


def _check(option: str, text: str) -> None:
    """See that a text can be in a token.

    Raises:
        MintError: it is no UTF-8, or a name that is empty or too long.
    """
    try:
        text.encode()
    except UnicodeEncodeError:
        raise MintError(f"{option}: must be UTF-8") from None
    if option != "--claim" and not 0 < len(text) <= MAX_NAME_LENGTH:
        raise MintError(f"{option}: must have 1 to {MAX_NAME_LENGTH} characters")


def _value(text: str) -> object:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return text
