"""The one place where the names in a token turn into what the rest of the system knows them by.

Also where the secret of the tickets is split: one secret in the configuration, a key of its own
for each use, so that nothing made for one purpose is ever good for another.
"""

import hashlib
import hmac


def derive(secret: bytes, purpose: str) -> bytes:
    """Give the 32-byte key for one purpose (HKDF-Expand's single block, RFC 5869 §2.3)."""
    return hmac.digest(secret, b"playgate " + purpose.encode() + b"\x01", "sha256")


class AccountNames:
    """Turns account names into keyed hashes: the same on every proxy that shares the secret."""

    def __init__(self, secret: bytes) -> None:
        self._key = derive(secret, "account")
        self._token_key = derive(secret, "token")

    def hashed(self, name: str) -> str:
        """Give the account's hash, 32 hexadecimal digits; no text, however odd, is an error."""
        return _keyed(self._key, name, 16)

    def hashed_jti(self, jti: str) -> str:
        """Give the hash of a token's id, 16 hexadecimal digits: compared within one account."""
        return _keyed(self._token_key, jti, 8)


def _keyed(key: bytes, name: str, size: int) -> str:
    raw = name.encode("utf-8", "surrogatepass")
    return hashlib.blake2b(raw, key=key, digest_size=size).hexdigest()
