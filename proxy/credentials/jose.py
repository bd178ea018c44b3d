"""What a token says before anything of it is verified: its header and its claims, read strictly.

Reading is stricter than the standards ask, so that no two readers of one token can disagree:
base64url in its one form (RFC 7515 §2), names that are unique (RFC 7515 §4, RFC 7519 §4), numbers
that are numbers. Nothing read here may be believed; it only says which key to try.
"""

import re
from collections.abc import Mapping
from functools import lru_cache
from json import JSONDecoder
from typing import Any, NamedTuple, NoReturn

from proxy.credentials import base64url
from proxy.credentials.keys import Sought
from proxy.errors import TokenInvalid

# Three parts of unpadded base64url (RFC 7515 §3.1): cheaper than a decoder's exceptions.
COMPACT_JWS = re.compile(r"[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+", re.ASCII)

# Lists and objects in one part: what bounds their depth, which Python's versions bound differently.
MAX_BRACKETS = 256

# Headers that are known as they are written, each no longer than a token: those of one key are all
# the same.
MAX_HEADERS = 128


class Unverified(NamedTuple):
    """A token as it is written: which key it asks for, what it claims, and what is signed how."""

    sought: Sought
    claims: Mapping[str, Any]
    signed: bytes
    signature: bytes


def read(text: str) -> Unverified:
    """Read a signed token in its compact form.

    Raises:
        TokenInvalid: it is none, or asks for what we do not understand (``crit``, RFC 7515
            §4.1.11: we understand no extensions).
    """
    if not COMPACT_JWS.fullmatch(text):
        raise TokenInvalid("This is not a signed JSON Web Token.")
    signed, _, signature_part = text.encode().rpartition(b".")
    header_part, _, claims_part = signed.partition(b".")
    try:
        algorithm, kid = _header(header_part)
        signature = base64url.read(signature_part)
    except ValueError as error:
        raise TokenInvalid("The token's header cannot be read.") from error
    try:
        claims = _object(claims_part)
    except ValueError as error:
        raise TokenInvalid("The token's claims cannot be read.") from error
    issuer = claims.get("iss")
    sought = Sought(algorithm, kid, issuer if isinstance(issuer, str) else None)
    return Unverified(sought, claims, signed, signature)


@lru_cache(MAX_HEADERS)
def _header(part: bytes) -> tuple[str, str | None]:
    """Read a header: the algorithm, and the key's id where it has one.

    Raises:
        ValueError: it is none.
        TokenInvalid: it asks for what we do not understand.
    """
    header = _object(part)
    if "crit" in header or header.get("b64", True) is not True:
        raise TokenInvalid("The token asks for an extension that is not known here.")
    algorithm, kid = header.get("alg"), header.get("kid", "")
    if not isinstance(algorithm, str) or not isinstance(kid, str):
        raise ValueError("no names")  # noqa: TRY004  # of a document, not a call
    return algorithm, header.get("kid")


def _object(part: bytes) -> dict[str, Any]:
    """Read a JSON object.

    Raises:
        ValueError: it is none, a name stands twice in it, or it is nested too deeply.
    """
    document = base64url.read(part).decode("utf-8")
    if document.count("[") + document.count("{") > MAX_BRACKETS:
        raise ValueError("nested too deeply")
    value = DECODER.decode(document)
    if not isinstance(value, dict):
        raise ValueError("no object")  # noqa: TRY004  # of a document, not a call
    return value


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("a name stands there twice")
    return found


def _no_constant(_: str) -> NoReturn:
    """Refuse NaN and Infinity, which Python reads and JSON does not have (RFC 8259 §6)."""
    raise ValueError("no JSON")


DECODER = JSONDecoder(object_pairs_hook=_unique, parse_constant=_no_constant)
