"""The example issuer's keys: kept, replaced without a gap, withdrawn when their time is up."""

import json
import stat
from pathlib import Path

import jwt
import pytest

from issuer.keys import GRACE_SECONDS, PUBLISHED_BEFORE, SigningKeys

TOKEN_SECONDS = 3600
START = 1_700_000_000.0


class Clock:
    now = START

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


def kids(keys: SigningKeys) -> list[str]:
    return [jwk["kid"] for jwk in json.loads(keys.jwks())["keys"]]


def test_a_restart_signs_with_the_same_key(tmp_path: Path, clock: Clock) -> None:
    first = SigningKeys(tmp_path, TOKEN_SECONDS, clock)
    again = SigningKeys(tmp_path, TOKEN_SECONDS, clock)
    assert kids(first) == kids(again) == [again.current.kid]


def test_a_private_key_is_its_owners_alone_and_never_published(
    tmp_path: Path, clock: Clock
) -> None:
    keys = SigningKeys(tmp_path, TOKEN_SECONDS, clock)
    (file,) = tmp_path.iterdir()
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    (jwk,) = json.loads(keys.jwks())["keys"]
    assert sorted(jwk) == ["alg", "crv", "kid", "kty", "use", "x", "y"]


def test_what_is_published_verifies_what_is_signed(tmp_path: Path, clock: Clock) -> None:
    keys = SigningKeys(tmp_path, TOKEN_SECONDS, clock)
    token = jwt.encode({"sub": "alice"}, keys.current.private, algorithm="ES256")
    published = jwt.PyJWKSet.from_json(keys.jwks().decode())
    assert jwt.decode(token, published[keys.current.kid], algorithms=["ES256"])["sub"] == "alice"


def test_the_old_key_stays_published_until_its_last_token_has_expired(
    tmp_path: Path, clock: Clock
) -> None:
    keys = SigningKeys(tmp_path, TOKEN_SECONDS, clock)
    old = keys.current.kid
    clock.now += 86400
    keys.rotate()
    clock.now += PUBLISHED_BEFORE
    new = keys.current.kid
    assert new != old
    clock.now += TOKEN_SECONDS + GRACE_SECONDS - 1
    assert kids(keys) == kids(SigningKeys(tmp_path, TOKEN_SECONDS, clock)) == [new, old]
    clock.now += 1
    assert kids(keys) == [new]
    assert len(list(tmp_path.iterdir())) == 1


def test_a_new_key_is_published_for_a_while_before_it_signs(tmp_path: Path, clock: Clock) -> None:
    keys = SigningKeys(tmp_path, TOKEN_SECONDS, clock)
    old = keys.current.kid
    keys.rotate()
    clock.now += PUBLISHED_BEFORE - 1
    assert keys.current.kid == old == kids(keys)[0]
    new = kids(keys)[1]
    clock.now += 2
    assert keys.current.kid == SigningKeys(tmp_path, TOKEN_SECONDS, clock).current.kid == new


def test_a_new_key_signs_even_where_the_clock_was_set_back(tmp_path: Path, clock: Clock) -> None:
    keys = SigningKeys(tmp_path, TOKEN_SECONDS, clock)
    for _ in range(3):
        clock.now -= 60
        keys.rotate()
    assert kids(keys) == kids(SigningKeys(tmp_path, TOKEN_SECONDS, clock))
    assert len(set(kids(keys))) == 4
    clock.now += 180 + PUBLISHED_BEFORE + 1
    assert kids(keys)[0] == keys.current.kid


def test_the_key_that_signs_is_published_first_and_then_the_newest(
    tmp_path: Path, clock: Clock
) -> None:
    keys = SigningKeys(tmp_path, TOKEN_SECONDS, clock)
    oldest = keys.current.kid
    keys.rotate()
    clock.now += PUBLISHED_BEFORE + 1
    signs = keys.current.kid
    keys.rotate()
    newest = next(kid for kid in kids(keys) if kid not in {oldest, signs})
    assert kids(keys) == [signs, newest, oldest]
    clock.now += PUBLISHED_BEFORE + 1
    assert kids(keys) == [newest, signs, oldest]


def test_a_key_that_cannot_be_kept_is_not_signed_with(tmp_path: Path, clock: Clock) -> None:
    folder = tmp_path / "keys"
    folder.mkdir()
    keys = SigningKeys(folder, TOKEN_SECONDS, clock)
    before = keys.current.kid
    for file in folder.iterdir():
        file.unlink()
    folder.rmdir()
    with pytest.raises(OSError, match="keys"):
        keys.rotate()
    assert kids(keys) == [before] == [keys.current.kid]


@pytest.mark.parametrize(
    ("name", "content"),
    [("1700000000000.pem", "no key"), ("key.pem", None)],
    ids=["no key", "of another name"],
)
def test_a_file_that_is_no_key_of_ours_stops_the_start_and_is_named(
    tmp_path: Path, clock: Clock, name: str, content: str | None
) -> None:
    SigningKeys(tmp_path, TOKEN_SECONDS, clock)
    (ours,) = tmp_path.iterdir()
    (tmp_path / name).write_text(ours.read_text() if content is None else content)
    with pytest.raises(ValueError, match=name):
        SigningKeys(tmp_path, TOKEN_SECONDS, clock)
