"""A file read again while another configuration runs: what of it can be put in force."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from cryptography.hazmat.primitives.asymmetric import ec

from proxy.settings.load import ConfigError, from_mapping
from proxy.settings.reload import ConfigFile, Reread
from proxy.settings.schema import Settings
from tests.settings.samples import certificate, minimal, pem
from tests.support.good_secrets import secret as good

ENVIRON = {"LIMIT": "3"}
SECRET = "fedcba9876543210fedcba9876543210"


@pytest.fixture
def file(tmp_path: Path) -> ConfigFile:
    return ConfigFile(tmp_path / "c.yaml", ENVIRON)


@pytest.fixture
def reread(file: ConfigFile) -> Callable[..., Reread]:
    """Write one configuration, load it, write another, and read that again."""

    def read_again(old: dict[str, Any], new: dict[str, Any]) -> Reread:
        file.path.write_text(yaml.safe_dump(minimal(**old)))
        running = file.load()
        file.path.write_text(yaml.safe_dump(minimal(**new)))
        return file.reread(running)

    return read_again


def keys(changes: tuple[Any, ...]) -> list[str]:
    return [change.key for change in changes]


def test_what_can_change_in_a_running_process_is_put_in_force(
    reread: Callable[..., Reread],
) -> None:
    found = reread({}, {"limits": {"default": 5}, "log": {"level": "debug"}})
    assert (found.result, keys(found.changed)) == ("reloaded", ["limits.default", "log.level"])
    assert found.needs_restart == ()
    assert found.settings.limits.default == 5


def test_a_file_that_says_the_same_is_no_change(reread: Callable[..., Reread]) -> None:
    found = reread({}, {"limits": {"default": 3}})
    assert (found.result, found.changed, found.needs_restart) == ("unchanged", (), ())


@pytest.mark.parametrize(
    ("section", "key", "old", "new"),
    [
        ("listen", "host", "127.0.0.1", "127.0.0.2"),
        ("listen", "port", 8081, 8082),
        ("admin", "host", "127.0.0.1", "127.0.0.2"),
        ("admin", "port", 9091, 9092),
        ("store", "url", "redis://:canary@a", "redis://:other-canary@b"),
        ("tickets", "param", "_a", "_b"),
        ("tracing", "enabled", False, True),
        ("tickets", "secret", SECRET, f"canary{SECRET}"),
    ],
)
def test_what_needs_a_restart_stays_as_it_is_and_the_rest_does_not(
    reread: Callable[..., Reread], section: str, key: str, old: Any, new: Any
) -> None:
    rest = {"secret": SECRET} if section == "tickets" else {}
    found = reread(
        {section: {**rest, key: old}}, {section: {**rest, key: new}, "limits": {"default": 5}}
    )
    assert keys(found.changed) == ["limits.default"]
    assert keys(found.needs_restart) == [f"{section}.{key}"]
    assert getattr(found.settings, section) == getattr(
        from_mapping(minimal(**{section: {**rest, key: old}})), section
    )
    assert "canary" not in str(found.needs_restart)


def test_so_does_what_its_keys_in_redis_begin_with(reread: Callable[..., Reread]) -> None:
    redis = {"url": "redis://r"}
    found = reread({"store": {**redis, "key_prefix": "a"}}, {"store": {**redis, "key_prefix": "b"}})
    assert (keys(found.changed), keys(found.needs_restart)) == ([], ["store.key_prefix"])
    assert found.settings.store.key_prefix == "a"


def test_another_store_comes_with_all_that_is_said_of_it(reread: Callable[..., Reread]) -> None:
    redis = {"url": "redis://r", "timeout": "2s", "on_outage": "closed"}
    found = reread({}, {"store": redis, "limits": {"default": 5}})
    assert keys(found.changed) == ["limits.default"]
    assert keys(found.needs_restart) == ["store.url", "store.timeout", "store.on_outage"]
    assert found.settings.store == from_mapping(minimal()).store
    same = reread({"store": redis}, {"store": {**redis, "timeout": "1s"}})
    assert (keys(same.changed), same.needs_restart) == (["store.timeout"], ())


def test_where_the_ticket_secret_comes_from_may_change(
    reread: Callable[..., Reread], tmp_path: Path
) -> None:
    (tmp_path / "secret").write_text(f"{SECRET}\n")
    found = reread({"tickets": {"secret": SECRET}}, {"tickets": {"secret_file": "secret"}})
    assert found.needs_restart == ()
    assert keys(found.changed) == ["tickets.secret_file", "tickets.secret"]
    assert found.settings.tickets.key == SECRET.encode()


def test_another_ticket_secret_in_the_same_file_needs_a_restart(
    file: ConfigFile, tmp_path: Path
) -> None:
    secret = tmp_path / "secret"
    secret.write_text(SECRET)
    file.path.write_text(yaml.safe_dump(minimal(tickets={"secret_file": "secret"})))
    running = file.load()
    secret.write_text(good("another"))
    found = file.reread(running)
    assert (found.result, keys(found.needs_restart)) == ("unchanged", ["tickets.secret_file"])
    assert found.settings.tickets.key == SECRET.encode()
    # It stays so, for as long as it is.
    again = file.reread(found.settings)
    assert keys(again.needs_restart) == ["tickets.secret_file"]
    secret.write_text(SECRET)
    assert file.reread(found.settings).needs_restart == ()


def test_to_begin_or_end_with_tls_needs_a_restart_and_another_certificate_does_not(
    reread: Callable[..., Reread], tmp_path: Path
) -> None:
    for name in ("a", "b"):
        private = ec.generate_private_key(ec.SECP256R1())
        (tmp_path / f"{name}.pem").write_text(certificate(private))
        (tmp_path / f"{name}.key").write_text(pem(private))

    def tls(name: str) -> dict[str, Any]:
        return {"listen": {"tls": {"cert": f"{name}.pem", "key": f"{name}.key"}}}

    both = ["listen.tls.cert", "listen.tls.key"]
    begun, ended = reread({}, tls("a")), reread(tls("a"), {})
    for found in (begun, ended):
        assert (found.result, keys(found.needs_restart)) == ("unchanged", both)
    assert begun.settings.listen.tls.cert is None
    assert ended.settings.listen.tls.cert is not None
    renewed = reread(tls("a"), tls("b"))
    assert (keys(renewed.changed), renewed.needs_restart) == (both, ())


def test_what_does_not_go_together_before_a_restart_is_refused_as_a_whole(
    reread: Callable[..., Reread], file: ConfigFile
) -> None:
    with pytest.raises(ConfigError) as raised:
        reread({}, {"store": {"url": "redis://r"}, "events": {"sink": "redis-stream"}})
    first, second = map(str, raised.value.problems)
    assert first.startswith(f"{file.path}:")
    assert first.endswith(": events.sink: needs Redis, and store.url is memory://")
    assert second == f"{file.path}:1: (file): goes together only after a restart: store.url"


def test_variables_and_secret_files_are_read_again(file: ConfigFile, tmp_path: Path) -> None:
    (tmp_path / "jwt").write_text(good("j"))
    auth = {"keys": [{"algorithm": "HS256", "secret_file": "jwt"}]}
    file.path.write_text(yaml.safe_dump(minimal(auth=auth, limits={"default": "${LIMIT}"})))
    running = file.load()
    (tmp_path / "jwt").write_text(good("k"))
    ENVIRON["LIMIT"] = "4"
    try:
        found = file.reread(running)
    finally:
        ENVIRON["LIMIT"] = "3"
    assert [str(change) for change in found.changed] == [
        "auth.keys[0].secret_file: changed",
        "limits.default: 3 -> 4",
    ]


def test_a_bad_file_is_refused_with_everything_that_is_wrong(file: ConfigFile) -> None:
    file.path.write_text(yaml.safe_dump(minimal()))
    running: Settings = file.load()
    file.path.write_text("limits: {default: many}\nroutes: []\n")
    with pytest.raises(ConfigError) as raised:
        file.reread(running)
    assert [problem.key for problem in raised.value.problems] == [
        "auth",
        "tickets",
        "limits.default",
        "routes",
    ]
    file.path.unlink()
    with pytest.raises(ConfigError):
        file.reread(running)
