"""The settings, all from the environment."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path


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
            ValueError: a variable is missing.
        """

        def needed(name: str) -> str:
            if value := environ.get(name):
                return value
            raise ValueError(f"environment variable not set: {name}")

        return cls(
            url=needed("ISSUER_URL"),
            audience=needed("ISSUER_AUDIENCE"),
            users=Path(needed("ISSUER_USERS")),
            keys=Path(needed("ISSUER_KEYS")),
            cookie_domain=environ.get("ISSUER_COOKIE_DOMAIN") or None,
            watch_url=needed("WATCH_URL"),
            playgate_admin_url=needed("PLAYGATE_ADMIN_URL"),
            playgate_admin_token=needed("PLAYGATE_ADMIN_TOKEN"),
        )
