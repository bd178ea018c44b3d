"""Playback tickets, and the seals that tie a ticket to what it may fetch.

A ticket is minted when a stream is admitted and travels in the URLs of that stream's own
manifests and segments (``_sid=<seal>.<ticket>``), because a URL is the one carrier that every
player passes on. It is a JWT signed with a key derived from ``tickets.secret``: any proxy that
shares the secret reads it, none stores it. All have one and the same header, so there is nothing
to choose by what a header says: a ticket is good if it is what we would have written (RFC 7515
§5.1, with HS256 of RFC 7518 §3.2). That takes a tenth of what a library for all kinds of tokens
does, and so each is verified whenever it comes, and none has to be remembered.

The same playback gets the same ticket for half a ticket's life, so that a live playlist which is
itself the entry does not change all its URLs at each refresh. Where a manifest tells its player by
which URL to refresh it (a dynamic MPD), the ticket in it is renewed in its second half, so that the
player can go on for as long as it keeps its slot.

A seal is a short MAC over (content, place). It is baked into a manifest's template, the same for
every viewer, and means: the manifest of *this content* leads to *this place*. Without it, one
ticket (one counted stream) would open every other manifest behind the same proxy.
"""

import hmac
import json
from collections.abc import Callable, Mapping
from functools import partial
from hashlib import sha256
from operator import itemgetter
from sys import intern
from typing import Any

from proxy.credentials import base64url
from proxy.credentials.account import derive
from proxy.errors import TicketInvalid
from proxy.model import Clock, DeviceClass, Playback, Subject, Ticket

# 72 bits: guessing one online is hopeless, and each segment URI of a playlist carries it.
SEAL_BYTES = 9
# A ticket holds bounded fields only: one with a plan of 256 rare characters has some 6,000.
MAX_TICKET_LENGTH = 8192
# Templates put a few folders below their fixed part; more levels would only cost a hostile client
# nothing and us a MAC each.
MAX_SEAL_DEPTH = 16
# What each ticket says: texts and numbers.
CLAIMS = itemgetter("a", "s", "d", "c", "r", "v", "n", "u", "k", "exp", "g", "i")
KINDS = (*[str] * 9, *[int] * 3)
ENCODER = json.JSONEncoder(separators=(",", ":"))
DECODER = json.JSONDecoder()
CLASSES = {kind.value: kind for kind in DeviceClass}


