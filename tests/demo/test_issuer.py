import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.credentials.account import AccountNames
from proxy.credentials.keys import Key, KeyRing
from proxy.credentials.token import TokenRules, TokenVerifier
from proxy.demo.issuer import ISSUER, KEY_ID, TOKEN_SECONDS, VIEWERS, Issuer, UnknownViewer
from proxy.errors import TokenExpired, TokenInvalid
from proxy.model import Token
from tests.support.signing import SIGNED_URIS

SECRET = "a-secret-of-at-least-32-bytes-for-the-tests"


def verify(text: str, secret: str = SECRET) -> Token:
    """Verify a token as the proxy behind the demo does."""
    ring = KeyRing((Key.symmetric("HS256", secret.encode(), KEY_ID),))
    rules = TokenRules(issuers=(ISSUER,))
    return TokenVerifier(ring, rules, AccountNames(b"k" * 32), SIGNED_URIS).verify(text)


@pytest.mark.parametrize("user", VIEWERS)
def test_the_proxy_accepts_a_viewers_token_with_its_plan(user: str) -> None:
    token = verify(Issuer(SECRET, time.time).token(user))
    assert (token.subject.plan, token.subject.limit) == (VIEWERS[user].plan, None)
    assert token.device is None
    assert 0 < token.expires_at - time.time() <= TOKEN_SECONDS


def test_viewers_are_different_accounts_and_a_viewer_is_always_the_same() -> None:
    issuer = Issuer(SECRET, time.time)
    accounts = [verify(issuer.token(user, "tv")).subject.account for user in VIEWERS]
    assert len(set(accounts)) == len(VIEWERS)
    assert verify(issuer.token("alice", "phone")).subject.account == accounts[0]


def test_alice_may_watch_three_streams_so_that_the_fourth_is_refused() -> None:
    assert [VIEWERS[user].limit for user in ("bob", "alice", "carol")] == [1, 3, 5]


@given(device=st.text(max_size=48).filter(str.isprintable))
def test_a_token_is_bound_to_the_device_it_is_asked_for(device: str) -> None:
    assert verify(Issuer(SECRET, time.time).token("alice", device)).device == (device or None)


@pytest.mark.parametrize("user", ["mallory", "", "ALICE", "alice "])
def test_nobody_else_gets_a_token(user: str) -> None:
    with pytest.raises(UnknownViewer, match="alice, bob, carol"):
        Issuer(SECRET, time.time).token(user)


@pytest.mark.parametrize("device", ["x" * 49, "tv\n", "\x00", "\u202e"])
def test_a_device_that_cannot_be_shown_is_refused(device: str) -> None:
    with pytest.raises(ValueError, match="printable"):
        Issuer(SECRET, time.time).token("alice", device)


def test_a_token_ends_with_the_evening() -> None:
    long_ago = Issuer(SECRET, lambda: time.time() - TOKEN_SECONDS - 60)
    with pytest.raises(TokenExpired):
        verify(long_ago.token("alice"))


def test_another_start_of_the_demo_does_not_accept_it() -> None:
    text = Issuer(SECRET, time.time).token("alice")
    with pytest.raises(TokenInvalid):
        verify(text, secret="another-secret-of-at-least-32-bytes-here")
