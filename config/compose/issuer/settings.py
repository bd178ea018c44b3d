"""The settings, all from the environment."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit


@dataclass(frozen=True, slots=True)
class Settings:
    """Where the issuer is found, what it signs for, and where Playgate is.

    ``url`` is the address that viewers know it by, and the ``iss`` of its tokens. A cookie with
    ``cookie_domain`` reaches every host beneath that domain, Playgate's among them; without one it
    reaches the issuer's own host, on any port (RFC 6265 §8.5).
    """

    url: str
    audience: str
    users: Path
    keys: Path
    cookie_domain: str | None
    watch_url: str
    playgate_admin_url: str
    playgate_admin_token: str

    @classmethod
    def of(cls, environ: Mapping[str, str]) -> "Settings":
        """Read the environment.

        Raises:
            ValueError: a variable is missing, or cannot be meant.
        """

        def needed(name: str) -> str:
            value = environ.get(name)
            if not value:
                raise ValueError(f"environment variable not set: {name}")
            # A line's end, as a rule. The admin token is sent in a header.
            if not value.isprintable():
                raise ValueError(f"environment variable with a character that none shows: {name}")
            return value

        def url(name: str) -> str:
            value = needed(name)
            if not _is_url(value):
                raise ValueError(f"environment variable that is no http(s) URL: {name}")
            return value

        return cls(
            url=url("ISSUER_URL"),
            audience=needed("ISSUER_AUDIENCE"),
            users=Path(needed("ISSUER_USERS")),
            keys=Path(needed("ISSUER_KEYS")),
            cookie_domain=environ.get("ISSUER_COOKIE_DOMAIN") or None,
            watch_url=url("WATCH_URL"),
            playgate_admin_url=url("PLAYGATE_ADMIN_URL"),
            playgate_admin_token=needed("PLAYGATE_ADMIN_TOKEN"),
        )


def _is_url(text: str) -> bool:
    try:
        parts = urlsplit(text)
        return parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
    except ValueError:
        return False