class Tickets:
    """Mints and reads tickets and seals; ``ttl`` in seconds.

    ``now`` gives the time that they live by, in seconds since the epoch.
    """

    def __init__(self, secret: bytes, ttl: float, clock: Clock) -> None:
        self._key = derive(secret, "ticket")
        self._seal_key = derive(secret, "seal")
        kid = sha256(self._key).hexdigest()[:8]
        self._header = _written({"alg": "HS256", "kid": kid, "typ": "JWT"})
        self._half_life = max(1, int(ttl / 2))
        self.now = clock

    def expiry(self) -> int:
        """When a ticket that is minted now expires: the same for half its life."""
        return (int(self.now()) // self._half_life + 2) * self._half_life

    def is_alive(self, ticket: Ticket) -> bool:
        """Tell whether a ticket that verified has not expired since."""
        return ticket.expires_at > self.now()

    def mint(self, subject: Subject, playback: Playback, instance_ms: int) -> str:
        """Mint the ticket of a playback's instance; it lives between half its ttl and its ttl."""
        claims: dict[str, object] = {
            "exp": self.expiry(),
            "a": subject.account,
            "s": playback.stream,
            "d": playback.device,
            "g": int(playback.strong),
            "c": playback.content,
            "r": playback.route,
            "v": playback.label,
            "n": playback.network,
            "u": playback.agent,
            "i": instance_ms,
            "k": playback.device_class,
        }
        if subject.limit is not None:
            claims["l"] = subject.limit
        if subject.plan is not None:
            claims["p"] = subject.plan
        if subject.jti is not None:
            claims["j"] = subject.jti
        if subject.issued_at is not None:
            claims["t"] = subject.issued_at
        if subject.networks:
            claims["w"] = subject.networks
        if subject.claims:
            claims["m"] = _grouped(subject.claims)
        if subject.confined:
            claims["o"] = 1
        if playback.content_rules:
            claims["q"] = playback.content_rules
        return self._signed(_written(claims))

    def renewed(self, ticket: Ticket) -> str:
        """Give a ticket of the same playback that is in the first half of its life.

        The ticket itself, as long as it is there. A fresh one says what the old one said, and
        names the same instance: what ended that instance ended both.
        """
        if ticket.expires_at - self.now() > self._half_life:
            return ticket.text
        return self.mint(ticket.subject, ticket.playback, ticket.playback.instance_ms or 0)

    def read(self, value: str) -> Ticket:
        """Verify the value of a ticket parameter, seal and ticket.

        The seal is returned, not checked: what it must fit is known by whoever knows the place.

        Raises:
            TicketInvalid: malformed, not signed by us, or expired.
        """
        seal, _, text = value.partition(".")
        header, _, rest = text.partition(".")
        payload = rest.partition(".")[0]
        # Nothing of it is read before it is known to be ours, header and all.
        if (
            not (len(text) <= MAX_TICKET_LENGTH and text.isascii())
            or header != self._header
            or not hmac.compare_digest(self._signed(payload).encode(), text.encode())
        ):
            raise TicketInvalid
        ticket = _read(payload, text, seal)
        if not self.is_alive(ticket):
            raise TicketInvalid("The playback ticket has expired.")
        return ticket

    def _signed(self, payload: str) -> str:
        """Write a ticket: header, payload, and the signature of both."""
        signed = f"{self._header}.{payload}"
        return f"{signed}.{base64url.write(hmac.digest(self._key, signed.encode(), 'sha256'))}"

    def sealer(self, content: str) -> Callable[[str], str]:
        """Give the function that seals places for one content."""
        return partial(self._seal, content.encode() + b"\n")

    def _seal(self, prefix: bytes, place: str) -> str:
        mac = hmac.digest(self._seal_key, prefix + place.encode(), "sha256")
        return base64url.write(mac[:SEAL_BYTES])

    def fits(self, ticket: Ticket, place: str) -> bool:
        """Tell whether the ticket's seal is for that place of the ticket's content."""
        expected = self.sealer(ticket.playback.content)(place)
        return hmac.compare_digest(expected.encode(), ticket.seal.encode("utf-8", "replace"))

    def fits_within(self, ticket: Ticket, path: str) -> bool:
        """Tell whether the seal is for the directory of the path, or a tree the path lies in.

        A place that ends with a slash is a directory: the files in it, none below. With ``**``
        behind it, it is the whole tree: only where a manifest leaves open which directory below it
        is meant, as a DASH template does that names thousands of segments in one URI.
        """
        directory = _directory(path)
        if self.fits(ticket, directory):
            return True
        for _ in range(MAX_SEAL_DEPTH):
            if self.fits(ticket, f"{directory}**"):
                return True
            if len(directory) <= 1:
                break
            directory = _directory(directory)
        return False


def _read(payload: str, text: str, seal: str) -> Ticket:
    """Read the claims of a ticket that is ours.

    Raises:
        TicketInvalid: it is of another version, and lacks what we need, or says it in another way.
    """
    try:
        claims = DECODER.decode(base64url.read(payload.encode()).decode())
        if tuple(map(type, CLAIMS(claims))) != KINDS:
            raise TicketInvalid
        return Ticket(_subject(claims), _playback(claims), claims["exp"], text, seal)
    except (AttributeError, LookupError, TypeError, ValueError) as error:
        raise TicketInvalid from error


def _subject(claims: Mapping[str, Any]) -> Subject:
    return Subject(
        account=claims["a"],
        limit=claims.get("l"),
        plan=claims.get("p"),
        jti=claims.get("j"),
        issued_at=claims.get("t"),
        networks=tuple(claims.get("w", ())),
        claims=_ungrouped(claims["m"]) if "m" in claims else (),
        confined="o" in claims,
    )


def _playback(claims: Mapping[str, Any]) -> Playback:
    # Many viewers' tickets are kept (``beats``), and many of them say the same of these.
    content, route, label = map(intern, (claims["c"], claims["r"], claims["v"]))
    return Playback(
        stream=claims["s"],
        device=claims["d"],
        strong=bool(claims["g"]),
        content=content,
        route=route,
        label=label,
        network=claims["n"],
        agent=claims["u"],
        instance_ms=claims["i"],
        device_class=CLASSES[claims["k"]],
        content_rules=tuple(claims.get("q", ())),
    )


def _written(claims: Mapping[str, object]) -> str:
    """Write a part of a JWT."""
    return base64url.write(ENCODER.encode(claims).encode())


def _grouped(claims: tuple[tuple[str, str], ...]) -> dict[str, list[str]]:
    """Give the values of each claim, for names repeated would make tickets longer."""
    grouped: dict[str, list[str]] = {}
    for name, value in claims:
        grouped.setdefault(name, []).append(value)
    return grouped


def _ungrouped(grouped: Mapping[str, list[str]]) -> tuple[tuple[str, str], ...]:
    return tuple((name, value) for name, values in grouped.items() for value in values)


def _directory(path: str) -> str:
    """Give the directory a path lies in, for a directory the one above."""
    return path[: path.rstrip("/").rfind("/") + 1]
