"""The hand that takes tokens back: one by its id, or all of an account that are too old.

The body is small and strict: who meant something else than what is understood here would believe
that somebody was logged out. An instant is seconds since the epoch or a text of RFC 3339; one that
can only be a mistake (milliseconds, as a rule) is refused, for what is revoked stays revoked.

"Issued before" takes in what was issued at that very moment, and the moment is as long as it is
written: a whole second, as most tokens have it, does not say what came first within it. A token
that might be older is taken for older. Turned away wrongly, somebody logs in once more; let in
wrongly, nobody would notice who still watches.
"""

import asyncio
import json
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import structlog
from aiohttp import ClientError, web

from proxy.admission.revocations import Revocation
from proxy.admission.store import Store
from proxy.credentials.account import AccountNames
from proxy.credentials.token import MAX_NAME_LENGTH
from proxy.errors import BadRequest
from proxy.listing import rfc3339
from proxy.model import Clock, millisecond
from proxy.spelling import shown
from proxy.web.admin_api import ACCOUNT, account_of, parameters, sent
from proxy.web.replies import empty_reply

# The longest id there is takes 3 KiB where each character is written as two escapes.
MAX_BODY = 4096
# So long it may take to come (seconds).
BODY_SECONDS = 10.0
# Ten years: no token lives longer, and milliseconds taken for seconds are tens of thousands.
MAX_AHEAD = 3660 * 86400
MEMBERS = ("jti", "exp", "issued_before")
# The moment in which it is asked for, by the clock of the proxy that is asked.
NOW = "now"
# RFC 3339 §5.6.
DATE_TIME = re.compile(
    r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,9})?(Z|[+-]\d\d:\d\d)", re.ASCII | re.IGNORECASE
)

log = structlog.get_logger("playgate")


@dataclass(frozen=True, slots=True)
class Memory:
    """For how long a revocation is remembered (seconds).

    ``ttl`` is how long tokens live that do not say so, ``leeway`` how far the issuer's clock may
    be off.
    """

    ttl: float
    leeway: float


class AccountRevocation:
    """Revokes tokens of an account."""

    def __init__(
        self, accounts: AccountNames, store: Store, memory: Callable[[], Memory], clock: Clock
    ) -> None:
        self._accounts = accounts
        self._store = store
        self._memory = memory
        self._clock = clock

    def routes(self) -> Iterable[web.RouteDef]:
        """Give what is answered here."""
        return (web.post(f"{ACCOUNT}/revoke", self._revoke),)

    async def _revoke(self, request: web.Request) -> web.Response:
        parameters(request)
        account = account_of(request, self._accounts)
        revocation = self._wanted(await _document(request))
        ended = await self._store.revoke(account, revocation)
        # The id's hash, as the store has it: the id itself stands in a token.
        one = {"jti": revocation.jti} if revocation.jti else {}
        many = {} if one else {"issued_before": rfc3339(revocation.before_ms)}
        log.info("an operator revoked tokens", account=account, **one, **many, ended=len(ended))
        return sent(empty_reply())

    def _wanted(self, document: Mapping[str, Any]) -> Revocation:
        for name in document:
            if name not in MEMBERS:
                known = "jti, with or without exp, and issued_before"
                raise BadRequest(f"{shown(name)}: unknown member; known are {known}.")
        if ("jti" in document) == ("issued_before" in document):
            raise BadRequest("Give either jti or issued_before.")
        now, memory = self._clock(), self._memory()
        if "jti" in document:
            # Past it, the token is refused anyway.
            until = _instant(document, "exp", now + MAX_AHEAD, default=now + memory.ttl)
            return Revocation(
                until_ms=round((until + memory.leeway) * 1000),
                jti=self._accounts.hashed_jti(_name(document["jti"])),
            )
        if "exp" in document:
            raise BadRequest("exp goes with jti: it is the one token's.")
        is_now = document["issued_before"] == NOW
        moment = now if is_now else _instant(document, "issued_before", now + memory.leeway)
        before_ms = millisecond(moment) + (1000 if moment == int(moment) else 1)
        kept_ms = round((memory.ttl + memory.leeway) * 1000)
        return Revocation(max(millisecond(now), before_ms) + kept_ms, before_ms=before_ms)


async def _document(request: web.Request) -> dict[str, Any]:
    body = b""
    try:
        async with asyncio.timeout(BODY_SECONDS):
            async for chunk in request.content.iter_any():
                body += chunk
                if len(body) > MAX_BODY:
                    raise BadRequest(f"A body has {MAX_BODY} bytes at most.")
    except TimeoutError as error:
        raise BadRequest(f"The body did not come within {BODY_SECONDS:.0f} s.") from error
    except (web.RequestPayloadError, ClientError, ConnectionError) as error:
        raise BadRequest("The body cannot be read.") from error
    try:
        document = json.loads(
            body.decode(), object_pairs_hook=_without_twins, parse_constant=_no_number
        )
    except (ValueError, RecursionError) as error:
        raise BadRequest("The body is not JSON, or names a member twice.") from error
    if not isinstance(document, dict):
        raise BadRequest("The body is not a JSON object.")
    return document


def _without_twins(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Take a member given twice for a mistake, instead of the second for meant (RFC 8259 §4)."""
    document = dict(pairs)
    if len(document) < len(pairs):
        raise ValueError
    return document


def _no_number(_: str) -> None:
    """Refuse NaN and Infinity, which are no JSON (RFC 8259 §6)."""
    raise ValueError


def _name(jti: object) -> str:
    if not isinstance(jti, str) or not 0 < len(jti) <= MAX_NAME_LENGTH:
        raise BadRequest(f"jti: the token's id, a text of 1 to {MAX_NAME_LENGTH} characters.")
    return jti


def _instant(
    document: Mapping[str, Any], member: str, latest: float, *, default: float = 0.0
) -> float:
    """Read an instant into seconds since the epoch; ``default`` where it is not given."""
    if member not in document:
        return default
    value = document[member]
    if isinstance(value, str):
        value = _seconds(value)
    if isinstance(value, bool) or not isinstance(value, int | float) or value < 1:
        raise BadRequest(f"{member}: an instant, in seconds since the epoch or as RFC 3339 has it.")
    if value > latest:
        raise BadRequest(f"{member}: too far in the future. A number is seconds since the epoch.")
    return value


def _seconds(text: str) -> float | None:
    if not DATE_TIME.fullmatch(text):
        return None
    try:
        return datetime.fromisoformat(text.upper()).timestamp()
    except ValueError:
        return None
