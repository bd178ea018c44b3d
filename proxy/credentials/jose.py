"""What a token says before anything of it is verified: its header and its claims, read strictly.

Reading is stricter than the standards ask, so that no two readers of one token can disagree:
base64url in its one form (RFC 7515 §2), names that are unique (RFC 7515 §4, RFC 7519 §4), numbers
that are numbers. Nothing read here may be believed; it only says which key to try.
"""

import binascii
import json
import re
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Mapping
from typing import Any, NoReturn

from proxy.credentials.keys import Sought
from proxy.errors import TokenInvalid

# Three parts of unpadded base64url (RFC 7515 §3.1): cheaper than a decoder's exceptions.
COMPACT_JWS = re.compile(r"[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+", re.ASCII)

# Lists and objects in one part: what bounds their depth, which Python's versions bound differently.
MAX_BRACKETS = 256


def read(text: str) -> tuple[Sought, Mapping[str, Any]]:
    """Read a signed token in its compact form: which key it asks for, and its claims.

    Raises:
        TokenInvalid: it is none, or asks for what we do not understand (``crit``, RFC 7515
            §4.1.11: we understand no extensions).
    """
    if not COMPACT_JWS.fullmatch(text):
        raise TokenInvalid("This is not a signed JSON Web Token.")
    header_part, claims_part, signature = text.split(".")
    try:
        header = _object(header_part)
        _bytes(signature)
    except ValueError as error:
        raise TokenInvalid("The token's header cannot be read.") from error
    try:
        claims = _object(claims_part)
    except ValueError as error:
        raise TokenInvalid("The token's claims cannot be read.") from error
    if "crit" in header or header.get("b64", True) is not True:
        raise TokenInvalid("The token asks for an extension that is not known here.")
    algorithm, kid = header.get("alg"), header.get("kid", "")
    if not isinstance(algorithm, str) or not isinstance(kid, str):
        raise TokenInvalid("The token's header cannot be read.")
    issuer = claims.get("iss")
    return Sought(algorithm, header.get("kid"), issuer if isinstance(issuer, str) else None), claims


def _object(part: str) -> dict[str, Any]:
    """Read a JSON object.

    Raises:
        ValueError: it is none, a name stands twice in it, or it is nested too deeply.
    """
    document = _bytes(part).decode("utf-8")
    if document.count("[") + document.count("{") > MAX_BRACKETS:
        raise ValueError("nested too deeply")
    value = json.loads(document, object_pairs_hook=_unique, parse_constant=_no_constant)
    if not isinstance(value, dict):
        raise ValueError("no object")  # noqa: TRY004  # of a document, not a call
    return value


def _bytes(part: str) -> bytes:
    try:
        raw = urlsafe_b64decode(part + "=" * (-len(part) % 4))
    except binascii.Error as error:
        raise ValueError("no base64url") from error
    if urlsafe_b64encode(raw).rstrip(b"=").decode() != part:
        raise ValueError("bits beyond the last byte")
    return raw


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("a name stands there twice")
    return found


def _no_constant(_: str) -> NoReturn:
    """Refuse NaN and Infinity, which Python reads and JSON does not have (RFC 8259 §6)."""
    raise ValueError("no JSON")
