"""The example issuer's users: read from a file, known by a password that the file does not hold."""

from pathlib import Path

import pytest

from issuer.users import User, Users, hashed

USERS = Path(__file__).parents[2] / "config/compose/issuer/users.yaml"


def test_the_example_users_have_the_passwords_that_are_documented() -> None:
    users = Users.load(USERS)
    assert users.authenticate("alice", "tidewater") == User("alice", "standard")
    assert users.authenticate("bob", "redmesa") == User("bob", "basic")
    assert users.authenticate("carol", "greenwood") == User("carol", "premium")


@pytest.mark.parametrize(
    ("name", "password"),
    [("alice", "redmesa"), ("alice", ""), ("alice", "tidewater "), ("mallory", "tidewater")],
)
def test_nobody_else_is_let_in(name: str, password: str) -> None:
    assert Users.load(USERS).authenticate(name, password) is None


def test_the_same_password_is_kept_as_another_text_each_time(tmp_path: Path) -> None:
    kept = [hashed("pässword") for _ in range(2)]
    assert kept[0] != kept[1]
    file = tmp_path / "users.yaml"
    for text in kept:
        file.write_text(f'users: {{eve: {{plan: basic, password: "{text}"}}}}')
        assert Users.load(file).authenticate("eve", "pässword")


@pytest.mark.parametrize(
    "text",
    [
        *("", "users:", "users: [alice]", "{", "users: {alice: {plan: basic}}"),
        "users: {alice: {plan: basic, password: tidewater}}",
        "users: {alice: {plan: basic, password: 'ab:cd'}}",
        "users: {alice: {plan: basic, password: 12}}",
        f"users: {{12: {{plan: basic, password: '{'a' * 32}:{'b' * 64}'}}}}",
        f"users: {{alice: {{plan: 1, password: '{'a' * 32}:{'b' * 64}'}}}}",
        f"users: {{alice: {{plan: basic, password: '{'a' * 32}:{'b' * 64}', limit: 3}}}}",
    ],
)
def test_a_file_of_another_form_stops_the_start_and_is_named(tmp_path: Path, text: str) -> None:
    file = tmp_path / "users.yaml"
    file.write_text(text)
    with pytest.raises(ValueError, match=r"users\.yaml: write users:"):
        Users.load(file)
