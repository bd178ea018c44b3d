"""What a signed URI's token is good for: the URI it was made for, or those of a kind. Pure.

A token without a scope is its bearer's session and opens whatever the routes serve. One with a URI
container (RFC 9246 §2.1.11) opens nothing else, in whichever way it came. The scope is checked
where a token is shown: for entries and the viewer's API. What an entry leads to comes with tickets,
each sealed to its place, which is narrower than any container.
"""

import base64
import hashlib
import hmac
import re
from collections.abc import Collection
from dataclasses import dataclass

from proxy.credentials.patterns import Pattern
from proxy.model import Request, Scope
from proxy.query import without

UNRESERVED = re.compile(r"[A-Za-z0-9._~-]", re.ASCII)
ESCAPE = re.compile("%([0-9A-Fa-f]{2})")
# The named hash algorithms (RFC 6920 §9.4) whose values nobody finds a second URI for. Bits.
HASHES = {
    "sha-256": ("sha256", 256),
    "sha-256-128": ("sha256", 128),
    "sha-384": ("sha384", 384),
    "sha-512": ("sha512", 512),
}


def uri_of(request: Request, private: Collection[str]) -> str:
    """Give the URI as the viewer asked for it, without credentials, normalised.

    As RFC 9246 §2.1.15 has it: the signed JWT removed, then RFC 3986 §6.2.2 and §6.2.3 applied.
    Scheme and host are those the viewer used, in lower case, without a default port. The path is
    ``Request.path``, in which what need not be escaped is not.
    """
    query = ESCAPE.sub(_normal_escape, without(request.query, private))
    return f"{request.scheme}://{request.host}{request.path}{f'?{query}' if query else ''}"


def _normal_escape(escape: re.Match[str]) -> str:
    character = chr(int(escape[1], 16))
    return character if UNRESERVED.fullmatch(character) else escape[0].upper()


@dataclass(frozen=True, slots=True)
class HashedUri:
    """The one URI of a hash (RFC 9246 §2.1.15.1)."""

    algorithm: str
    digest: bytes

    def permits(self, method: str, uri: str) -> bool:  # noqa: ARG002  # of a Scope
        """Tell whether the token is good for a request."""
        found = hashlib.new(self.algorithm, uri.encode()).digest()[: len(self.digest)]
        return hmac.compare_digest(found, self.digest)


@dataclass(frozen=True, slots=True)
class UriPattern:
    """All URIs that a regular expression matches (RFC 9246 §2.1.15.2)."""

    pattern: Pattern

    def permits(self, method: str, uri: str) -> bool:  # noqa: ARG002  # of a Scope
        """Tell whether the token is good for a request."""
        return self.pattern.matches(uri)


def container(text: str) -> Scope:
    """Read a URI container (RFC 9246 §2.1.15).

    Raises:
        ValueError: neither ``hash:`` nor ``regex:``, or one that cannot be checked.
    """
    match text.partition(":"):
        case "regex", ":", expression:
            return UriPattern(Pattern(expression))
        case "hash", ":", value:
            return _hashed(value)
    raise ValueError("not one of the forms hash: and regex:")


def _hashed(value: str) -> HashedUri:
    """Read the URL segment form of a named hash (RFC 6920 §5)."""
    name, _, encoded = value.partition(";")
    if name not in HASHES:
        raise ValueError(f"not one of the hash algorithms {', '.join(HASHES)}")
    algorithm, bits = HASHES[name]
    try:
        digest = base64.b64decode(
            encoded + "=" * (-len(encoded) % 4), altchars=b"-_", validate=True
        )
    except ValueError as error:
        raise ValueError("not a base64url value") from error
    if len(digest) * 8 != bits:
        raise ValueError(f"a {name} value has {bits} bits")
    return HashedUri(algorithm, digest)
