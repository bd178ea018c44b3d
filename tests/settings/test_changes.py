"""What is told of two configurations that differ, and what never is."""

from pathlib import Path
from typing import Any

import pytest

from proxy.settings.changes import changes
from proxy.settings.load import from_mapping
from tests.settings.samples import minimal
from tests.support.good_secrets import secret

SECRET = {"kid": "main", "algorithm": "HS256", "secret": "0123456789abcdef0123456789abcdef"}
CANARY = "canary-" + secret("canary")
LIVE = {"name": "live", "path": "/live/**", "origins": ["http://origin:8000"]}
VOD = {"name": "vod", "path": "/vod/**", "origins": ["http://origin:8000"]}


def told(old: dict[str, Any], new: dict[str, Any], base: Path | None = None) -> list[str]:
    before, after = (from_mapping(minimal(**each), base) for each in (old, new))
    return [str(change) for change in changes(before, after)]


def keys(*entries: dict[str, Any]) -> dict[str, Any]:
    return {"auth": {"keys": [*entries]}}


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ({}, {}, []),
        ({}, {"limits": {"default": 3}}, []),  # written out, and the same
        ({}, {"limits": {"default": 5}}, ["limits.default: 3 -> 5"]),
        (
            {"limits": {"default": 5}, "log": {"level": "debug"}},
            {"cors": {"origins": []}},
            ["limits.default: 5 -> 3", 'cors.origins: ["*"] -> []', 'log.level: "debug" -> "info"'],
        ),
        ({}, {"streams": {"ttl": "1m"}}, ['streams.ttl: "30s" -> "1m"']),
        ({}, {"origin": {"max_manifest": "1MiB"}}, ['origin.max_manifest: "8MiB" -> "1MiB"']),
        ({}, {"identity": {"device_header": "X-D"}}, ['identity.device_header: null -> "X-D"']),
        (
            {"limits": {"plans": {"basic": 1, "gold": 2}}},
            {"limits": {"plans": {"basic": 2, "family": 6}}},
            [
                "limits.plans.basic: 1 -> 2",
                "limits.plans.gold: 2 -> null",
                "limits.plans.family: null -> 6",
            ],
        ),
    ],
)
def test_each_key_that_is_another_is_told_as_it_is_written(
    old: dict[str, Any], new: dict[str, Any], expected: list[str]
) -> None:
    assert told(old, new) == expected


def test_items_with_a_name_are_known_by_it_wherever_they_stand() -> None:
    [added] = told({"routes": [LIVE]}, {"routes": [VOD, LIVE]})
    assert added.startswith('routes[vod]: null -> {"name": "vod", "path": "/vod/**"')
    [removed] = told({"routes": [VOD, LIVE]}, {"routes": [LIVE]})
    assert removed.startswith('routes[vod]: {"name": "vod"')
    assert removed.endswith("} -> null")
    changed = told({"routes": [VOD, LIVE]}, {"routes": [VOD, {**LIVE, "segments": "open"}]})
    assert changed == ['routes[live].segments: "signed" -> "open"']
    rules = [{"name": "one", "max": 1}, {"name": "two", "max": 2}]
    observed = [rules[0], {**rules[1], "mode": "observe"}]
    assert told({"limits": {"rules": rules}}, {"limits": {"rules": observed}}) == [
        'limits.rules[two].mode: "enforce" -> "observe"'
    ]


def test_another_order_is_a_change() -> None:
    assert told({"routes": [VOD, LIVE]}, {"routes": [LIVE, VOD]}) == [
        'routes: ["vod", "live"] -> ["live", "vod"]'
    ]


def test_items_without_a_name_of_their_own_are_known_by_their_place() -> None:
    nameless = {"algorithm": "HS256", "secret": CANARY}
    assert told(keys(SECRET, nameless), keys(SECRET, {**nameless, "issuer": "id"})) == [
        'auth.keys[1].issuer: null -> ["id"]'
    ]
    twins = [{**nameless, "kid": "k", "issuer": name} for name in ("a", "b")]
    moved, gone = told(keys(*twins), keys(twins[1]))
    assert moved == 'auth.keys[0].issuer: ["a"] -> ["b"]'
    assert gone.startswith('auth.keys[1]: {"kid": "k", "algorithm": "HS256", "issuer": ["b"]')
    assert gone.endswith("} -> null")


def test_a_key_that_becomes_one_of_another_kind_is_told_whole() -> None:
    by_url = {"algorithms": ["ES256"], "jwks_url": "https://id.example/keys"}
    before, after = told(keys(SECRET), keys(by_url))
    assert before.startswith("auth.keys[main]: {")
    assert before.endswith("} -> null")
    assert after.startswith("auth.keys[https://id.example/keys]: null -> {")


def test_of_a_secret_only_that_it_changed_is_told(tmp_path: Path) -> None:
    other = CANARY[::-1]
    url = "https://id.example/keys?code="
    for old, new, expected in (
        (keys(SECRET), keys({**SECRET, "secret": CANARY}), ["auth.keys[main].secret: changed"]),
        (
            {"tickets": {"secret": CANARY}},
            {"tickets": {"secret": other}},
            ["tickets.secret: changed"],
        ),
        ({"admin": {"token": CANARY}}, {"admin": {"token": other}}, ["admin.token: changed"]),
        (
            {"store": {"url": f"redis://:{CANARY}@r"}},
            {"store": {"url": f"redis://:{other}@r"}},
            ["store.url: changed"],
        ),
        (
            {"store": {"url": f"redis://:{CANARY}@r"}},
            {"store": {"url": f"redis://:{other}@s"}},
            ['store.url: "redis://:********@r" -> "redis://:********@s"'],
        ),
        (
            keys({"algorithms": ["ES256"], "jwks_url": url + CANARY}),
            keys({"algorithms": ["ES256"], "jwks_url": url + other}),
            ["auth.keys[https://id.example/keys?********].jwks_url: changed"],
        ),
    ):
        found = told(old, new, tmp_path)
        assert found == expected
        assert CANARY not in str(found)
        assert other not in str(found)


def test_of_a_file_that_it_names_only_that_its_content_changed_is_told(tmp_path: Path) -> None:
    file = tmp_path / "jwt.secret"
    file.write_text(CANARY)
    mapping = minimal(**keys({"algorithm": "HS256", "kid": "k", "secret_file": "jwt.secret"}))
    before = from_mapping(mapping, tmp_path)
    file.write_text(CANARY[::-1])
    [change] = changes(before, from_mapping(mapping, tmp_path))
    assert str(change) == "auth.keys[k].secret_file: changed"
    assert not change.is_shown
    assert (change.old, change.new) == ("jwt.secret", "jwt.secret")
    other = told(
        keys({**SECRET}),
        keys({"algorithm": "HS256", "kid": "main", "secret_file": "jwt.secret"}),
        tmp_path,
    )
    assert other == [
        'auth.keys[main].secret_file: null -> "jwt.secret"',
        'auth.keys[main].secret: "********" -> null',
    ]
