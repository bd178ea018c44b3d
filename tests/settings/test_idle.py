"""What is accepted does something: a value that nothing looks at is told as a mistake."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from proxy.settings.effective import effective
from proxy.settings.load import ConfigError, from_mapping, load
from tests.settings.samples import minimal
from tests.support.good_secrets import secret

KEY = {"algorithm": "HS256", "secret": "0123456789abcdef0123456789abcdef"}
ROUTE = {"name": "live", "path": "/live/**", "origins": ["http://origin:8000"]}
JWKS = {"algorithms": ["ES256"], "jwks_url": "https://id.example/jwks.json"}
IN_MEMORY = "has no use with store.url memory://, which is this process"
OFF = "has no use with enabled: false"


def auth(**over: object) -> dict[str, object]:
    return {"auth": {"keys": [KEY], **over}}


# What makes a value idle, the key, the value, and what is said of it.
IDLE: dict[str, tuple[dict[str, Any], str, object, str]] = {
    "prefix in memory": ({}, "store.key_prefix", "tv", IN_MEMORY),
    "timeout in memory": ({}, "store.timeout", "1s", IN_MEMORY),
    "outage in memory": ({}, "store.on_outage", "closed", IN_MEMORY),
    "queue for nobody": ({}, "events.queue", 500, "has no use with sink: none"),
    "stream for nobody": ({}, "events.max_length", 5000, "has no use with sink: none"),
    "queue for the log": (
        {"events": {"sink": "log"}},
        "events.queue",
        500,
        "has no use with sink: log",
    ),
    "stream for the log": (
        {"events": {"sink": "log"}},
        "events.max_length",
        5000,
        "has no use with sink: log",
    ),
    "interval of what is off": (
        {"streams": {"keepalive": False}},
        "streams.keepalive_interval",
        "10s",
        "has no use with keepalive: false",
    ),
    "query that is not looked at": (
        auth(sources=["header", "cookie"]),
        "auth.query_param",
        "t",
        "has no use without query in auth.sources",
    ),
    "cookie that is not looked at": (
        auth(sources=["header", "query"]),
        "auth.cookie",
        "c",
        "has no use without cookie in auth.sources",
    ),
    "signed URIs that are off": (auth(), "auth.uri_signing.param", "p", OFF),
    "access tokens that are off": (auth(), "auth.cat.query_param", "p", OFF),
    "header of access tokens that are off": (auth(), "auth.cat.header", "X-Cat", OFF),
    "cookie of access tokens that are off": (auth(), "auth.cat.cookie", "c", OFF),
    "access tokens' query that is not looked at": (
        auth(sources=["header"], cat={"enabled": True}),
        "auth.cat.query_param",
        "p",
        "has no use without query in auth.sources",
    ),
    "access tokens' header that is not looked at": (
        auth(sources=["cookie"], cat={"enabled": True}),
        "auth.cat.header",
        "X-Cat",
        "has no use without header in auth.sources",
    ),
    "access tokens' cookie that is not looked at": (
        auth(sources=["query"], cat={"enabled": True}),
        "auth.cat.cookie",
        "c",
        "has no use without cookie in auth.sources",
    ),
    "connecting for longer than all may take": (
        {},
        "origin.connect_timeout",
        "6s",
        "must be at most origin.timeout, or it is never reached",
    ),
}


def put(mapping: Mapping[str, Any], key: str, value: object) -> dict[str, Any]:
    """A configuration with a value under a dotted key."""
    first, _, rest = key.partition(".")
    return {**mapping, first: put(mapping.get(first, {}), rest, value) if rest else value}


@pytest.mark.parametrize(("rest", "key", "value", "message"), IDLE.values(), ids=IDLE)
def test_a_value_that_does_nothing_is_told(
    tmp_path: Path, rest: dict[str, Any], key: str, value: object, message: str
) -> None:
    good = from_mapping(minimal(**rest))
    with pytest.raises(ConfigError) as caught:
        from_mapping(put(minimal(**rest), key, value))
    assert [(one.key, one.message) for one in caught.value.problems] == [(key, message)]
    # What is in force names the default of the same key, and is a configuration.
    path = tmp_path / "effective.yaml"
    shown = effective(good)
    for name in ("key", "tickets"):
        shown = shown.replace("'********'", secret(name), 1)
    path.write_text(shown)
    assert f"{key.rpartition('.')[2]}: " in path.read_text()
    load(path, {})


@pytest.mark.parametrize(
    ("over", "key", "message"),
    [
        (
            {"auth": {"keys": [{**JWKS, "allow_http": True}]}},
            "auth.keys[0].allow_http",
            "has no use with a jwks_url that is https",
        ),
        (
            {"routes": [{**ROUTE, "path": "/live/"}]},
            "routes[0].path",
            "is the folder alone; with ** at its end, all in it",
        ),
    ],
)
def test_what_could_not_have_been_meant_is_told(
    over: dict[str, object], key: str, message: str
) -> None:
    with pytest.raises(ConfigError) as caught:
        from_mapping(minimal(**over))
    assert [(one.key, one.message) for one in caught.value.problems] == [(key, message)]


def test_a_folder_may_be_a_page() -> None:
    pages = [{**ROUTE, "path": "/watch/", "segments": "open"}, {**ROUTE, "name": "b", "path": "/"}]
    assert len(from_mapping(minimal(routes=pages)).routes) == 2


def test_a_timeout_below_the_default_for_connecting_says_enough() -> None:
    assert from_mapping(minimal(origin={"timeout": "500ms"})).origin.timeout == 0.5
