"""What is accepted and told of, because it is hardly meant so."""

from pathlib import Path

import pytest

from proxy.settings.doubts import doubts
from proxy.settings.load import from_mapping
from proxy.settings.problems import dotted
from proxy.settings.reload import ConfigFile
from tests.settings.samples import MINIMAL, minimal
from tests.support.good_secrets import secret

ROUTE = {"name": "live", "path": "/live", "origins": ["http://origin:8000"]}
TICKETS = {"secret": secret("tickets"), "ttl": "10m"}

# What makes a doubt, its key, what is said, and the same as it would be meant.
DOUBTS: dict[str, tuple[dict[str, object], str, str, dict[str, object]]] = {
    "an admin port for everybody, without a token": (
        {"admin": {"host": "0.0.0.0"}},
        "admin.host",
        "nobody can end a stream",
        {"admin": {"host": "0.0.0.0", "token": secret("admin")}},
    ),
    "an admin port on a name": (
        {"admin": {"host": "proxy.example"}},
        "admin.host",
        "nobody can end a stream",
        {"admin": {"host": "localhost"}},
    ),
    "playbacks that end soon": (
        {"tickets": TICKETS},
        "tickets.ttl",
        "ends each playback after 10m",
        {"tickets": {**TICKETS, "ttl": "1h"}},
    ),
    "slots that lapse between two requests": (
        {"streams": {"ttl": "4s"}},
        "streams.ttl",
        "accounts have more streams than their limit",
        {"streams": {"ttl": "5s"}},
    ),
    "slots on demand that lapse between two requests": (
        {"streams": {"vod_ttl": "4s", "keepalive": False}},
        "streams.vod_ttl",
        "accounts have more streams than their limit",
        {"streams": {"vod_ttl": "5s", "keepalive": False}},
    ),
    "streams that are silent before they could report": (
        {"streams": {"silent_after": "29s"}},
        "streams.silent_after",
        "evicted before its player was to report",
        {"streams": {"silent_after": "29s", "keepalive": False}},
    ),
    "a route of one path that is no manifest": (
        {"routes": [ROUTE]},
        "routes[0].path",
        "with /** at its end, all beneath",
        {"routes": [{**ROUTE, "segments": "open"}]},
    ),
}


@pytest.mark.parametrize(("over", "key", "part", "meant"), DOUBTS.values(), ids=DOUBTS)
def test_what_is_hardly_meant_so_is_doubted(
    over: dict[str, object], key: str, part: str, meant: dict[str, object]
) -> None:
    [(at, why)] = doubts(from_mapping(minimal(**over)))
    assert dotted(at) == key
    assert part in why
    assert list(doubts(from_mapping(minimal(**meant)))) == []


def test_defaults_are_beyond_doubt() -> None:
    assert list(doubts(from_mapping(minimal()))) == []


def test_a_doubt_is_told_with_its_line(tmp_path: Path) -> None:
    file = ConfigFile(tmp_path / "c.yaml", {})
    file.path.write_text(MINIMAL + "admin:\n  host: 0.0.0.0\n")
    [told] = map(str, file.doubts(file.load()))
    assert told.startswith(f"{file.path}:13: admin.host: warning: lets in who is not on this")
