"""What is accepted and told of, because it is hardly meant so."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from proxy.settings.doubts import doubts
from proxy.settings.load import from_mapping
from proxy.settings.problems import dotted
from proxy.settings.reload import ConfigFile
from tests.settings.samples import MINIMAL, certificate, minimal, pem
from tests.support.good_secrets import secret

BEGIN = datetime(2030, 1, 1, 12, tzinfo=UTC)
NOW = BEGIN.timestamp()
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
    [(at, why)] = doubts(from_mapping(minimal(**over)), NOW)
    assert dotted(at) == key
    assert part in why
    assert list(doubts(from_mapping(minimal(**meant)), NOW)) == []


def test_defaults_are_beyond_doubt() -> None:
    assert list(doubts(from_mapping(minimal()), NOW)) == []


PRIVATE = ec.generate_private_key(ec.SECP256R1())
LIFE = timedelta(days=90)


def with_certificate(folder: Path, begin: datetime, life: timedelta = LIFE) -> dict[str, object]:
    """Put a certificate there; give what names it."""
    (folder / "cert.pem").write_text(certificate(PRIVATE, begin, life))
    (folder / "key.pem").write_text(pem(PRIVATE))
    return {"tls": {"cert": "cert.pem", "key": "key.pem"}}


@pytest.mark.parametrize(
    ("since", "why"),
    [
        (-timedelta(seconds=1), "is not valid before 2030-01-01 12:00 UTC, and players refuse it"),
        (timedelta(), None),
        (LIFE - timedelta(days=3), None),
        (LIFE - timedelta(days=3, seconds=-1), "expires at 2030-04-01 12:00 UTC, and players"),
        (LIFE, "has expired at 2030-04-01 12:00 UTC, and players refuse it: renew it"),
    ],
)
def test_a_certificate_that_players_refuse_or_will_within_days_is_doubted(
    tmp_path: Path, since: timedelta, why: str | None
) -> None:
    settings = from_mapping(minimal(listen=with_certificate(tmp_path, BEGIN)), tmp_path)
    told = list(doubts(settings, (BEGIN + since).timestamp()))
    assert [dotted(at) for at, _ in told] == ["listen.tls.cert"] * (why is not None)
    assert [text.startswith(why) for _, text in told if why] == [True] * len(told)


def test_one_that_has_expired_is_told_with_its_line(tmp_path: Path) -> None:
    with_certificate(tmp_path, datetime.now(UTC) - timedelta(days=9), timedelta(days=8))
    file = ConfigFile(tmp_path / "c.yaml", {})
    file.path.write_text(MINIMAL + "listen:\n  tls:\n    cert: cert.pem\n    key: key.pem\n")
    [told] = map(str, file.doubts(file.load()))
    assert told.startswith(f"{file.path}:14: listen.tls.cert: warning: has expired at ")


def test_a_doubt_is_told_with_its_line(tmp_path: Path) -> None:
    file = ConfigFile(tmp_path / "c.yaml", {})
    file.path.write_text(MINIMAL + "admin:\n  host: 0.0.0.0\n")
    [told] = map(str, file.doubts(file.load()))
    assert told.startswith(f"{file.path}:13: admin.host: warning: lets in who is not on this")
