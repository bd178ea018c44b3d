"""Secrets that a configuration takes: long enough, of many characters, and the same each time."""

from hashlib import sha512


def secret(name: str, length: int = 32) -> str:
    """Give the secret of a name; ``length`` in characters, 128 at most."""
    return sha512(name.encode()).hexdigest()[:length]
