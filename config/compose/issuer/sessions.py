"""Sessions: who is logged in, as a signed token that the browser keeps in a cookie.

The token is the whole session and Playgate verifies it by itself. So logging out cannot be a
matter of forgetting: the token has to be revoked, there (``playgate.py``) and here.
"""

import secrets
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import jwt

from issuer.keys import ALGORITHM, SigningKeys
from issuer.users import User

# An evening of television, and the morning after.
SESSION_SECONDS = 12 * 3600


@dataclass(frozen=True, slots=True)
class Session:
    """What a good token says; times in seconds since 1970."""

    user: User
    jti: str
    issued_at: float
    expires_at: int


class Sessions:
    """Starts, reads and ends sessions.

    What was ended is remembered by this process alone. A restart forgets it here, where a session
    opens no more than its own page; Playgate remembers by itself.
    """

    def __init__(
        self, keys: SigningKeys, *, issuer: str, audience: str, clock: Callable[[], float]
    ) -> None:
        self._keys = keys
        self._issuer = issuer
        self._audience = audience
        self._clock = clock
        self._ended: dict[str, int] = {}
        self._ended_until: dict[str, float] = {}

    def start(self, user: User, device: str) -> str:
        """Give a token for a user on a device (RFC 7519)."""
        # With its fraction, as few issuers do: what is logged out everywhere, at a moment with its
        # fraction as well, is then not the login that follows in the same second.
        now = self._clock()
        claims = {
            "iss": self._issuer,
            "aud": self._audience,
            "sub": user.name,
            "plan": user.plan,
            "device_id": device,
            "jti": secrets.token_urlsafe(16),
            "iat": now,
            "exp": int(now) + SESSION_SECONDS,
        }
        key = self._keys.current
        return jwt.encode(claims, key.private, algorithm=ALGORITHM, headers={"kid": key.kid})

    def read(self, token: str) -> Session | None:
        """Give the session of a token; None where it is not ours, has expired, or was ended."""
        claims = self._verified(token)
        if claims is None:
            return None
        session = Session(
            User(claims["sub"], claims["plan"]), claims["jti"], claims["iat"], claims["exp"]
        )
        ended_until = self._ended_until.get(session.user.name, 0)
        ended = session.jti in self._ended or session.issued_at <= ended_until
        return None if ended else session

    def end(self, session: Session) -> None:
        """End one session."""
        now = self._clock()
        self._ended = {jti: exp for jti, exp in self._ended.items() if exp > now}
        self._ended[session.jti] = session.expires_at

    def end_all(self, user: User, until: float) -> None:
        """End the sessions of a user that were started up to a moment."""
        self._ended_until[user.name] = until

    def _verified(self, token: str) -> dict[str, Any] | None:
        for key in self._keys.published():
            try:
                return jwt.decode(
                    token,
                    key.private.public_key(),
                    algorithms=[ALGORITHM],
                    issuer=self._issuer,
                    audience=self._audience,
                    options={"require": ["sub", "jti", "iat", "exp"]},
                )
            except jwt.InvalidSignatureError:
                continue
            except (jwt.PyJWTError, ValueError, RecursionError):
                return None
        return None
