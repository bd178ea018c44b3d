"""The example issuer's sessions: good until they expire or are ended, and made by nobody else."""

import time
from pathlib import Path

import jwt
import pytest

from issuer.keys import SigningKeys
from issuer.sessions import SESSION_SECONDS, Session, Sessions
from issuer.users import User

ALICE = User("alice", "standard")
BOB = User("bob", "basic")


class Clock:
    def __init__(self) -> None:
        # Not in the future of PyJWT, whose clock is its own, when a test moves it a bit.
        self.now = time.time() - 10

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def keys(tmp_path: Path, clock: Clock) -> SigningKeys:
    return SigningKeys(tmp_path, SESSION_SECONDS, clock)


def sessions(keys: SigningKeys, clock: Clock, audience: str = "playgate") -> Sessions:
    return Sessions(keys, issuer="http://issuer.example", audience=audience, clock=clock)


def read(of: Sessions, token: str) -> Session:
    session = of.read(token)
    assert session
    return session


def test_a_session_says_whose_it_is_and_until_when(keys: SigningKeys, clock: Clock) -> None:
    ours = sessions(keys, clock)
    session = read(ours, ours.start(ALICE, "tv"))
    assert session.user == ALICE
    assert session.expires_at == int(clock.now) + SESSION_SECONDS


def test_a_session_ends_by_itself(keys: SigningKeys, clock: Clock) -> None:
    ours = sessions(keys, clock)
    clock.now -= SESSION_SECONDS + 1
    assert ours.read(ours.start(ALICE, "tv")) is None


def test_one_session_is_ended_and_the_others_go_on(keys: SigningKeys, clock: Clock) -> None:
    ours = sessions(keys, clock)
    first, second = ours.start(ALICE, "tv"), ours.start(ALICE, "phone")
    ours.end(read(ours, first))
    assert ours.read(first) is None
    assert ours.read(second)


def test_all_sessions_of_a_user_are_ended_but_for_those_begun_afterwards(
    keys: SigningKeys, clock: Clock
) -> None:
    ours = sessions(keys, clock)
    before, bobs = ours.start(ALICE, "tv"), ours.start(BOB, "tv")
    clock.now += 0.25
    at_once = ours.start(ALICE, "phone")
    ours.end_all(ALICE, clock.now)
    clock.now += 0.25
    after = ours.start(ALICE, "tv")
    assert ours.read(before) is None
    assert ours.read(at_once) is None
    assert ours.read(after)
    assert ours.read(bobs)


def test_what_was_ended_is_forgotten_once_it_would_have_expired(
    keys: SigningKeys, clock: Clock
) -> None:
    ours = sessions(keys, clock)
    ours.end(read(ours, ours.start(ALICE, "tv")))
    last = read(ours, ours.start(ALICE, "tv"))
    clock.now += SESSION_SECONDS + 1
    ours.end(last)
    assert list(ours._ended) == [last.jti]


def test_tokens_for_others_and_of_others_are_no_sessions(
    keys: SigningKeys, clock: Clock, tmp_path: Path
) -> None:
    ours = sessions(keys, clock)
    (tmp_path / "others").mkdir()
    strangers = SigningKeys(tmp_path / "others", SESSION_SECONDS, clock)
    assert ours.read(sessions(strangers, clock).start(ALICE, "tv")) is None
    assert ours.read(sessions(keys, clock, audience="bank").start(ALICE, "tv")) is None
    claims = jwt.decode(ours.start(ALICE, "tv"), options={"verify_signature": False})
    assert ours.read(jwt.encode(claims, "", algorithm="none")) is None
    public = keys.current.public_jwk["x"] * 2
    assert ours.read(jwt.encode(claims, public, algorithm="HS256")) is None
