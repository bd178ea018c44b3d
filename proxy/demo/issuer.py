"""The demo's token issuer: what a login service does for a real proxy, in its smallest form.

It asks nobody for a password, so it must never stand anywhere but in a demo. Its secret is made
anew at each start and leaves the process only for the proxy beside it.
"""

from dataclasses import dataclass
from typing import Final

import jwt

from proxy.model import Clock

ALGORITHM: Final = "HS256"
KEY_ID: Final = "demo"
ISSUER: Final = "playgate-demo"
# An evening: long enough that nobody is logged out in the middle of a demonstration.
TOKEN_SECONDS = 4 * 3600
# As long as the name of a device in a living room gets.
MAX_DEVICE_LENGTH = 48
# Streams at a time. The demo's own, so that the best-known plan shows "three, and the fourth".
PLANS = {"basic": 1, "standard": 3, "premium": 5}


class UnknownViewer(ValueError):
    """There is no such viewer; the message lists those there are."""


@dataclass(frozen=True, slots=True)
class Viewer:
    """Somebody with an account."""

    user: str
    name: str
    plan: str

    @property
    def limit(self) -> int:
        """How many streams the plan allows at a time."""
        return PLANS[self.plan]


VIEWERS = {
    viewer.user: viewer
    for viewer in (
        Viewer("alice", "Alice", "standard"),
        Viewer("bob", "Bob", "basic"),
        Viewer("carol", "Carol", "premium"),
    )
}


class Issuer:
    """Issues session tokens, signed with a secret of at least 32 bytes (RFC 7518 §3.2)."""

    def __init__(self, secret: str, clock: Clock) -> None:
        self.secret = secret
        self._clock = clock

    def token(self, user: str, device: str = "") -> str:
        """Issue a token for a viewer; with ``device`` it is bound to the device of that name.

        Raises:
            UnknownViewer: there is no such viewer.
            ValueError: the device's name is too long or not printable.
        """
        if user not in VIEWERS:
            raise UnknownViewer(f"There is no such viewer; try {', '.join(VIEWERS)}.")
        if len(device) > MAX_DEVICE_LENGTH or not device.isprintable():
            raise ValueError(f"A device's name is {MAX_DEVICE_LENGTH} printable characters.")
        now = int(self._clock())
        claims: dict[str, str | int] = {
            "iss": ISSUER,
            "sub": user,
            "plan": VIEWERS[user].plan,
            "iat": now,
            "exp": now + TOKEN_SECONDS,
        }
        if device:
            claims["device_id"] = device
        return jwt.encode(claims, self.secret, algorithm=ALGORITHM, headers={"kid": KEY_ID})
