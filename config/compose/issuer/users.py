"""The users there are: a YAML file with plans and hashed passwords, read once.

``python -m issuer.users`` asks for a password and prints the hash that belongs into the file.
"""

import getpass
import hashlib
import hmac
import secrets
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import yaml

SALT_BYTES = 16
DIGEST_BYTES = 32
# One of the settings that OWASP's Password Storage Cheat Sheet calls equal: 16 MiB, some 0.3 s.
COST, BLOCK_SIZE, PARALLEL = 2**14, 8, 5


@dataclass(frozen=True, slots=True)
class User:
    """Somebody who may log in; ``name`` is the account that streams are counted by."""

    name: str
    plan: str


@dataclass(frozen=True, slots=True)
class _Entry:
    user: User
    password: str


class Users:
    """Checks names and passwords."""

    def __init__(self, entries: Mapping[str, _Entry]) -> None:
        self._entries = entries
        # No password's hash, for a name that nobody has: that answer must not come sooner.
        self._nobody = f"{secrets.token_hex(SALT_BYTES)}:{secrets.token_hex(DIGEST_BYTES)}"

    @classmethod
    def load(cls, path: Path) -> "Users":
        """Read the file: ``users: {NAME: {plan: PLAN, password: HASH}}``.

        Raises:
            OSError, ValueError: it cannot be read, or is not like that.
        """
        try:
            entries = yaml.safe_load(path.read_text())["users"]
            return cls({name: _entry(name, **entry) for name, entry in entries.items()})
        except (yaml.YAMLError, KeyError, TypeError, AttributeError, ValueError) as error:
            raise ValueError(
                f"{path}: write users: {{NAME: {{plan: PLAN, password: HASH}}}}"
            ) from error

    def authenticate(self, name: str, password: str) -> User | None:
        """Give the user whose name and password these are. Takes a while, so not on the loop."""
        entry = self._entries.get(name)
        good = _matches(entry.password if entry else self._nobody, password)
        return entry.user if entry and good else None


def hashed(password: str) -> str:
    """Give the salted hash (scrypt, RFC 7914) that the users' file keeps of a password."""
    salt = secrets.token_bytes(SALT_BYTES)
    return f"{salt.hex()}:{_scrypt(password, salt).hex()}"


def _matches(kept: str, password: str) -> bool:
    salt, _, digest = kept.partition(":")
    return hmac.compare_digest(_scrypt(password, bytes.fromhex(salt)), bytes.fromhex(digest))


def _scrypt(password: str, salt: bytes) -> bytes:
    secret = password.encode()
    return hashlib.scrypt(secret, salt=salt, n=COST, r=BLOCK_SIZE, p=PARALLEL, dklen=DIGEST_BYTES)


def _entry(name: object, *, plan: object, password: str) -> _Entry:
    salt, _, digest = password.partition(":")
    is_hash = len(bytes.fromhex(salt)) == SALT_BYTES and len(bytes.fromhex(digest)) == DIGEST_BYTES
    if not (isinstance(name, str) and isinstance(plan, str) and is_hash):
        raise ValueError(f"user {name}")
    return _Entry(User(name, plan), password)


if __name__ == "__main__":
    sys.stdout.write(hashed(getpass.getpass()) + "\n")
