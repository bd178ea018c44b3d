import time

import jwt
import pytest
from multidict import CIMultiDict

from proxy.credentials.account import AccountNames
from proxy.credentials.bearer import Credentials, Sources
from proxy.credentials.keys import Key, KeyRing, Sought
from proxy.credentials.ticket import Tickets
from proxy.credentials.token import TokenRules, TokenVerifier
from proxy.errors import TicketInvalid, TokenExpired, TokenInvalid, TokenMissing
from proxy.model import Playback, Request, Subject, Ticket
from tests.support.signing import NETWORKS, SIGNED_URIS

SECRET = b"s" * 32
ACCOUNTS = AccountNames(SECRET)
TICKETS = Tickets(SECRET, 600, time.time)


def credentials(order: tuple[str, ...] = ("query", "header", "cookie")) -> Credentials:
    ring = KeyRing((Key.symmetric("HS256", SECRET),))
    verifier = TokenVerifier(ring, TokenRules(), ACCOUNTS, SIGNED_URIS)
    return Credentials(verifier, TICKETS, NETWORKS, Sources(order=order))


def token(account: str) -> str:
    return jwt.encode({"sub": account, "exp": int(time.time()) + 3600}, SECRET)


def request(query: str = "", **headers: str) -> Request:
    return Request("GET", "http", "h", "/p", query, CIMultiDict(headers), "127.0.0.1")


@pytest.mark.parametrize(
    "found",
    [
        request(f"token={token('alice')}"),
        request(f"a=1&%74oken={token('alice')}&b"),
        request(Authorization=f"Bearer {token('alice')}"),
        request(Authorization=f"bEARER  {token('alice')}"),
        request(**{"DASH-IF-IETF-Token": token("alice")}),
        request(Cookie=f"a=b; session={token('alice')}"),
        request(Cookie=f'=;;bad cookie; session="{token("alice")}"; c'),
    ],
)
async def test_a_token_is_found_in_query_header_and_cookie(found: Request) -> None:
    assert (await credentials().token_of(found)).subject.account == ACCOUNTS.hashed("alice")


async def test_sources_are_tried_in_the_configured_order_and_no_other() -> None:
    both = request(f"token={token('alice')}", Cookie=f"session={token('bob')}")
    assert (await credentials().token_of(both)).subject.account == ACCOUNTS.hashed("alice")
    turned = credentials(("cookie", "query"))
    assert (await turned.token_of(both)).subject.account == ACCOUNTS.hashed("bob")
    with pytest.raises(TokenMissing):
        await credentials(("header",)).token_of(both)


async def test_a_bad_token_is_an_error_and_not_a_reason_to_try_the_next_source() -> None:
    with pytest.raises(TokenInvalid):
        await credentials().token_of(request("token=bad", Cookie=f"session={token('bob')}"))


@pytest.mark.parametrize("header", ["Basic YTpi", "Bearer", "Bearer ", "", "Token x"])
async def test_another_scheme_or_an_empty_one_is_a_missing_token(header: str) -> None:
    with pytest.raises(TokenMissing):
        await credentials().of(request(Authorization=header))


async def test_a_ticket_comes_before_any_token_and_a_bad_one_is_final() -> None:
    playback = Playback(
        "s", "d", strong=False, content="c", route="r", label="l", network="n", agent="u"
    )
    text = TICKETS.mint(Subject("a" * 32), playback, 1)
    found = await credentials().of(request(f"_sid=seal.{text}&token={token('alice')}"))
    assert isinstance(found, Ticket)
    assert (found.seal, found.text) == ("seal", text)
    with pytest.raises(TicketInvalid):
        await credentials().of(request(f"_sid=x.{text}x&token={token('alice')}"))
    with pytest.raises(TicketInvalid):
        await credentials().of(request(f"_sid=&token={token('alice')}"))


async def test_a_token_that_verified_is_not_verified_again(monkeypatch: pytest.MonkeyPatch) -> None:
    known, text = credentials(), token("alice")
    first = await known.token_of(request(f"token={text}"))

    def verify(_: TokenVerifier, text: str) -> None:
        raise AssertionError(text)

    monkeypatch.setattr(TokenVerifier, "verify", verify)
    assert await known.token_of(request(Authorization=f"Bearer {text}")) is first
    with pytest.raises(AssertionError):
        await known.token_of(request(f"token={text[:-1]}"))


async def test_a_token_that_is_known_expires(monkeypatch: pytest.MonkeyPatch) -> None:
    known, text = credentials(), token("alice")
    await known.token_of(request(f"token={text}"))
    later = time.time() + 4000
    monkeypatch.setattr("proxy.credentials.token.time", lambda: later)
    monkeypatch.setattr("time.time", lambda: later)
    with pytest.raises(TokenExpired):
        await known.token_of(request(f"token={text}"))


async def test_a_token_is_known_as_long_as_its_keys_are_the_same() -> None:
    source = Published()
    verifier = TokenVerifier(KeyRing((), (source,)), TokenRules(), ACCOUNTS, SIGNED_URIS)
    known, text = Credentials(verifier, TICKETS, NETWORKS, Sources()), token("alice")
    source.keys = (Key.symmetric("HS256", SECRET),)
    await known.token_of(request(f"token={text}"))
    source.keys = ()
    with pytest.raises(TokenInvalid):
        await known.token_of(request(f"token={text}"))


class Published:
    """An issuer's keys, which a test replaces."""

    def __init__(self) -> None:
        self.keys: tuple[Key, ...] = ()

    def may_have(self, _: Sought) -> bool:
        return False

    async def look(self) -> bool:
        return False
